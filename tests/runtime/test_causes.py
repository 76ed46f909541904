"""Why a process was lost, in one line: from what Ray 2.60 says (recorded), and from what workers raise."""

from __future__ import annotations

import pytest

from lib.errors import RetriableError, UserError
from lib.runtime.causes import (
    KILLED,
    NODE_LOST,
    NODE_OUT_OF_MEMORY,
    OUT_OF_GPU_MEMORY,
    OUT_OF_MEMORY,
    cause_of,
    named_cause,
)
from lib.runtime.session import Session, remote_errors

DIED = (
    "The actor died unexpectedly before finishing this task.\n\tclass_name: CellEngine\n\tpid: 29727\n\tip: 10.0.0.2\n"
)
KILLED_TEXT = (
    "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker "
    "unexpectedly exits with a connection error code 2. End of file. Some common causes include: (1) the process was killed "
    "by the OOM killer due to high memory usage, (2) ray stop --force was called, or (3) the worker crashed unexpectedly due "
    "to SIGSEGV or another unexpected error. If the process was killed by the kernel OOM killer (verifiable by checking for "
    "OOM in dmesg of the OOMing node), consider enabling resource isolation via --enable-resource-isolation to prevent node "
    "deaths by resource contention and significant loss of progress by uninformed kernel OOM killing."
)
NODE_TEXT = (
    "The actor died because its node has died. Node Id: 4dd14f72bbc5a8d711b1e10f\n\tthe actor's node was preempted."
)
PRESSURE_TEXT = (
    "Task was killed due to the node running low on memory.\nMemory on the node (IP: 10.0.0.2) was 19.0GB / 20.0GB."
)


def of_actor(text: str) -> Exception:
    import ray

    return ray.exceptions.RayActorError(error_msg=DIED + text)


def test_a_lost_process_has_one_of_a_few_causes() -> None:
    import ray

    assert cause_of(of_actor(KILLED_TEXT)) == KILLED
    assert cause_of(of_actor(NODE_TEXT)) == NODE_LOST
    assert cause_of(of_actor(PRESSURE_TEXT)) == NODE_OUT_OF_MEMORY
    assert cause_of(ray.exceptions.OutOfMemoryError(PRESSURE_TEXT)) == NODE_OUT_OF_MEMORY
    assert cause_of(ray.exceptions.NodeDiedError("gone")) == NODE_LOST
    assert cause_of(ray.exceptions.WorkerCrashedError()) == KILLED
    assert "object store is full" in cause_of(ray.exceptions.ObjectStoreFullError("no room"))
    assert "disk" in cause_of(ray.exceptions.OutOfDiskError("no room"))
    assert all("\n" not in cause_of(of_actor(text)) for text in (KILLED_TEXT, NODE_TEXT, PRESSURE_TEXT))


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError(), OUT_OF_MEMORY),
        (RuntimeError("worker told:\nTraceback ...\nMemoryError"), OUT_OF_MEMORY),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
                "allocate 4503599627370496 bytes. Error code 12 (Cannot allocate memory)"
            ),
            OUT_OF_MEMORY,
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."), OUT_OF_GPU_MEMORY),
        (RuntimeError("the node of this tree died"), None),  # a word of Ray's in an error of somebody else's
        (ValueError("shapes differ"), None),
    ],
)
def test_what_a_worker_raises_is_named_where_it_has_a_name(error: Exception, cause: str | None) -> None:
    assert named_cause(error) == cause
    assert cause_of(error) == (cause or str(error))


def wrapped(inner: Exception, outer: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


def test_the_cause_is_found_behind_what_wraps_it() -> None:
    assert named_cause(wrapped(MemoryError(), ValueError("the batch could not be made"))) == OUT_OF_MEMORY


def test_a_worker_that_ray_train_hears_no_more_of_is_a_lost_process() -> None:
    from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

    told = WorkerHealthCheckFailedError("A worker health check failed.\nWorker info: ...", of_actor(KILLED_TEXT))
    assert cause_of(told) == KILLED


def runs_out(kind: str) -> None:
    """Asks for more than any machine has, or is taken for lost."""
    if kind == "bytes":
        bytearray(1 << 50)
    if kind == "tensor":
        import torch

        torch.empty(1 << 50)
    raise RetriableError("a peer was lost")


@pytest.mark.ray
@pytest.mark.parametrize(
    ("kind", "cause"), [("bytes", OUT_OF_MEMORY), ("tensor", OUT_OF_MEMORY), ("peer", "a peer was lost")]
)
def test_a_worker_that_runs_out_of_memory_is_one_line(ray_session: Session, kind: str, cause: str) -> None:
    with pytest.raises(RetriableError) as raised:
        list(ray_session.run_tasks(runs_out, [(kind,)]))
    assert str(raised.value) == cause


def test_no_cause_takes_the_place_of_a_users_mistake() -> None:
    with pytest.raises(UserError, match=r"^no such column$"), remote_errors():
        raise wrapped(UserError("no such column"), of_actor(KILLED_TEXT))
