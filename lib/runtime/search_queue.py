"""The queue of an adaptive search: cells come one by one, and each has values on its way and at its end.

    searcher --add--> queue <--take, reach, finish-- worker groups
                        |  ^--tell, end-- the driver, which answers and judges
    Tune's trial <--values--+

A group waits for the next cell as long as the search is open, and at each look until it is decided whether the cell goes on.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from lib.runtime.cell_queue import CellQueue


class SearchQueue(CellQueue):
    """An asyncio actor, as `CellQueue` is."""

    def __init__(self, tries: int, *, stop_on_error: bool = False) -> None:
        super().__init__([], tries, stop_on_error=stop_on_error)
        self.more = asyncio.Event()
        self.closed = False
        self.values: dict[str, list[dict[str, Any]]] = {}
        self.valued: dict[str, asyncio.Event] = {}
        self.known: dict[str, bool] = {}
        """Cells whose values are all there."""
        self.decided: dict[tuple[str, int], bool] = {}
        """By cell and look: does it go on?"""
        self.deciding = asyncio.Event()
        self.lost: dict[str, Any] | None = None
        """What became of all cells from now on: no group will come any more."""

    async def expect(self, key: str) -> None:
        """A cell of which values will come, whether it is trained or not."""
        if key not in self.values:
            self.values[key], self.valued[key], self.known[key] = [], asyncio.Event(), False

    async def add(self, cell: dict[str, Any]) -> None:
        """One more cell to train."""
        key = cell["key"]
        if key not in self.done:
            await self.expect(key)
            self.done[key], self.news[key], self.told[key] = asyncio.Event(), asyncio.Event(), []
            if self.lost:
                self._finish(key, self.lost)
            else:
                self.waiting.append(cell)
                self.more.set()

    async def take(self, group: str) -> dict[str, Any] | None:
        """The next cell for a group, when there is one; None when the search is over."""
        while True:
            cell = await super().take(group)
            if cell is not None or self.closed:
                return cell
            self.more.clear()
            await self.more.wait()

    def _let_go(self, group: str) -> None:
        """What a lost group held is for one that waits, which has to be woken."""
        super()._let_go(group)
        self.more.set()

    async def close(self) -> None:
        """There will be no more cells."""
        self.closed = True
        self.more.set()

    async def tell(self, key: str, value: dict[str, Any]) -> None:
        """A value of a cell."""
        self.values[key].append(value)
        self.valued[key].set()

    async def end(self, key: str) -> None:
        """A cell has all the values that it will have."""
        if key in self.known:
            self.known[key] = True
            self.valued[key].set()

    async def drop(self, value: dict[str, Any]) -> None:
        """Nobody looks at cells any more: every trial that waits gets this value, its last."""
        for key in [one for one, known in self.known.items() if not known]:
            await self.tell(key, value)
            await self.end(key)

    async def values_of(self, key: str, seen: int) -> tuple[list[dict[str, Any]], bool]:
        """The values of a cell from `seen` on, when there are any or it has ended; and has it ended? Called by its trial."""
        while len(self.values[key]) <= seen and not self.known[key]:
            self.valued[key].clear()
            await self.valued[key].wait()
        return self.values[key][seen:], self.known[key]

    async def decision(self, key: str, time: int) -> bool | None:
        """Does a cell go on after a look; None: nobody has looked yet."""
        return self.decided.get((key, time))

    async def reach(self, key: str, time: int, step: int) -> bool:
        """A cell has come to a look, and its weights are written. Does it go on?"""
        self.last_seen = monotonic()
        self.events.append({"kind": "look", "key": key, "time": time, "step": step})
        while (found := self.decided.get((key, time))) is None and self.lost is None:
            self.deciding.clear()
            await self.deciding.wait()
        return bool(found)

    async def decide(self, key: str, time: int, goes_on: bool) -> None:
        """What the scheduler says of a look."""
        self.decided[key, time] = goes_on
        self.deciding.set()

    async def give_up(self, error: str, user: bool) -> None:
        """No group will come any more, for these cells and any later one. The outcomes say so (`over`)."""
        self.lost = {"error": error, "user": user, "over": True}
        for key in self.done:
            if key not in self.outcome:
                self._finish(key, self.lost)
        self.deciding.set()
