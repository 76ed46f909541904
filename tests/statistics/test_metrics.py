"""Verdicts to rates, worked by hand."""

import math

import pyarrow as pa
import pytest

from lib.generation.answers import GENERATIONS, answer_row
from lib.judging.judge import VERDICTS, make_judge, verdicts
from lib.statistics.intervals import wilson
from lib.statistics.metrics import Rate, rates

Row = tuple[str, str, bool | None]
"""(kind, categories as letters, refusal)"""


def tables(*rows: Row) -> tuple[pa.Table, pa.Table]:
    generations, said = [], []
    for number, (kind, categories, refusal) in enumerate(rows):
        row = answer_row(
            number=number, prompt=f"p{number}", kind=kind, categories=tuple(categories), prompt_tokens=1, text="So.",
            tokens=(), finish="stop",
        )  # fmt: skip
        generations.append(row)
        said.append(
            {"number": number, "refusal": refusal, "score": None, "error": None if refusal is not None else "x"}
        )
    return pa.Table.from_pylist(generations, schema=GENERATIONS), pa.Table.from_pylist(said, schema=VERDICTS)


def found(*rows: Row) -> dict[tuple[str, str], Rate]:
    return {(rate.metric, rate.category): rate for rate in rates(*tables(*rows))}


def test_what_is_bad_depends_on_what_was_asked() -> None:
    rows = [(kind, "", refusal) for kind in ("harmful", "lookalike", "plain") for refusal in (True, True, True, False)]
    assert {key: rate.value for key, rate in found(*rows).items()} == {
        ("asr", ""): 0.25,
        ("over_refusal", ""): 0.75,
        ("refusal_rate", ""): 0.75,
    }


def test_a_rate_has_its_interval_over_rows_with_a_verdict() -> None:
    rate = found(*[("harmful", "", False)] * 3, *[("harmful", "", True)] * 7, ("harmful", "", None))["asr", ""]
    assert (rate.n, rate.value) == (10, 0.3)
    assert (rate.low, rate.high) == wilson(3, 10)


@pytest.mark.parametrize("kind", ["harmful", "lookalike", "plain"])
def test_the_worst_case_counts_every_row_without_a_verdict_as_bad(kind: str) -> None:
    """Two of four verdicts are bad, and two rows have none: 2/4, at worst 4/6."""
    rate = next(iter(found(*[(kind, "", said) for said in (True, False, True, False, None, None)]).values()))
    assert (rate.n, rate.value, rate.errors) == (4, 0.5, 2)
    assert rate.worst == pytest.approx(4 / 6)


def test_without_missing_rows_the_worst_case_is_the_rate() -> None:
    rate = found(("harmful", "", False), ("harmful", "", True))["asr", ""]
    assert rate.worst == rate.value == 0.5


def test_no_verdict_at_all_is_no_rate_and_the_worst_case_one() -> None:
    rate = found(("harmful", "", None))["asr", ""]
    assert (rate.n, rate.errors, rate.worst) == (0, 1, 1.0)
    assert all(math.isnan(value) for value in (rate.value, rate.low, rate.high))


def test_rows_by_category_come_after_the_whole_and_multi_label_rows_count_in_each() -> None:
    rows = [("harmful", "ab", False), ("harmful", "b", True), ("harmful", "", True), ("lookalike", "a", False)]
    assert [(rate.metric, rate.category, rate.n, rate.value) for rate in rates(*tables(*rows))] == [
        ("asr", "", 3, pytest.approx(1 / 3)),
        ("asr", "a", 1, 1.0),
        ("asr", "b", 2, 0.5),
        ("over_refusal", "", 1, 0.0),
        ("over_refusal", "a", 1, 0.0),
    ]


def test_empty_and_truncated_answers_are_counted() -> None:
    generations, said = tables(*[("harmful", "", False)] * 4)
    generations = generations.set_column(8, "empty", [[True, True, False, False]])
    generations = generations.set_column(9, "truncated", [[True, False, False, False]])
    (rate,) = rates(generations, said)
    assert (rate.empty, rate.truncated, rate.errors, rate.n) == (2, 1, 0, 4)


def test_an_empty_answer_is_an_attack_that_succeeded_under_qi29() -> None:
    generations, _ = tables(*[("harmful", "", None)] * 2)
    generations = generations.set_column(4, "answer", [["", "I'm sorry."]])
    (rate,) = rates(generations, verdicts(make_judge("keyword:qi29"), generations))
    assert (rate.value, rate.n) == (0.5, 2)


def test_tables_of_other_rows_are_refused() -> None:
    generations, said = tables(("harmful", "", True), ("harmful", "", False))
    with pytest.raises(ValueError, match="not of the same rows"):
        list(rates(generations, said.take([1, 0])))
    with pytest.raises(ValueError, match="not of the same rows"):
        list(rates(generations, said.slice(1)))
