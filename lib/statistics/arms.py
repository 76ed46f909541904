"""Arms: all training runs of one (model, strategy, budget, recipe), with every outcome of one metric.

An arm is what a sentence is about and a run is its unit. Cells that came to the same fine-tune (budget 0, draws of a
strategy without randomness, two strategies that picked the same rows) are one run wherever they appear; a run of two
strategies is in both arms. Prompts are aligned by their place in the prompt set, which is the same for every run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lib.files import read_table
from lib.judging.judge import Judge, make_judge
from lib.plan import Cell, Lookup, Plan
from lib.statistics.components import Floats
from lib.statistics.outcomes import Outcomes, outcomes
from lib.statistics.utility import utility_rows

HOLDOUT_LOSS = "holdout_loss"


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """One fine-tune's outcomes."""

    draw: int
    seed: int
    outcomes: Floats
    """[n] by prompt, nan where there is no verdict; [1] for a metric that is one number a run: a held-out loss, and what
    lm-evaluation-harness made of a task."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Arm:
    """The runs of a (model, strategy, budget, recipe), for one metric by one judge on one prompt set."""

    model: str
    strategy: str
    budget: int
    recipe: str
    """The swept recipe values as JSON, as in `results.parquet`."""
    metric: str
    judge: str
    prompts: str
    rate: bool
    """Outcomes are shares in 0..1 (their means are rates); otherwise scores."""
    runs: tuple[Run, ...]
    missing: int = 0
    """Planned coordinates (draw, seed) that have no run, because their cell failed."""

    @property
    def measure(self) -> tuple[str, str, str]:
        """(metric, judge, prompts): what makes arms comparable."""
        return self.metric, self.judge, self.prompts

    @property
    def table(self) -> Floats:
        """[D, n] outcomes, one row a run."""
        return np.array([run.outcomes for run in self.runs], dtype=np.float64)


def make_arms(plan: Plan, lookup: Lookup) -> list[Arm]:
    """Every arm of a finished plan, in the plan's order, the untouched models among them (one run each).

    Args:
        plan: as `make_results` takes it, without cells that failed.
    """
    measured: dict[int, dict[tuple[str, str, str], Outcomes]] = {}
    judges = {name: make_judge(name) for name in plan.study.evaluate.judges}

    def of(cell: Cell) -> dict[tuple[str, str, str], Outcomes]:
        if id(cell) not in measured:
            measured[id(cell)] = dict(_measured(cell, plan, lookup, judges))
        return measured[id(cell)]

    arms: list[Arm] = []
    for head, runs, missing in coordinates(plan):
        arms += _arms(head, runs, missing, of)
    return arms


def _arms(
    head: Mapping[str, Any],
    runs: Mapping[tuple[int, int], Cell],
    missing: int,
    of: Callable[[Cell], dict[tuple[str, str, str], Outcomes]],
) -> Iterator[Arm]:
    measures = dict.fromkeys(measure for cell in runs.values() for measure in of(cell))
    for metric, judge, prompts in measures:
        have = {
            place: of(cell)[metric, judge, prompts]
            for place, cell in runs.items()
            if (metric, judge, prompts) in of(cell)
        }
        rate = next(iter(have.values())).rate
        found = [Run(draw=draw, seed=seed, outcomes=one.values) for (draw, seed), one in have.items()]
        yield Arm(
            **head, metric=metric, judge=judge, prompts=prompts, rate=rate, runs=tuple(found),
            missing=missing + len(runs) - len(have),
        )  # fmt: skip


def coordinates(plan: Plan) -> Iterator[tuple[dict[str, Any], dict[tuple[int, int], Cell], int]]:
    """(what names an arm, its different cells by (draw, seed), how many coordinates have none)."""
    by_label = {name: cell for cell in plan.cells for name in (cell.label, *cell.also)}
    recipes = {json.dumps(dict(cell.axes), sort_keys=True): cell.axes for cell in plan.cells if cell.train}
    chosen = plan.study.sweep.search.method != "grid" or plan.study.goal is not None
    # a combination that a search did not choose is not missing; one that a goal's search asked for in vain is
    lost = {*(one.label for one in plan.failed), *plan.left} if plan.study.goal else set[str]()
    for model in (one.name for one in plan.study.models):
        for cell in plan.cells:
            if cell.model == model and cell.train is None:
                yield _head(cell), {(0, 0): cell}, 0
        for axes in recipes.values():
            for strategy, budget in dict.fromkeys((label, budget) for label, budget, _ in plan.samples):
                runs: dict[tuple[int, int], Cell] = {}
                missing = 0
                wanted = Cell(model=model, strategy=strategy, budget=budget, draw=0, seed=0, axes=axes)
                for draw in (d for label, b, d in plan.samples if (label, b) == (strategy, budget)):
                    for seed in plan.study.sweep.seed:
                        label = replace(wanted, draw=draw, seed=seed).label
                        found = by_label.get(label)
                        missing += found is None and (not chosen or label in lost)
                        if found is not None and found not in runs.values():
                            runs[draw, seed] = found
                if runs or missing:
                    yield _head(wanted), runs, missing


def _head(cell: Cell) -> dict[str, Any]:
    recipe = json.dumps(dict(cell.axes), sort_keys=True)
    return {"model": cell.model, "strategy": cell.strategy, "budget": cell.budget, "recipe": recipe}


def _measured(
    cell: Cell, plan: Plan, lookup: Lookup, judges: Mapping[str, Judge]
) -> Iterator[tuple[tuple[str, str, str], Outcomes]]:
    if cell.train is not None:
        loss = lookup.store.need("train", str(cell.train.key)).facts[HOLDOUT_LOSS]
        if math.isfinite(loss):
            yield (HOLDOUT_LOSS, "", ""), Outcomes(metric=HOLDOUT_LOSS, values=np.array([loss]), rate=False)
    for prompts in plan.prompt_sets:
        answers = lookup.folder(cell.generate[prompts.name]) / "generations.parquet"
        generations = read_table(answers, ["number", "kind"])
        for name, judge in judges.items():
            verdicts = read_table(lookup.folder(cell.judge[prompts.name, name]) / "verdicts.parquet")
            for found in outcomes(generations, verdicts, judge):
                yield (found.metric, name, prompts.name), found
    for node in cell.utility.values():
        for row in utility_rows(lookup.folder(node)):
            if not row["category"] and math.isfinite(row["value"]):
                told = Outcomes(metric=row["metric"], values=np.array([row["value"]]), rate=False)
                yield (row["metric"], row["judge"], row["prompts"]), told
