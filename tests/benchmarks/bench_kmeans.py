"""k-means: the whole fit against scikit-learn's mini-batches, and the actors of the cluster stage against one-process FAISS.

Text vectors are clustered: 2,000 Gaussian centres, noise of their own size, rows of length 1.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from lib.corpus.partitions import all_parts
from lib.embedding.kmeans import fit, kmeans
from lib.embedding.stored import vectors_table
from lib.files import write_table
from tests.benchmarks.harness import Result, compare

DIMENSIONS, CENTRES, K, ITERATIONS = 384, 2000, 256, 10
PART_ROWS = 16_384


def clustered(rows: int) -> tuple[list[str], np.ndarray]:
    """Ids in order, and unit vectors, float32 [rows, 384], made block by block."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CENTRES, DIMENSIONS)).astype(np.float32)
    made = np.empty((rows, DIMENSIONS), dtype=np.float32)
    for start in range(0, rows, 65_536):
        block = made[start : start + 65_536]
        block[:] = centres[rng.integers(CENTRES, size=len(block))] + rng.normal(size=block.shape).astype(np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return [f"{n * (2**32 // rows):08x}{n:024x}" for n in range(rows)], made


def run(quick: bool) -> list[Result]:
    """Against MiniBatchKMeans and against faiss.Kmeans."""
    rows, pairs = (20_000, 1) if quick else (500_000, 3)
    ids, vectors = clustered(rows)
    size = f"{rows:,} x {DIMENSIONS}, k {K}"
    return [_mini_batch(ids, vectors, size, pairs), _one_process(ids, vectors, size, pairs)]


def _mini_batch(ids: list[str], vectors: np.ndarray, size: str, pairs: int) -> Result:
    from sklearn.cluster import MiniBatchKMeans

    inertia: dict[str, float] = {}

    def ours() -> None:
        found = kmeans(ids, vectors, K, 25, 0, metric="l2", fit_rows=256 * K)
        inertia["ours"] = found[2]

    def other() -> None:
        inertia["other"] = float(MiniBatchKMeans(K, random_state=0).fit(vectors).inertia_)

    found = compare(
        "k-means", ours=ours, other=other, target=2, size=size, pairs=pairs, warm=False,
        against="scikit-learn MiniBatchKMeans, defaults",
    )  # fmt: skip
    note = f"inertia {inertia['ours'] / inertia['other']:.4f} of theirs"
    return Result(**{**vars(found), "note": note})


def _one_process(ids: list[str], vectors: np.ndarray, size: str, pairs: int) -> Result:
    """Two actors that hold the blocks, sums gathered in order; the same number of iterations on all rows."""
    import faiss
    import ray

    from lib.runtime.cluster import BLOCK_PARTS, Holder, Holders

    inertia: dict[str, float] = {}
    threads = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as place:
        folder, parts = Path(place), all_parts(-(-len(ids) // PART_ROWS))
        bounds = [part.bounds[0] for part in parts] + [1 << 32]
        heads = np.array([int(one[:8], 16) for one in ids])
        for part, low, high in zip(parts, bounds, bounds[1:], strict=False):
            own = slice(*np.searchsorted(heads, [low, high]))
            write_table(folder / part.name, vectors_table(ids[own], vectors[own]))
        blocks = [parts[start : start + BLOCK_PARTS] for start in range(0, len(parts), BLOCK_PARTS)]
        ray.init(
            address="local",
            num_cpus=4,
            include_dashboard=False,
            log_to_driver=False,
            runtime_env={"env_vars": {"PYTHONPATH": os.getcwd()}},
        )
        try:
            actor: Any = ray.remote(num_cpus=1, runtime_env={"env_vars": {"OMP_NUM_THREADS": str(threads // 2)}})(
                Holder
            )
            ask = Holders([actor.remote(str(folder), blocks[i::2], "l2", threads // 2) for i in range(2)], len(blocks))
            list(ask(lambda block: block.faults))  # loading is the engine's start, not the fit

            def ours() -> None:
                found = fit(ask, k=K, metric="l2", iterations=ITERATIONS, tolerance=0.0)
                tables = ask(lambda block: block.final(found.fitted, found.order))
                inertia["ours"] = float(sum((t["l2"].to_numpy().astype(np.float64) ** 2).sum() for t in tables))

            def other() -> None:
                trainer = faiss.Kmeans(DIMENSIONS, K, niter=ITERATIONS, seed=0, max_points_per_centroid=len(ids))
                trainer.train(vectors)
                distances, _ = trainer.index.search(vectors, 1)
                inertia["other"] = float(distances.sum(dtype=np.float64))

            found = compare(
                "distributed k-means", ours=ours, other=other, target=0.8, size=f"{size}, {ITERATIONS} iterations",
                pairs=pairs, warm=False, against="faiss.Kmeans in one process",
            )  # fmt: skip
        finally:
            ray.shutdown()
    return Result(**{**vars(found), "note": f"inertia {inertia['ours'] / inertia['other']:.4f} of theirs"})
