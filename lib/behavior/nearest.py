"""Categories of instructions by the labelled references they are nearest to, and how far that can be trusted.

Two ways. `mean`: the category whose references have the highest mean cosine, as in paper A's Cossim. The mean over a
category's references of the cosine equals one dot product with the mean of their unit vectors, so N x M similarities
become N x categories. `neighbours`: a vote among the k nearest references.

Nobody knows the true category of a row that has none, so the accuracy is measured where labels are known: every fifth of
the references is categorised by the other four. The rows that matter can be further from the references than those are
from each other; the number is an upper bound in spirit, and is reported with that word of caution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.behavior.probe import FOLDS, fold_of, prompt_of
from lib.errors import UserError


@dataclass(frozen=True)
class References:
    """Labelled vectors, each text once, sorted by text id."""

    ids: list[str]
    names: list[str]
    """Category names, sorted."""
    category: np.ndarray
    """int64 [M]: index into `names`."""
    unit: np.ndarray
    """float32 [M, D]: unit vectors."""


def make_references(ids: Sequence[str], categories: Sequence[Sequence[str]], vectors: np.ndarray) -> References:
    """References from rows; those with exactly one category count, as in paper A's Cossim.

    Args:
        ids: of the text that each row's vector is of; a text counts once, with its first row's category.
        categories: the categories of each row.
        vectors: float32 [N, D].

    Raises:
        UserError: no row has exactly one category.
    """
    single = {one: row for row, one in reversed(list(enumerate(ids))) if len(categories[row]) == 1}
    if not single:
        raise UserError("categories: nearest needs `references` with rows of exactly one category: none was found")
    kept = sorted(single)
    rows = [single[one] for one in kept]
    names = sorted({categories[row][0] for row in rows})
    place = {name: index for index, name in enumerate(names)}
    return References(kept, names, np.array([place[categories[row][0]] for row in rows]), unit_rows(vectors[rows]))


def nearest(vectors: np.ndarray, references: References, neighbours: int | None = None) -> tuple[list[str], np.ndarray]:
    """The category of each vector.

    Args:
        vectors: float32 [N, D], any length.
        neighbours: how many references vote (None: mean cosine).

    Returns:
        Names, and float32 [N]: the mean cosine to that category's references, or to those neighbours that voted for it.
        Ties go to the higher mean cosine, then to the first name.
    """
    unit = unit_rows(vectors)
    best, score = (_by_mean if neighbours is None else _by_votes)(unit, references, neighbours or 0)
    return [references.names[index] for index in best], score


def accuracy(references: References, neighbours: int | None = None) -> dict[str, Any]:
    """How often references get their own category from the others, by `FOLDS`-fold cross-validation.

    Returns:
        `n`, `accuracy`, `balanced` (mean over categories), `majority` (what always guessing the largest would reach),
        and `categories`: name -> {n, accuracy, taken_for: the most frequent wrong answer}.
    """
    fold = fold_of([prompt_of(one) for one in references.ids])
    found = np.full(len(fold), -1)
    for number in range(FOLDS):
        test, rest = fold == number, fold != number
        if test.any() and rest.any():
            known = [one for one, keep in zip(references.ids, rest, strict=True) if keep]
            others = References(known, references.names, references.category[rest], references.unit[rest])
            found[test], _ = (_by_mean if neighbours is None else _by_votes)(
                references.unit[test], others, neighbours or 0
            )
    right, sizes = found == references.category, np.bincount(references.category, minlength=len(references.names))
    by_category = {}
    for index, name in enumerate(references.names):
        own = references.category == index
        wrong = Counter(found[own & ~right & (found >= 0)].tolist()).most_common(1)
        by_category[name] = {
            "n": int(own.sum()),
            "accuracy": round(float(right[own].mean()), 4),
            "taken_for": references.names[wrong[0][0]] if wrong else None,
        }
    return {
        "n": len(fold),
        "accuracy": round(float(right.mean()), 4),
        "balanced": round(float(np.mean([c["accuracy"] for c in by_category.values()])), 4),
        "majority": round(float(sizes.max() / sizes.sum()), 4),
        "categories": by_category,
    }


def _by_mean(unit: np.ndarray, references: References, _: int) -> tuple[np.ndarray, np.ndarray]:
    present = np.unique(references.category)
    means = np.stack([references.unit[references.category == c].mean(axis=0, dtype=np.float64) for c in present])
    scores = unit @ means.T.astype(np.float32)
    best = np.round(scores, 6).argmax(axis=1)
    return present[best], scores[np.arange(len(best)), best]


def _by_votes(unit: np.ndarray, references: References, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    import faiss

    index = faiss.IndexFlatIP(references.unit.shape[1])
    index.add(np.ascontiguousarray(references.unit))
    cosines, rows = index.search(np.ascontiguousarray(unit), min(neighbours, len(references.ids)))
    voted = references.category[rows]
    votes = np.zeros((len(unit), len(references.names)))
    sums = np.zeros_like(votes)
    row = np.repeat(np.arange(len(unit)), voted.shape[1])
    np.add.at(votes, (row, voted.ravel()), 1)
    np.add.at(sums, (row, voted.ravel()), cosines.ravel())
    mean = np.where(votes > 0, sums / np.maximum(votes, 1), -1)
    best = (votes + np.round(mean, 6) / 4).argmax(axis=1)  # a quarter of a cosine never outweighs a vote
    return best, mean[np.arange(len(best)), best].astype(np.float32)


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1 (zero rows stay zero), float32."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = (rows / np.where(length == 0, 1, length)).astype(np.float32)
    return unit
