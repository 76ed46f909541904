"""The queue between trials and worker groups: every cell comes to one end, whatever dies."""

from __future__ import annotations

import asyncio
from typing import Any

from lib.runtime.cell_queue import CellQueue


def queue(*keys: str, tries: int = 2) -> CellQueue:
    return CellQueue([{"key": key, "label": f"cell {key}"} for key in keys], tries)


def ask(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def test_a_cell_that_kills_its_group_fails_alone_and_the_next_ones_are_trained() -> None:
    cells = queue("poison", "good", "fine")
    for _ in range(2):  # its group dies with it, and is started again
        assert ask(cells.take("g0"))["key"] == "poison"
    assert ask(cells.take("g0"))["key"] == "good"
    assert cells.outcome["poison"] == {"error": "its worker group died 2 times while training it", "user": False}
    ask(cells.finish("g0", "good", {"metrics": {}}))
    assert ask(cells.take("g0"))["key"] == "fine"
    assert ask(cells.ended()) == 2


def test_what_a_lost_group_held_goes_to_another() -> None:
    cells = queue("a", "b")
    assert ask(cells.take("g0"))["key"] == "a"
    ask(cells.release("g0"))
    ask(cells.release("g1"))  # it held nothing
    assert [ask(cells.take("g1"))["key"], ask(cells.take("g2"))["key"]] == ["a", "b"]
    assert ask(cells.take("g3")) is None


def test_a_released_cell_that_is_done_is_not_trained_again() -> None:
    cells = queue("a")
    ask(cells.take("g0"))
    ask(cells.give_up("no group", False))
    ask(cells.release("g0"))
    assert ask(cells.take("g1")) is None
    assert ask(cells.wait("a")) == {"error": "no group", "user": False}


def test_silence_is_measured_from_the_last_sign_of_life(monkeypatch: Any) -> None:
    now = [100.0]
    monkeypatch.setattr("lib.runtime.cell_queue.time.monotonic", lambda: now[0])
    cells = queue("a")
    now[0] += 50
    assert ask(cells.silent_s()) == 50
    ask(cells.take("g0"))
    now[0] += 5
    ask(cells.report("a", [{"step": 1, "total": 2, "loss": 0.5}]))
    now[0] += 3
    assert ask(cells.silent_s()) == 3


def test_a_trial_gets_every_step_once_and_then_the_end() -> None:
    async def story() -> list[Any]:
        cells = queue("a")
        first = asyncio.create_task(cells.steps("a", 0))
        await asyncio.sleep(0)
        assert not first.done(), "there is nothing to tell yet"
        await cells.report("a", [{"step": n, "total": 3, "loss": 0.5} for n in (1, 2)])
        second = asyncio.create_task(cells.steps("a", 2))
        told = [await first]
        await cells.report("a", [{"step": 3, "total": 3, "loss": 0.4}])
        told.append(await second)
        third = asyncio.create_task(cells.steps("a", 3))
        await asyncio.sleep(0)
        await cells.finish("g0", "a", {"metrics": {}})
        return [*told, await third]

    told = asyncio.run(story())
    assert [[step["step"] for step in steps] for steps, _ in told] == [[1, 2], [3], []]
    assert [ended for _, ended in told] == [False, False, True]
