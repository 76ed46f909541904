"""What every job does around its work: arguments, typed study, exit codes."""

from __future__ import annotations

import argparse
import os
import select
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from lib.errors import EXIT_FATAL, EXIT_GOAL, EXIT_OK, EXIT_USER, GoalMissed, RetriableError, UserError
from lib.location import is_anywhere, is_bucket
from lib.outgoing import tell
from lib.study import Study, load_study

EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
"""Nobody reads our output any more. Cut off by it is not done: what comes after `&&` must not run."""


def parser(job: str, what: str) -> argparse.ArgumentParser:
    """The parser of a job: STUDY and overrides, `key.path=value` or files laid over it."""
    made = argparse.ArgumentParser(prog=f"python -m jobs.{job}", description=what)
    made.add_argument("study", type=Path, help="a study file (YAML)")
    made.add_argument(
        "overrides",
        nargs="*",
        metavar="key.path=value",
        help="override a value of the study; or FILE.yaml, laid over it",
    )
    return made


def read_study(arguments: argparse.Namespace) -> Study:
    """The study of the command line, with what only this machine can tell filled in.

    Raises:
        UserError: a bad study, or a relative storage inside a Ray job.
    """
    study = load_study(arguments.study, arguments.overrides)
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ and not is_anywhere(study.storage):
        raise UserError(
            f"storage {study.storage!r} is relative and would vanish with the job's folder: "
            "give one that every node sees, storage=/shared/runs or storage=s3://bucket/prefix"
        )
    cluster = study.cluster
    if cluster.max_gpus == "auto":
        cluster = cluster.model_copy(update={"max_gpus": local_gpus()})
    storage = study.storage if is_bucket(study.storage) else str(Path(study.storage).expanduser().absolute())
    return study.model_copy(update={"storage": storage, "cluster": cluster})


def local_gpus() -> int:
    """NVIDIA GPUs of this machine that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([one for one in visible.split(",") if one.strip() not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def run_job(work: Callable[[Sequence[str]], int], arguments: Sequence[str] | None = None) -> int:
    """Run a job's work and turn what it raises into an exit code and, for the user's mistakes, one line."""
    if arguments is None:  # this process is the job's own
        sys.excepthook = _tell_traceback
    try:
        return work(sys.argv[1:] if arguments is None else arguments)
    except UserError as error:
        tell(f"error: {error}", sys.stderr)
        return EXIT_USER
    except GoalMissed as miss:
        tell(f"goal missed: {miss}", sys.stderr)
        return EXIT_GOAL
    except RetriableError as error:
        tell(f"failed: {error}\nwhat was finished is kept; the same command goes on from there", sys.stderr)
        return EXIT_FATAL
    except BrokenPipeError:
        gone = [stream for stream in (sys.stdout, sys.stderr) if not _is_read(stream)]
        if not gone:  # another pipe, of a worker or a subprocess
            raise
        for stream in gone:  # whoever read our output has seen enough (`| head`)
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return EXIT_PIPE
    except KeyboardInterrupt:
        print("\nstopped; what was finished is kept, the same command goes on from there", file=sys.stderr)
        return EXIT_INTERRUPTED


def _is_read(stream: TextIO) -> bool:
    """Is there still somebody at the other end of a stream? Always, where it is no pipe."""
    poll = select.poll()
    try:
        poll.register(stream.fileno(), select.POLLOUT)
    except (OSError, ValueError):  # no file at all
        return True
    return not any(found & (select.POLLERR | select.POLLHUP) for _, found in poll.poll(0))


def _tell_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The traceback of our own mistakes, which may quote a URL, a header or an answer, as a terminal may be given it."""
    tell("".join(traceback.format_exception(kind, error, trace)).rstrip(), sys.stderr)


def run_until(
    job: str, what: str, stage: str, in_words: Callable[[Mapping[str, Any]], str] | None = None
) -> Callable[[Sequence[str]], int]:
    """The work of a job that runs a study up to one stage.

    Args:
        in_words: the stage's outcome as the last line, from the facts of its artifact.
    """

    def work(arguments: Sequence[str]) -> int:
        study = read_study(parser(job, what).parse_intermixed_args(arguments))
        from lib.progress import Progress
        from lib.runtime.outputs import study_words
        from lib.runtime.pipeline import run

        plan, lookup = run(study, Progress(), until=stage)
        for node in plan.nodes(stage):
            tell(f"{stage} {node.title}: {lookup.words(node)}")
        tell(f"study folder: {study_words(study)}")
        if in_words:
            for node in plan.nodes(stage):
                tell(in_words(lookup.facts(node) or {}))
        return EXIT_OK

    return work
