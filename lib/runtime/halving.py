"""Asynchronous successive halving (ASHA, Li et al. 2020): Tune's scheduler, whose decisions reach the group that waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from lib.runtime.search_state import TIME
from lib.runtime.suggest import FAILED, SCORE


class Halving(ASHAScheduler):  # type: ignore[misc]  # Ray has no types
    """Stops a trial that is not among the best in `factor` of those that came to the same look before it."""

    def __init__(self, decided: Callable[[str, int, bool], None], *, factor: int, end: int) -> None:
        """Args:
        decided: told of each look: (cell's key, time of the look, does it go on).
        end: the time of a trial that has come to its end.
        """
        super().__init__(time_attr=TIME, metric=SCORE, mode="min", max_t=end, grace_period=1, reduction_factor=factor)
        self.decided, self.end = decided, end

    def __getstate__(self) -> dict[str, Any]:
        """Nothing goes along where Tune writes down how it was called."""
        return {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        """Tune asks what is to become of a trial."""
        action: str = super().on_trial_result(tune_controller, trial, result)
        if result[TIME] < self.end and FAILED not in result:
            self.decided(trial.config["cell"]["key"], result[TIME], action != TrialScheduler.STOP)
        return action
