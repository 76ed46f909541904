"""Harm categories of instructions: given with the row, taken from a sibling of the same prompt, or the nearest.

Real corpora do not give categories to the rows one wants to pick: in BeaverTails every safe row has none, since the
flags describe the answer (PAPER A uses per-row categories whose origin is not published).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from lib.corpus.example import Example
from lib.errors import UserError


def by_prompt(*pools: Iterable[Example]) -> dict[str, tuple[str, ...]]:
    """text_id -> the union of the categories that any row with that instruction has, sorted."""
    found: dict[str, set[str]] = defaultdict(set)
    for pool in pools:
        for example in pool:
            if example.categories:
                found[example.text_id].update(example.categories)
    return {text_id: tuple(sorted(names)) for text_id, names in found.items()}


def nearest(
    vectors: np.ndarray, references: Sequence[Example], reference_vectors: Mapping[str, np.ndarray]
) -> tuple[list[str], np.ndarray]:
    """The category of highest mean cosine to each vector.

    The mean over a category's references of the cosine equals one dot product with the mean of their unit vectors, so
    N x M similarities become N x categories. References with exactly one category count, as in paper A's Cossim.

    Args:
        vectors: float32 [N, D], any length.
        references: labelled rows; each text counts once.
        reference_vectors: text_id -> float32 [D].

    Returns:
        The category of each vector, and its mean cosine, float32 [N]. Ties go to the first name.

    Raises:
        UserError: no reference has exactly one category.
    """
    members: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for row in references:
        if len(row.categories) == 1:
            members[row.categories[0]][row.text_id] = reference_vectors[row.text_id]
    if not members:
        raise UserError("categories: nearest needs `references` with rows of exactly one category: none was found")
    names = sorted(members)
    means = np.stack([_unit(np.stack([members[n][t] for t in sorted(members[n])])).mean(axis=0) for n in names])
    scores = _unit(vectors) @ means.T
    best = np.round(scores, 6).argmax(axis=1)
    return [names[i] for i in best], scores[np.arange(len(best)), best]


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = rows / np.where(length == 0, 1, length)
    return unit
