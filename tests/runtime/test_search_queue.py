"""The queue of a search: cells and values come one by one, and a group waits at a look until it is decided."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from lib.runtime.search_queue import SearchQueue


def cell(key: str) -> dict[str, Any]:
    return {"key": key, "label": f"cell {key}"}


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, timeout=10))


def test_a_group_waits_for_the_next_cell_and_goes_when_there_is_none_to_come() -> None:
    async def body() -> None:
        queue = SearchQueue(2)
        waiting = asyncio.create_task(queue.take("g0"))
        await asyncio.sleep(0)
        assert not waiting.done()
        await queue.add(cell("a"))
        taken = await waiting
        assert taken is not None
        assert taken["key"] == "a"
        await queue.add(cell("a"))  # it is there already
        waiting = asyncio.create_task(queue.take("g0"))
        await asyncio.sleep(0)
        await queue.close()
        held = await waiting
        assert held is not None  # its own, which it had not finished
        await queue.finish("g0", "a", {"metrics": {}})
        assert await queue.take("g0") is None

    run(body())


def test_values_come_to_the_trial_in_order_and_then_their_end() -> None:
    async def body() -> None:
        queue = SearchQueue(2)
        await queue.add(cell("a"))
        first = asyncio.create_task(queue.values_of("a", 0))
        await asyncio.sleep(0)
        await queue.tell("a", {"score": 1.0})
        assert await first == ([{"score": 1.0}], False)
        await queue.tell("a", {"score": 0.5})
        await queue.end("a")
        assert await queue.values_of("a", 1) == ([{"score": 0.5}], True)

    run(body())


def test_when_nobody_looks_any_more_no_trial_is_left_waiting() -> None:
    async def body() -> None:
        queue = SearchQueue(2)
        for key in "ab":
            await queue.add(cell(key))
        await queue.tell("a", {"score": 1.0})
        await queue.end("a")
        waiting = asyncio.create_task(queue.values_of("b", 0))
        await asyncio.sleep(0)
        await queue.drop({"failed": 1})
        assert await waiting == ([{"failed": 1}], True)
        assert await queue.values_of("a", 0) == ([{"score": 1.0}], True)

    run(body())


def test_a_cell_waits_at_a_look_until_it_is_decided() -> None:
    async def body() -> None:
        queue = SearchQueue(2)
        for key in "ab":
            await queue.add(cell(key))
        looks = [asyncio.create_task(queue.reach(key, 1, 3)) for key in "ab"]
        await asyncio.sleep(0)
        assert (await queue.since(0))[1] == [{"kind": "look", "key": key, "time": 1, "step": 3} for key in "ab"]
        await queue.decide("a", 1, True)
        assert await looks[0]
        assert not looks[1].done()
        await queue.decide("b", 1, False)
        assert not await looks[1]
        assert [await queue.decision("a", 1), await queue.decision("a", 3)] == [True, None]

    run(body())


def test_when_no_group_will_come_any_more_later_cells_end_too() -> None:
    async def body() -> None:
        queue = SearchQueue(2)
        await queue.add(cell("a"))
        look = asyncio.create_task(queue.reach("a", 1, 3))
        await asyncio.sleep(0)
        await queue.give_up("the groups have died", False)
        assert not await look
        await queue.add(cell("b"))
        lost = {"error": "the groups have died", "user": False, "over": True}
        assert queue.outcome == {"a": lost, "b": lost}

    run(body())


def test_a_group_that_waits_takes_what_a_lost_one_held() -> None:
    async def body() -> None:
        queue = SearchQueue(2)
        await queue.add(cell("a"))
        assert await queue.take("g0")
        waiting = asyncio.create_task(queue.take("g1"))
        await asyncio.sleep(0)
        await queue.release("g0")
        taken = await waiting
        assert taken is not None
        assert taken["key"] == "a"

    run(body())
