"""What a sweep has come to, in a few lines: cells done, running and failed, the best so far, the time left.

Pure state and text: `lib/progress` keeps it at the foot of a terminal, and draws nothing where there is none.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

SHOWN = 4
"""So many running cells are listed."""


def duration(seconds: float) -> str:
    """`75` -> `1:15`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@dataclass
class Board:
    """The fine-tunes of one training stage."""

    total: int
    begun: float = field(default_factory=time.monotonic)
    running: dict[str, tuple[float, float]] = field(default_factory=dict)
    """label -> (steps done, steps in all); (0, 0) where none is told yet."""
    done: int = 0
    failed: int = 0
    best: tuple[float, str] | None = None
    """(held-out benign loss, label): the one number that a fine-tune has before it is asked, and the same rows for all."""

    def start(self, label: str) -> None:
        """A cell was begun, or begun again."""
        self.running[label] = (0, 0)

    def step(self, label: str, done: float, total: float) -> None:
        """A cell has made so many of its optimizer steps."""
        self.running[label] = (done, total)

    def end(self, label: str, loss: float | None) -> None:
        """A cell has ended: with its held-out benign loss, or, None, without a result."""
        self.running.pop(label, None)
        if loss is None:
            self.failed += 1
            return
        self.done += 1
        if math.isfinite(loss) and (self.best is None or loss < self.best[0]):
            self.best = (loss, label)

    def stop(self, label: str) -> None:
        """A search has stopped a cell on its way: it is none of those to come."""
        self.running.pop(label, None)
        self.total -= 1

    def left_s(self, now: float) -> float | None:
        """Seconds left at the rate so far; None before there is one."""
        part = sum(done / total for done, total in self.running.values() if total)
        ended = self.done + self.failed + part
        return None if ended <= 0 else (now - self.begun) * max(0.0, self.total - ended) / ended

    def lines(self, now: float) -> list[str]:
        """The board as text, one line for the whole and one for each running cell."""
        waiting = self.total - self.done - self.failed - len(self.running)
        left = self.left_s(now)
        told = [
            f"cells: {self.done} done",
            f"{len(self.running)} running",
            f"{self.failed} failed",
            f"{waiting} waiting",
        ]
        lines = [", ".join(told) + (f"; about {duration(left)} left" if left is not None else "")]
        if self.best:
            lines.append(f"lowest held-out benign loss so far: {self.best[0]:.4f}, {self.best[1]}")
        for label, (done, total) in list(self.running.items())[:SHOWN]:
            lines.append(f"  {label}: {f'step {done:g} of {total:g}' if total else 'starting'}")
        if len(self.running) > SHOWN:
            lines.append(f"  and {len(self.running) - SHOWN} more")
        return lines
