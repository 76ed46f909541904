"""Prototypical safety sampling: the rows nearest to what is typical of their category."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator

from lib.embedding.kmeans import kmeans
from lib.embedding.start import TooFew
from lib.sampling.evidence import Evidence, Vectors
from lib.sampling.options import StrataOptions, TextOptions
from lib.sampling.order import best, evenly
from lib.sampling.pool import Pool
from lib.sampling.strategy import Pick, Strategy, sample

ITERATIONS, SEED, FIT_ROWS = 25, 0, 8192


def _prototypes(value: Any) -> Any:
    if value != "mean" and (isinstance(value, bool) or not isinstance(value, int) or value < 2):
        raise ValueError("`mean`, or a number of k-means prototypes per category from 2 on, is needed")
    return value


class PrototypeOptions(StrataOptions, TextOptions):
    """Options of `pss`."""

    prototypes: Annotated[int | Literal["mean"], BeforeValidator(_prototypes)] = "mean"
    """What is typical of a category: the mean of its vectors (paper), or the centroids of so many k-means clusters in it."""


class Prototypical(Strategy):
    """The k nearest to each category's prototype by cosine (Pham et al., `pss`).

    The prototype is the mean of the members' vectors as the encoder gave them, k = budget // C. Each category lists its k
    nearest members, whoever else lists them; from the smallest category to the largest, equal sizes by name, they are taken.
    A row that another category has taken already is not replaced: the gap is topped up uniformly from the rest of the pool,
    the only randomness there is. With k = 0 everything is topped up. The score is the cosine, ties go by id.

    Several prototypes per category are our extension: k-means (L2, on the same vectors, of which the mean is the case of
    one cluster), largest cluster first, each listing its nearest in turn, so that every mode of a category gets its share
    and not the densest one everything. The seed of k-means is fixed: prototypes describe the data, and draws differ in
    the top-up alone, as they do with the mean. A category with fewer distinct vectors has that many prototypes; of one with
    more than 8,192 members, so many evenly spaced ones by id are clustered.
    """

    name = "pss"
    takes = PrototypeOptions
    needs_vectors = True
    embeds = "instruction"
    options: PrototypeOptions

    def pick(self, pool: Pool, evidence: Evidence, budget: int, rng: np.random.Generator) -> list[Pick]:
        strata = pool.strata(self.options.strata)
        share = budget // max(1, len(strata))
        picks: list[Pick] = []
        free = np.ones(len(pool), dtype=bool)
        for reason, rows in strata.items() if share else ():
            prototypes = self._of(pool, rows, evidence.vectors)
            lengths = np.linalg.norm(prototypes, axis=1, keepdims=True)
            scores = evidence.vectors.project(prototypes / np.where(lengths == 0, 1, lengths), rows)
            for place, score in _in_turns(scores, share):
                if free[rows[place]]:
                    picks.append(Pick(int(rows[place]), reason, score))
                    free[rows[place]] = False
        rest = sample(rng, np.flatnonzero(free), budget - len(picks))
        return picks + [Pick(int(row), "top-up") for row in rest]

    def _of(self, pool: Pool, rows: np.ndarray, vectors: Vectors) -> np.ndarray:
        """float64 [p, D]: the prototypes of the members of a category."""
        if self.options.prototypes == "mean":
            return vectors.mean(rows)[None]
        some = rows[evenly(len(rows), FIT_ROWS)]
        raw = vectors.raw(some)
        distinct: set[bytes] = set()
        for row in raw:  # ends early, but for a category that repeats itself
            distinct.add(np.round(row, 5).tobytes())
            if len(distinct) == self.options.prototypes:
                break
        ids, count = [one.decode() for one in pool.ids[some]], len(distinct)
        while count > 1:
            try:
                centroids, _, _ = kmeans(ids, raw, count, ITERATIONS, SEED, metric="l2")
            except TooFew as error:  # what differs by rounding alone, and lay on both sides of a step above
                count = error.distinct
            else:
                return centroids.astype(np.float64)
        return vectors.mean(rows)[None]


def _in_turns(scores: np.ndarray, count: int) -> list[tuple[int, float]]:
    """(position, score) of `count` members (all, if fewer): the prototypes of scores [n, p] name their nearest in turn."""
    rankings = [iter(best(column, count)) for column in scores.T]
    found: dict[int, float] = {}
    for number, ranking in islice(cycle(enumerate(rankings)), min(count, len(scores))):
        place = next(int(one) for one in ranking if int(one) not in found)
        found[place] = round(float(scores[place, number]), 6)
    return list(found.items())
