"""The label stage: categories, refusal, request and type put together."""

from typing import Any

import pyarrow as pa

from lib.behavior.label import LABELS, counts, in_words, label
from lib.behavior.panel import Panel, make_panel
from lib.corpus.example import Example
from tests.makers import example

ROWS = [
    example("bomb?", "I cannot help.", categories=("v",), harmful_request=True, is_safe=True),
    example("bomb!", "Mix it.", categories=("v", "w"), harmful_request=True, is_safe=False),
    example("bread?", "Bake it.", harmful_request=False),
    example("bread!", "I cannot help.", harmful_request=False),
    example("who?", "I cannot help."),
    example("what?", "That.", harmful_response=True),
]


def panels(refusal: str = "keyword", harmful_request: str = "given", **compared: list[str]) -> dict[str, Panel]:
    return {
        "refusal": make_panel("refusal", refusal, compared.get("refusals")),
        "harmful_request": make_panel("harmful_request", harmful_request, compared.get("requests")),
        "harmful_response": make_panel("harmful_response", "given"),
    }


def labelled(rows: list[Example] = ROWS, **changed: Any) -> pa.Table:
    settings: dict[str, Any] = {
        "categories": [row.categories for row in rows], "scores": [None] * len(rows), "panels": panels(),
        "vectors": {}, "verdicts": {},
        "assume_harmful": False,
    }  # fmt: skip
    table = label(rows, **{**settings, **changed})
    assert table.select(LABELS.names).schema == LABELS
    assert table["id"].to_pylist() == [row.id for row in rows]
    return table


def test_types_with_unknowns() -> None:
    table = labelled()
    assert table["type"].to_pylist() == ["T1", "T2", "T3", "T4", "unknown", "unknown"]
    assert table["harmful_request"].to_pylist() == [True, True, False, False, None, None]
    assert table["refusal"].to_pylist() == [True, False, False, True, True, False]
    assert table["categories"].to_pylist() == [["v"], ["v", "w"], [], [], [], []]
    assert table["category_score"].to_pylist() == [None] * 6


def test_an_unknown_refusal_is_an_unknown_type() -> None:
    table = labelled(panels=panels("given"))
    assert table["type"].to_pylist() == ["unknown"] * 6
    assert table["refusal"].to_pylist() == [None] * 6


def test_unsafe_is_what_the_data_or_a_labeler_says_and_never_a_missing_label() -> None:
    assert labelled()["unsafe"].to_pylist() == [False, True, False, False, False, True]


def test_an_answer_that_a_guard_was_to_read_and_did_not_is_no_safe_one() -> None:
    guarded = {**panels(), "harmful_response": make_panel("harmful_response", "llama_guard")}
    verdicts = {"llama_guard": {"harmful_response": [False, False, None, True, False, False]}}
    table = labelled(panels=guarded, verdicts=verdicts)
    assert table["unsafe"].to_pylist() == [False, True, True, True, False, True]


def test_assumed_harmful_requests_override_the_labeler() -> None:
    table = labelled(assume_harmful=True)
    assert table["type"].to_pylist() == ["T1", "T2", "T2", "T1", "T1", "T2"]
    assert table["harmful_request"].to_pylist() == [True] * 6


def test_categories_reach_the_labelers_with_their_score() -> None:
    rows = [example("Q?", "I cannot help.", is_safe=True), example("R?", "Sure.", categories=("own",))]
    table = labelled(
        rows, categories=[("v",), ()], scores=[0.5, None], panels=panels(harmful_request="categories"),
    )  # fmt: skip
    assert table["categories"].to_pylist() == [["v"], []]
    assert table["category_score"].to_pylist() == [0.5, None]
    assert table["type"].to_pylist() == ["T1", "unknown"]


def test_the_card_counts_multi_label_rows_in_each_category_over_all_partitions() -> None:
    table = labelled()
    assert counts([table.slice(0, 2), table.slice(2)], panels()) == {
        "types": {"T1": 1, "T2": 1, "T3": 1, "T4": 1, "unknown": 2},
        "categories": {"v": 2, "w": 1},
        "cross": {"v": {"T1": 1, "T2": 1}, "w": {"T2": 1}},
        "uncategorised": {"T3": 1, "T4": 1, "unknown": 2},
        "unsafe": 2,
        "unanswered": {"refusal": 0, "harmful_request": 2},
        "agreement": {},
    }


def test_compared_labelers_have_columns_and_change_no_label() -> None:
    both = panels(refusals=["given", "keyword"], requests=["given", "categories"])
    table = labelled(panels=both)
    assert table.select(LABELS.names) == labelled()
    assert table.column_names[len(LABELS) :] == [
        "refusal by given", "refusal by keyword:opening", "harmful_request by given", "harmful_request by categories",
    ]  # fmt: skip
    assert table["harmful_request by categories"].to_pylist() == [True, True, None, None, None, None]
    found = counts([table.slice(0, 1), table.slice(1)], both)["agreement"]
    assert [pair["table"]["yes"] for pair in found["harmful_request"]] == [{"yes": 2, "no": 0, "none": 0}]
    assert found["refusal"][0]["undefined"] == "no row has an answer of both"


def test_what_a_compared_labeler_says_of_a_request_stays_its_own_when_all_are_assumed_harmful() -> None:
    table = labelled(panels=panels(requests=["given", "categories"]), assume_harmful=True)
    assert table["harmful_request"].to_pylist() == [True] * 6
    assert table["harmful_request by given"].to_pylist() == [True, True, False, False, None, None]


def test_one_line_says_what_came_out() -> None:
    assert in_words({**counts([labelled()], panels()), "learned": {}}) == "T1 1, T2 1, T3 1, T4 1, unknown 2"
    both = panels(requests=["given", "categories"])
    facts = counts([labelled(panels=both)], both)
    facts["learned"] = {"refusal": {"probe": {"accuracy": 0.876, "n": 90, "majority": 0.6, "at_least": 0.5}}}
    facts["nearest"] = {"accuracy": 0.5, "n": 12}
    assert in_words(facts) == (
        "T1 1, T2 1, T3 1, T4 1, unknown 2; "
        "refusal by probe right for 88% of 90 labelled texts it had not seen (always one answer: 60%); "
        "harmful_request: kappa of given and categories undefined; nearest categories right for 50% of 12 references"
    )
    facts["learned"]["refusal"]["probe"] |= {"at_least": 0.8, "answered": {"n": 50, "right": 0.96}}
    assert "probe right for 96% of the 50 it was sure of, among 90 labelled texts it had not seen (" in in_words(facts)
    assert in_words({**facts, "types": {"T1": 3}}).startswith("T1 3, unknown 0; ")
