"""Ray, started when the first stage has work and not before; stopped at the end if it was started here.

Where RAY_ADDRESS is set (inside a Ray job it always is) that cluster is used; else a local one is started, with at least
four logical CPUs, since a trial, a group and an engine each need a place. Nothing of this process's environment is sent
to workers but the few variables named here: a runtime environment can be read by anybody who sees the dashboard.

Whoever can talk to a Ray can run code on it. A Ray that is started here asks for a token, as Ray does by itself unless
RAY_AUTH_MODE says otherwise, and shows its dashboard to this machine alone; one that asks for none is called so.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lib.errors import RetriableError, StorageError, UserError
from lib.progress import Progress
from lib.runtime.causes import behind, cause_of, named_cause
from lib.runtime.nodes import refuse_unseen
from lib.runtime.observer import Observer
from lib.runtime.reaper import start_reaper
from lib.store import Store
from lib.study.schema import Cluster

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
NO_TOKEN = "this Ray asks for no token, so whoever reaches it can run code on it: start it with RAY_AUTH_MODE=token"
MIN_CPUS = 4
SMALL_ROWS = 20_000
"""Up to this many rows, work of NumPy and FAISS is done by the driver itself: about a second, and a worker takes three."""
EXCLUDED = [".git", ".venv", "runs", "**/__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", "tests"]
QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DEEPSPEED_LOG_LEVEL": "warning",
}

SHUFFLE_BYTES = 64 << 20
"""Rows that one task of a shuffle puts in order at once. Ray Data's own choice, 1 GiB, is what a worker's memory would grow
to with the corpus."""
NUMBERS = itertools.count(1)
TOO_SLOW = "timed out during startup"
"""What Ray says of a raylet that died at its start: it gives its agents 15 seconds, which cannot be set, and dies without a word
where a busy machine or a cold disk takes longer (github.com/ray-project/ray/issues/65983)."""


def started_here(init: Callable[..., Any], arguments: dict[str, Any], progress: Progress) -> Any:
    """A local Ray; begun a second time where the first was too slow, since by then its files are in memory.

    Raises:
        UserError: it was too slow again.
    """
    for last in (False, True):
        try:
            return init(**arguments)
        except Exception as error:  # Ray raises no class of its own
            if TOO_SLOW not in str(error):
                raise
            if last:
                raise UserError(
                    "Ray did not start on this machine within 15 s, twice: stop what else runs on it, "
                    "or look at raylet.out in the logs of Ray's newest session"
                ) from None
            progress.say("Ray was slow to start on this machine: once more")


class Session:
    """A lazily started Ray. Use as a context manager.

    Args:
        store: whose storage all machines of the cluster must see.
    """

    def __init__(
        self, cluster: Cluster, progress: Progress, observer: Observer | None = None, *, store: Store | None = None
    ) -> None:
        # Who asks Ray for something before `start` would join whatever Ray this machine has, or had: it is to be an error.
        os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
        self.cluster, self.progress, self.observer, self.store = cluster, progress, observer or Observer(), store
        progress.heard = self.observer.ticked
        self.started = self._own = False
        self.last_start: float | None = None
        """No new cell is trained after this time of the monotonic clock (None: no limit)."""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own:
            import ray

            ray.shutdown()

    @property
    def threads(self) -> int:
        """CPU threads of one worker or engine: Ray would set OMP_NUM_THREADS to an actor's logical CPUs."""
        return os.cpu_count() or 1 if self.cluster.threads == "auto" else self.cluster.threads

    @property
    def time_left_s(self) -> float | None:
        """Seconds in which new cells may still be begun; None: no limit."""
        return None if self.last_start is None else self.last_start - time.monotonic()

    @property
    def gpus(self) -> int:
        """GPUs the study may use at once (resolved before planning)."""
        assert isinstance(self.cluster.max_gpus, int)
        return self.cluster.max_gpus

    def start(self) -> None:
        """Connect to the cluster named by RAY_ADDRESS, or start a local one. Idempotent.

        Raises:
            UserError: there is no such cluster, or a machine of it does not see the storage.
        """
        if self.started:
            return
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # C++ warnings of Ray's own making
        os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
        os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # Tune would draw its own tables over our lines
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Ctrl-C is ours: Tune would end its fit and go on
        import logging

        import ray

        # It tells of the token that it made for a local cluster by itself.
        logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
        address = os.environ.get("RAY_ADDRESS")
        inside_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
        arguments: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
        if not ray.is_initialized():
            if address:
                environment = {} if inside_job else {"working_dir": str(ROOT), "excludes": EXCLUDED}
                arguments |= {"address": address, "runtime_env": {**environment, "env_vars": QUIET}}
            else:
                cpus = max(MIN_CPUS, os.cpu_count() or 1) if self.cluster.cpus == "auto" else self.cluster.cpus
                arguments |= {"address": "local", "num_cpus": cpus}
                arguments |= {"include_dashboard": True, "dashboard_host": LOOPBACK}
                arguments |= {"runtime_env": {"env_vars": {**QUIET, "PYTHONPATH": str(ROOT)}}}
                self._own = True
            if self.observer.study and not inside_job:  # there the submission has said it
                arguments["job_config"] = ray.job_config.JobConfig(metadata={"study": self.observer.study})
            try:
                context = ray.init(**arguments) if address else started_here(ray.init, arguments, self.progress)
            except ConnectionError as error:
                raise UserError(f"no Ray cluster at {address}: {error}; unset RAY_ADDRESS to run here") from None
            if self._own:
                start_reaper(context.address_info["session_dir"])
            where = f"http://{context.dashboard_url}" if context.dashboard_url else "none"
            self.progress.say(f"Ray {'at ' + address if address else 'started here'}; dashboard {where}")
            _lock_token()
            if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
                self.progress.say(NO_TOKEN)
        if address and self.store:
            refuse_unseen(self.store.shared)
        self.started = True
        self.observer.refresh()

    @property
    def data(self) -> Any:
        """Ray Data, on the cluster and set up. Only who goes over rows with it waits for its import, over a second."""
        self.start()
        import logging

        import ray.data

        context = ray.data.DataContext.get_current()
        context.shuffle_input_batch_bytes = SHUFFLE_BYTES
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL + 1)  # it logs a user's mistake as its own traceback
        return ray.data

    def named(self, what: str) -> str:
        """A name for the dashboard that says whose it is. Actors' names must differ: each is numbered."""
        return f"{self.observer.study or 'ballast'}: {what} #{next(NUMBERS)}"

    def named_data(self, dataset: Any, what: str) -> Any:
        """A Ray Data set that the dashboard calls by study and stage."""
        dataset.set_name(f"{self.observer.study or 'ballast'}-{what}")
        return dataset

    def beside_driver(self) -> dict[str, Any]:
        """Options of a Ray task or actor without which no work goes on, as none does without the driver: it takes no CPU, and
        lives on the driver's node, so that no other node's loss is its end."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.start()
        here = ray.get_runtime_context().get_node_id()
        return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(here, soft=False)}

    def run_tasks(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        *,
        shared: Sequence[Any] = (),
        threads: int = 1,
        rows: int | None = None,
    ) -> Iterator[Any]:
        """Run a plain function once per argument tuple; yields results as they come.

        Args:
            shared: further arguments, the same for every call, sent once.
            threads: CPU threads of numeric libraries inside a task.
            rows: how many rows all calls work on together. Few are done here: starting a worker would take longer.
        """
        if rows is not None and rows <= SMALL_ROWS:
            for call in calls:
                yield function(*call, *shared)
            return
        import ray

        self.start()
        env = {"env_vars": {"OMP_NUM_THREADS": str(threads)}}
        remote = ray.remote(num_cpus=1, max_retries=3, runtime_env=env)(function)
        sent = [ray.put(one) for one in shared]
        what = function.__name__.strip("_").replace("_", " ")
        waiting = [
            remote.options(name=self.named(f"{what} {call[0]}" if isinstance(call[0], str) else what)).remote(
                *call, *sent
            )
            for call in calls
        ]
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1)
            with remote_errors():
                yield ray.get(ready[0])


def _lock_token() -> None:
    """Ray writes the token of a cluster for all users of the machine to read: only its owner is to."""
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    with suppress(OSError):  # none was written, or it is mounted read-only by who looks after it
        if path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
            path.chmod(0o600)


@contextmanager
def remote_errors() -> Iterator[None]:
    """Raise what a worker raised: its `UserError` as it was, a lost worker as `RetriableError`, too little memory, disk or
    object store as a `RetriableError` that says so."""
    try:
        yield
    except Exception as error:
        if "ray" not in sys.modules:  # then nothing of it came from Ray, which is not imported for this
            raise
        import ray

        if not isinstance(error, ray.exceptions.RayError | MemoryError):
            raise
        mistake = _user_error_behind(error)
        if mistake is not None:
            raise mistake from None
        lost = isinstance(
            error,
            ray.exceptions.RayActorError | ray.exceptions.WorkerCrashedError | ray.exceptions.ObjectLostError
            | ray.exceptions.NodeDiedError | ray.exceptions.LocalRayletDiedError,
        ) and "creation task" not in str(error)  # an actor that died of its own start would again  # fmt: skip
        if lost or _is_retriable(error) or named_cause(error):
            raise RetriableError(cause_of(error)) from error
        raise


def _is_retriable(error: BaseException) -> bool:
    """Did the worker itself say that it may be tried again?"""
    return any(type(cause) is RetriableError for cause in behind(error))


def _user_error_behind(error: BaseException) -> UserError | None:
    """The `UserError` that a worker's exception wraps, at any depth."""
    for cause in behind(error):
        if type(cause) in (UserError, StorageError):
            return UserError(str(cause).splitlines()[0])  # one line by contract; Ray Data adds advice of its own
    # An exception loses its cause on the way from one process to another; what is left of it is the text of the traceback.
    names = "|".join(kind.__qualname__ for kind in (UserError, StorageError))
    told = re.findall(rf"^{UserError.__module__}\.(?:{names}): (.*)$", str(error), flags=re.MULTILINE)
    return UserError(told[-1]) if told else None
