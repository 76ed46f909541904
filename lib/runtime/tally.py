"""Counts that workers report while they work, shown as progress with the time left.

Ray Data tells when a block is done; a block may take minutes. Workers therefore add to one small actor as they go, and a
thread of the driver turns its total into progress lines.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from lib.runtime.session import Session

POLL_S = 1.0


class Tally:
    """An actor that adds up."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, count: int) -> None:
        """Report `count` more."""
        self.count += count

    def total(self) -> int:
        """All that was reported."""
        return self.count


@contextlib.contextmanager
def tally(session: Session, subject: str, total: int, unit: str) -> Iterator[Any]:
    """An actor handle for workers to `add.remote(n)` to; its total is shown while the block runs."""
    import ray

    session.start()
    counter: Any = ray.remote(num_cpus=0)(Tally).options(name=session.named(f"{subject}, {unit} done")).remote()
    ending = threading.Event()

    def watch() -> None:
        while not ending.wait(POLL_S):
            try:
                done = ray.get(counter.total.remote())
            except ray.exceptions.RayError:  # Ray is going down: the stage says why
                return
            if 0 < done < total:
                session.progress.tick(subject, done, total, unit)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield counter
    finally:
        ending.set()
        watcher.join(timeout=5)
        ray.kill(counter)
