import numpy as np
import pytest

from lib.errors import UserError
from lib.sampling.strategy import Candidate, Strategy, sample

ROWS = [Candidate(f"{n:02d}", "", (), "T1") for n in range(10)]


def test_sample_is_without_replacement_and_of_the_generator_alone() -> None:
    first = sample(np.random.default_rng(7), ROWS, 4)
    assert len(set(first)) == 4
    assert first == sample(np.random.default_rng(7), ROWS, 4)
    assert first != sample(np.random.default_rng(8), ROWS, 4)


@pytest.mark.parametrize(("rows", "count", "got"), [(10, 99, 10), (10, 0, 0), (0, 3, 0)])
def test_sample_gives_what_there_is(rows: int, count: int, got: int) -> None:
    found = sample(np.random.default_rng(0), ROWS[:rows], count)
    assert len(found) == len(set(found)) == got


@pytest.mark.parametrize(
    ("name", "needs_categories", "seeded", "uses_budget"),
    [("none", False, False, False), ("random", False, True, True), ("sss", True, True, True)],
)
def test_what_the_shipped_strategies_declare(
    name: str, needs_categories: bool, seeded: bool, uses_budget: bool
) -> None:
    strategy = Strategy.find(name)
    declared = (strategy.needs_categories, strategy.seeded, strategy.uses_budget, strategy.needs_vectors)
    assert declared == (needs_categories, seeded, uses_budget, False)


def test_an_unknown_strategy_lists_the_choices() -> None:
    with pytest.raises(UserError, match=r"unknown strategy 'randon'; did you mean 'random'\? \(choose from: none, "):
        Strategy.find("randon")
