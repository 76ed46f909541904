"""Which cells a look stops, and that whoever waits is told."""

from __future__ import annotations

import math
from typing import Any

from ray.tune.schedulers import TrialScheduler

from lib.runtime.halving import Halving
from lib.runtime.search_state import TIME
from lib.runtime.suggest import FAILED, SCORE
from lib.training.steps import Look


class Trial:
    def __init__(self, key: str) -> None:
        self.trial_id, self.config = key, {"cell": {"key": key}}


def reports(scheduler: Halving, key: str, *scores: float, factor: int = 3, **more: Any) -> list[str]:
    trial = Trial(key)
    scheduler.on_trial_add(None, trial)
    return [
        scheduler.on_trial_result(None, trial, {TIME: factor**n, SCORE: score, **more})
        for n, score in enumerate(scores)
    ]


def test_the_worse_ones_are_stopped_at_a_look_and_their_groups_are_told() -> None:
    told: list[tuple[str, int, bool]] = []
    scheduler = Halving(lambda *one: told.append(one), factor=3, end=9)
    go, stop = TrialScheduler.CONTINUE, TrialScheduler.STOP
    assert reports(scheduler, "first", 0.5, 0.4, 0.3) == [go, go, stop]  # the last one is its end
    assert reports(scheduler, "worse", 0.6) == [stop]
    assert reports(scheduler, "better", 0.2, 0.5) == [go, stop]
    assert told == [
        ("first", 1, True),
        ("first", 3, True),
        ("worse", 1, False),
        ("better", 1, True),
        ("better", 3, False),
    ]


def test_a_failed_cell_is_no_look() -> None:
    told: list[tuple[str, int, bool]] = []
    scheduler = Halving(lambda *one: told.append(one), factor=3, end=1)
    reports(scheduler, "lost", math.nan, **{FAILED: 1})
    assert told == []


def test_looks_are_at_shares_of_a_cells_own_steps() -> None:
    assert Look(2, 3, lambda *_: True).times(90) == {10: 1, 30: 3}
    assert Look(2, 3, lambda *_: True).times(10) == {2: 1, 4: 3}
    assert Look(2, 3, lambda *_: True).times(2) == {1: 3}  # both would fall on one step
    assert Look(1, 2, lambda *_: True).times(1) == {}
