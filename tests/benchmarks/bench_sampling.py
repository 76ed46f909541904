"""Selection: Cossim against its all-pairs form, and every strategy on a pool of a million rows, with its peak memory."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pyarrow as pa

from lib.behavior.label import LABELS
from lib.sampling.evidence import Evidence, make_vectors
from lib.sampling.pool import Pool, make_pool
from lib.sampling.select import select
from lib.sampling.strategy import make_strategy
from tests.benchmarks.harness import Result, compare, own_process, peak_mib

CATEGORIES = [f"category {n:02d}" for n in range(14)]
STRATEGIES = [
    "none",
    "random",
    "sss",
    "pss",
    "cossim",
    "kcenter",
    "facility",
    "herding",
    "kcenter per=global",
    "herding per=global",
]
LIMIT_S = {"kcenter": 60, "facility": 60, "herding": 60}
LIMIT_GIB = 4


def make(rows: int, dimensions: int, seed: int) -> tuple[Pool, np.ndarray]:
    """A pool of T1 and T2 rows over 14 categories, and random vectors, float32 [rows, dimensions]."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"{n:032x}" for n in range(rows)])
    columns = {
        "id": ids, "categories": [[CATEGORIES[c]] for c in rng.integers(14, size=rows)],
        "category_score": pa.nulls(rows, pa.float32()), "refusal": [None] * rows, "harmful_request": [None] * rows,
        "type": np.where(rng.random(rows) < 0.6, "T1", "T2"), "unsafe": np.zeros(rows, dtype=bool),
    }  # fmt: skip
    labels = pa.table([pa.array(columns[field.name], field.type) for field in LABELS], schema=LABELS)
    vectors = np.empty((rows, dimensions), dtype=np.float32)
    for start in range(0, rows, 65_536):
        vectors[start : start + 65_536] = rng.normal(size=(min(65_536, rows - start), dimensions))
    return make_pool([(pa.table({"id": ids, "text_id": ids}), labels)]), vectors


def references(count: int, dimensions: int) -> dict[str, np.ndarray]:
    """Labelled vectors by category."""
    rng = np.random.default_rng(7)
    return {name: rng.normal(size=(count // 14, dimensions)).astype(np.float32) for name in CATEGORIES}


def run(quick: bool) -> list[Result]:
    """Cossim at the size of the paper's pool, then a million rows."""
    rows = 20_000 if quick else 1_000_000
    return [_cossim(2_700 if quick else 27_000), *(_million(name, rows) for name in STRATEGIES)]


def _cossim(count: int) -> Result:
    pool, vectors = make(2483, 768, 1)
    known = references(count, 768)
    evidence, strategy = Evidence(vectors=make_vectors(vectors), references=known), make_strategy("cossim")
    picked: dict[str, list[int]] = {}

    def ours() -> None:
        picked["ours"] = [
            pick.row for pick in select(pool, strategy, label="cossim", budget=100, draw=0, evidence=evidence)
        ]

    def other() -> None:
        """Every cosine of every row to every reference, then the mean by category (as the paper's script does)."""
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        scores = {
            name: np.round(
                (unit @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T).mean(axis=1, dtype=np.float64), 6
            )
            for name, rows in known.items()
        }
        share, taken, chosen = max(1, 100 // len(known)), set[int](), list[int]()
        for name in known:
            order = [row for row in np.argsort(-scores[name], kind="stable") if row not in taken][:share]
            taken.update(order)
            chosen += [int(row) for row in order]
        best = np.max(list(scores.values()), axis=0)
        rest = [int(row) for row in np.argsort(-best, kind="stable") if row not in taken]
        picked["other"] = (chosen + rest)[:100]

    found = compare(
        "cossim", ours=ours, other=other, target=30, pairs=5, size=f"2,483 rows, {count:,} references, 768 dimensions",
        against="all pairs of cosines",
    )  # fmt: skip
    same = len(set(picked["ours"]) & set(picked["other"]))
    return Result(**{**vars(found), "note": f"{same} of 100 rows the same; {found.ours:.3f} s, to be under 0.1"})


def _million(name: str, rows: int) -> Result:
    """One strategy in a process of its own, so that its peak memory is its own."""
    told = own_process("bench_sampling", name, rows)
    limit = LIMIT_S.get(name.split(maxsplit=1)[0], 15)
    ratio = round(limit / max(told["seconds"], 1e-3), 2)
    memory = f"peak {told['peak_gib']:.2f} GiB, to be under {LIMIT_GIB}"
    return Result(
        name=f"{name} on a large pool", size=f"{rows:,} x 384, budget 200", against=f"the limit of {limit} s",
        ours=told["seconds"], other=limit, unit="s", ratio=ratio, target=1, n=1, spread=(ratio, ratio), note=memory,
    )  # fmt: skip


def measure(name: str, rows: int) -> None:
    """Seconds of one selection and the peak memory of the process, as JSON."""
    plain, _, option = name.partition(" per=")
    pool, vectors = make(rows, 384, 2)
    strategy = make_strategy(plain, {"per": option} if option else None)
    found = {"references": references(27_000, 384)} if strategy.needs_references else {}
    evidence = Evidence(vectors=make_vectors(vectors), **found) if strategy.needs_vectors else Evidence()
    started = time.perf_counter()
    select(pool, strategy, label=name, budget=200 if strategy.uses_budget else 0, draw=0, evidence=evidence)
    seconds = time.perf_counter() - started
    peak = peak_mib() / 1024
    print(json.dumps({"seconds": round(seconds, 3), "peak_gib": round(peak, 3)}))


if __name__ == "__main__":
    measure(sys.argv[1], int(sys.argv[2]))
