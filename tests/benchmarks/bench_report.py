"""The report of a finished study: seconds from its store to `report.html`, the size of that page, and both against their number.

The store is made up (`tests.makers`), with answers of 48 words to the built-in prompts, verdicts of two judges, and training
logs; everything from there on is what a sweep does at its end. Each size is made in a process of its own.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.benchmarks.harness import Result, own_process

LIMIT_MB = 10.0
LINEAR = 0.8
"""Ten times the cells may take ten times as long, and a quarter more."""


def run(quick: bool) -> list[Result]:
    """Seconds, size, and growth over ten times the cells."""
    seeds, pairs = (2, 1) if quick else (10, 3)
    told: dict[int, list[dict[str, float]]] = {}
    for count in (1, seeds):
        with tempfile.TemporaryDirectory(prefix="ballast-report-") as place:
            own_process("bench_report", "make", place, count)
            told[count] = [own_process("bench_report", "report", place, count) for _ in range(pairs)]
    few, many = told[1], told[seeds]
    size, small = f"{many[0]['cells']:,.0f} cells x 112 prompts x 2 judges", f"{few[0]['cells']:,.0f} cells"
    page = LIMIT_MB / many[0]["mb"]
    each = [statistics.median(one["seconds"] / one["cells"] for one in side) for side in (many, few)]
    ratios = [(b["seconds"] / b["cells"]) / (a["seconds"] / a["cells"]) for a, b in zip(many, few, strict=True)]
    return [
        Result(
            name="report, size of the page", size=size, against="the limit", ours=round(many[0]["mb"], 2), other=LIMIT_MB,
            unit="MB", ratio=round(page, 3), target=1, n=1, spread=(round(page, 3), round(page, 3)),
            note=f"written in {statistics.median(one['seconds'] for one in many):.1f} s",
        ),
        Result(
            name="report, a cell's share", size=size, against=f"the same at {small}", ours=round(each[0], 4),
            other=round(each[1], 4), unit="s", ratio=round(each[1] / each[0], 3), target=None if quick else LINEAR, n=pairs,
            spread=(round(min(ratios), 3), round(max(ratios), 3)),
        ),
    ]  # fmt: skip


def study(place: Path, seeds: int) -> Any:
    """Two strategies x five budgets x three draws x seeds of one model: 30 cells a seed."""
    from tests.makers import demo

    return demo(
        place, "sweep.strategy=[random, sss_b]", "sweep.budget=[16, 24, 32, 40, 48]", "sweep.draw=[0, 1, 2]",
        f"sweep.seed={list(range(seeds))}", "evaluate.prompts=[harmful, lookalike]",
    )  # fmt: skip


def make(place: Path, seeds: int) -> dict[str, float]:
    """A store in which every stage has run."""
    from tests.makers import finished, made_up_facts

    def facts(node: Any, content: Any) -> dict[str, Any]:
        more: dict[str, dict[str, Any]] = {
            "cards": {"variance": [0.3, 0.2]},
            "generate": {"canary": {"status": "passed", "distance": 0.002}},
            "train": {
                "steps": 26, "learned_tokens": 9000,
                "rows": {"benign": 160, "safety": 48, "shown": 1.0, "unseen_safety": 0},
            },
        }  # fmt: skip
        return made_up_facts(node, content) | more.get(node.stage, {})

    with patch("tests.makers.made_up_facts", facts):
        finished(study(place, seeds), fill=fill)
    return {}


def fill(node: Any, folder: Path) -> None:
    """The files that a report reads."""
    import pyarrow as pa

    from lib.files import write_table
    from lib.generation.answers import GENERATIONS, answer_row
    from lib.judging.judge import VERDICTS
    from lib.sampling.select import SELECTION
    from lib.training.steps import LOG

    luck = int(str(node.key)[:6], 16)
    if node.stage == "sample":
        write_table(folder / "selection.parquet", SELECTION.empty_table())
    elif node.stage == "cards":
        (folder / "cards.json").write_text("[]")
        points = {"cluster": [k % 14 for k in range(432)], "x": [k / 432 for k in range(432)], "y": [0.5] * 432}
        write_table(folder / "map.parquet", pa.table(points))
    elif node.stage == "train":
        log = [
            {"step": k + 1, "loss": 3 - k / 20, "lr": 1e-3, "gradient_norm": 1.0, "tokens": 300, "validation_loss": None}
            for k in range(26)
        ]  # fmt: skip
        write_table(folder / "training_log.parquet", pa.Table.from_pylist(log, schema=LOG))
    elif node.stage == "generate":
        rows = [
            answer_row(
                number=n, prompt=p.text, kind=p.kind, categories=p.categories, prompt_tokens=20, text="word " * 48,
                tokens=[1] * 48, finish="length",
            )
            for n, p in enumerate(node.task["prompts"].prompts)
        ]  # fmt: skip
        write_table(folder / "generations.parquet", pa.Table.from_pylist(rows, schema=GENERATIONS))
    elif node.stage == "judge":
        said = [{"number": n, "refusal": (n * 7 + luck) % 10 < 4} for n in range(56)]
        write_table(folder / "verdicts.parquet", pa.Table.from_pylist(said, schema=VERDICTS))


def report(place: Path, seeds: int) -> dict[str, float]:
    """From the store to the page, imports among it."""
    started = time.perf_counter()
    from lib.plan import Lookup, make_plan
    from lib.runtime.outputs import report as write
    from lib.runtime.outputs import study_folder
    from lib.store import Store

    asked = study(place, seeds)
    lookup = Lookup(Store(asked.storage))
    made = make_plan(asked, lookup)
    write(made, lookup, [])
    seconds = time.perf_counter() - started
    page = study_folder(asked) / "report.html"
    return {"seconds": seconds, "mb": page.stat().st_size / 1e6, "cells": len(made.cells) - 1}


if __name__ == "__main__":
    side, place, seeds = sys.argv[1:]
    print(json.dumps(globals()[side](Path(place), int(seeds))))
