"""Nothing of a local Ray outlives the driver that started it.

Ray binds the processes it starts to their parent by a signal, so that most of them die with a driver that is killed. The
agents beside a raylet do not: each notices that the raylet is gone, wants to tell a server that is gone too, and waits a
minute for that, one after the other. So the driver starts a small process in a session of its own that holds one end of a pipe
and waits for the other to close, which the system does whatever ends the driver. Then it ends what still writes the logs of
that Ray session: every process of Ray does, and nobody else.

It imports little and no Ray, since it is there for as long as the run is. Without /proc (macOS) it could not see who writes
what, and is not started.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
TIMES, PAUSE_S = 100, 0.1


def start_reaper(session_dir: str) -> None:
    """Have what writes below `session_dir` ended when this process is gone."""
    if not PROC.is_dir():
        return
    read, _never_closed = os.pipe()
    subprocess.Popen(
        [sys.executable, "-S", "-E", __file__, session_dir], stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, cwd="/",
    )  # fmt: skip
    os.close(read)


def writers(folder: str) -> Iterator[int]:
    """Processes that have a file below `folder` open for writing; a reader of logs is none."""
    below = f"{folder.rstrip('/')}/"
    for process in PROC.iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if any(_writes(link, below) for link in (process / "fd").iterdir()):
                    yield int(process.name)


def _writes(link: Path, below: str) -> bool:
    try:
        return os.readlink(link).startswith(below) and bool(link.lstat().st_mode & stat.S_IWUSR)
    except OSError:  # closed by now
        return False


def wait_and_end(folder: str) -> None:
    """Wait until standard input closes, then kill who writes below `folder` until nobody does."""
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    for _ in range(TIMES):  # what is started while others are ended is found the next time
        found = list(writers(folder))
        if not found:
            return
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    wait_and_end(sys.argv[1])
