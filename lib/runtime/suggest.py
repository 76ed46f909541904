"""Which cell a search tries next: a sampler that is asked again, from the beginning, whenever a search goes on.

A sampler with a seed is a function of what it was told. So nothing of it is kept: a driver that comes after a killed one asks
the same questions, finds the answers to the first ones in the store, and is where the other was, with the same suggestions to
come. For that, what is asked and told must not depend on which cell ends first: a search that trains n cells at once asks for n,
and tells of them, in the order asked, when all n are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ray.tune.search import Searcher

from lib.plan.points import Space
from lib.study.search import Range

SCORE = "score"
"""What Tune sees: less is better (`Objective.score`)."""
FAILED = "failed"
FIRST = "first"

Choice = dict[str, Any]
Begin = Callable[[Choice], tuple[str, float | None, Choice]]
"""A choice on every axis -> (key of its cell, its score where that is known, configuration of the trial that finds out)."""


class Suggestions(Searcher):  # type: ignore[misc]  # Ray has no types
    """Asks a sampler in rounds of `width`, and begins what the store does not know."""

    def __init__(
        self, sampler: Any, *, trials: int, width: int, at_once: int, begin: Begin, over: Callable[[], bool]
    ) -> None:
        """Args:
        sampler: with `suggest` and `on_trial_complete`, as Tune's searchers have them.
        trials: how often it is asked.
        width: how often before it is told.
        at_once: cells begun and not known yet.
        over: no further cell may be begun.
        """
        super().__init__(metric=SCORE, mode="min")
        self.sampler, self.begin, self.over = sampler, begin, over
        self.trials, self.width, self.at_once = trials, width, at_once
        self.asked = 0
        self.round: list[tuple[str, Choice]] = []
        """What was asked and not told yet: the sampler's name of it, and the choice."""
        self.keys: dict[str, str] = {}
        self.scores: dict[str, float | None] = {}
        """By key; None: failed."""
        self.running: dict[str, str] = {}
        """Tune's trials -> keys."""
        self.first: Any = None

    @property
    def done(self) -> bool:
        """Was everything asked, and is it known?"""
        return self.asked >= self.trials and all(self._known(name) for name, _ in self.round)

    def any_to_begin(self) -> bool:
        """Is there a cell that the store does not know? What it knows is told to the sampler meanwhile."""
        self.first = self.suggest(FIRST)
        return bool(self.first != Searcher.FINISHED)

    def suggest(self, trial_id: str) -> Any:
        """The next trial's configuration; None while all that was asked is at work; `FINISHED`."""
        if self.first is not None:
            trial, self.first = self.first, None
            self.running[trial_id] = self.running.pop(FIRST)
            return trial
        while True:
            if all(self._known(name) for name, _ in self.round):
                self._tell()
                if self.asked >= self.trials or self.over():
                    return Searcher.FINISHED
                self._ask()
            for name, choice in self.round:
                if len(self.running) >= self.at_once:
                    return None
                if name not in self.keys:
                    if self.over():
                        return None if self.running else Searcher.FINISHED
                    key, score, trial = self.begin(choice)
                    begun = key in self.keys.values()
                    self.keys[name] = key
                    if score is not None:
                        self.scores[key] = score
                    elif not begun and key not in self.scores:
                        self.running[trial_id] = key
                        return trial
            if self.running:
                return None

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Values on the way are for the scheduler."""

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        """A trial has come to its score, or has failed."""
        key = self.running.pop(trial_id)
        lost = error or result is None or FAILED in result or SCORE not in result
        self.scores[key] = None if lost or result is None else float(result[SCORE])

    def _known(self, name: str) -> bool:
        return name in self.keys and self.keys[name] in self.scores

    def _ask(self) -> None:
        for _ in range(min(self.width, self.trials - self.asked)):
            name = f"ask-{self.asked}"
            self.round.append((name, self.sampler.suggest(name)))
            self.asked += 1

    def _tell(self) -> None:
        for name, _ in self.round:
            score = self.scores[self.keys[name]]
            told = None if score is None else {SCORE: score}
            self.sampler.on_trial_complete(name, told, error=score is None)
        self.round = []

    def __getstate__(self) -> dict[str, Any]:
        """Nothing goes along where Tune writes down how it was called."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what a search knows is in the store."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as above."""


def optuna_sampler(space: Space, seed: int) -> Any:
    """Tune's Optuna searcher (TPE) over the axes that have a choice: numbers of values, and shares of ranges."""
    import logging

    import optuna
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("ray.tune.search.optuna").setLevel(logging.ERROR)
    domains = {
        path: tune.uniform(0.0, 1.0) if isinstance(values, Range) else tune.choice(list(range(len(values))))
        for path, values in space.items()
        if isinstance(values, Range) or len(values) > 1
    }
    return OptunaSearch(OptunaSearch.convert_search_space(domains), metric=SCORE, mode="min", seed=seed)


def chosen(space: Space, choice: Mapping[str, Any]) -> dict[str, Any]:
    """The values of what a sampler chose: by number, or by share of a range."""
    return {
        path: values.at(choice[path]) if isinstance(values, Range) else values[int(choice.get(path, 0))]
        for path, values in space.items()
    }


class Listed:
    """A sampler that knows beforehand what it will say."""

    def __init__(self, choices: list[Choice]) -> None:
        self.choices = iter(choices)

    def suggest(self, name: str) -> Choice | None:
        """The next one."""
        return next(self.choices)

    def on_trial_complete(self, name: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        """It does not listen."""
