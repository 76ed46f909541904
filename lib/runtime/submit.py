"""Submit a study to a Ray cluster, follow its log, return its exit code. A thin layer over Ray's own job client.

Submitting again is safe. A job that is running for the same study and storage is joined: its log is followed from the
beginning, and nothing is started. One that has ended is started anew under the next number, and does what is missing.
Submission ids are made of the study, so that of two that submit at the same moment the second is told by the cluster.

What cuts the connection does not cut the job: following begins again where it stopped, for as long as the cluster can be
reached, and Ctrl-C only detaches.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from lib.cli import EXIT_INTERRUPTED
from lib.errors import EXIT_FATAL, EXIT_OK, RetriableError, UserError
from lib.outgoing import tell
from lib.runtime.submission import DRIVER, Node, Submission, place_driver

CONNECT_S = 10
RECONNECT_S = 300
"""A cluster that cannot be reached for so long while a job is followed is given up."""
PAUSE_S, MAX_PAUSES = 1.0, 30
"""Between two connections, each of which is told the whole log; longer and longer while nothing new comes."""
LOUD = (
    "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk", "ray._private.runtime_env.packaging",
)  # fmt: skip
"""Loggers of Ray that tell of each upload and connection."""
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters but tab and line end: a log may hold what a model or a data set says, and a terminal would obey it."""


def submit(
    submission: Submission, address: str, *, wait: bool = True, place: str = "auto", out: TextIO | None = None
) -> int:
    """Submit, or join what is running already, and follow it to its end.

    Args:
        address: of the dashboard.
        wait: follow it (False: return when it is accepted).
        place: where the driver runs, see `place_driver`.

    Returns:
        the job's own exit code; 1 where it ended without one, 130 where it was stopped or is no longer followed.

    Raises:
        UserError: no cluster there, no token, or the study runs with other settings.
        RetriableError: the cluster was lost on the way.
    """
    out = out or sys.stdout
    client = connect(address)
    with cluster_errors(address):
        job = join_or_submit(client, submission, address, place, out)
    _say(out, f"follow:  ray job logs --follow {job}    stop: ray job stop {job}    (with --address {address})")
    if not wait:
        return EXIT_OK
    try:
        return follow(client, job, out)
    except KeyboardInterrupt:
        _say(out, f"\ndetached; job {job} goes on. The same command follows it again; ray job stop {job} ends it")
        return EXIT_INTERRUPTED


def connect(address: str) -> Any:
    """Ray's client of a cluster.

    Raises:
        UserError: nothing answers there, or it wants a token.
    """
    os.environ["RAY_API_SERVER_ADDRESS"] = address  # which Ray would let go before the address it is given
    import requests

    with cluster_errors(address):
        requests.get(f"{address}/api/version", timeout=(CONNECT_S, CONNECT_S))  # the client itself waits for minutes
        from ray.job_submission import JobSubmissionClient

        for name in LOUD:
            logging.getLogger(name).setLevel(logging.WARNING)
        return JobSubmissionClient(address)


@contextmanager
def cluster_errors(address: str) -> Iterator[None]:
    """What a cluster refuses, as one line with the remedy."""
    import requests
    from ray.exceptions import AuthenticationError
    from ray.util.state.exception import RayStateApiException

    try:
        yield
    except AuthenticationError as error:
        wrong = "refuses this token" if "failed" in str(error).partition("\n")[0] else "asks for a token"
        raise UserError(
            f"the cluster at {address} {wrong}: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the "
            "cluster's own"
        ) from None
    except (requests.exceptions.RequestException, ConnectionError) as error:
        raise UserError(
            f"no Ray cluster answers at {address} ({type(error).__name__}): is it up (cluster/local.sh up), and its port "
            "forwarded to here?"
        ) from None
    except (RuntimeError, RayStateApiException) as error:
        raise UserError(f"the cluster at {address} refuses: {' '.join(str(error).split())[:300]}") from None


def join_or_submit(client: Any, submission: Submission, address: str, place: str, out: TextIO) -> str:
    """The id of the job that does this study's work, submitted where there is none.

    Raises:
        UserError: this study runs already on this storage, with other settings.
    """
    jobs = client.list_jobs()
    if (running := _running(jobs, submission)) is not None:
        _say(out, f"joined {running}, which is running already")
        return running
    where = place_driver(submission.study, nodes_of(address), place)
    prefix = f"{submission.study.name}-{submission.digest[:8]}"
    ids = (str(job.submission_id).rpartition("-") for job in jobs)
    number = 1 + max((int(last) for first, _, last in ids if first == prefix and last.isdecimal()), default=0)
    with tempfile.TemporaryDirectory(prefix="ballast-") as folder:
        submission.package.write(Path(folder))
        size = submission.package.size_bytes / (1 << 20)
        try:
            job: str = client.submit_job(
                entrypoint=submission.entrypoint,
                submission_id=f"{prefix}-{number}",
                runtime_env={"working_dir": folder},
                metadata=dict(submission.metadata),
                **where,
            )
        except RuntimeError as error:
            if "already exists" not in str(error):
                raise
            running = _running(client.list_jobs(), submission)  # somebody was faster by a moment
            if running is None:
                raise
            _say(out, f"joined {running}, which was submitted a moment ago")
            return running
    _say(out, f"submitted {job}: {submission.entrypoint} ({size:.1f} MiB of code)")
    if where:
        _say(out, f"its driver waits for a machine with the resource {DRIVER}, which may have to be started first")
    return job


def _running(jobs: list[Any], submission: Submission) -> str | None:
    """The job that is doing this study's work, where there is one."""
    for job in jobs:
        told = job.metadata or {}
        same = all(told.get(name) == submission.metadata[name] for name in ("ballast_study", "ballast_storage"))
        if not same or job.status.is_terminal():
            continue
        if told.get("ballast_digest") != submission.digest:
            raise UserError(
                f"study {submission.study.name} runs on this storage already, as {job.submission_id} and with other settings: "
                f"wait for it, stop it with ray job stop {job.submission_id}, or give this one another name, name=..."
            )
        return str(job.submission_id)
    return None


def nodes_of(address: str) -> list[Node]:
    """The living machines of a cluster."""
    from ray.util.state import list_nodes

    found = list_nodes(address, filters=[("state", "=", "ALIVE")], limit=10_000, raise_on_missing_output=False)
    return [Node(is_head=bool(one.is_head_node), resources=dict(one.resources_total or {})) for one in found]


def follow(client: Any, job: str, out: TextIO) -> int:
    """Write a job's log as it grows, until it ends; its exit code.

    Raises:
        RetriableError: the cluster cannot be reached any more.
    """
    import aiohttp
    import requests

    log, lost, pause_s = _Log(out), None, PAUSE_S
    while True:
        shown = log.shown
        try:
            asyncio.run(log.follow(client, job))
            info = client.get_job_info(job)
            if info.status.is_terminal():
                log.end_line()
                return _exit_code(info, job, out)
            lost = None
        except (aiohttp.ClientError, requests.exceptions.RequestException, OSError, RuntimeError) as error:
            lost = lost or time.monotonic()
            if time.monotonic() - lost > RECONNECT_S:
                raise RetriableError(
                    f"the cluster cannot be reached any more ({type(error).__name__}); job {job} may go on, and the same "
                    "command follows it again"
                ) from None
        pause_s = PAUSE_S if log.shown > shown else min(2 * pause_s, MAX_PAUSES * PAUSE_S)
        time.sleep(pause_s)


class _Log:
    """A job's log on its way to a terminal. Each connection tells it from the beginning."""

    def __init__(self, out: TextIO) -> None:
        self.out, self.shown, self.ended = out, 0, True

    def end_line(self) -> None:
        """What comes next begins a line of its own."""
        if not self.ended:
            self.out.write("\n")

    async def follow(self, client: Any, job: str) -> None:
        """Write what is not shown yet, until the connection ends."""
        told = 0
        async for text in client.tail_job_logs(job):
            fresh = text[max(0, self.shown - told) :]
            told += len(text)
            if fresh:
                self.shown, self.ended = told, fresh.endswith("\n")
                self.out.write(UNSEEN.sub("", fresh))
                self.out.flush()


def _exit_code(info: Any, job: str, out: TextIO) -> int:
    """What the job ended with, and a line that says so."""
    status = str(info.status.value)
    if status == "SUCCEEDED":
        _say(out, f"{job} succeeded")
        return EXIT_OK
    if status == "STOPPED":
        _say(out, f"{job} was stopped; what was finished is kept, the same command goes on from there")
        return EXIT_INTERRUPTED
    code = info.driver_exit_code
    if code is None:  # it never came to run, or was lost with its machine
        _say(out, f"{job} failed: {' '.join(UNSEEN.sub('', info.message or '').split())[:500]}")
        return EXIT_FATAL
    code = 128 - code if code < 0 else code or EXIT_FATAL
    _say(out, f"{job} failed with exit code {code}")
    return code


def _say(out: TextIO, text: str) -> None:
    tell(text, out)
