"""Progress on standard error: stage, rows, steps, cells, time left. One writer, rate-limited.

Lines and not a redrawn screen: the same output serves a terminal, a job log and CI. While cells are trained, a terminal
shows besides, under the lines, how the sweep stands (`lib/board`); elsewhere the same is told by lines alone.
What a line says may be of strangers (a file name, the words of an error): `lib/outgoing` has the last look at it.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from lib.board import Board, duration
from lib.outgoing import shown

__all__ = ["Progress", "duration"]

EVERY_S = 5.0
REDRAW_S = 0.5


class Progress:
    """Writes what is happening. `say` always prints; `tick` at most every few seconds for one subject."""

    def __init__(self, out: TextIO | None = None, every_s: float = EVERY_S) -> None:
        self.out = out or sys.stderr
        self.every_s = every_s
        self.started = time.monotonic()
        self.live = self.out.isatty() and os.environ.get("TERM") != "dumb"
        """Is there a terminal to keep a board in?"""
        self.board: Board | None = None
        self.heard: Callable[[str, float, float, str], None] | None = None
        """Told of each tick that is shown: subject, done, total, unit."""
        self._last = self._redrawn = 0.0
        self._begun: dict[str, tuple[float, float]] = {}
        self._drawn = 0
        self._lock = threading.RLock()

    def say(self, text: str) -> None:
        """Print a line with the time since the start."""
        with self._lock:
            self._erase()
            print(f"[{duration(time.monotonic() - self.started):>5}] {shown(text)}", file=self.out, flush=True)
            self._draw()

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
        if self.heard is not None:
            self.heard(subject, done, total, unit)

    def show(self, board: Board | None) -> None:
        """Keep a board under the lines from now on, where there is a terminal; None: no more."""
        with self._lock:
            self._erase()
            self.board = board
            self._draw()

    def redraw(self) -> None:
        """The board has changed. Drawn at most twice a second."""
        now = time.monotonic()
        with self._lock:
            if now - self._redrawn >= REDRAW_S:
                self._redrawn = now
                self._erase()
                self._draw()

    def _erase(self) -> None:
        if self._drawn:
            self.out.write(f"\x1b[{self._drawn}F\x1b[0J")
            self._drawn = 0

    def _draw(self) -> None:
        if self.board is None or not self.live:
            return
        width = shutil.get_terminal_size().columns - 1  # a line that wraps would be two to erase
        lines = [shown(line)[:width] for line in self.board.lines(time.monotonic())]
        self.out.write("".join(f"{line}\n" for line in lines))
        self.out.flush()
        self._drawn = len(lines)
