"""Progress as plain lines on standard error: stage, rows, steps, cells, time left. One writer, rate-limited.

Lines and not a redrawn screen: the same output serves a terminal, a job log and CI.
"""

from __future__ import annotations

import sys
import time
from typing import TextIO

EVERY_S = 5.0


def duration(seconds: float) -> str:
    """`75` -> `1:15`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Progress:
    """Writes what is happening. `say` always prints; `tick` at most every few seconds for one subject."""

    def __init__(self, out: TextIO | None = None, every_s: float = EVERY_S) -> None:
        self.out = out or sys.stderr
        self.every_s = every_s
        self.started = time.monotonic()
        self._last = 0.0
        self._begun: dict[str, tuple[float, float]] = {}

    def say(self, text: str) -> None:
        """Print a line with the time since the start."""
        print(f"[{duration(time.monotonic() - self.started):>5}] {text}", file=self.out, flush=True)

    def tick(self, subject: str, done: float, total: float, unit: str, note: str = "") -> None:
        """Progress of one subject: `done` of `total`, with the time left at the rate so far."""
        now = time.monotonic()
        begun, first = self._begun.setdefault(subject, (now, done))
        if now - self._last < self.every_s and done < total:
            return
        self._last = now
        left = ""
        if total > done > first and now > begun:
            left = f", {duration((total - done) * (now - begun) / (done - first))} left"
        self.say(f"{subject}: {done:g} of {total:g} {unit}{left}{f' ({note})' if note else ''}")
