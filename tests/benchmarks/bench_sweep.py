"""Twelve cells of one base model as one sweep, against the same cells as twelve runs that share nothing.

The cells are of the demo's size: SmolLM2, 160 everyday tasks and 48 safety rows, one epoch of batch 8, answers of 48 tokens to
the built-in prompts; two strategies x three draws x two seeds. Every side is the command that a user gives, into an empty
storage. Of the twelve separate runs two are made and counted six times each, since all would take over an hour.

Training is the same work on both sides: what is compared is everything else, the clock's total without the seconds of the
train artifacts (from the data of a cell to its saved weights, as their manifests have them). A separate run also answers for
the untouched model, as that command does.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.harness import Result
from tests.makers import DEMO

STRATEGIES, DRAWS, SEEDS = ("random", "sss_b"), (0, 1, 2), (0, 1)
MEASURED = (("random", 0, 0), ("sss_b", 1, 1))
"""The separate runs that are made."""
SMALL = (
    "recipe.steps=3", "recipe.epochs=null", "benign.limit=16", "benign.holdout=8", "evaluate.generation.max_tokens=8",
    "sweep.budget=[8]", 'evaluate.prompts=[{name: harmful, source: "builtin:harmful", limit: 8}]',
)  # fmt: skip
TARGET, START_LIMIT_S = 4.0, 5.0


@dataclass(frozen=True)
class Spent:
    """Where the seconds of one command went."""

    total: float
    training: float
    starts: tuple[float, ...]
    """Of each cell in the order they ended: from the moment a warm group took it to its first step."""

    @property
    def rest(self) -> float:
        """Everything but training."""
        return self.total - self.training


def run(quick: bool) -> list[Result]:
    """One sweep, and some separate runs."""
    axes = (("random",), (0, 1, 2), (0,)) if quick else (STRATEGIES, DRAWS, SEEDS)
    cells = len(axes[0]) * len(axes[1]) * len(axes[2])
    more = SMALL if quick else ()
    measured = MEASURED[:1] if quick else MEASURED
    shared = command(*axes, more)
    alone = [command((strategy,), (draw,), (seed,), more) for strategy, draw, seed in measured]
    size = f"{cells} cells, " + ("8 prompts, 3 steps" if quick else "the demo's size")
    note = f"{len(alone)} of {cells} separate runs measured, times {cells / len(alone):g}"
    others = [cells * statistics.fmean(getattr(one, what) for one in alone) for what in ("rest", "total")]
    warm = shared.starts[1:]
    start = statistics.median(warm)
    return [
        _result(f"{cells}-cell sweep, all but training", size, shared.rest, others[0], TARGET, note),
        _result(
            f"{cells}-cell sweep, in all", size, shared.total, others[1], None,
            f"{note}; training {shared.training:.0f} s of {shared.total:.0f}",
        ),
        Result(
            name="a cell's start in a warm group", size=f"SmolLM2-135M, {len(warm)} cells after the first", against="the limit",
            ours=round(start, 2), other=START_LIMIT_S, unit="s", ratio=round(START_LIMIT_S / start, 3), target=1, n=len(warm),
            spread=(round(START_LIMIT_S / max(warm), 3), round(START_LIMIT_S / min(warm), 3)),
            note=f"the first, which loads the base: {shared.starts[0]:.1f} s",
        ),
    ]  # fmt: skip


def _result(name: str, size: str, ours: float, other: float, target: float | None, note: str) -> Result:
    ratio = round(other / ours, 3)
    return Result(
        name=name, size=size, against="separate runs without sharing", ours=round(ours, 1), other=round(other, 1), unit="s",
        ratio=ratio, target=target, n=1, spread=(ratio, ratio), note=note,
    )  # fmt: skip


def command(strategies: Sequence[str], draws: Sequence[int], seeds: Sequence[int], more: Sequence[str]) -> Spent:
    """The sweep over these cells, as a process of its own, into an empty storage."""
    with tempfile.TemporaryDirectory(prefix="ballast-sweep-") as folder:
        given = [
            sys.executable, "-m", "jobs.sweep", str(DEMO), f"storage={folder}", "cluster.max_gpus=0",
            f"sweep.strategy=[{', '.join(strategies)}]", f"sweep.draw={list(draws)}", f"sweep.seed={list(seeds)}", *more,
        ]  # fmt: skip
        started = time.perf_counter()
        done = subprocess.run(given, check=False, capture_output=True, text=True, env=dict(os.environ))
        total = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"{' '.join(given)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
        return spent(total, Path(folder))


def spent(total: float, storage: Path) -> Spent:
    """What the manifests of a finished run tell of its training."""
    files = sorted((storage / "artifacts" / "train").glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
    abouts = [json.loads(path.read_text())["about"] for path in files]
    return Spent(
        total=total,
        training=sum(about["wall_s"] for about in abouts),
        starts=tuple(about["start_s"] for about in abouts),
    )
