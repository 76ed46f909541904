"""What DeepSpeed compiles on a CPU: `python -m lib.training.prepare` does it at set-up, so that no run's time is spent on it.

On a CPU DeepSpeed loads a shared-memory communication op whenever a group of processes starts. Loading takes a lock, an empty
file that a killed process leaves behind and that every later one would wait for without end.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

STALE_S = 180.0
"""Compiling takes half a minute: a lock this old belongs to nobody."""
POLL_S = 0.2


def init_distributed(backend: str) -> None:
    """`deepspeed.init_distributed` from the environment's rank and address, past a lock that somebody left behind."""
    import deepspeed

    if backend == "gloo":
        from torch.utils.cpp_extension import _get_build_directory

        release_stale(Path(_get_build_directory("deepspeed_shm_comm", False)) / "lock")
    deepspeed.init_distributed(dist_backend=backend, auto_mpi_discovery=False, verbose=False)


def release_stale(lock: Path, stale_s: float = STALE_S) -> None:
    """Wait for a lock to go, and remove it once it is older than `stale_s`."""
    while True:
        try:
            age = time.time() - os.stat(lock).st_mtime
        except FileNotFoundError:
            return
        if age > stale_s:
            lock.unlink(missing_ok=True)
            return
        time.sleep(POLL_S)


def main() -> None:
    """Build the op and load it; on a machine with GPUs there is nothing to build."""
    from deepspeed.accelerator import get_accelerator

    if get_accelerator().device_name() == "cpu":
        from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder

        ShareMemCommBuilder().load()


if __name__ == "__main__":
    main()
