"""Where the time of a cell goes in a warm group: to its start, to its steps, and (the rest) to measuring and saving it."""

from __future__ import annotations

import time
from collections.abc import Callable

from lib.training.steps import StepReport


class StepClock:
    """What a cell took before its first optimizer step, and what its steps took.

    Args:
        taken: when the cell was taken, of the monotonic clock.
    """

    def __init__(self, taken: float) -> None:
        self.taken = taken
        self.seconds: dict[str, float] = {}
        """`start_s`, with loading the base where that was needed, and `steps_s`."""

    def timing(self, step: Callable[[StepReport], None]) -> Callable[[StepReport], None]:
        """The hook that is told of steps, with the clock in front of it."""

        def timed(report: StepReport) -> None:
            begun = time.monotonic() - report.seconds - self.taken
            self.seconds.setdefault("start_s", round(begun, 3))
            self.seconds["steps_s"] = round(self.seconds.get("steps_s", 0.0) + report.seconds, 3)
            step(report)

        return timed
