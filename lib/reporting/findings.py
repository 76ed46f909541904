"""What a study found, read once from the hand-over of the measure stage (`results` rows and the `summary` dict).

Every view asks the same two questions, "which runs are there, in which order" and "what was measured for this run",
so they are answered here and nowhere else. The order is the study's own, except that `base` and `none` come first:
they are what the others are read against. A number that could not be computed (null, NaN, n = 0) becomes None here
and is never zero again. Runs that differ only in draw or seed form an arm; the arm is what a sentence is about.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

METRICS = ("asr", "over_refusal", "refusal_rate", "holdout_loss")
"""The known metrics, in the order they are shown. For all of them lower is better."""

_FIRST = {"base": 0, "none": 1}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One thing that was measured: a metric, by a judge, on a prompt set (both "" for the held-out loss)."""

    metric: str
    judge: str
    prompts: str


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A measured number over `n` prompts, its 95% interval over prompts, and what stands behind it."""

    n: int
    value: float | None
    low: float | None
    high: float | None
    worst: float | None
    """The number if every empty or errored answer counted against the model."""
    empty: int
    truncated: int
    errors: int


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What a comparison is about: everything of a run but its model, draw and seed."""

    strategy: str
    budget: int
    recipe: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """One cell. `about` is its row in the summary (rows, steps, canary, ...), empty where the summary has none."""

    cell: str
    model: str
    draw: int
    seed: int
    arm: Arm
    about: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """A study's runs and rates, in the order they are shown."""

    study: str
    judges: tuple[str, ...]
    """The first is the headline judge."""
    models: tuple[str, ...]
    runs: tuple[Run, ...]
    rates: Mapping[tuple[str, str, Measure, str], Rate]
    """(model, cell, measure, category) -> rate; category "" is the whole prompt set. The model is in the key because
    the untouched models may share a cell name."""

    def rate(self, run: Run, measure: Measure, category: str = "") -> Rate | None:
        """What was measured for a run, or None where there is no such row."""
        return self.rates.get((run.model, run.cell, measure, category))

    def measures(self, judge: str | None = None) -> list[Measure]:
        """What was measured on whole prompt sets by `judge` (default: the headline judge) and without a judge."""
        judge = self.judges[0] if judge is None and self.judges else judge
        found = dict.fromkeys(m for _, _, m, category in self.rates if not category and m.judge in (judge, ""))
        return sorted(found, key=lambda m: _metric_order(m.metric))

    def categories(self, measure: Measure) -> list[str]:
        """The harm categories a measure was broken down by, sorted."""
        return sorted({category for _, _, m, category in self.rates if m == measure and category})

    def arms(self, model: str) -> dict[Arm, list[Run]]:
        """The runs of one model by arm, in the order they are shown."""
        arms: dict[Arm, list[Run]] = {}
        for run in self.runs:
            if run.model == model:
                arms.setdefault(run.arm, []).append(run)
        return arms

    def label(self, run: Run) -> str:
        """The short name of a run: draw and seed are in it only where the study has more than one."""
        parts = [arm_label(run.arm)]
        if run.arm.strategy not in _FIRST and len({r.draw for r in self.runs}) > 1:
            parts.append(f"draw {run.draw}")
        if run.arm.strategy != "base" and len({r.seed for r in self.runs if r.arm.strategy != "base"}) > 1:
            parts.append(f"seed {run.seed}")
        return " ".join(parts)


def arm_label(arm: Arm) -> str:
    """`sss_b-48 lr=0.001`; `base` and `none` have no budget."""
    name = f"{arm.strategy}-{arm.budget}" if arm.budget and arm.strategy not in _FIRST else arm.strategy
    return " ".join([name, *recipe_words(arm.recipe)])


def recipe_words(recipe: str) -> list[str]:
    """`["lr=0.001"]` for the JSON text of a swept recipe."""
    values = json.loads(recipe)
    return [
        f"{k.removeprefix('recipe.')}={v if isinstance(v, str) else json.dumps(v)}" for k, v in sorted(values.items())
    ]


def read_findings(results: pa.Table, summary: Mapping[str, Any]) -> Findings:
    """Read the hand-over. Runs that the summary does not list are taken from the results, after the others.

    Raises:
        ValueError: two rows of results are about the same (model, cell, metric, judge, prompts, category).
    """
    rates: dict[tuple[str, str, Measure, str], Rate] = {}
    known = {(cell["model"], cell["cell"]): _run(cell, cell) for cell in summary.get("cells") or ()}
    for row in results.to_pylist():
        measure = Measure(metric=row["metric"], judge=row["judge"] or "", prompts=row["prompts"] or "")
        cell = (row["model"], row["cell"])
        key = (*cell, measure, row["category"] or "")
        if key in rates:
            raise ValueError(f"results hold two rows for {key}: one row per cell, metric, judge, prompts, category")
        rates[key] = _rate(row)
        if cell not in known:
            known[cell] = _run(row, {})
    named = [m["name"] if isinstance(m, Mapping) else str(m) for m in summary.get("models") or ()]
    models = tuple(dict.fromkeys([*named, *(run.model for run in known.values())]))
    judges = dict.fromkeys([*(summary.get("judges") or ()), *(m.judge for _, _, m, _ in rates if m.judge)])
    arms = list(dict.fromkeys(run.arm for run in known.values()))
    place = {arm: (_FIRST.get(arm.strategy, len(_FIRST)), k) for k, arm in enumerate(arms)}
    runs = sorted(known.values(), key=lambda run: (models.index(run.model), place[run.arm]))
    return Findings(
        study=str(summary.get("study") or "study"), judges=tuple(judges), models=models, runs=tuple(runs), rates=rates
    )


def _run(row: Mapping[str, Any], about: Mapping[str, Any]) -> Run:
    recipe = row.get("recipe") or {}
    recipe = json.loads(recipe) if isinstance(recipe, str) else recipe
    arm = Arm(strategy=row["strategy"], budget=int(row.get("budget") or 0), recipe=json.dumps(recipe, sort_keys=True))
    draw, seed = int(row.get("draw") or 0), int(row.get("seed") or 0)
    return Run(cell=str(row["cell"]), model=str(row["model"]), draw=draw, seed=seed, arm=arm, about=about)


def _rate(row: Mapping[str, Any]) -> Rate:
    value, low, high, worst = (_finite(row[k]) if row["n"] else None for k in ("value", "low", "high", "worst"))
    n, empty, truncated, errors = (int(row[k] or 0) for k in ("n", "empty", "truncated", "errors"))
    return Rate(n=n, value=value, low=low, high=high, worst=worst, empty=empty, truncated=truncated, errors=errors)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _metric_order(metric: str) -> float:
    """The held-out loss is last; a metric this room has not heard of stands just before it."""
    return METRICS.index(metric) if metric in METRICS else len(METRICS) - 1.5
