"""The sweep that two benchmarks look at: twelve cells of the demo's size, run once for both (`bench_sweep`, `bench_cost`).

What is compared is everything but training, which is the same work on both sides, so cells train `STEPS` steps and not the
demo's 26. All else is the demo's: SmolLM2, 160 everyday tasks and 48 safety rows, 48 tokens of answer to 112 prompts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lib.plan import STAGES
from tests.makers import DEMO

STRATEGIES, DRAWS, SEEDS = ("random", "sss_b"), (0, 1, 2), (0, 1)
STEPS = 2
SHORT = (f"recipe.steps={STEPS}", "recipe.epochs=null")
SMALL = (
    "recipe.steps=2", "recipe.epochs=null", "benign.limit=16", "benign.holdout=8", "evaluate.generation.max_tokens=8",
    "sweep.budget=[8]", 'evaluate.prompts=[{name: harmful, source: "builtin:harmful", limit: 8}]',
)  # fmt: skip


@dataclass(frozen=True)
class Spent:
    """Where the seconds of one command went."""

    total: float
    training: float
    starts: tuple[float, ...]
    """Of each cell in the order they ended: from the moment a warm group took it to its first step."""
    stages: dict[str, float]
    """By stage, from when its artifacts appeared."""

    @property
    def rest(self) -> float:
        """Everything but training."""
        return self.total - self.training


def overrides(strategies: Sequence[str], draws: Sequence[int], seeds: Sequence[int], more: Sequence[str]) -> list[str]:
    """Of the demo, for these cells."""
    axes = (f"sweep.strategy=[{', '.join(strategies)}]", f"sweep.draw={list(draws)}", f"sweep.seed={list(seeds)}")
    return ["cluster.max_gpus=0", *axes, *more]


ALL = tuple(overrides(STRATEGIES, DRAWS, SEEDS, SHORT))


@cache
def shared() -> Spent:
    """The sweep over all twelve cells, run the first time that it is asked for."""
    return command(ALL)


def command(given: Sequence[str]) -> Spent:
    """The demo with these overrides, as a process of its own, into an empty storage."""
    with tempfile.TemporaryDirectory(prefix="ballast-sweep-") as folder:
        asked = [sys.executable, "-m", "jobs.sweep", str(DEMO), f"storage={folder}", *given]
        started = time.perf_counter()
        done = subprocess.run(asked, check=False, capture_output=True, text=True, env=dict(os.environ))
        total = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"{' '.join(asked)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
        return spent(total, Path(folder))


def spent(total: float, storage: Path) -> Spent:
    """What the manifests of a finished run tell of it."""
    files = sorted((storage / "artifacts" / "train").glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
    abouts = [json.loads(path.read_text())["about"] for path in files]
    return Spent(
        total=total,
        training=sum(about["wall_s"] for about in abouts),
        starts=tuple(about["start_s"] for about in abouts),
        stages=stage_seconds(storage),
    )


def stage_seconds(storage: Path) -> dict[str, float]:
    """Seconds by stage of a run that began with nothing, from when its artifacts appeared.

    A stage ends when its last manifest appears, which is when the next begins. (Ray's own start, before the first, is not
    among them.)
    """
    ends, first = dict[str, float](), None
    for path in (storage / "artifacts").glob("*/*/manifest.json"):
        manifest = json.loads(path.read_text())
        ended = path.stat().st_mtime
        begun = ended - manifest["about"]["wall_s"]
        first = begun if first is None else min(first, begun)
        ends[manifest["stage"]] = max(ended, ends.get(manifest["stage"], 0.0))
    if first is None:
        raise FileNotFoundError(f"{storage} holds no artifacts")
    found, before = {}, first
    for stage in sorted(ends, key=STAGES.index):
        found[stage], before = max(0.0, ends[stage] - before), max(before, ends[stage])
    return found
