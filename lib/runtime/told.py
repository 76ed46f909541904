"""Bytes of downloads and conversions that workers tell of while they work, shown by the driver as progress.

How much there is becomes known only where the work is done, so that, unlike with a tally, both numbers come from there.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from lib.models.download import Tell
from lib.runtime.session import Session

POLL_S = 1.0
MIB = 1 << 20


class Told:
    """An actor that knows the newest of each subject."""

    def __init__(self) -> None:
        self.newest: dict[str, tuple[int, int]] = {}

    def tell(self, subject: str, done: int, total: int) -> None:
        """So many of so many bytes."""
        self.newest[subject] = done, total

    def all(self) -> dict[str, tuple[int, int]]:
        """By subject."""
        return self.newest


@contextlib.contextmanager
def listening(session: Session) -> Iterator[Any]:
    """An actor to tell of bytes; what it is told is shown while the block runs, and once more at its end."""
    import ray

    session.start()
    told: Any = ray.remote(num_cpus=0)(Told).remote()
    ending = threading.Event()
    shown: dict[str, tuple[int, int]] = {}

    def show() -> None:
        for subject, counts in ray.get(told.all.remote()).items():
            if shown.get(subject) != counts:
                shown[subject] = counts
                done, total = counts
                session.progress.tick(subject, done // MIB, max(1, total // MIB), "MiB")

    def watch() -> None:
        with contextlib.suppress(ray.exceptions.RayError):  # Ray is going down: the stage says why
            while not ending.wait(POLL_S):
                show()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield told
    finally:
        ending.set()
        watcher.join(timeout=5)
        with contextlib.suppress(ray.exceptions.RayError):
            show()
        ray.kill(told)


def teller(told: Any, title: str, every_s: float = POLL_S) -> Tell:
    """What a worker calls; it passes on at most one message in a while, and the last.

    Args:
        told: the actor (None: nobody listens).
    """
    last = 0.0

    def tell(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if told is not None and (now - last >= every_s or done >= total):
            last = now
            told.tell.remote(f"model {title}: {what}", done, total)

    return tell
