"""A file of answers that were not made here, judged by the judges of a study.

It goes the way of any other answers: the file becomes an artifact under the digest of its rows, each judge's verdicts on it
one more, so that the same command again judges nothing twice and a killed one goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lib.files import storage_errors, write_table, write_text
from lib.generation.answer_file import read_answer_file
from lib.generation.prompts import PLAIN
from lib.plan import STAGES, Lookup, Node, make_plan
from lib.progress import Progress
from lib.reporting.judges import known_of
from lib.reporting.tables import csv_text
from lib.reporting.words import one_line
from lib.runtime.judge import judge_answers
from lib.runtime.pipeline import run_stage
from lib.runtime.session import Session
from lib.statistics.metrics import rates
from lib.store import Store
from lib.store.digest import digest_value
from lib.study.schema import Study

SHOWN = ("judge", "metric", "category", "n", "value", "low", "high", "worst", "empty", "errors")


def judge_file(study: Study, path: Path, progress: Progress, out: Path | None = None) -> str:
    """Judge a file of answers.

    Args:
        out: a folder for `verdicts.parquet` (the rows with what each judge said) and `metrics.csv`.

    Returns:
        The metrics as a table.

    Raises:
        UserError: a malformed file, or what `judge_answers` raises.
    """
    answers = read_answer_file(path)
    lookup = Lookup(Store(study.storage))
    plan = make_plan(study, lookup, online=True)
    lookup.store.prepare()
    identity = {"answers": digest_value(answers.to_pylist())}
    node = Node(stage="generate", title=path.name, identity=identity)
    if not lookup.have(node):
        with lookup.store.attempt(node.stage, str(node.key), identity) as attempt:
            write_table(attempt.folder / "generations.parquet", answers)
            attempt.facts = {"rows": answers.num_rows}
    if PLAIN in answers["kind"].to_pylist():
        progress.say(f"{path.name}: prompts without a kind count as plain; give `kind` for the rates of harmful ones")
    judged = {text: plan.judges.node(text, path.name, node) for text in study.evaluate.judges}
    with Session(study.cluster, progress, store=lookup.store) as session:
        needed = {given.key: given for one in judged.values() for given in one.inputs.values() if given is not node}
        for stage in STAGES:
            missing = [given for given in needed.values() if given.stage == stage and not lookup.have(given)]
            if missing:
                run_stage(stage, missing, plan, session, lookup)
        judge_answers(session, lookup, list(judged.values()), study)
    verdicts = {text: pq.read_table(lookup.folder(one) / "verdicts.parquet") for text, one in judged.items()}
    rows = [
        {"judge": text, **asdict(rate)}
        for text, found in verdicts.items()
        for rate in rates(answers, found, plan.judges.judges[text])
    ]
    if out:
        with storage_errors(out):
            write_table(out / "verdicts.parquet", _side_by_side(answers, verdicts))
            write_text(out / "metrics.csv", csv_text(pa.Table.from_pylist(rows)))
        progress.say(f"verdicts and metrics: {out}")
    known = {text: (lookup.facts(one) or {}).get("prepared") or {} for text, one in judged.items()}
    return "\n".join([_aligned(rows), *_known(known)])


def _known(known: dict[str, Any]) -> list[str]:
    """What judges measured of themselves, a line each."""
    return [
        f"{text}: " + ", ".join(f"{name} {one_line(value)}" for name, value in facts)
        for text, facts in known_of(known)
        if facts
    ]


def _side_by_side(answers: pa.Table, verdicts: dict[str, pa.Table]) -> pa.Table:
    """One row per answer and judge."""
    texts = answers.select(["prompt", "answer", "kind", "categories"]).rename_columns(
        ["prompt", "answer", "kind", "prompt_categories"]
    )
    parts = []
    for text, found in verdicts.items():
        part = texts.append_column("judge", pa.array([text] * len(texts), pa.string()))
        for name in found.column_names:
            part = part.append_column(found.schema.field(name), found[name])
        parts.append(part)
    return pa.concat_tables(parts)


def _aligned(rows: Sequence[dict[str, Any]]) -> str:
    """Rates as lines of a terminal; with 95% intervals over prompts."""
    if not rows:
        return "no rate: no row has a kind that a judge's metric is about"
    lines = [list(SHOWN), *([_cell(row[name]) for name in SHOWN] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(SHOWN))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join(
        [*text, "95% intervals over prompts; worst: the rate if every row without a verdict had gone the bad way"]
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else one_line(str(value))
