"""Why a process was lost, in one line that says what to do.

Ray tells of a lost process in a paragraph: addresses, identifiers, and three guesses. What a reader wants of it is one of a
few causes. Of these, too little memory, disk or object store are theirs to mend; a killed process or a lost node is not,
and the work is tried again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lib.errors import RetriableError

MEMORY = "lower train.micro_batch, encoder.batch or sweep.max_concurrent, or take a larger machine"
STORE = "start Ray with a larger object store (ray start --object-store-memory BYTES)"
DISK = "free some space where Ray keeps its session (ray start --temp-dir), or take a larger disk"

OUT_OF_MEMORY = f"out of memory: {MEMORY}"
OUT_OF_GPU_MEMORY = (
    "out of GPU memory: lower train.micro_batch (or evaluate.engine.gpu_memory), choose an offloading train.deepspeed, "
    "or take a larger GPU"
)
NODE_OUT_OF_MEMORY = f"out of memory: Ray ended the process before its node had none left; {MEMORY}"
NODE_LOST = "its node was lost"
KILLED = "its process was killed; where nobody did that, its machine was out of memory"

UNREACHABLE = "it cannot be reached any more: its node or its process was lost"

_SIGNS = (
    # Most telling first: a node that is lost also breaks a connection.
    (r"NODE_OUT_OF_MEMORY|node running low on memory|due to memory pressure", NODE_OUT_OF_MEMORY),
    (r"CUDA out of memory|CUDA error: out of memory", OUT_OF_GPU_MEMORY),
    (r"DefaultCPUAllocator: .*memory|Cannot allocate memory", OUT_OF_MEMORY),
    (r"^MemoryError\b", OUT_OF_MEMORY),  # an exception that has lost its type on the way here
)
_SIGNS_OF_LOSS = (
    (r"NODE_DIED|[Nn]ode\b.* (?:has died|died|is dead|was dead|marked dead)", NODE_LOST),
    (r"SIGKILL|connection error code 2|exit code 137|worker died unexpectedly", KILLED),
    (r"is temporarily unavailable", UNREACHABLE),
)
"""What Ray says of processes that it has lost. In the text of any other error, such words may mean anything."""

WRAPS = ("cause", "health_check_failure")
"""Attributes in which errors of Ray, and of Ray Train for a worker that answers no more, keep what they are about."""


def last_line(error: BaseException) -> str:
    """The last line of an error's text, where Ray puts what was raised; of one of ours what it says, without its class."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    ours = f"{RetriableError.__module__}.{RetriableError.__qualname__}: "
    return (lines[-1].removeprefix(ours) if lines else type(error).__name__)[:300]


def named_cause(error: BaseException) -> str | None:
    """The cause behind an error where it is one of those that have a name, in one line; None: some other error.

    Args:
        error: what Ray raised for a lost process, or what a worker raised.
    """
    import ray

    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (ray.exceptions.OutOfMemoryError, NODE_OUT_OF_MEMORY),
        (ray.exceptions.ObjectStoreFullError, f"Ray's object store is full: {STORE}"),
        (ray.exceptions.OutOfDiskError, f"Ray's object store and its disk are full: {DISK}"),
        (ray.exceptions.NodeDiedError, NODE_LOST),
        (MemoryError, OUT_OF_MEMORY),
    )
    for one in behind(error):
        for kind, cause in kinds:
            if isinstance(one, kind):
                return cause
        if type(one).__name__ in ("OutOfMemoryError", "OutOfMemoryException"):  # torch's own, without importing torch
            return OUT_OF_GPU_MEMORY
    for one in behind(error):
        lost = isinstance(one, (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError))
        for sign, cause in (*_SIGNS, *_SIGNS_OF_LOSS) if lost else _SIGNS:
            if re.search(sign, str(one), flags=re.MULTILINE):
                return cause
    return None


def cause_of(error: BaseException) -> str:
    """`named_cause`, or else the last line of what was raised."""
    return named_cause(error) or last_line(error)


def behind(error: BaseException) -> Iterator[BaseException]:
    """An error, and every one that it wraps, at any depth."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        wrapped = next(
            (found for name in WRAPS if isinstance(found := getattr(cause, name, None), BaseException)), None
        )
        cause = wrapped or cause.__cause__ or cause.__context__
