"""Selection at 2.5 thousand rows, against the plain forms that people write, and at a million, against limits.

A pool of a million rows is made once, in a process of its own; every strategy then picks from it three times, and the peak of
that process (pool, vectors, the hungriest strategy) is beside each row. Strategies that draw by category alone look at
no vector.
"""

from __future__ import annotations

import json
import statistics
import sys

import numpy as np
import pyarrow as pa

from lib.behavior.label import LABELS
from lib.sampling.evidence import Evidence, make_vectors
from lib.sampling.pool import Pool, make_pool
from lib.sampling.select import select
from lib.sampling.strategy import Strategy, make_strategy
from tests.benchmarks.harness import Result, compare, own_process, peak_mib, timed

CATEGORIES = [f"category {n:02d}" for n in range(14)]
STRATEGIES = (
    "random", "sss", "pss", "cossim", "kcenter", "facility", "herding", "kcenter per=global", "herding per=global",
)  # fmt: skip
SMALL = 2483
"""Rows of the first paper's pool."""
RUNS = 3
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
    """Two comparisons at the size of the paper's pool, then a million rows."""
    rows, runs = (20_000, 1) if quick else (1_000_000, RUNS)
    told = own_process("bench_sampling", rows, runs)
    return [_cossim(2_700 if quick else 27_000), _facility(), *(_large(name, rows, told) for name in STRATEGIES)]


def _cossim(count: int) -> Result:
    pool, vectors = make(SMALL, 768, 1)
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
        "cossim", ours=ours, other=other, target=30, pairs=5, size=f"{SMALL:,} rows, {count:,} references, 768 dimensions",
        against="all pairs of cosines, as the paper's script",
    )  # fmt: skip
    same = len(set(picked["ours"]) & set(picked["other"]))
    return Result(**{**vars(found), "note": f"{same} of 100 rows the same; {found.ours:.3f} s, to be under 0.1"})


def _facility() -> Result:
    pool, vectors = make(SMALL, 768, 1)
    evidence, strategy = Evidence(vectors=make_vectors(vectors)), make_strategy("facility", {"per": "global"})
    picked: dict[str, list[int]] = {}

    def ours() -> None:
        chosen = select(pool, strategy, label="facility", budget=100, draw=0, evidence=evidence)
        picked["ours"] = [pick.row for pick in chosen]

    def other() -> None:
        """The gain of every row at every pick."""
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        similar = np.maximum(unit @ unit.T, 0)
        cover, chosen = np.zeros(len(unit), dtype=np.float32), list[int]()
        for _ in range(100):
            gains = np.maximum(similar - cover, 0).sum(axis=1)
            gains[chosen] = -1
            chosen.append(int(gains.argmax()))
            cover = np.maximum(cover, similar[chosen[-1]])
        picked["other"] = chosen

    found = compare(
        "facility", ours=ours, other=other, target=1.5, size=f"{SMALL:,} rows, 768 dimensions, budget 100",
        against="greedy with every gain at every pick, NumPy",
    )  # fmt: skip
    same = len(set(picked["ours"]) & set(picked["other"]))
    return Result(**{**vars(found), "note": f"{same} of 100 rows the same"})


def _large(name: str, rows: int, told: dict[str, float]) -> Result:
    """One strategy's seconds against its limit."""
    limit, runs = LIMIT_S.get(name.split(maxsplit=1)[0], 15), [told[key] for key in told if key.startswith(f"{name}/")]
    middle = statistics.median(runs)
    ratios = [limit / max(one, 1e-3) for one in (middle, max(runs), min(runs))]
    return Result(
        name=f"{name} on a large pool", size=f"{rows:,} x 384, budget 200", against=f"the limit of {limit} s",
        ours=round(middle, 3), other=limit, unit="s", ratio=round(ratios[0], 2), target=1, n=len(runs),
        spread=(round(ratios[1], 2), round(ratios[2], 2)),
        note=f"peak {told['peak_gib']:.2f} GiB of all strategies, to be under {LIMIT_GIB}",
    )  # fmt: skip


def measure(rows: int, runs: int) -> dict[str, float]:
    """Seconds of every selection and the peak memory of the process."""
    pool, vectors = make(rows, 384, 2)
    evidence, known = Evidence(vectors=make_vectors(vectors)), references(27_000, 384)
    told: dict[str, float] = {}
    for number in range(runs):
        for name in STRATEGIES:
            plain, _, option = name.partition(" per=")
            strategy = make_strategy(plain, {"per": option} if option else None)
            own = Evidence(vectors=evidence.vectors, references=known) if strategy.needs_references else evidence

            def pick(strategy: Strategy = strategy, name: str = name, own: Evidence = own) -> None:
                select(pool, strategy, label=name, budget=200, draw=0, evidence=own)

            told[f"{name}/{number}"] = round(timed(pick), 3)
    return told | {"peak_gib": round(peak_mib() / 1024, 3)}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
