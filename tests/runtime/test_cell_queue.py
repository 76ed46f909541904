"""The queue between trials and worker groups: every cell comes to one end, whatever dies."""

from __future__ import annotations

import asyncio
from typing import Any

from lib.runtime.cell_queue import CellQueue


def queue(*keys: str, tries: int = 2, **rules: Any) -> CellQueue:
    return CellQueue([{"key": key, "label": f"cell {key}"} for key in keys], tries, **rules)


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


def test_a_group_that_lost_its_worker_keeps_no_cell_from_a_group_that_is_free() -> None:
    """It may wait long for a machine to be started again on."""
    cells = queue("a", "b")
    assert ask(cells.take("g0"))["key"] == "a"
    assert ask(cells.take("g1"))["key"] == "b"
    ask(cells.blame("g0", "its node was lost"))
    ask(cells.finish("g1", "b", {"metrics": {}}))
    assert ask(cells.take("g1"))["key"] == "a"
    assert ask(cells.take("g0")) is None
    assert [event["text"] for event in cells.events if event["kind"] == "say"] == ["lost its worker: its node was lost"]


def test_what_a_blamed_group_ends_after_all_is_trained_no_more() -> None:
    cells = queue("a")
    ask(cells.take("g0"))
    ask(cells.blame("g0", "one worker of two"))
    ask(cells.finish("g0", "a", {"metrics": {}}))
    assert ask(cells.take("g1")) is None


def test_a_cell_that_failed_says_what_ended_its_last_worker() -> None:
    cells = queue("a")
    for _ in range(2):
        ask(cells.take("g0"))
        ask(cells.blame("g0", "out of memory: take less"))
    assert ask(cells.take("g0")) is None
    told = "its worker group died 2 times while training it (last: out of memory: take less)"
    assert ask(cells.wait("a")) == {"error": told, "user": False}


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


def test_after_a_failure_no_new_cell_is_begun_where_the_study_stops() -> None:
    cells = queue("a", "b", "c", "d", stop_on_error=True)
    assert [ask(cells.take(group))["key"] for group in ("g0", "g1")] == ["a", "b"]
    ask(cells.finish("g0", "a", {"error": "no", "user": True}))
    assert ask(cells.take("g0")) is None
    assert cells.outcome["c"] == cells.outcome["d"] == {"left": "a cell failed before it was begun"}
    ask(cells.finish("g1", "b", {"metrics": {"wall_s": 1}}))  # what runs comes to its end
    assert ask(cells.take("g1")) is None
    assert ask(cells.ended()) == 4


def test_a_cell_that_was_begun_goes_on_when_the_time_is_over_and_no_other_is(monkeypatch: Any) -> None:
    now = [100.0]
    monkeypatch.setattr("lib.runtime.cell_queue.time.monotonic", lambda: now[0])
    cells = queue("a", "b", time_left_s=30)
    assert ask(cells.take("g0"))["key"] == "a"
    now[0] += 30
    assert ask(cells.take("g0"))["key"] == "a"  # its group died and is back
    ask(cells.finish("g0", "a", {"metrics": {}}))
    assert ask(cells.take("g0")) is None
    assert ask(cells.wait("b")) == {"left": "the time budget was over before it was begun"}
