"""Stratified sampling: worked by hand, and against a literal transcription of its definition."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lib.sampling.strategies.sss import Stratified
from lib.sampling.strategy import Candidate, Pick


def pool(**members: Sequence[int]) -> list[Candidate]:
    """Candidates by category: `pool(a=[0, 1], b=[1, 2])` is three rows, the second of both categories."""
    numbers = sorted({n for rows in members.values() for n in rows})
    return [
        Candidate(f"{n:03d}", f"t{n}", tuple(name for name in sorted(members) if n in members[name] and name != "none"), "T1")
        for n in numbers
    ]  # fmt: skip


def run(rows: list[Candidate], budget: int, draw: int = 0) -> list[Pick]:
    return Stratified().pick(rows, {}, budget, np.random.default_rng(draw))


def reasons(picks: list[Pick]) -> list[str]:
    return [pick.reason for pick in picks]


def numbers(picks: list[Pick], reason: str) -> set[int]:
    return {int(pick.id) for pick in picks if pick.reason == reason}


def test_equal_shares_from_the_smallest_category_to_the_largest() -> None:
    picks = run(pool(large=range(20), small=range(20, 23), middle=range(30, 40)), 9)
    assert reasons(picks) == ["category small"] * 3 + ["category middle"] * 3 + ["category large"] * 3
    assert numbers(picks, "category small") == {20, 21, 22}


def test_categories_of_equal_size_go_by_name() -> None:
    picks = run(pool(c=[0, 1], a=[2, 3], b=[4, 5]), 3)
    assert reasons(picks) == ["category a", "category b", "category c"]


def test_a_row_of_two_categories_is_taken_once_by_the_smaller() -> None:
    """a has rows 0 and 1, both of b too: a takes them, and b has only 2 and 3 left."""
    picks = run(pool(a=[0, 1], b=[0, 1, 2, 3]), 4)
    assert reasons(picks) == ["category a"] * 2 + ["category b"] * 2
    assert (numbers(picks, "category a"), numbers(picks, "category b")) == ({0, 1}, {2, 3})


def test_a_category_that_is_short_gives_all_it_has_and_the_rest_is_topped_up() -> None:
    """C = 2, k = 4: a has one row only; the gap of three is filled from what is left, of any category or none."""
    rows = pool(a=[0], b=range(1, 7), none=[7, 8])
    picks = run(rows, 8)
    assert reasons(picks) == ["category a"] + ["category b"] * 4 + ["top-up"] * 3
    assert {int(pick.id) for pick in picks} <= set(range(9))
    top_ups = {n for draw in range(40) for n in numbers(run(rows, 8, draw), "top-up")}
    assert top_ups == set(range(1, 9))


def test_a_category_emptied_by_its_neighbours_takes_nothing() -> None:
    picks = run(pool(a=[0, 1], b=[0, 1], c=[2, 3, 4], none=[5]), 6)
    assert Counter(reasons(picks)) == {"category a": 2, "category c": 2, "top-up": 2}
    assert len({pick.id for pick in picks}) == 6


def test_a_budget_below_the_number_of_categories_is_topped_up_alone() -> None:
    rows = pool(a=[0], b=[1], c=[2], none=range(3, 30))
    assert reasons(run(rows, 2)) == ["top-up"] * 2
    assert {n for draw in range(60) for n in numbers(run(rows, 2, draw), "top-up")} > {0, 1, 2, 3}


def test_a_remainder_is_topped_up() -> None:
    assert Counter(reasons(run(pool(a=range(9), b=range(9, 20)), 7))) == {"category a": 3, "category b": 3, "top-up": 1}


def test_the_whole_pool() -> None:
    rows = pool(a=range(5), b=range(3, 12), none=[20])
    assert {pick.id for pick in run(rows, len(rows))} == {row.id for row in rows}


def test_picks_have_no_score() -> None:
    assert {pick.score for pick in run(pool(a=range(9)), 5)} == {None}


def literal(rows: list[Candidate], budget: int, draw: int) -> list[str]:
    """The definition of PAPER A read aloud, slowly; random numbers are drawn one permutation per set, as in the code."""
    rng = np.random.default_rng(draw)
    categories = {name for row in rows for name in row.categories}
    k = budget // len(categories)
    chosen: list[Candidate] = []
    while categories:
        smallest = min(sorted(categories), key=lambda name: sum(name in row.categories for row in rows))
        categories.remove(smallest)
        members = [row for row in rows if smallest in row.categories and row not in chosen]
        shuffled = [members[i] for i in rng.permutation(len(members))]
        chosen = chosen + shuffled[:k]
    rest = [row for row in rows if row not in chosen]
    shuffled = [rest[i] for i in rng.permutation(len(rest))]
    return [row.id for row in chosen + shuffled[: budget - len(chosen)]]


@pytest.mark.parametrize("seed", range(50))
def test_it_is_its_definition_on_random_pools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, kinds = int(rng.integers(5, 90)), int(rng.integers(1, 15))
    share = rng.uniform(0.02, 0.5, size=kinds)
    members = {f"c{c}": np.flatnonzero(rng.random(size) < share[c]).tolist() for c in range(kinds)}
    members["c0"] = [*members["c0"], 0]
    rows = pool(**members, none=range(size))
    budget = int(rng.integers(0, size + 1))
    assert [pick.id for pick in run(rows, budget, seed)] == literal(rows, budget, seed)


@settings(max_examples=60, deadline=None)
@given(
    some.lists(some.sets(some.sampled_from("abcde"), max_size=3), min_size=1, max_size=40).filter(any),
    some.integers(0, 40),
    some.integers(0, 3),
)
def test_every_category_gets_its_share_or_has_no_more(rows: list[set[str]], budget: int, draw: int) -> None:
    made = [Candidate(f"{n:03d}", "", tuple(sorted(names)), "T1") for n, names in enumerate(rows)]
    budget = min(budget, len(made))
    picks = run(made, budget, draw)
    names = {name for row in made for name in row.categories}
    taken = {pick.id for pick in picks}
    assert len(taken) == len(picks) == budget
    for name in names:
        members = {row.id for row in made if name in row.categories}
        assert len(members & taken) >= min(budget // len(names), len(members))
        own = [pick.id for pick in picks if pick.reason == f"category {name}"]
        assert len(own) <= budget // len(names)
        assert set(own) <= members
