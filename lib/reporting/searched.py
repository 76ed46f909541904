"""What a search came to: how its cells were chosen, the best of them by what it looked at, and what that number is worth.

The best of many is best by luck too: its value, and its interval, which knows nothing of the choice, are optimistic. Wherever
the best is named, that is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from lib.plan import Plan
from lib.plan.objective import OVER_REFUSAL, Objective
from lib.reporting.words import number, one_line
from lib.statistics.results import cell_id


def search_facts(plan: Plan, results: pa.Table) -> dict[str, Any] | None:
    """How the cells of a finished plan were chosen, and the best of each model; None for a grid."""
    search, goal = plan.study.sweep.search, plan.objective
    if search.method == "grid" or goal is None:
        return None
    rows = [row for row in results.to_pylist() if not row["category"] and row["judge"] == goal.judge]
    labels = {(cell.model, cell_id(cell)): cell.label for cell in plan.cells if cell.train}
    return {
        "method": search.method, "trials": search.trials, "seed": search.seed, "objective": goal.words, "metric": goal.metric,
        "best": [_best(model.name, rows, goal, labels) for model in plan.study.models],
        "stopped": [asdict(one) for one in plan.stopped],
    }  # fmt: skip


def _best(
    model: str, rows: Sequence[Mapping[str, Any]], goal: Objective, labels: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    """The cell that the objective puts first: its numbers, and of how many."""
    refused: dict[str, float] = {}
    for row in rows:
        if row["metric"] == OVER_REFUSAL and row["prompts"] in goal.limited and row["value"] is not None:
            refused[row["cell"]] = max(row["value"], refused.get(row["cell"], 0.0))
    own = [
        row
        for row in rows
        if (row["model"], row["metric"], row["prompts"]) == (model, goal.metric, goal.prompts)
        and (model, row["cell"]) in labels
        and row["value"] is not None
        and math.isfinite(row["value"])
    ]
    if not own:
        return {"model": model, "of": 0}
    best = min(own, key=lambda row: goal.score(row["value"], refused.get(row["cell"])))
    over = refused.get(best["cell"])
    return {
        "model": model, "of": len(own), "cell": best["cell"], "label": labels[model, best["cell"]],
        **{name: best[name] for name in ("value", "low", "high", "n")}, "over_refusal": over,
        "keeps_limit": goal.at_most is None or over is None or over <= goal.at_most,
    }  # fmt: skip


def search_sentences(facts: Mapping[str, Any] | None) -> list[str]:
    """The same in words, one sentence or two for each model."""
    if not facts:
        return []
    told = [
        f"Cells were chosen by a search ({facts['method']}, at most {facts['trials']} trials of each model, seed "
        f"{facts['seed']}), which looked at {facts['objective']}; what it did not choose was not measured."
    ]
    for best in facts["best"]:
        if not best["of"]:
            told.append(f"{best['model']}: no cell was measured.")
            continue
        name = facts["metric"]
        interval = "" if best["low"] is None else f" [{number(best['low'], name)}, {number(best['high'], name)}]"
        limit = "" if best["keeps_limit"] else ", which is over the limit of over-refusal, as all are"
        value = f"{name} {number(best['value'], name)}{interval}{limit}"
        told.append(
            f"{best['model']}: the best of {best['of']} is {best['label']}, {value}. It was chosen "
            "by this number, so number and interval are optimistic: train it with other seeds to know."
        )
    for one in facts["stopped"]:
        value = f"{facts['metric']} {number(one['value'], facts['metric'])}"
        told.append(f"{one['label']} was stopped at step {one['step']} with {value}: it is no cell and in no table.")
    return told


def search_text(facts: Mapping[str, Any] | None) -> str:
    """The sentences as they stand under the table of a terminal; "" for a grid."""
    return "".join(f"\n{one_line(sentence)}" for sentence in ["", *search_sentences(facts)]) if facts else ""
