"""k-means with FAISS over unit vectors (Johnson et al. 2019); on a GPU where faiss has one.

Vectors are normalised first, so the clusters are those of cosine similarity: for unit vectors the squared L2 distance
is 2 - 2 cos. The result is made independent of the input order: rows are sorted by id, clusters by size and then by the
smallest member's id.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lib.errors import UserError

CLUSTERS = pa.schema(
    [("text_id", pa.string()), ("cluster", pa.int32()), ("l2", pa.float32()), ("cosine", pa.float32())]
)
"""One row per text: its cluster, the L2 distance and the cosine to its centroid."""


def kmeans(
    ids: Sequence[str], vectors: np.ndarray, k: int, iterations: int, seed: int
) -> tuple[np.ndarray, pa.Table, float]:
    """Cluster vectors.

    Args:
        ids: text ids.
        vectors: float32 [N, D] in the order of `ids`.

    Returns:
        Unit centroids float32 [k, D], a table of schema `CLUSTERS` sorted by id, and the inertia (sum of squared L2
        distances to the centroids).

    Raises:
        UserError: more clusters than texts, or vectors that are not finite.
    """
    import faiss

    if k > len(ids):
        raise UserError(f"clusters.k is {k} and there are {len(ids)} unique texts: lower clusters.k")
    if not np.isfinite(vectors).all():
        raise UserError("some embedding vectors are not finite: the encoder is broken or of the wrong precision")
    order = np.argsort(ids)
    ids = [ids[i] for i in order]
    unit = np.ascontiguousarray(vectors[order], dtype=np.float32)
    faiss.normalize_L2(unit)
    trainer = faiss.Kmeans(
        unit.shape[1], k, niter=iterations, seed=seed, spherical=True, gpu=_gpus(faiss),
        min_points_per_centroid=1, max_points_per_centroid=max(256, len(ids) // k + 1),
    )  # fmt: skip
    trainer.train(unit)
    centroids = np.asarray(trainer.centroids, dtype=np.float32)
    index = faiss.IndexFlatIP(unit.shape[1])
    index.add(centroids)
    cosine, nearest = index.search(unit, 1)
    cluster, cosine = nearest[:, 0], cosine[:, 0]
    sizes = np.bincount(cluster, minlength=k)
    first = np.full(k, len(ids))
    np.minimum.at(first, cluster, np.arange(len(ids)))
    ranking = sorted(range(k), key=lambda c: (-sizes[c], first[c]))
    rank = np.argsort(ranking)
    centroids = centroids[ranking]
    squared = np.maximum(0, 1 + (centroids**2).sum(axis=1)[rank[cluster]] - 2 * cosine)
    table = pa.table([ids, rank[cluster].astype(np.int32), np.sqrt(squared), cosine], schema=CLUSTERS)
    return centroids, table, float(squared.sum())


def _gpus(faiss: object) -> int:
    return int(getattr(faiss, "get_num_gpus", lambda: 0)())
