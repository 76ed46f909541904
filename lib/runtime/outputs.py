"""What a study leaves for people under `studies/<name>`: the selections, the mixes for other trainers, the report, and the
answers that judges disagree on.

All of it is derived: made again from artifacts whenever it is asked for, written whole or not at all, and never read
back. Nothing here is in any key.
"""

from __future__ import annotations

import json
import shlex
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import UserError, unknown
from lib.export.mixes import json_line, texts_of, write_mixes
from lib.files import storage_errors, write_lines, write_table, write_text
from lib.names import file_name
from lib.plan import Lookup, Node, Plan
from lib.status.journal import LOG_FILE
from lib.status.record import RECORD_FILE
from lib.store import Store
from lib.store.place import shared_of
from lib.study.schema import Study
from lib.training.benign import benign_rows

if TYPE_CHECKING:
    from lib.reporting.conclusions import Goals
    from lib.reporting.merge import Finished


def study_folder(study: Study) -> Path:
    """Where the human-facing outputs of a study are written on this machine."""
    return shared_of(study.storage).root / study_name(study)


def study_name(study: Study) -> str:
    """What their folder is called in the storage."""
    return f"studies/{study.name}"


def study_words(study: Study) -> str:
    """Where people find them."""
    return f"{shared_of(study.storage).words}/{study_name(study)}"


def write_selections(plan: Plan, lookup: Lookup) -> None:
    """`selections/<strategy>-<budget>-<draw>.jsonl`: the picked rows with why each was picked."""
    folder = study_folder(plan.study) / "selections"
    with storage_errors(lookup.store.root), lookup.store.at_once():
        for old in set(folder.glob("*.jsonl")) - {folder / f"{_file_name(node)}.jsonl" for node in plan.selections}:
            old.unlink(missing_ok=True)  # of what the study no longer asks for; its artifact stays in the store
        for node in plan.selections:
            rows = pq.read_table(lookup.folder(node) / "selection.parquet").to_pylist()
            write_lines(folder / f"{_file_name(node)}.jsonl", map(json_line, rows))
    lookup.store.shared.send(f"{study_name(plan.study)}/selections")


def _file_name(node: Node) -> str:
    """A selection's title as part of a path; what an axis holds can be long, and hold anything."""
    return file_name(node.title, str(node.key), also="=")


def write_exports(plan: Plan, lookup: Lookup) -> str:
    """`export/<strategy>-<budget>-<draw>.<format>.jsonl`: every selection inside its whole training mix, where the study
    asks for it by `export`.

    Returns:
        one line of outcome, "" where nothing is asked for.

    Raises:
        UserError: fewer benign rows than the study wants, or a storage that cannot be written.
    """
    study = plan.study
    if not study.export:
        return ""
    rules = study.benign
    leaked = lookup.folder(plan.shared_node("near", "leakage benign")) if study.selection.drop_leaked else None
    corpus = lookup.folder(plan.shared_node("ingest", "benign"))
    columns = ["instruction", "response"]
    benign = texts_of(benign_rows(corpus, columns, leaked=leaked, limit=rules.limit, holdout=rules.holdout).train)
    selections = {
        node.title: pq.read_table(lookup.folder(node) / "selection.parquet", columns=columns)
        for node in plan.samples.values()
    }
    folder = study_folder(study) / "export"
    with storage_errors(lookup.store.root):
        write_mixes(folder, study.name, benign, selections, study.export)
    lookup.store.shared.send(f"{study_name(study)}/export")
    where = f"{study_words(study)}/export"
    return f"{len(selections)} mixes, {benign.num_rows} benign rows each, as {', '.join(study.export)} in {where}"


def report(plan: Plan, lookup: Lookup, arguments: Sequence[str], goal: Goals | None = None) -> str:
    """Write results, summary, the rows that judges disagree on, and the report of a finished plan; returns the text to print.

    Args:
        goal: what was found of the study's goal.
    """
    from lib.reporting import write_disagreements
    from lib.reporting.tables import csv_text
    from lib.statistics.judges import DISAGREEMENTS, disagreements

    folder = study_folder(plan.study)
    with storage_errors(lookup.store.root), lookup.store.at_once():
        found, tables = _finished(plan, lookup, shlex.join(["python", "-m", "jobs.sweep", *arguments]), goal)
        for name, table in tables.items():
            write_table(folder / f"{name}.parquet", table)
            write_text(folder / f"{name}.csv", csv_text(table))
        write_disagreements(folder, DISAGREEMENTS, disagreements(plan, lookup))
        return _write(folder, found, lookup.store, study_name(plan.study))


def merged_report(plans: Sequence[tuple[Plan, Lookup]], arguments: Sequence[str], out: Path | None) -> str:
    """Write one report over several finished plans; returns the text to print.

    Args:
        out: its folder; by default `studies/<name1>+<name2>` of the first study's storage.

    Raises:
        UserError: two studies of one name, or a folder that cannot be written.
    """
    from lib.reporting.merge import merge

    names = [plan.study.name for plan, _ in plans]
    if len(set(names)) < len(names):
        raise UserError(f"two of these studies have the same name ({', '.join(names)}): rename one")
    store, name = plans[0][1].store, f"studies/{'+'.join(names)}"
    folder = out or store.root / name
    with storage_errors(folder if out else store.root):
        found = []
        for plan, lookup in plans:
            command = shlex.join(["python", "-m", "jobs.report", *arguments])
            found.append(_finished(plan, lookup, command if plan is plans[-1][0] else "")[0])
        return _write(folder, merge(found), None if out else store, name)


def _finished(
    plan: Plan, lookup: Lookup, command: str, goal: Goals | None = None
) -> tuple[Finished, dict[str, pa.Table]]:
    """What a report of a finished plan is made of, and the tables over runs by the name of their file."""
    from lib.reporting.conclusions import conclusions, safety_of
    from lib.reporting.merge import Finished
    from lib.reporting.searched import search_facts
    from lib.reporting.summary import make_summary
    from lib.statistics import equal_table
    from lib.statistics.arms import make_arms
    from lib.statistics.equal import equal_use
    from lib.statistics.results import make_results
    from lib.statistics.study import statistics

    results, arms = make_results(plan, lookup), make_arms(plan, lookup)
    over_runs, judge = statistics(arms), plan.study.evaluate.judges[0]
    safety = safety_of(over_runs.means, judge)
    use = equal_use(arms, safety, plan.study.evaluate.utility_margin)
    said = conclusions(over_runs, judge, use, goal)
    best = {one.model: one.advice.label for one in said}
    searched = search_facts(plan, results)
    summary = {**make_summary(plan, lookup, command, best, searched), "conclusions": [asdict(one) for one in said]}
    tables = {**over_runs.tables, "equal": equal_table.table_of(use, safety)}
    return Finished(results=results, summary=summary, means=tables["means"].to_pylist()), tables


def _write(folder: Path, found: Finished, store: Store | None, name: str) -> str:
    """Write a report; the text to print.

    Args:
        store: that the folder is of, under this name (None: it is nobody else's).
    """
    from lib.reporting import text_table, write_report
    from lib.reporting.searched import search_text
    from lib.reporting.unfinished import unfinished_text

    summary = dict(found.summary)
    write_table(folder / "results.parquet", found.results)
    write_text(folder / "summary.json", json.dumps(summary, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    path = write_report(folder, found.results, summary, found.means)
    beside = search_text(summary.get("search")) + unfinished_text(summary)
    where = str(path.resolve())
    if store is not None:
        store.shared.send(name, [one.name for one in folder.iterdir() if _is_outcome(one)])
        where = store.shared.find_words(f"{name}/{path.name}")
    return f"{text_table(found.results, summary)}{beside}\n\nreport: {where}"


def _is_outcome(path: Path) -> bool:
    """Is this what a report leaves? The log and the record of a run are sent by who writes them."""
    return path.is_file() and not path.name.startswith((".", LOG_FILE, RECORD_FILE))


def write_merged(plan: Plan, lookup: Lookup, cell: str, folder: Path) -> str:
    """A trained cell as an ordinary model folder, where its user wants it: whole or not at all. What it was made of, as a line.

    Raises:
        UserError: the folder cannot be written, or is there already.
    """
    from lib.models.trained import from_cell

    node = plan.trained(cell)
    if node is None:
        raise unknown("cell", cell, plan.every_label)
    made = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}")
    try:
        made.mkdir(parents=True)
        facts = lookup.facts(node) or {}
        told = from_cell(lookup.folder(node), lookup.folder(node.inputs["model"]), facts["merge_error"], made)
        made.rename(folder)
    except OSError as error:
        raise UserError(
            f"--merged {folder} cannot be written ({error.strerror or error}): name another folder"
        ) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return f"merged {cell}: {folder} ({told['from']}{', ' + told['dtype'] if 'dtype' in told else ''})"
