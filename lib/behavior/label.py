"""The label stage: categories, refusal, harmful request and type for every example of the corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from lib.behavior.categories import by_prompt, nearest
from lib.behavior.labeler import Labeler
from lib.behavior.types import behavior_type
from lib.corpus.example import Example

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
"""One row per example, in the examples' order. `category_score`: mean cosine, only for `nearest`."""


def label(
    examples: Sequence[Example],
    *,
    references: Sequence[Example],
    vectors: Mapping[str, np.ndarray],
    categories_from: str,
    refusal: Labeler,
    harmful_request: Labeler,
    assume_harmful: bool,
) -> pa.Table:
    """Labels of every example, schema `LABELS`.

    Args:
        references: labelled rows (for `prompt` and `nearest`).
        vectors: text_id -> float32 [D]; needed for `nearest` only.
        categories_from: `given`, `prompt` or `nearest`.
        assume_harmful: take every request as harmful, whatever the labeler says.
    """
    scores: Sequence[float | None] = [None] * len(examples)
    if categories_from == "prompt":
        known = by_prompt(examples, references)
        examples = [replace(e, categories=known.get(e.text_id, ())) for e in examples]
    elif categories_from == "nearest":
        stacked = np.stack([vectors[e.text_id] for e in examples])
        names, cosines = nearest(stacked, references, vectors)
        examples = [replace(e, categories=(name,)) for e, name in zip(examples, names, strict=True)]
        scores = [float(c) for c in cosines]
    refusals = refusal.label(examples)
    requests: list[bool | None] = [True] * len(examples) if assume_harmful else harmful_request.label(examples)
    return pa.Table.from_pylist(
        [
            {
                "id": e.id,
                "categories": list(e.categories),
                "category_score": score,
                "refusal": is_refusal,
                "harmful_request": is_harmful,
                "type": behavior_type(is_harmful, is_refusal),
                "unsafe": e.is_safe is False or e.harmful_response is True,
            }
            for e, score, is_refusal, is_harmful in zip(examples, scores, refusals, requests, strict=True)
        ],
        schema=LABELS,
    )


def counts(labels: pa.Table) -> dict[str, Any]:
    """Rows by type, by category (multi-label rows count in each) and unsafe ones: the corpus card."""
    categories = Counter(name for names in labels["categories"].to_pylist() for name in names)
    return {
        "types": dict(sorted(Counter(labels["type"].to_pylist()).items())),
        "categories": dict(sorted(categories.items())),
        "unsafe": sum(labels["unsafe"].to_pylist()),
    }
