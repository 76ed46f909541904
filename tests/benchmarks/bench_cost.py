"""What `--dry-run` says of a study's time on this machine, against how long a run of it took, by stage and in total.

The study is the twelve cells of `bench_sweep`, whose run is taken. The environment variable `COST_STORAGE` names the storage
of a run of the demo as it is instead (which must have been empty when it began, and run in one go and undisturbed). The ratio
is 1 less the share that the estimate is off by.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lib.plan import Lookup, make_plan
from lib.plan.accelerators import CPU
from lib.plan.cost import Estimate, estimate
from lib.store import Store
from lib.study import load_study
from tests.benchmarks.harness import Result
from tests.benchmarks.sweep_run import ALL, STEPS, shared, stage_seconds
from tests.makers import DEMO
from tests.plan.measured_runs import DEMO_RUNS, by_stage

TARGET = 0.7
WORTH_A_ROW_S = 4.0


def run(quick: bool) -> list[Result]:
    """The estimate against a run; `quick` takes one of the demo that is on record."""
    if quick:
        recorded = {stage: spent for stage, spent in DEMO_RUNS["18:44"].items() if stage != "ray"}
        return rows(recorded, planned(()), "the demo")
    if storage := os.environ.get("COST_STORAGE"):
        return rows(stage_seconds(Path(storage)), planned(()), "the demo")
    return rows(shared().stages, planned(ALL), f"the demo's size, 12 cells of {STEPS} steps")


def planned(overrides: Sequence[str]) -> Estimate:
    """What is said of a study before anything ran."""
    with tempfile.TemporaryDirectory() as folder:
        study = load_study(DEMO, [f"storage={folder}/runs", "cluster.max_gpus=0", *overrides])
        lookup = Lookup(Store(study.storage))
        return estimate(make_plan(study, lookup), lookup, CPU)


def rows(stages: Mapping[str, float], plan: Estimate, size: str) -> list[Result]:
    """A row for each stage that takes a while, and one for all of them."""
    measured, said = by_stage(stages), by_stage({bill.stage: bill.seconds for bill in plan.bills})
    pairs = {stage: (said[stage], spent) for stage, spent in measured.items() if spent >= WORTH_A_ROW_S}
    pairs["in all"] = (sum(said.values()), sum(measured.values()))
    return [
        Result(
            name=f"estimated time, {stage}", size=size, against="measured", ours=round(guess, 1), other=round(spent, 1),
            unit="s", ratio=(ratio := round(1 - abs(guess - spent) / spent, 3)), target=TARGET, n=1, spread=(ratio, ratio),
        )
        for stage, (guess, spent) in pairs.items()
    ]  # fmt: skip
