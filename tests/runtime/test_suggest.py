"""What a search tries next: the same for the same answers, whoever gives them."""

from __future__ import annotations

from typing import Any

import pytest
from ray.tune.search import Searcher

from lib.plan.points import Space
from lib.runtime.suggest import SCORE, Listed, Suggestions, chosen, optuna_sampler
from lib.study.search import Range

SPACE: Space = {"strategy": ["random", "sss"], "budget": [8], "recipe.lr": Range(from_=1e-4, to=1e-2, scale="log")}


class Bench:
    """A store and a pool of workers that answer at once."""

    def __init__(self, sampler: Any, *, trials: int, width: int = 1, known: dict[str, float] | None = None) -> None:
        self.known = dict(known or {})
        self.begun: list[str] = []
        self.asked: list[str] = []
        self.suggestions = Suggestions(
            sampler, trials=trials, width=width, at_once=width, begin=self.begin, over=lambda: self.over
        )
        self.over = False

    def begin(self, choice: dict[str, Any]) -> tuple[str, float | None, dict[str, Any]]:
        key = repr(sorted(choice.items()))
        self.asked.append(key)
        return key, self.known.get(key), {"cell": key}

    def run(self, at_most: int = 100, backwards: bool = False) -> None:
        """Train what is suggested; of what is trained at once, the last asked may end first."""
        count = 0
        while count < at_most:
            running: dict[str, str] = {}
            while isinstance(found := self.suggestions.suggest(f"t{count}"), dict):
                running[f"t{count}"] = found["cell"]
                count += 1
            if found == Searcher.FINISHED and not running:
                return
            for trial, key in sorted(running.items(), reverse=backwards):
                self.begun.append(key)
                self.known[key] = len(key) * 0.01 + (hash_of(key) % 100) / 100
                self.suggestions.on_trial_complete(trial, {SCORE: self.known[key]})


def hash_of(text: str) -> int:
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(text))


def listed(*names: str) -> Listed:
    return Listed([{"name": name} for name in names])


def test_each_choice_is_begun_once_and_what_is_stored_not_at_all() -> None:
    bench = Bench(listed("a", "b", "a", "c"), trials=4, known={"[('name', 'b')]": 0.5})
    bench.run()
    assert bench.begun == ["[('name', 'a')]", "[('name', 'c')]"]
    assert len(bench.asked) == 4


def test_a_round_is_asked_at_once_and_its_repeats_wait_for_each_other() -> None:
    bench = Bench(listed("a", "a", "b", "c", "d"), trials=5, width=3)
    assert bench.suggestions.suggest("t1") == {"cell": "[('name', 'a')]"}
    assert bench.suggestions.suggest("t2") == {"cell": "[('name', 'b')]"}
    assert bench.suggestions.suggest("t3") is None
    bench.suggestions.on_trial_complete("t2", {SCORE: 1.0})
    assert bench.suggestions.suggest("t3") is None
    bench.suggestions.on_trial_complete("t1", None, error=True)  # a failed one is an answer too
    assert bench.suggestions.suggest("t3") == {"cell": "[('name', 'c')]"}


def test_nothing_more_is_begun_when_the_time_is_over() -> None:
    bench = Bench(listed("a", "b"), trials=2)
    bench.suggestions.suggest("t1")
    bench.over = True
    bench.suggestions.on_trial_complete("t1", {SCORE: 1.0})
    assert bench.suggestions.suggest("t2") == Searcher.FINISHED


def test_the_first_cell_to_begin_is_kept_for_the_first_trial() -> None:
    bench = Bench(listed("a", "b"), trials=2, known={"[('name', 'a')]": 0.1})
    assert bench.suggestions.any_to_begin()
    assert bench.suggestions.suggest("t1") == {"cell": "[('name', 'b')]"}
    bench.suggestions.on_trial_complete("t1", {SCORE: 1.0})
    assert bench.suggestions.suggest("t2") == Searcher.FINISHED
    assert not Bench(listed("a"), trials=1, known={"[('name', 'a')]": 0.1}).suggestions.any_to_begin()


def test_a_choice_is_made_of_values() -> None:
    told = chosen(SPACE, {"strategy": 1, "recipe.lr": 0.5})
    assert told == {"strategy": "sss", "budget": 8, "recipe.lr": 0.001}


@pytest.mark.parametrize("width", [1, 3])
def test_a_killed_search_makes_the_same_suggestions_when_it_goes_on(width: int) -> None:
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    whole = Bench(optuna_sampler(SPACE, 0), trials=18, width=width)
    whole.run()
    cut = Bench(optuna_sampler(SPACE, 0), trials=18, width=width)
    cut.run(at_most=7, backwards=True)
    resumed = Bench(optuna_sampler(SPACE, 0), trials=18, width=width, known=cut.known)
    resumed.run(backwards=True)
    assert resumed.asked == whole.asked
    assert not set(resumed.begun) & set(cut.begun)
    assert len(set(whole.asked)) > 10
    other = Bench(optuna_sampler(SPACE, 1), trials=3, width=width)
    other.run()
    assert other.asked != whole.asked[:3]
