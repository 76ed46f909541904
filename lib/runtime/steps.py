"""The stages that are one task for one artifact: model, near (leakage), cards, sample.

Each is a plain function (store, node's key and identity, where its inputs are) -> one line of outcome, sent to a worker
as it is, so that the driver imports nothing heavy and holds no data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow.compute as pc

from lib.embedding.leakage import LEAKED_FILE, leakage
from lib.files import write_table, write_text
from lib.models.source import materialise
from lib.models.trained import from_cell
from lib.plan import Lookup, Node
from lib.runtime.cards import make_cards
from lib.runtime.sample import make_selection
from lib.runtime.session import Session
from lib.runtime.told import listening, teller
from lib.store import Store
from lib.store.place import Address, resolved

POOLS = ("corpus", "pool", "references")
"""Input roles whose rows a step goes over."""


@dataclass(frozen=True)
class Step:
    """A node as a worker needs it."""

    title: str
    store: Store
    stage: str
    key: str
    identity: Mapping[str, Any]
    task: Mapping[str, Any]
    inputs: Mapping[str, Address]
    """Where the results of the inputs are, by role."""
    told: Any = None
    """The actor that is told of bytes, where somebody listens (`lib/runtime/told`)."""


def make_step(lookup: Lookup, node: Node) -> Step:
    """The step of a node whose inputs are there."""
    inputs = {role: lookup.address(given) for role, given in node.inputs.items()}
    return Step(node.title, lookup.store, node.stage, str(node.key), dict(node.identity or {}), node.task, inputs)


def run_steps(session: Session, lookup: Lookup, nodes: list[Node]) -> Iterator[tuple[str, str]]:
    """Run one task per node; yields (title, outcome) as they finish."""
    if nodes and nodes[0].stage == "model":
        with listening(session) as told:
            calls = [(node.title, replace(make_step(lookup, node), told=told)) for node in nodes]
            yield from session.run_tasks(run_step, calls, threads=session.threads)
        return
    calls = [(node.title, make_step(lookup, node)) for node in nodes]
    pools = {pool.key: pool for node in nodes for role, pool in node.inputs.items() if role in POOLS}
    rows = sum((lookup.facts(pool) or {}).get("rows", 0) for pool in pools.values())
    yield from session.run_tasks(run_step, calls, threads=session.threads, rows=rows or None)


def run_step(title: str, step: Step) -> tuple[str, str]:
    """Run the function of the step's stage."""
    return title, FUNCTIONS[step.stage](step)


def model_step(step: Step) -> str:
    """Download or convert a model once, or make one of a cell. A download that was cut goes on."""
    source: Any = step.task.get("source")
    of_hub = source is not None and source.kind == "hub"
    with step.store.attempt(step.stage, step.key, dict(step.identity), resumable=of_hub) as attempt:
        if "cell" in step.inputs:
            folders = resolved(step.inputs)
            attempt.facts = from_cell(folders["cell"], folders["base"], step.task["merge_error"], attempt.folder)
        else:
            attempt.facts = materialise(source, attempt.folder, teller(step.told, step.title))
    return f"{attempt.facts['from']}"


def leakage_step(step: Step) -> str:
    """Evaluation prompts among the training rows: `leaked.parquet`."""
    with step.store.attempt(step.stage, step.key, dict(step.identity)) as attempt:
        found = leakage(resolved(step.inputs), step.identity["above"])
        write_table(attempt.folder / LEAKED_FILE, found)
        attempt.facts = {"texts": found.num_rows, "equal": int(pc.sum(found["equal"]).as_py() or 0)}
    return f"{found.num_rows} instructions are evaluation prompts"


def cards_step(step: Step) -> str:
    """What a person reads to know the clusters: `cards.json`, `map.parquet`."""
    folders = resolved(step.inputs)
    k = len(np.load(folders["cluster"] / "centroids.npy", mmap_mode="r"))
    cards, points, shares = make_cards(folders, step.identity["text"], k)
    with step.store.attempt(step.stage, step.key, dict(step.identity)) as attempt:
        write_text(attempt.folder / "cards.json", json.dumps(cards, indent=1, ensure_ascii=False))
        write_table(attempt.folder / "map.parquet", points)
        attempt.facts = {"clusters": k, "variance": [round(share, 4) for share in shares]}
    return f"{k} clusters described"


def sample_step(step: Step) -> str:
    """One selection: `selection.parquet`."""
    chosen, facts = make_selection(resolved(step.inputs), step.identity, step.task)
    with step.store.attempt(step.stage, step.key, dict(step.identity)) as attempt:
        write_table(attempt.folder / "selection.parquet", chosen)
        attempt.facts = facts
    return f"{chosen.num_rows} of {facts['eligible']} rows"


FUNCTIONS = {
    "model": model_step,
    "near": leakage_step,
    "cards": cards_step,
    "sample": sample_step,
}
