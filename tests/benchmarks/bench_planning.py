"""Planning many cells: how long a plan takes and how much memory its driver has, with nothing in the store and with everything.

The study is the demo with more axes. Its store is made up (`tests.makers`): planning reads manifests, and does not care
what trained them. Each side runs in a process of its own, which is what a driver is.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.harness import Result, own_process, peak_mib

LIMIT_S, LIMIT_MIB = 5.0, 2048.0


def run(quick: bool) -> list[Result]:
    """Seconds and peak memory against what they may be."""
    draws, pairs = (1, 1) if quick else (10, 3)
    with tempfile.TemporaryDirectory(prefix="ballast-planning-") as place:
        fresh = [own_process("bench_planning", "plan", place, draws) for _ in range(pairs)]
        own_process("bench_planning", "make", place, draws)
        full = [own_process("bench_planning", "plan", place, draws) for _ in range(pairs)]
    size = f"{fresh[0]['cells']:,.0f} cells, {full[0]['nodes']:,.0f} nodes"
    return [
        _against(f"planning, {what}", [one[key] for one in told], limit, unit, size)
        for what, told, key, limit, unit in (
            ("nothing there", fresh, "seconds", LIMIT_S, "s"),
            ("everything there", full, "seconds", LIMIT_S, "s"),
            ("memory of the driver", full, "mib", LIMIT_MIB, "MiB"),
        )
    ]


def _against(name: str, ours: list[float], limit: float, unit: str, size: str) -> Result:
    middle = statistics.median(ours)
    return Result(
        name=name, size=size, against="the limit", ours=round(middle, 3), other=limit, unit=unit, target=1,
        ratio=round(limit / middle, 3), n=len(ours), spread=(round(limit / max(ours), 3), round(limit / min(ours), 3)),
    )  # fmt: skip


def study(place: Path, draws: int) -> Any:
    """Two strategies x five budgets x draws x ten seeds of one model."""
    from tests.makers import demo

    return demo(
        place, "sweep.strategy=[random, sss_b]", "sweep.budget=[16, 24, 32, 40, 48]",
        f"sweep.draw={list(range(draws))}", f"sweep.seed={list(range(10))}",
    )  # fmt: skip


def plan(place: Path, draws: int) -> dict[str, float]:
    """Plan as a driver does, with what is there looked up."""
    from lib.plan import Lookup, make_plan
    from lib.store import Store

    asked = study(place, draws)
    started = time.perf_counter()
    lookup = Lookup(Store(asked.storage))
    made = make_plan(asked, lookup)
    nodes = list(made.all_nodes())
    missing = [node for node in nodes if not lookup.have(node)]
    seconds = time.perf_counter() - started
    cells = sum(cell.train is not None for cell in made.cells)
    return {"seconds": seconds, "mib": peak_mib(), "cells": cells, "nodes": len(nodes), "missing": len(missing)}


def make(place: Path, draws: int) -> dict[str, float]:
    """A store in which every stage has run."""
    from tests.makers import finished

    finished(study(place, draws))
    return {}


if __name__ == "__main__":
    side, place, draws = sys.argv[1:]
    print(json.dumps(globals()[side](Path(place), int(draws))))
