"""The labelers of one question: who decides, who is compared, and how their answers are kept."""

import numpy as np
import pytest

from lib.behavior.labeler import make_labeler
from lib.behavior.panel import Agreements, make_panel
from lib.errors import UserError
from tests.makers import example

ROWS = [
    example("a", "I cannot help.", refusal=True), example("b", "Sure.", refusal=False), example("c", "Sorry, no."),
    example("d", "Sure.", refusal=True),
]  # fmt: skip


def test_each_labeler_is_asked_once_and_the_first_decides() -> None:
    panel = make_panel("refusal", "keyword", ["given", "keyword:opening"])
    assert list(panel.labelers) == ["keyword:opening", "given"]
    answers = panel.answers(ROWS, {}, {})
    assert answers == {"keyword:opening": [True, False, True, False], "given": [True, False, None, True]}
    assert panel.columns == {"given": "refusal by given", "keyword:opening": "refusal by keyword:opening"}


def test_comparing_is_part_of_the_identity_and_one_spelling_is_one_labeler() -> None:
    alone = make_panel("refusal", "keyword").identity
    both = make_panel("refusal", "keyword", ["given", "keyword"]).identity
    assert alone["compared"] == []
    assert both == make_panel("refusal", "keyword:opening", ["given", "keyword:opening"]).identity
    assert both != make_panel("refusal", "keyword", ["keyword", "given"]).identity
    assert {**both, "compared": []} == alone


def test_a_labeler_is_not_compared_with_itself() -> None:
    with pytest.raises(UserError, match=r"behavior.compare.refusal names keyword:opening twice"):
        make_panel("refusal", "given", ["keyword", "given", "keyword:opening"])


def test_what_has_learned_takes_the_place_of_what_has_not() -> None:
    panel = make_panel("refusal", "probe", ["keyword", "probe"])
    learned = make_labeler("probe", "refusal")
    after = panel.learned({"probe": learned})
    assert after.decides is learned
    assert after.compared == (panel.compared[0], learned)
    assert after.identity == panel.identity


def test_a_labeler_gets_the_vectors_of_its_kind_of_text() -> None:
    panel = make_panel("refusal", "probe")
    with pytest.raises(KeyError, match="pair"):
        panel.answers(ROWS, {"instruction": np.zeros((4, 2), np.float32)}, {})


def test_a_labeler_of_a_guard_gets_its_verdicts_on_the_question() -> None:
    panel = make_panel("harmful_response", "llama_guard", ["llama_guard", "given"])
    verdicts = {"llama_guard": {"harmful_response": [True, None, False, None], "harmful_request": [False] * 4}}
    assert panel.answers(ROWS, {}, verdicts)["llama_guard"] == [True, None, False, None]
    with pytest.raises(ValueError, match="one verdict per example"):
        panel.answers(ROWS, {}, {"llama_guard": {"harmful_response": [True]}})


def test_agreements_add_up_over_partitions() -> None:
    import pyarrow as pa

    panel = make_panel("refusal", "keyword", ["given", "keyword", "keyword:qi29"])
    answers = panel.answers(ROWS, {}, {})
    labels = pa.table({panel.columns[title]: answers[title] for title in panel.columns})
    whole, parts = Agreements(panel), Agreements(panel)
    whole.add(labels)
    for row in range(4):
        parts.add(labels.slice(row, 1))
    assert whole.facts() == parts.facts()
    pairs = [(pair["first"], pair["second"], pair["both"], pair["agreement"]) for pair in whole.facts()]
    assert pairs == [
        ("given", "keyword:opening", 3, 0.6667), ("given", "keyword:qi29", 3, 0.6667),
        ("keyword:opening", "keyword:qi29", 4, 1.0),
    ]  # fmt: skip
