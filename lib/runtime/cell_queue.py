"""The queue between Ray Tune's trials and the warm worker groups that train.

A trial is a cell as the dashboard and a search see it; a group is a set of processes that stays up, with the base model
loaded, and takes one cell after the other. Starting a group costs more than a small cell, so cells come to groups and not
groups to cells. A group that dies gets its cell back when it is started again, a bounded number of times; then that cell
has failed, and the group goes on with the next one.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any


class CellQueue:
    """An asyncio actor: hands cells to groups, results to trials, events to the driver."""

    def __init__(
        self, cells: list[dict[str, Any]], tries: int, *, stop_on_error: bool = False, time_left_s: float | None = None
    ) -> None:
        """Args:
        tries: how often a cell may be begun without coming on.
        stop_on_error: hand out no new cell once one has failed.
        time_left_s: hand out no new cell after so long (None: no limit).
        """
        self.waiting = list(cells)
        self.tries = tries
        self.stop_on_error = stop_on_error
        self.closes = None if time_left_s is None else time.monotonic() + time_left_s
        self.held: dict[str, dict[str, Any]] = {}
        self.tried: dict[str, int] = {}
        self.done: dict[str, asyncio.Event] = {cell["key"]: asyncio.Event() for cell in cells}
        self.furthest: dict[str, int] = {}
        self.blamed: dict[str, str] = {}
        self.outcome: dict[str, dict[str, Any]] = {}
        self.told: dict[str, list[dict[str, Any]]] = {cell["key"]: [] for cell in cells}
        self.news: dict[str, asyncio.Event] = {cell["key"]: asyncio.Event() for cell in cells}
        self.events: list[dict[str, Any]] = []
        self.last_seen = time.monotonic()

    async def take(self, group: str) -> dict[str, Any] | None:
        """The next cell for a group: the one it held when it died, else the first that waits; None when there is none left."""
        self.last_seen = time.monotonic()
        self._let_go(group)
        if why := self._closed():
            self._leave(why)
        while self.waiting:
            cell = self.waiting.pop(0)
            key = cell["key"]
            self.tried[key] = self.tried.get(key, 0) + 1
            if self.tried[key] <= self.tries:
                self.held[group] = cell
                again = f" (try {self.tried[key]})" if self.tried[key] > 1 else ""
                self.events.append({"kind": "start", "key": key, "text": f"{cell['label']}: started{again}"})
                return cell
            why = f" (last: {self.blamed[key]})" if key in self.blamed else ""
            told = f"its worker group died {self.tries} times while training it{why}"
            self._finish(key, {"error": told, "user": False})
        return None

    def _closed(self) -> str:
        """Why no new cell is handed out; "" while they are."""
        if self.stop_on_error and any("error" in outcome for outcome in self.outcome.values()):
            return "a cell failed before it was begun"
        if self.closes is not None and time.monotonic() >= self.closes:
            return "the time budget was over before it was begun"
        return ""

    def _leave(self, why: str) -> None:
        """End every cell that waits without having been begun."""
        left = [cell for cell in self.waiting if cell["key"] not in self.tried]
        self.waiting = [cell for cell in self.waiting if cell["key"] in self.tried]
        for cell in left:
            self._finish(cell["key"], {"left": why})

    async def report(self, key: str, steps: list[dict[str, Any]]) -> None:
        """Optimizer steps that a running cell has made (`lib.training.steps.StepReport`)."""
        self.last_seen = time.monotonic()
        self.told[key] += steps
        self.news[key].set()
        last = steps[-1]
        if last["step"] > self.furthest.get(key, 0):  # it came on: what killed it before is behind it
            self.furthest[key], self.tried[key] = last["step"], 1
        self.events.append(
            {"kind": "step", "key": key, "done": last["step"], "total": last["total"], "loss": last["loss"]}
        )

    async def alive(self) -> None:
        """A group is there and busy."""
        self.last_seen = time.monotonic()

    async def blame(self, group: str, text: str) -> None:
        """What ended a worker of a group. What the group held is for whoever comes first: itself, started again, or another
        that is free before there is room for it."""
        if cell := self.held.get(group):
            self.blamed[cell["key"]] = text
            self.events.append({"kind": "say", "key": cell["key"], "text": f"lost its worker: {text}"})
            self._let_go(group)

    async def say(self, key: str, text: str) -> None:
        """A line on a running cell, for the user."""
        self.events.append({"kind": "say", "key": key, "text": text})

    async def steps(self, key: str, seen: int) -> tuple[list[dict[str, Any]], bool]:
        """The steps of a cell from `seen` on, when there are any or it has ended; and has it ended?"""
        while len(self.told[key]) <= seen and key not in self.outcome:
            self.news[key].clear()
            await self.news[key].wait()
        return self.told[key][seen:], key in self.outcome

    async def finish(self, group: str, key: str, outcome: dict[str, Any]) -> None:
        """A cell's outcome: `metrics`, or `error` (and `user`: is it the user's to mend). Cells that nobody took have `left`,
        the reason."""
        self.last_seen = time.monotonic()
        self.held.pop(group, None)
        self.waiting = [
            cell for cell in self.waiting if cell["key"] != key
        ]  # of a group that was blamed and yet came through
        self._finish(key, outcome)

    def _finish(self, key: str, outcome: dict[str, Any]) -> None:
        self.outcome[key] = outcome
        self.events.append({"kind": "end", "key": key, **outcome})
        self.done[key].set()
        self.news[key].set()

    async def release(self, group: str) -> None:
        """A group will not come again: what it held is for another one."""
        self._let_go(group)

    def _let_go(self, group: str) -> None:
        cell = self.held.pop(group, None)
        if cell is not None and cell["key"] not in self.outcome:
            self.waiting.insert(0, cell)

    async def ended(self) -> int:
        """How many cells have an outcome."""
        return len(self.outcome)

    async def silent_s(self) -> float:
        """Seconds since any group was last heard of."""
        return time.monotonic() - self.last_seen

    async def give_up(self, error: str, user: bool) -> None:
        """No group will come any more: fail every cell that has no outcome."""
        for key in self.done:
            if key not in self.outcome:
                self._finish(key, {"error": error, "user": user})

    async def wait(self, key: str) -> dict[str, Any]:
        """A cell's outcome, when there is one (called by its trial)."""
        await self.done[key].wait()
        return self.outcome[key]

    async def since(self, number: int) -> tuple[int, list[dict[str, Any]]]:
        """Events from `number` on, and the number to ask with next."""
        return len(self.events), self.events[number:]
