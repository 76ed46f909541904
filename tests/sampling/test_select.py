"""The rules in front of every strategy: what is an error, what a selection is, how a mix of types is split."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from lib.errors import UserError
from lib.sampling.pool import Pool, make_pool
from lib.sampling.select import (
    SELECTION,
    content_digest,
    picked_ids,
    resolve_budget,
    select,
    selection_table,
    split_budget,
)
from lib.sampling.strategy import Pick, Strategy, make_strategy
from tests.sampling.pools import pool_of, seen, tables


def pick(pool: Pool, strategy: str, budget: int, draw: int = 0, **more: Any) -> list[Pick]:
    return select(pool, make_strategy(strategy), label=strategy, budget=budget, draw=draw, **more)


def table_of(pool: Pool, picks: list[Pick]) -> pa.Table:
    texts = {one: (f"Question {one}?", f"Answer {one}.") for one in picked_ids(pool, picks)}
    return selection_table(pool, picks, texts)


def one_unsafe(count: int) -> Pool:
    return make_pool([tables([["a"]] * (count + 1), unsafe=[True] + [False] * count)])


# ---------------------------------------------------------------- selections


def test_a_selection_is_in_order_with_its_texts_and_reasons() -> None:
    pool = pool_of([["a"]] * 9)
    picks = pick(pool, "sss", 4)
    table = table_of(pool, picks)
    assert table.schema == SELECTION
    for rank, row in enumerate(table.to_pylist()):
        one = f"{picks[rank].row:032x}"
        assert row == {
            "rank": rank, "id": one, "instruction": f"Question {one}?", "response": f"Answer {one}.",
            "categories": ["a"], "behavior": "T1", "score": None, "reason": "category a",
        }  # fmt: skip


def test_a_pool_that_is_too_small_names_the_shortfall_and_why() -> None:
    with pytest.raises(UserError) as error:
        pick(one_unsafe(3), "random", 5)
    assert str(error.value) == (
        "strategy 'random' needs 5 rows and the eligible pool has 3 (2 short; 1 labelled unsafe): "
        "lower sweep.budget or add to corpus"
    )


def test_a_strategy_without_its_categories_is_an_error_and_never_random() -> None:
    with pytest.raises(
        UserError, match="strategy 'sss' needs categories and no row of the pool has one: set categories"
    ):
        pick(pool_of([[]] * 9), "sss", 3)
    with pytest.raises(UserError, match="strategy 'kcenter' needs categories"):
        pick(pool_of([[]] * 3), "kcenter", 3, evidence=seen(np.eye(3)))


def test_cossim_without_references_is_an_error() -> None:
    with pytest.raises(UserError, match="strategy 'cossim' needs references of exactly one category and there is none"):
        pick(pool_of([["a"]] * 3), "cossim", 3, evidence=seen(np.eye(3)))


def test_vectors_of_another_pool_are_refused() -> None:
    with pytest.raises(ValueError, match="2 vectors for a pool of 3 rows"):
        pick(pool_of([["a"]] * 3), "pss", 3, evidence=seen(np.eye(2)))


def test_a_budget_of_no_rows_needs_nothing() -> None:
    for strategy in Strategy.names():
        assert pick(pool_of([[]] * 9), strategy, 0) == []


def test_none_picks_nothing_from_any_pool() -> None:
    assert pick(pool_of([[]] * 9), "none", 5) == []
    assert pick(pool_of([]), "none", 5) == []
    assert pick(pool_of([]), "none", 5, types={"T1": 0.5, "T2": 0.5}) == []


def test_a_strategy_that_breaks_its_contract_is_found_out() -> None:
    class Twice(Strategy):
        def pick(self, pool: Any, evidence: Any, budget: int, rng: Any) -> list[Pick]:
            return [Pick(0, "again")] * budget

    with pytest.raises(ValueError, match="broke its contract"):
        select(pool_of([[]] * 3), Twice(), label="twice", budget=2, draw=0)


def test_the_digest_of_a_selection_is_its_texts_in_order() -> None:
    pool = pool_of([["a"]] * 9)
    table = table_of(pool, pick(pool, "random", 4))
    assert content_digest(table.take([1, 0, 2, 3])) != content_digest(table)
    relabelled = table.set_column(7, "reason", [["other"] * 4]).set_column(0, "rank", [[9, 8, 7, 6]])
    assert content_digest(relabelled) == content_digest(table)
    moved = table.set_column(2, "instruction", [["x", *table["instruction"].to_pylist()[1:]]])
    assert content_digest(moved) != content_digest(table)


def test_digests_of_selections_are_frozen() -> None:
    texts = pa.Table.from_pylist([{"instruction": "a", "response": "b"}], schema=SELECTION)
    assert content_digest(texts) == "68158a6343ffa37a8a7f18230026f2c7"
    assert content_digest(SELECTION.empty_table()) == "4f53cda18c2baa0c0354bb5f9a3ecbe5"


# ---------------------------------------------------------------- mixes of types


MIX = {"T1": 0.8, "T2": 0.2}


def two_types() -> Pool:
    """30 rows of T1 and 12 of T2, in turns at first; `b` has rows of T2 only."""
    kinds = [("T2" if n % 2 else "T1") if n < 24 else "T1" for n in range(42)]
    return pool_of([["b"] if kind == "T2" and n < 6 else ["a"] for n, kind in enumerate(kinds)], types=kinds)


@pytest.mark.parametrize("strategy", ["random", "sss", "pss", "kcenter", "herding"])
def test_each_part_of_a_mix_is_what_its_type_alone_would_give(strategy: str) -> None:
    pool = two_types()
    matrix = np.random.default_rng(0).standard_normal((42, 4))
    mixed = pick(pool, strategy, 20, draw=3, types=MIX, evidence=seen(matrix))
    assert [str(pool.types[one.row]) for one in mixed] == ["T1"] * 16 + ["T2"] * 4
    for kind, part in (("T1", mixed[:16]), ("T2", mixed[16:])):
        rows = np.flatnonzero(pool.types == kind)
        alone = pick(pool.take(rows), strategy, len(part), draw=3, types=[kind], evidence=seen(matrix[rows]))
        assert [(one.reason, one.score) for one in part] == [(one.reason, one.score) for one in alone]
        assert [one.row for one in part] == rows[[one.row for one in alone]].tolist()


def test_a_type_that_is_too_small_is_named_with_the_shortfall() -> None:
    with pytest.raises(UserError) as error:
        pick(two_types(), "sss", 42, types={"T1": 0.5, "T2": 0.5})
    assert str(error.value) == (
        "strategy 'sss' needs 21 rows of type T2 and the eligible pool has 12 (9 short): "
        "lower sweep.budget or add to corpus"
    )


def test_a_type_without_categories_is_named() -> None:
    pool = pool_of([["a"], ["a"], [], []], types=["T1", "T1", "T2", "T2"])
    with pytest.raises(UserError, match="needs categories and no row of type T2 of the pool has one"):
        pick(pool, "sss", 2, types={"T1": 0.5, "T2": 0.5})


@pytest.mark.parametrize(
    ("budget", "shares", "counts"),
    [
        (50, MIX, {"T1": 40, "T2": 10}),
        (48, MIX, {"T1": 38, "T2": 10}),  # 38.4 and 9.6
        (7, MIX, {"T1": 6, "T2": 1}),  # 5.6 and 1.4
        (1, {"T2": 0.5, "T1": 0.5}, {"T1": 1, "T2": 0}),  # equal fractions go by name
        (10, {"T1": 0.33, "T2": 0.33, "T3": 0.34}, {"T1": 3, "T2": 3, "T3": 4}),
        (2, {"T4": 0.25, "T1": 0.25, "T3": 0.25, "T2": 0.25}, {"T1": 1, "T2": 1, "T3": 0, "T4": 0}),
        (30, {"T1": 0.1, "T2": 0.9}, {"T1": 3, "T2": 27}),  # 0.1 is a tenth here, and not its float
        (0, MIX, {"T1": 0, "T2": 0}),
    ],
)
def test_a_budget_is_split_by_largest_remainder(budget: int, shares: dict[str, float], counts: dict[str, int]) -> None:
    assert split_budget(budget, shares) == counts
    assert list(split_budget(budget, shares)) == sorted(shares)


@given(some.integers(0, 500), some.lists(some.integers(1, 100), min_size=2, max_size=4))
def test_a_split_is_within_one_row_of_the_shares_and_complete(budget: int, weights: list[int]) -> None:
    shares = {f"T{n}": round(weight / sum(weights), 3) for n, weight in enumerate(weights)}
    shares["T0"] = round(1 - sum(list(shares.values())[1:]), 3)
    counts = split_budget(budget, shares)
    assert sum(counts.values()) == budget
    assert all(abs(count - budget * shares[kind]) < 1 for kind, count in counts.items())


# ---------------------------------------------------------------- budgets


@pytest.mark.parametrize(
    ("budget", "benign", "count"),
    [
        (48, 10, 48), (0, 10, 0), ("0.5%", 20_000, 100), ("0.05%", 20_000, 10), ("0.05%", 160, 1), ("100%", 7, 7),
        ("0.1%", 1000, 1), ("0.1%", 1001, 2), ("29%", 100, 29), ("0.57%", 10_000, 57), ("1e-05%", 160, 1),
    ],
)  # fmt: skip
def test_a_share_is_rounded_up_exactly(budget: int | str, benign: int, count: int) -> None:
    assert resolve_budget(budget, benign) == count


def test_a_share_of_what_nobody_has_counted_is_not_known_and_a_count_always_is() -> None:
    assert resolve_budget("5%", None) is None
    assert resolve_budget(48, None) == 48
