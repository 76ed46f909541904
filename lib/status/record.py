"""What a run knows of its study's cells, written down for those who watch: `<storage>/studies/<name>/progress.json`.

Labels, keys, and what the cost model said of the stages, and no state: what is done is told by the artifacts, wherever they
are looked at from. It is written anew each time the driver has planned, since cells get their keys on the way, and nothing
is ever computed from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lib.files import write_text
from lib.plan.accelerators import ASSUMED, find_accelerator
from lib.plan.cost import estimate
from lib.plan.lookup import Lookup
from lib.plan.node import STAGES, Node
from lib.plan.plan import Plan

RECORD_FILE = "progress.json"


@dataclass(frozen=True, kw_only=True)
class RecordedCell:
    """A cell by its keys; None: not known when it was written."""

    label: str
    base: bool
    """The untouched model: there is nothing to train."""
    train: str | None
    generate: Mapping[str, str | None]
    """By prompt set."""
    judge: tuple[tuple[str, str, str | None], ...]
    """(prompt set, judge, key)."""
    utility: Mapping[str, str | None]
    """By task of lm-evaluation-harness."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the cost model said of the nodes that were missing."""

    device: str
    assumed: bool
    """Its constants were measured on no such device."""
    devices: int
    stages: Mapping[str, tuple[int, float]]
    """Stage -> (nodes, seconds of the device)."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A study's cells and shared nodes."""

    study: str
    cells: tuple[RecordedCell, ...]
    shared: Mapping[str, tuple[str | None, ...]]
    """Stage -> keys of the nodes that belong to no cell; of train, the models that cells begin with."""
    expected: Expected | None = None

    def keys(self, stage: str) -> list[str | None]:
        """All keys of a stage, each once; None for each that was not known."""
        found = list(self.shared.get(stage, ()))
        for cell in self.cells:
            if stage == "train" and not cell.base:
                found.append(cell.train)
            elif stage == "judge":
                found += [key for _, _, key in cell.judge]
            elif stage in ("generate", "utility"):
                found += getattr(cell, stage).values()
        known = dict.fromkeys(key for key in found if key is not None)
        return [*known, *(key for key in found if key is None)]


def expected(plan: Plan, lookup: Lookup) -> Expected:
    """What the cost model says of what is missing of a plan, on the device that `--dry-run` takes too."""
    device = find_accelerator(None, gpus=plan.study.cluster.max_gpus != 0)
    found = estimate(plan, lookup, device)
    stages = {bill.stage: (bill.to_run, round(bill.seconds, 1)) for bill in found.bills if bill.to_run}
    return Expected(device=device.title, assumed=device.source == ASSUMED, devices=found.devices, stages=stages)


def make_record(plan: Plan, told: Expected | None) -> Record:
    """The record of a plan."""
    shared = {}
    for stage in STAGES[: STAGES.index("generate")]:
        nodes = list(plan.first.values()) if stage == "train" else plan.nodes(stage)
        if keys := tuple(node.key for node in nodes if node.path is None):
            shared[stage] = keys
    return Record(
        study=plan.study.name,
        cells=tuple(
            RecordedCell(
                label=cell.label, base=cell.train is None, train=cell.train.key if cell.train else None,
                generate=_keys(cell.generate), utility=_keys(cell.utility),
                judge=tuple((prompts, judge, node.key) for (prompts, judge), node in cell.judge.items()),
            )
            for cell in plan.cells
        ),
        shared=shared,
        expected=told,
    )  # fmt: skip


def _keys(nodes: Mapping[str, Node]) -> dict[str, str | None]:
    return {name: node.key for name, node in nodes.items()}


def write_record(folder: Path, record: Record) -> None:
    """Write it to a study's folder.

    Raises:
        StorageError: the storage is full or cannot be written.
    """
    write_text(folder / RECORD_FILE, json.dumps(asdict(record), ensure_ascii=False) + "\n")


def read_record(folder: Path) -> Record | None:
    """The record of a study's folder; None where no run has written one that can be read."""
    try:
        told: dict[str, Any] = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        cells = [
            RecordedCell(**{**cell, "judge": tuple((prompts, judge, key) for prompts, judge, key in cell["judge"])})
            for cell in told["cells"]
        ]
        costs = told["expected"]
        if costs is not None:
            costs = Expected(**{**costs, "stages": {stage: (n, s) for stage, (n, s) in costs["stages"].items()}})
        shared = {stage: tuple(keys) for stage, keys in told["shared"].items()}
        return Record(study=told["study"], cells=tuple(cells), shared=shared, expected=costs)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
