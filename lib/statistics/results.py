"""`results.parquet`: one row per (cell, metric, judge, prompt set, category). No times, hosts or paths, so that two runs of
the same study give equal files.

`metric` is a name of `catalogue.METRICS`, or what a judge calls its score. `judge` and `prompts` are "" for what is measured
without them (the held-out loss); what lm-evaluation-harness measures has judge `lm_eval` and its task as `prompts`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from lib.files import read_table
from lib.judging.judge import Judge, make_judge
from lib.plan import Cell, Lookup, Plan
from lib.statistics.metrics import GENERATION_COLUMNS, VERDICT_COLUMNS, rates
from lib.statistics.utility import utility_rows
from lib.store import digest_value

RESULTS = pa.schema(
    [
        ("model", pa.string()), ("cell", pa.string()), ("strategy", pa.string()), ("budget", pa.int32()),
        ("draw", pa.int32()), ("seed", pa.int32()), ("recipe", pa.string()), ("metric", pa.string()),
        ("judge", pa.string()), ("prompts", pa.string()), ("category", pa.string()), ("n", pa.int32()),
        ("value", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("worst", pa.float64()),
        ("empty", pa.int32()), ("truncated", pa.int32()), ("errors", pa.int32()),
    ]
)  # fmt: skip
"""`recipe`: the swept values by dotted path, as JSON. `category`: of the prompts, "" for all of them; for `harmful_kind` of the
answers. `low`, `high`: 95% interval over prompts (Wilson for rates, bootstrap for means, null for losses). `worst`: if every row
without a verdict had gone the bad way; null where that has no bound."""


def cell_id(cell: Cell) -> str:
    """The first 12 characters of the cell's train key, or "base" for an untouched model; where the way of asking is swept,
    with a mark of its own."""
    made = "base" if cell.train is None else str(cell.train.key)[:12]
    return f"{made}-{digest_value(cell.asked)[:6]}" if cell.asked else made


def recipe_text(cell: Cell) -> str:
    """The swept recipe values of a cell as JSON, as in `recipe`."""
    return json.dumps(dict(cell.axes), sort_keys=True)


def make_results(plan: Plan, lookup: Lookup) -> pa.Table:
    """Results of every cell of a finished plan, in the plan's order."""
    judges = {name: make_judge(name) for name in plan.study.evaluate.judges}
    seen = {(prompts.name, name): _seen(plan, lookup, prompts.name, name, judges[name])
            for prompts in plan.prompt_sets for name in judges}  # fmt: skip
    rows = [row for cell in plan.cells for row in _rows(cell, plan, lookup, judges, seen)]
    return pa.Table.from_pylist(rows, schema=RESULTS)


def _seen(plan: Plan, lookup: Lookup, prompts: str, name: str, judge: Judge) -> frozenset[str]:
    """The categories of answers that a judge told in any cell, so that every cell has a rate of each."""
    if "categories" not in judge.tells:
        return frozenset()
    files = {lookup.folder(cell.judge[prompts, name]) / "verdicts.parquet" for cell in plan.cells}
    told = (read_table(file, ["categories"])["categories"].to_pylist() for file in files)
    return frozenset(category for rows in told for names in rows for category in names or ())


def _rows(
    cell: Cell,
    plan: Plan,
    lookup: Lookup,
    judges: Mapping[str, Judge],
    seen: Mapping[tuple[str, str], frozenset[str]],
) -> Iterator[dict[str, Any]]:
    head = {
        "model": cell.model, "cell": cell_id(cell), "strategy": cell.strategy, "budget": cell.budget,
        "draw": cell.draw, "seed": cell.seed, "recipe": recipe_text(cell),
    }  # fmt: skip
    if cell.train is not None:
        facts = lookup.store.need("train", str(cell.train.key)).facts
        loss = facts["holdout_loss"]
        if math.isfinite(loss):
            yield {
                **head, "metric": "holdout_loss", "judge": "", "prompts": "", "category": "",
                "n": facts["holdout_rows"], "value": loss, "empty": 0, "truncated": 0, "errors": 0,
            }  # fmt: skip
    for prompts in plan.prompt_sets:
        file = lookup.folder(cell.generate[prompts.name]) / "generations.parquet"
        generations = read_table(file, GENERATION_COLUMNS)
        for name, judge in judges.items():
            file = lookup.folder(cell.judge[prompts.name, name]) / "verdicts.parquet"
            verdicts = read_table(file, VERDICT_COLUMNS)
            for rate in rates(generations, verdicts, judge, seen=seen[prompts.name, name]):
                yield {**head, "judge": name, "prompts": prompts.name, **asdict(rate)}
    for node in cell.utility.values():
        facts = lookup.facts(node) or {}
        for row in utility_rows(lookup.folder(node), facts.get("cut", 0) + facts.get("unfinished", 0)):
            yield {**head, **row}
