"""The report of a finished study: seconds from its store to `report.html`, their growth with its cells, the size of the page.

The store is made up (`tests.makers`), with answers of 48 words to the built-in prompts, verdicts of two judges, and training
logs; everything from there on is what a sweep does at its end. Each size is made in a process of its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.benchmarks.harness import Result, growth, measured, own_process

LIMIT_S, LIMIT_MB = 60.0, 10.0
BUDGETS, DRAWS, SEEDS = (16, 24, 32, 40, 48), (0, 1, 2), range(10)
SHAPES = {3: (1, 3, 1), 30: (10, 3, 1), 300: (10, 3, 10)}
"""Cells -> arms (strategy and budget), draws, seeds."""


def run(quick: bool) -> list[Result]:
    """Seconds and size of the largest, and growth over all."""
    runs = 1 if quick else 3
    told: dict[int, list[dict[str, float]]] = {}
    for cells in list(SHAPES)[: 2 if quick else 3]:
        with tempfile.TemporaryDirectory(prefix="ballast-report-") as place:
            own_process("bench_report", "make", place, cells)
            told[cells] = [own_process("bench_report", "report", place, cells) for _ in range(runs)]
    most = max(told)
    size, seconds = f"{most} cells x 112 prompts x 2 judges", [one["seconds"] for one in told[most]]
    page = LIMIT_MB / told[most][0]["mb"]
    return [
        Result(
            name="report, size of the page", size=size, against="the limit", ours=round(told[most][0]["mb"], 2), other=LIMIT_MB,
            unit="MB", ratio=round(page, 3), target=1, n=1, spread=(round(page, 3), round(page, 3)),
            note="the same bytes every time",
        ),
        measured(
            "report, from the store to the page", [{"ours": one, "limit": LIMIT_S} for one in seconds], ours="ours",
            other="limit", unit="s", target=1, size=size, against="the limit",
        ),
        growth(
            "report", {cells: [one["seconds"] for one in side] for cells, side in told.items()},
            what="cells x 112 prompts x 2 judges",
        ),
    ]  # fmt: skip


def study(place: Path, cells: int) -> Any:
    """Arms x draws x seeds of one model."""
    from tests.makers import demo

    arms, draws, seeds = SHAPES[cells]
    strategies, budgets = ("[random]", BUDGETS[:arms]) if arms <= len(BUDGETS) else ("[random, sss_b]", BUDGETS)
    return demo(
        place, f"sweep.strategy={strategies}", f"sweep.budget={list(budgets)}", f"sweep.draw={list(DRAWS[:draws])}",
        f"sweep.seed={list(SEEDS[:seeds])}", "evaluate.prompts=[harmful, lookalike]",
    )  # fmt: skip


def make(place: Path, cells: int) -> dict[str, float]:
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
        finished(study(place, cells), fill=fill)
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


def report(place: Path, cells: int) -> dict[str, float]:
    """From the store to the page, imports among it."""
    started = time.perf_counter()
    from lib.plan import Lookup, make_plan
    from lib.runtime.outputs import report as write
    from lib.runtime.outputs import study_folder
    from lib.store import Store

    asked = study(place, cells)
    lookup = Lookup(Store(asked.storage))
    made = make_plan(asked, lookup)
    write(made, lookup, [])
    seconds = time.perf_counter() - started
    page = study_folder(asked) / "report.html"
    assert len(made.cells) - 1 == cells, f"{len(made.cells) - 1} cells and not {cells}"
    return {"seconds": seconds, "mb": page.stat().st_size / 1e6}


if __name__ == "__main__":
    side, place, cells = sys.argv[1:]
    print(json.dumps(globals()[side](Path(place), int(cells))))
