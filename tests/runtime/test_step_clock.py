"""The clock of a cell's steps."""

from __future__ import annotations

import time

from lib.runtime.step_clock import StepClock
from lib.training.steps import StepReport


def report(step: int, seconds: float) -> StepReport:
    return StepReport(
        step=step, total=2, loss=1.0, lr=1e-3, gradient_norm=None, tokens=1, computed_tokens=1, seconds=seconds
    )


def test_the_start_is_what_came_before_the_first_step_and_everybody_else_hears_of_the_steps() -> None:
    heard: list[int] = []
    clock = StepClock(time.monotonic() - 7.0)
    told = clock.timing(lambda one: heard.append(one.step))
    told(report(1, 2.0))
    told(report(2, 3.5))
    assert heard == [1, 2]
    assert 5.0 <= clock.seconds["start_s"] < 5.5, "7 s ago, less the 2 s of the step"
    assert clock.seconds["steps_s"] == 5.5
