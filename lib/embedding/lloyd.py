"""Lloyd's iterations over blocks that someone else holds.

The loop knows a function from centroids to one `Sums` per block and nothing of where blocks are. Under the cosine metric
each mean is scaled to length 1 (spherical k-means, Dhillon & Modha 2001), which is the unit vector of least total
squared distance to its rows.

A cluster that no row chose takes the row farthest from its own centroid, wherever that is, ties by id. Neither a random
row (FAISS splits a large cluster, at random) nor the old place would do: the farthest row lowers the inertia most, and
is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from lib.embedding.rows import unit
from lib.embedding.search import Metric
from lib.embedding.start import TooFew
from lib.embedding.sums import Sums

EXTRA_PASSES = 100
"""Passes beyond the asked-for iterations that may be spent on filling empty clusters."""


@dataclass(frozen=True)
class Fit:
    """Fitted centroids, in no particular order."""

    centroids: np.ndarray
    """float32 [k, D]."""
    inertia: float
    """Sum of squared L2 distances of the rows of the fit to these centroids."""
    iterations: int
    """How often the centroids were moved."""


def lloyd(
    pass_over_blocks: Callable[[np.ndarray], Iterable[Sums]],
    start: np.ndarray,
    *,
    metric: Metric,
    iterations: int,
    tolerance: float,
) -> Fit:
    """Move centroids until they fit.

    Args:
        pass_over_blocks: the sums of every block for some centroids, in block order.
        start: float32 [k, D].
        iterations: at most this many moves (more only to fill empty clusters).
        tolerance: stop when a move lowers the inertia by no more than this share of it.

    Returns:
        Centroids of which none is without a row.

    Raises:
        UserError: fewer distinct vectors than centroids.
    """
    centroids, before = start, np.inf
    for moves in range(iterations + EXTRA_PASSES + 1):
        total = reduce(add, pass_over_blocks(centroids))
        inertia = total.inertia(centroids)
        empty = np.flatnonzero(total.counts == 0)
        settled = moves >= iterations or before - inertia <= tolerance * inertia
        if settled and not len(empty):
            return Fit(centroids, inertia, moves)
        centroids, before = _moved(total, centroids, empty, metric), inertia
    raise TooFew(len(start), len(start) - len(empty), int(total.counts.sum()))


def _moved(total: Sums, centroids: np.ndarray, empty: np.ndarray, metric: Metric) -> np.ndarray:
    means: np.ndarray = (total.sums / np.maximum(total.counts, 1)[:, None]).astype(np.float32)
    if metric == "cosine":
        means = unit(means)
        opposed = ~means.any(axis=1)  # rows that cancel out have no direction: the centroid stays
        means[opposed] = centroids[opposed]
    far = total.far.rows[total.far.distances > 0][: len(empty)]
    means[empty] = centroids[empty]
    means[empty[: len(far)]] = far
    return means
