"""How a study stands, told from its storage alone: the record of its cells, its log, and which artifacts are there.

What is done is told by artifacts, whoever made them and wherever they are looked at from; the log tells what the driver was
at when it was last heard of. Nothing is written, nothing is locked, no data set and no model is looked at.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lib.errors import UserError
from lib.judging.judge import make_judge
from lib.plan.node import STAGES
from lib.statistics.metrics import overall_asr
from lib.status.journal import events
from lib.status.record import RECORD_FILE, Expected, Record, RecordedCell, read_record
from lib.status.sender import bring_log
from lib.store import Artifact, Store

CELL_STATES = ("waiting", "training", "trained", "answered", "judged", "failed")
"""What has come of a cell. `answered`: all of its answers are there, and not all verdicts."""


@dataclass(kw_only=True)
class LastRun:
    """The latest run, as its log has it."""

    heard: float | None = None
    """Of its last line, seconds since 1970; None: there is no log."""
    stage: str = ""
    """That it was at; "" between two stages."""
    ended: str = ""
    """How it ended: done, failed or stopped; "" where that was not told."""
    error: str = ""
    """The kind of error that ended it."""
    training: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Fine-tunes that were begun and have not ended: key -> the last line on it."""
    failed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Key -> the line that says why."""
    engines_lost: int = 0


@dataclass(frozen=True, kw_only=True)
class Best:
    """The lowest value that a fine-tune has so far."""

    value: float
    label: str
    n: int = 0


@dataclass(kw_only=True)
class Standing:
    """How a study stands."""

    study: str
    run: LastRun
    cells: dict[str, str]
    """Label -> one of `CELL_STATES`."""
    stages: dict[str, tuple[int, int]]
    """Stage -> nodes whose artifact is there, and all of them."""
    asr: dict[tuple[str, str], Best]
    """(prompt set, judge) -> the best of those that are judged; by the study's first judge that gives it."""
    loss: Best | None
    """Held-out benign loss."""
    unanswered: int
    """Prompts without an answer."""
    unread: Counter[str]
    """Judge -> answers on which it gave no verdict."""
    left_s: float | None
    """What the cost model says of what is missing, on all devices; None: it was not asked."""
    expected: Expected | None


def standing(folder: Path, store: Store) -> Standing | None:
    """How the study of a folder (`<storage>/studies/<name>`) stands; None where no run has left a record."""
    store.shared.bring(store.name(folder), only=(RECORD_FILE,))
    bring_log(store.shared, store.name(folder))
    record = read_record(folder)
    if record is None:
        return None
    run = last_run(events(folder))
    with store.at_once():
        found = {
            stage: {key: store.find(stage, key) for key in record.keys(stage) if key is not None} for stage in STAGES
        }
    stages = {}
    for stage in STAGES:
        if total := len(record.keys(stage)):
            stages[stage] = (sum(artifact is not None for artifact in found[stage].values()), total)
    return Standing(
        study=record.study, run=run, stages=stages,
        cells={cell.label: _state(cell, found, run) for cell in record.cells},
        asr=_best_asr(record, found), loss=_best_loss(record, found),
        unanswered=sum(_errors(artifact) for artifact in found["generate"].values()),
        unread=_unread(record, found), left_s=_left_s(record, stages, run),
        expected=record.expected,
    )  # fmt: skip


def last_run(told: Iterable[Mapping[str, Any]]) -> LastRun:
    """The latest run of a log's events."""
    run, name = LastRun(), None
    for event in told:
        if event.get("run") != name:
            run, name = LastRun(), event.get("run")
        kind, key = event["event"], str(event.get("key"))
        run.heard = _seconds(event.get("time")) or run.heard
        if kind == "run_started":
            run.ended = run.error = ""
        elif kind == "run_ended":
            run.ended, run.error, run.stage = str(event.get("outcome")), str(event.get("error") or ""), ""
            run.training = {}
        elif kind == "stage_started":
            run.stage = str(event.get("stage"))
        elif kind == "stage_ended":
            run.stage, run.training = "", {}
        elif kind in ("cell_started", "cell_step"):
            run.training[key] = event
            run.failed.pop(key, None)
        elif kind in ("cell_trained", "cell_left", "cell_failed"):
            run.training.pop(key, None)
            if kind == "cell_failed":
                run.failed[key] = event
        elif kind == "engine_lost":
            run.engines_lost += 1
    return run


Found = Mapping[str, Mapping[str, Artifact | None]]
"""Stage -> key -> artifact."""


def _state(cell: RecordedCell, found: Found, run: LastRun) -> str:
    def all_there(stage: str, keys: Iterable[str | None]) -> bool:
        return all(key is not None and found[stage].get(key) is not None for key in keys)

    if not cell.base and not all_there("train", [cell.train]):
        if cell.train in run.failed:
            return "failed"
        return "training" if cell.train in run.training else "waiting"
    if not (all_there("generate", cell.generate.values()) and all_there("utility", cell.utility.values())):
        return "waiting" if cell.base else "trained"
    return "judged" if all_there("judge", [key for _, _, key in cell.judge]) else "answered"


def _best_asr(record: Record, found: Found) -> dict[tuple[str, str], Best]:
    best: dict[tuple[str, str], Best] = {}
    wanted: dict[str, str] = {}
    for cell in record.cells:
        for prompts, judge, key in cell.judge:
            answers, verdicts = found["generate"].get(cell.generate[prompts] or ""), found["judge"].get(key or "")
            if cell.base or answers is None or verdicts is None or wanted.get(prompts, judge) != judge:
                continue
            asr = _asr(answers, verdicts, judge)
            if asr is None:
                continue
            wanted[prompts] = judge
            if (prompts, judge) not in best or asr[0] < best[prompts, judge].value:
                best[prompts, judge] = Best(value=asr[0], n=asr[1], label=cell.label)
    return best


def _asr(answers: Artifact, verdicts: Artifact, judge: str) -> tuple[float, int] | None:
    kinds = pq.read_table(answers.folder / "generations.parquet", columns=["kind"])
    said = pq.read_table(verdicts.folder / "verdicts.parquet", columns=["refusal", "partial", "harmful"])
    try:
        return overall_asr(kinds, said, make_judge(judge))
    except UserError:  # of a judge that was here when the study ran
        return None


def _best_loss(record: Record, found: Found) -> Best | None:
    losses = [
        Best(value=float(artifact.facts["holdout_loss"]), label=cell.label)
        for cell in record.cells
        if (artifact := found["train"].get(cell.train or "")) is not None
    ]
    return min((one for one in losses if one.value == one.value), key=lambda one: one.value, default=None)


def _unread(record: Record, found: Found) -> Counter[str]:
    unread = Counter[str]()
    for cell in record.cells:
        for prompts, judge, key in cell.judge:
            unanswered = _errors(found["generate"].get(cell.generate[prompts] or ""))
            unread[judge] += max(0, _errors(found["judge"].get(key or "")) - unanswered)
    return +unread


def _errors(artifact: Artifact | None) -> int:
    return 0 if artifact is None else int(artifact.facts.get("errors", 0))


def _left_s(record: Record, stages: Mapping[str, tuple[int, int]], run: LastRun) -> float | None:
    """Of each stage, as much of its time as of its nodes is missing still; fine-tunes that are under way count by their steps."""
    if record.expected is None:
        return None
    left = 0.0
    for stage, (nodes, seconds) in record.expected.stages.items():
        have, total = stages.get(stage, (0, 0))
        missing = float(total - have)
        if stage == "train":
            missing -= sum(one["step"] / one["total"] for one in run.training.values() if one.get("total"))
        left += seconds * min(1.0, max(0.0, missing) / nodes)
    return left / record.expected.devices


def _seconds(time: Any) -> float | None:
    try:
        return datetime.datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return None
