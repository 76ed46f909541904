"""Similarity to labelled references: the rows most like what each category is known by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lib.errors import UserError
from lib.sampling.evidence import DIGITS, Evidence, unit_sum
from lib.sampling.options import TextOptions
from lib.sampling.order import best
from lib.sampling.pool import Pool
from lib.sampling.strategy import Pick, Strategy

ITEMS, SEED = 500, 42


class SimilarityOptions(TextOptions):
    """Options of `cossim`."""

    normalize: bool = False
    """Show scores as (cosine - m) / (1 - m), where m is the mean cosine of 500 rows of the pool to 500 references."""


class Similarity(Strategy):
    """The k rows of highest mean cosine to each category's references (Pham et al., `cossim`).

    Score(item, category) = mean over the category's references of their cosine to the item, which is one product with the
    mean of their unit vectors: N x C instead of N x M. C and the order of categories are those of the references, in order
    of first appearance in them, where references stand in the order of their ids (that of their files is lost when they
    are read in parallel): the pool's own categories are not looked at, a pool without any can be sampled so. For
    each category in turn, the k = budget // C highest that are not taken yet, at least 1, until the budget is reached; then
    top up by the highest score in any category. Ties, after rounding to 1e-6, go by id. Nothing is random.

    `normalize` is one increasing map for all scores, so it changes what is shown and never the selection. The 500 items
    on either side are rows of the pool and references, drawn with seed 42 (all, if fewer); the paper's code does not say
    more, so this is our reading.
    """

    name = "cossim"
    takes = SimilarityOptions
    needs_vectors = True
    needs_references = True
    embeds = "pair"
    seeded = False
    options: SimilarityOptions

    def pick(self, pool: Pool, evidence: Evidence, budget: int, rng: np.random.Generator) -> list[Pick]:
        names = list(evidence.references)
        means = np.stack([unit_sum(rows) / len(rows) for rows in evidence.references.values()])
        scores = evidence.vectors.project(means, np.arange(len(pool)))
        free = np.ones(len(pool), dtype=bool)
        chosen: list[tuple[int, int, str]] = []  # row, category, reason

        def take(ranked: np.ndarray, categories: Iterable[int], reason: str) -> None:
            for row, category in zip(ranked, categories, strict=True):
                chosen.append((int(row), int(category), f"{reason} {names[category]}"))
                free[row] = False

        share = max(1, budget // len(names))
        for category in range(len(names)):
            rows = np.flatnonzero(free)
            ranked = rows[best(scores[rows, category], min(share, budget - len(chosen)))]
            take(ranked, [category] * len(ranked), "category")
        rows = np.flatnonzero(free)
        ranked = rows[best(scores[rows].max(axis=1), budget - len(chosen))]
        take(ranked, scores[ranked].argmax(axis=1), "top-up")
        shift = self._typical(evidence) if self.options.normalize else 0.0
        shown = [(float(scores[row, category]) - shift) / (1 - shift) for row, category, _ in chosen]
        return [Pick(row, why, round(score, DIGITS)) for (row, _, why), score in zip(chosen, shown, strict=True)]

    def _typical(self, evidence: Evidence) -> float:
        """The mean cosine of `ITEMS` rows of the pool to `ITEMS` references."""
        rng = np.random.default_rng(SEED)
        rows = rng.permutation(len(evidence.vectors))[:ITEMS]
        references = list(evidence.references.values())
        chosen = rng.permutation(sum(len(own) for own in references))[:ITEMS]
        sides = [evidence.vectors.raw(rows), _rows_of(references, chosen)]
        own, other = (unit_sum(side) / len(side) for side in sides)
        if (mean := float(own @ other)) > 1 - 10.0**-DIGITS:
            raise UserError(
                "cossim: all vectors point the same way, so scores cannot be normalised: leave normalize out"
            )
        return mean


def _rows_of(matrices: Sequence[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Rows at some places of matrices laid end to end, without laying them."""
    ends = np.cumsum([len(matrix) for matrix in matrices])
    which = np.searchsorted(ends, places, side="right")
    starts = ends - [len(matrix) for matrix in matrices]
    return np.stack([matrices[w][place - starts[w]] for w, place in zip(which, places, strict=True)])
