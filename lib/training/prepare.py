"""What DeepSpeed compiles on a machine: `python -m lib.training.prepare` does it at set-up, so that no run's time is spent on it.

On a CPU DeepSpeed loads a shared-memory communication op whenever a group of processes starts, and where it swaps to a disk an
op for that. Three traps lie there. What is compared before an op is taken as built are paths of the environment that asks, so
that two checkouts which share a folder would compile in turn: every environment has a folder of its own. Loading takes a
lock, an empty file that a killed process leaves behind and that every later one would wait for without end. And `ninja`, which
compiles, is whichever the search path names: where none is installed beside this environment's there is none to be found, and
two of different versions discard each other's notes and compile all of it anew, in turn, so that it is always this
environment's own.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
import time
from pathlib import Path

VARIABLE = "TORCH_EXTENSIONS_DIR"
STALE_S = 180.0
"""Compiling takes half a minute, and minutes on a busy machine: a lock beside which nothing was written for so long belongs to
nobody."""
POLL_S = 0.2


def extensions_folder() -> Path:
    """Where ops are compiled to: $TORCH_EXTENSIONS_DIR, or a folder of this environment in the user's cache, which it is then
    set to."""
    if not os.environ.get(VARIABLE):
        environment = hashlib.sha256(sys.prefix.encode()).hexdigest()[:12]
        cache = Path.home() / ".cache" / "torch_extensions"
        os.environ[VARIABLE] = str(cache / f"{sys.implementation.cache_tag}-{environment}")
    return Path(os.environ[VARIABLE])


def use_own_ninja() -> None:
    """Let this process find the `ninja` of its environment before any other, as the workers of Ray do."""
    own, path = sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)
    if path.partition(os.pathsep)[0] != own:
        os.environ["PATH"] = os.pathsep.join((own, path))


def init_distributed(backend: str) -> None:
    """`deepspeed.init_distributed` from the environment's rank and address, past locks that somebody left behind."""
    folder = extensions_folder()
    use_own_ninja()
    import deepspeed

    for lock in folder.glob("*/lock"):
        release_stale(lock)
    deepspeed.init_distributed(dist_backend=backend, auto_mpi_discovery=False, verbose=False)


def release_stale(lock: Path, stale_s: float = STALE_S) -> None:
    """Wait for a lock to go, and remove it once nothing was written to its folder for `stale_s`."""
    while True:
        try:
            if not lock.exists():
                return
            written = max(entry.stat().st_mtime for entry in os.scandir(lock.parent))
        except FileNotFoundError:  # an object file that the linker has taken
            continue
        if time.time() - written > stale_s:
            lock.unlink(missing_ok=True)
            return
        time.sleep(POLL_S)


def main() -> None:
    """Build the op and load it; on a machine with GPUs there is nothing to build."""
    extensions_folder()
    use_own_ninja()
    from deepspeed.accelerator import get_accelerator

    if get_accelerator().device_name() == "cpu":
        from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder

        ShareMemCommBuilder().load()


if __name__ == "__main__":
    main()
