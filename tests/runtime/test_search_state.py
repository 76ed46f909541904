"""A search without machines: what is begun, stopped and written down, and that a killed one comes to the same."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import cloudpickle
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from lib.plan.objective import Objective
from lib.plan.points import Point, sampled
from lib.plan.tried import Look, Tried, read_looks, read_tried
from lib.progress import Progress
from lib.runtime import search_state
from lib.runtime.halving import Halving
from lib.runtime.look import Value
from lib.runtime.search_state import Found, Searching
from lib.runtime.session import Session
from lib.runtime.suggest import Listed, Suggestions
from lib.runtime.train_worker import look_key
from lib.study import Study
from tests.makers import demo

SEARCH = (
    "sweep.strategy=[random, sss_b]", "sweep.recipe.lr={from: 1e-5, to: 1e-3, scale: log}",
    "sweep.search={method: asha, trials: 12, prompts: harmful}",
)  # fmt: skip


def key_of(point: Point) -> str:
    return f"{point.strategy}-{point.axes['recipe.lr']}"


class World:
    """Cells that train in no time: better at each look, from a start that their key decides."""

    def __init__(self) -> None:
        self.finished: dict[str, Value] = {}
        self.trained: list[str] = []
        self.study = SimpleNamespace()
        self.lookup = None
        self.objective = Objective(metric="asr", mode="min", judge="j", prompts="harmful")

    def cell(self, point: Point) -> Any:
        key = key_of(point)
        return SimpleNamespace(label=f"cell {key}", train=SimpleNamespace(key=key))

    def known(self, point: Point) -> Value | None:
        return self.finished.get(key_of(point))

    def name_looks(self, key: str) -> str:
        return f"{key}-looks"

    def value(self, key: str, time: int) -> Value:
        return Value(int(look_key(key, 0)[:4], 16) / 65536 / time, None)


class Driven(Searching):
    """A search whose groups are this very loop."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.calls: list[tuple[str, Any]] = []

    def _call(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, arguments))


def drive(study: Study, world: World, monkeypatch: pytest.MonkeyPatch, *, die_after: int = 10**6) -> Found:
    """Run a search for so many looks and ends, one group, one trial after the other."""
    monkeypatch.setattr(search_state, "cell_job", lambda lookup, node, label, study: Job(node.key, label))
    session = Session(study.cluster, Progress(io.StringIO()))
    found = Found(study, read_looks(study))
    state = Driven(study, world, found, session)
    points = sampled(study.sweep)
    suggestions = Suggestions(
        Listed([{"number": n} for n in range(len(points))]), trials=len(points), width=len(points), at_once=1,
        begin=lambda choice: state.begin(points[choice["number"]]), over=state.over,
    )  # fmt: skip
    scheduler = Halving(state.decided, factor=3, end=state.end)
    cloudpickle.dumps((suggestions, scheduler))  # Tune does
    steps = 0
    for number in range(100):
        name = f"t{number}"
        config = suggestions.suggest(name)
        if config == Searcher.FINISHED:
            break
        trial = SimpleNamespace(trial_id=name, config=config)
        scheduler.on_trial_add(None, trial)
        key, seen = config["cell"]["key"], 0
        while True:
            world.trained += [arguments[0]["key"] for what, arguments in state.calls if what == "add"]
            state.calls = [call for call in state.calls if call[0] != "add"]
            told = [arguments[1] for what, arguments in state.calls if what == "tell" and arguments[0] == key]
            if len(told) == seen:  # its group comes to the next look, or to the end
                if steps == die_after:
                    return found
                steps += 1
                own = found.trials[key]
                time = 3 ** len(own.looks)
                if time < state.end:
                    value = world.value(key, time)
                    state.tell_look(own, Look(time, time, value.value, None))
                else:
                    own.value = world.finished[key] = world.value(key, time)
                    state.tell_end(own)
                continue
            result = told[seen]
            seen += 1
            if scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
                suggestions.on_trial_complete(name, result)
                break
    found.write()
    return found


@dataclass
class Job:
    key: str
    label: str
    recipe: dict[str, Any] = field(default_factory=lambda: {"method": "lora"})


def ends(tried: list[Tried] | None) -> dict[str, tuple[str, int, float | None]]:
    return {one.key: (one.state, one.step, one.value) for one in tried or ()}


def test_some_are_stopped_and_what_came_of_each_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, world = demo(tmp_path, *SEARCH), World()
    found = drive(study, world, monkeypatch)
    told = ends(read_tried(study))
    states = [state for state, _, _ in told.values()]
    assert len(told) == 12
    assert states.count("stopped") >= 4
    assert states.count("done") >= 2
    assert sorted(world.trained) == sorted(told)
    assert set(world.finished) == {key for key, (state, _, _) in told.items() if state == "done"}
    for trial in found.trials.values():
        if trial.stopped:
            assert told[trial.key][1:] == (trial.stopped.step, trial.stopped.value)


@pytest.mark.parametrize("after", [1, 5, 11])
def test_a_killed_search_comes_to_the_same_and_trains_no_stopped_cell_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    whole, world = demo(tmp_path / "whole", *SEARCH), World()
    drive(whole, world, monkeypatch)
    cut, again = demo(tmp_path / "cut", *SEARCH), World()
    drive(cut, again, monkeypatch, die_after=after)
    before = {key for key, (state, _, _) in ends(read_tried(cut)).items() if state != "failed"}
    again.trained = []
    drive(cut, again, monkeypatch)
    assert ends(read_tried(cut)) == ends(read_tried(whole))
    assert not before & set(again.trained)
