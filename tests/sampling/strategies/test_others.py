"""`none` and `random`."""

import numpy as np

from lib.sampling.strategies.none import NoRows
from lib.sampling.strategies.random import Random
from lib.sampling.strategy import Candidate

ROWS = [Candidate(f"{n:02d}", "", (), "T1") for n in range(30)]


def test_none_picks_nothing_whatever_the_budget() -> None:
    assert NoRows().pick(ROWS, {}, 10, np.random.default_rng(0)) == []


def test_random_picks_distinct_rows_of_the_whole_pool() -> None:
    picks = Random().pick(ROWS, {}, 10, np.random.default_rng(0))
    assert len({pick.id for pick in picks}) == 10
    assert {(pick.reason, pick.score) for pick in picks} == {("random", None)}
    assert len({pick.id for pick in Random().pick(ROWS, {}, 30, np.random.default_rng(0))}) == 30


def test_random_picks_are_frozen() -> None:
    """The rows of (pool, budget, draw) are the same on every machine and in every release."""
    picks = Random().pick(ROWS, {}, 5, np.random.default_rng(0))
    assert [pick.id for pick in picks] == ["02", "11", "26", "21", "10"]
