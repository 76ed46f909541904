"""The label stage: categories, refusal, harmful request and type for every example of the corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from lib.behavior.panel import Agreements, Panel, Vectors, Verdicts
from lib.behavior.types import UNKNOWN, behavior_type
from lib.corpus.example import Example

TYPE_QUESTIONS = ("refusal", "harmful_request")
"""Their answers make the type."""
QUESTIONS = (*TYPE_QUESTIONS, "harmful_response")
"""What labelers are asked; a harmful answer makes a row unsafe."""
LABELS = pa.schema(
    [
        ("id", pa.string()),
        ("categories", pa.list_(pa.string())),
        ("category_score", pa.float32()),
        ("refusal", pa.bool_()),
        ("harmful_request", pa.bool_()),
        ("type", pa.string()),
        ("unsafe", pa.bool_()),
    ]
)
"""One row per example, in the examples' order. `category_score`: mean cosine, only for `nearest`. Where labelers are
compared, their answers follow as further columns (`Panel.columns`)."""


def label(
    examples: Sequence[Example],
    *,
    categories: Sequence[tuple[str, ...]],
    scores: Sequence[float | None],
    panels: Mapping[str, Panel],
    vectors: Vectors,
    verdicts: Verdicts,
    assume_harmful: bool,
) -> pa.Table:
    """Labels of every example, schema `LABELS` and the columns of compared labelers.

    Args:
        categories: of each example's instruction, wherever they come from.
        scores: how near the references were that gave the category (None: it was not got by nearness).
        panels: by question.
        vectors: of the examples, for every kind of text that a labeler looks at.
        verdicts: of the guards that a labeler passes on.
        assume_harmful: take every request as harmful, whatever the labeler says.
    """
    examples = [replace(e, categories=names) for e, names in zip(examples, categories, strict=True)]
    answers = {question: panels[question].answers(examples, vectors, verdicts) for question in QUESTIONS}
    refusals, requests, harms = (answers[question][panels[question].decides.title] for question in QUESTIONS)
    if assume_harmful:
        requests = [True] * len(examples)
    if panels["harmful_response"].decides.guard:  # who has every answer read does not want an unread one picked
        harms = [harm is not False for harm in harms]
    labels = pa.Table.from_pylist(
        [
            {
                "id": e.id,
                "categories": list(e.categories),
                "category_score": score,
                "refusal": is_refusal,
                "harmful_request": is_harmful,
                "type": behavior_type(is_harmful, is_refusal),
                "unsafe": e.is_safe is False or e.harmful_response is True or does_harm is True,
            }
            for e, score, is_refusal, is_harmful, does_harm in zip(
                examples, scores, refusals, requests, harms, strict=True
            )
        ],
        schema=LABELS,
    )
    for question, panel in panels.items():
        for title, column in panel.columns.items():
            labels = labels.append_column(column, pa.array(answers[question][title], pa.bool_()))
    return labels


def counts(tables: Iterable[pa.Table], panels: Mapping[str, Panel]) -> dict[str, Any]:
    """The corpus card: rows by type, by category and by both, unsafe ones, and what labelers left open.

    Returns:
        `types`, `categories` (multi-label rows count in each), `cross` (category -> type -> rows), `uncategorised` (type ->
        rows without a category), `unsafe`, `unanswered` (question -> rows), and `agreement` (question -> compared pairs).
    """
    types, categories, unanswered, unsafe = Counter[str](), Counter[str](), Counter[str](), 0
    cross, bare = dict[str, Counter[str]](), Counter[str]()
    agreements = {question: Agreements(panel) for question, panel in panels.items() if panel.compared}
    for labels in tables:
        for kind, names in zip(labels["type"].to_pylist(), labels["categories"].to_pylist(), strict=True):
            types[kind] += 1
            categories.update(names)
            if not names:
                bare[kind] += 1
            for name in names:
                cross.setdefault(name, Counter())[kind] += 1
        unsafe += sum(labels["unsafe"].to_pylist())
        unanswered.update({question: labels[question].null_count for question in TYPE_QUESTIONS})
        for one in agreements.values():
            one.add(labels)
    return {
        "types": dict(sorted(types.items())),
        "categories": dict(sorted(categories.items())),
        "cross": {name: dict(sorted(kinds.items())) for name, kinds in sorted(cross.items())},
        "uncategorised": dict(sorted(bare.items())),
        "unsafe": unsafe,
        "unanswered": dict(unanswered),
        "agreement": {question: one.facts() for question, one in agreements.items()},
    }


def in_words(facts: Mapping[str, Any]) -> str:
    """One line on a finished label artifact: rows by type, and how right what was learned is where that was measured."""
    types = {**facts["types"], UNKNOWN: facts["types"].get(UNKNOWN, 0)}
    said = [", ".join(f"{kind} {n}" for kind, n in types.items())]
    for question, cards in facts["learned"].items():
        for title, card in cards.items():
            how = f"{card['accuracy']:.0%} of {card['n']} labelled texts it had not seen"
            if card["at_least"] > 0.5:
                share = "none" if card["answered"]["right"] is None else f"{card['answered']['right']:.0%}"
                how = f"{share} of the {card['answered']['n']} it was sure of, among {card['n']} labelled texts it had not seen"
            said.append(f"{question} by {title} right for {how} (always one answer: {card['majority']:.0%})")
    for question, pairs in facts["agreement"].items():
        for pair in pairs:
            kappa = "undefined" if pair["kappa"] is None else f"{pair['kappa']:.2f}"
            said.append(f"{question}: kappa of {pair['first']} and {pair['second']} {kappa}")
    if facts.get("nearest"):
        nearest = facts["nearest"]
        said.append(f"nearest categories right for {nearest['accuracy']:.0%} of {nearest['n']} references")
    return "; ".join(said)
