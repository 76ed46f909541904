"""The rules in front of every strategy: who may be picked, what is an error, what a selection is."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some

from lib.behavior.label import LABELS
from lib.corpus.example import Example
from lib.corpus.text import fold_id
from lib.errors import UserError
from lib.sampling.select import SELECTION, Pool, card, content_digest, make_pool, resolve_budget, select
from lib.sampling.strategy import Pick, Strategy
from tests.makers import example


def rows(count: int, **labels: Any) -> list[Example]:
    return [example(f"Question {n}?", f"Answer {n}.", **labels) for n in range(count)]


def labels(examples: list[Example], kind: str = "T1", unsafe: bool = False) -> pa.Table:
    columns = [
        {"id": e.id, "categories": list(e.categories), "type": kind, "unsafe": unsafe or e.is_safe is False}
        for e in examples
    ]
    return pa.Table.from_pylist(columns, schema=LABELS)


def pool_of(examples: list[Example], table: pa.Table | None = None, **rules: Any) -> Pool:
    rules = {"types": None, "leaked": frozenset(), "allow_unsafe": False, **rules}
    return make_pool(examples, labels(examples) if table is None else table, **rules)


def pick(pool: Pool, strategy: str, budget: int, draw: int = 0) -> pa.Table:
    return select(pool, Strategy.find(strategy)(), strategy, budget, draw, {})


# ---------------------------------------------------------------- the pool


def test_the_pool_is_sorted_by_id_whatever_the_order_of_rows() -> None:
    examples = rows(40)
    pool = pool_of(examples)
    assert [row.id for row in pool.candidates] == sorted(e.id for e in examples)
    assert pool_of(examples[::-1]).candidates == pool.candidates


def test_unsafe_rows_are_kept_out_unless_allowed() -> None:
    examples = [*rows(3, is_safe=True), example("Bad?", "Sure.", is_safe=False)]
    pool = pool_of(examples)
    assert examples[3].id not in {row.id for row in pool.candidates}
    assert pool.kept_out == {"labelled unsafe": 1}
    allowed = pool_of(examples, allow_unsafe=True)
    assert len(allowed.candidates) == 4
    assert allowed.kept_out == {}


def test_types_are_filtered_only_when_asked_and_unknown_is_no_type() -> None:
    examples = rows(5)
    table = labels(examples).set_column(5, LABELS.field("type"), [["T1", "T2", "T1", "unknown", "T4"]])
    assert len(pool_of(examples, table).candidates) == 5
    t1 = pool_of(examples, table, types=["T1"])
    assert {row.id for row in t1.candidates} == {examples[0].id, examples[2].id}
    assert t1.kept_out == {"not of type T1": 3}
    assert len(pool_of(examples, table, types=["T1", "T2"]).candidates) == 3


def test_evaluation_prompts_are_dropped_whatever_their_case_and_spacing() -> None:
    examples = rows(3)
    pool = pool_of(examples, leaked={fold_id("  question\n1? ")})
    assert {row.id for row in pool.candidates} == {examples[0].id, examples[2].id}
    assert pool.kept_out == {"also an evaluation prompt": 1}


def test_a_row_is_kept_out_for_one_reason() -> None:
    examples = [example("Leaked?", "Sure.", is_safe=False)]
    pool = pool_of(examples, labels(examples, "T2"), types=["T1"], leaked={fold_id("leaked?")})
    assert pool.kept_out == {"labelled unsafe": 1}


def test_categories_are_the_labels_and_not_the_rows() -> None:
    examples = rows(1, categories=("given",))
    table = labels(examples).set_column(1, LABELS.field("categories"), [[["labelled"]]])
    assert pool_of(examples, table).candidates[0].categories == ("labelled",)


def test_labels_of_other_rows_are_refused() -> None:
    examples = rows(2)
    with pytest.raises(ValueError, match="labels and examples disagree"):
        pool_of(examples, labels(examples[::-1]))


# ---------------------------------------------------------------- selections


def test_a_selection_is_in_order_with_its_texts_and_reasons() -> None:
    examples = rows(9, categories=("a",))
    table = pick(pool_of(examples), "sss", 4)
    assert table.schema == SELECTION
    by_id = {e.id: e for e in examples}
    for rank, row in enumerate(table.to_pylist()):
        chosen = by_id[row["id"]]
        assert row == {
            "rank": rank, "id": chosen.id, "instruction": chosen.instruction, "response": chosen.response,
            "categories": ["a"], "behavior": "T1", "score": None, "reason": "category a",
        }  # fmt: skip


def test_a_pool_that_is_too_small_names_the_shortfall_and_why() -> None:
    examples = [*rows(3), example("Bad?", "Sure.", is_safe=False)]
    with pytest.raises(UserError) as error:
        pick(pool_of(examples), "random", 5)
    assert str(error.value) == (
        "strategy 'random' needs 5 rows and the eligible pool has 3 (2 short; 1 labelled unsafe): "
        "lower sweep.budget or add to corpus"
    )


def test_a_strategy_without_its_categories_is_an_error_and_never_random() -> None:
    with pytest.raises(UserError, match="strategy 'sss' needs categories and no row of the pool has one"):
        pick(pool_of(rows(9)), "sss", 3)


def test_a_budget_of_no_rows_needs_no_categories() -> None:
    assert pick(pool_of(rows(9)), "sss", 0).num_rows == 0


def test_none_picks_nothing_from_any_pool() -> None:
    assert pick(pool_of(rows(9)), "none", 5).num_rows == 0
    assert pick(pool_of([]), "none", 5).num_rows == 0


def test_a_strategy_that_breaks_its_contract_is_found_out() -> None:
    class Twice(Strategy):
        def pick(self, pool: Any, vectors: Any, budget: int, rng: Any) -> list[Pick]:
            return [Pick(pool[0].id, "again")] * budget

    with pytest.raises(ValueError, match="broke its contract"):
        select(pool_of(rows(3)), Twice(), "twice", 2, 0, {})


def test_the_digest_of_a_selection_is_its_texts_in_order() -> None:
    pool = pool_of(rows(9, categories=("a",)))
    table = pick(pool, "random", 4)
    assert content_digest(table.take([1, 0, 2, 3])) != content_digest(table)
    relabelled = table.set_column(7, "reason", [["other"] * 4]).set_column(0, "rank", [[9, 8, 7, 6]])
    assert content_digest(relabelled) == content_digest(table)
    moved = table.set_column(2, "instruction", [["x", *table["instruction"].to_pylist()[1:]]])
    assert content_digest(moved) != content_digest(table)


def test_digests_of_selections_are_frozen() -> None:
    texts = pa.Table.from_pylist([{"instruction": "a", "response": "b"}], schema=SELECTION)
    assert content_digest(texts) == "68158a6343ffa37a8a7f18230026f2c7"
    assert content_digest(SELECTION.empty_table()) == "4f53cda18c2baa0c0354bb5f9a3ecbe5"


def test_the_card() -> None:
    examples = [*rows(8, categories=("a", "b")), example("Bad?", "Sure.", is_safe=False)]
    pool = pool_of(examples)
    assert card(pool, pick(pool, "sss", 5)) == {
        "eligible": 8, "kept_out": {"labelled unsafe": 1}, "rows": 5, "categories": {"a": 5, "b": 5},
        "types": {"T1": 5}, "reasons": {"category": 4, "top-up": 1},
    }  # fmt: skip


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


def test_a_share_of_nothing_is_an_error() -> None:
    with pytest.raises(UserError, match=r"budget 5% is a share: set benign\.limit"):
        resolve_budget("5%", None)


# ---------------------------------------------------------------- properties


@some.composite
def pools(draw: some.DrawFn) -> tuple[list[Example], pa.Table]:
    """Rows of every type, some unsafe, with up to three of four categories each."""
    count = draw(some.integers(1, 30))
    examples, table = [], []
    for n in range(count):
        names = tuple(sorted(draw(some.sets(some.sampled_from("abcd"), max_size=3))))
        row = example(f"Question {n}?", f"Answer {n}.", categories=names)
        examples.append(row)
        kind = draw(some.sampled_from(["T1", "T2", "T3", "T4", "unknown"]))
        table.append({"id": row.id, "categories": list(names), "type": kind, "unsafe": draw(some.booleans())})
    return examples, pa.Table.from_pylist(table, schema=LABELS)


@settings(max_examples=60, deadline=None)
@given(pools(), some.sampled_from(["random", "sss"]), some.sampled_from([None, ["T1"]]), some.data())
def test_every_selection_keeps_the_rules(
    made: tuple[list[Example], pa.Table], strategy: str, types: list[str] | None, data: some.DataObject
) -> None:
    examples, table = made
    pool = pool_of(examples, table, types=types)
    budget = data.draw(some.integers(0, len(pool.candidates)))
    draw = data.draw(some.integers(0, 5))
    assume(strategy != "sss" or any(row.categories for row in pool.candidates))
    chosen = pick(pool, strategy, budget, draw)
    label_of = {row["id"]: row for row in table.to_pylist()}
    picked = [label_of[one] for one in chosen["id"].to_pylist()]
    assert len({row["id"] for row in picked}) == len(picked) == budget
    assert not any(row["unsafe"] for row in picked)
    assert types is None or all(row["type"] == "T1" for row in picked)
    order = data.draw(some.permutations(range(len(examples))))
    again = pool_of([examples[i] for i in order], table.take(list(order)), types=types)
    assert pick(again, strategy, budget, draw).equals(chosen)


def test_the_same_draw_gives_the_same_rows_and_another_draw_others() -> None:
    pool = pool_of(rows(200, categories=("a",)))
    for strategy in ("random", "sss"):
        digests = [content_digest(pick(pool, strategy, 20, draw)) for draw in (0, 0, 1, 2)]
        assert digests[0] == digests[1]
        assert len(set(digests)) == 3


def test_random_is_uniform_over_the_pool() -> None:
    """400 draws of 5 from 20: every row is expected 100 times, with a standard deviation of 8.7."""
    pool = pool_of(rows(20))
    counts = dict.fromkeys(pool.examples, 0)
    for draw in range(400):
        for one in Strategy.find("random")().pick(pool.candidates, {}, 5, np.random.default_rng(draw)):
            counts[one.id] += 1
    assert sum(counts.values()) == 2000
    assert min(counts.values()) > 60
    assert max(counts.values()) < 140
