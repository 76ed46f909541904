"""The stages that are one task for one artifact: model, cluster, label, sample, judge.

Each is a plain function (store, node's key and identity, folders of its inputs) -> one line of outcome, sent to a worker
as it is, so that the driver imports nothing heavy and holds no data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from lib.behavior.label import counts, label
from lib.behavior.labeler import make_labeler
from lib.corpus.example import table_examples
from lib.embedding.encoder import matrix_of, vectors_by_text
from lib.embedding.kmeans import kmeans
from lib.files import write_bytes, write_table
from lib.judging.judge import make_judge, verdicts
from lib.models.source import materialise
from lib.plan import Lookup, Node
from lib.runtime.data import read_parts
from lib.runtime.session import Session
from lib.sampling.select import card, content_digest, make_pool, select
from lib.sampling.strategy import Strategy
from lib.store import Store


@dataclass(frozen=True)
class Step:
    """A node as a worker needs it."""

    store: Store
    stage: str
    key: str
    identity: Mapping[str, Any]
    task: Mapping[str, Any]
    folders: Mapping[str, Path]
    """Result folders of the inputs, by role."""


def make_step(lookup: Lookup, node: Node) -> Step:
    """The step of a node whose inputs are there."""
    folders = {role: lookup.folder(given) for role, given in node.inputs.items()}
    return Step(lookup.store, node.stage, str(node.key), dict(node.identity or {}), node.task, folders)


def run_steps(session: Session, lookup: Lookup, nodes: list[Node]) -> Iterator[tuple[str, str]]:
    """Run one Ray task per node; yields (title, outcome) as they finish."""
    calls = [(node.title, make_step(lookup, node)) for node in nodes]
    yield from session.run_tasks(run_step, calls, threads=session.threads)


def run_step(title: str, step: Step) -> tuple[str, str]:
    """Run the function of the step's stage."""
    return title, FUNCTIONS[step.stage](step)


def model_step(step: Step) -> str:
    """Download or convert a model once."""
    with step.store.attempt(step.stage, step.key, dict(step.identity)) as attempt:
        attempt.facts = materialise(step.task["source"], attempt.folder)
    return f"{attempt.facts['from']}"


def cluster_step(step: Step) -> str:
    """k-means over all vectors: `clusters.parquet`, `centroids.npy`."""
    import io

    vectors = read_parts(step.folders["embed"])
    settings = {name: step.identity[name] for name in ("k", "iterations", "seed")}
    centroids, table, inertia = kmeans(vectors["text_id"].to_pylist(), matrix_of(vectors), **settings)
    with step.store.attempt(step.stage, step.key, dict(step.identity)) as attempt:
        write_table(attempt.folder / "clusters.parquet", table)
        buffer = io.BytesIO()
        np.save(buffer, centroids)
        write_bytes(attempt.folder / "centroids.npy", buffer.getvalue())
        sizes = np.bincount(table["cluster"].to_numpy()).tolist()
        attempt.facts = {"texts": table.num_rows, "inertia": inertia, "sizes": sizes}
    return f"{len(centroids)} clusters of {table.num_rows} texts, sizes {max(sizes)} to {min(sizes)}"


def label_step(step: Step) -> str:
    """Categories and behavior types of the corpus: `labels.parquet`, in the order of the ingested parts."""
    examples = table_examples(read_parts(step.folders["corpus"]))
    references = table_examples(read_parts(step.folders["references"])) if "references" in step.folders else []
    vectors = vectors_by_text(read_parts(step.folders["embed"])) if "embed" in step.folders else {}
    table = label(
        examples,
        references=references,
        vectors=vectors,
        categories_from=step.identity["categories"],
        refusal=make_labeler(step.task["refusal"], "refusal"),
        harmful_request=make_labeler(step.task["harmful_request"], "harmful_request"),
        assume_harmful=step.identity["assume_harmful"],
    )
    with step.store.attempt(step.stage, step.key, dict(step.identity)) as attempt:
        write_table(attempt.folder / "labels.parquet", table)
        attempt.facts = counts(table)
    return ", ".join(f"{kind} {n}" for kind, n in attempt.facts["types"].items())


def sample_step(step: Step) -> str:
    """One selection: `selection.parquet`."""
    identity = step.identity
    examples = table_examples(read_parts(step.folders["corpus"]))
    labels = pq.read_table(step.folders["label"] / "labels.parquet")
    vectors = vectors_by_text(read_parts(step.folders["embed"])) if "embed" in step.folders else {}
    pool = make_pool(
        examples,
        labels,
        types=identity["types"],
        leaked=frozenset(step.task["leaked"]),
        allow_unsafe=identity["allow_unsafe"],
    )
    strategy = Strategy.find(identity["strategy"])()
    chosen = select(pool, strategy, step.task["label"], identity["budget"], identity["draw"], vectors)
    with step.store.attempt(step.stage, step.key, dict(identity)) as attempt:
        write_table(attempt.folder / "selection.parquet", chosen)
        attempt.facts = {"content": content_digest(chosen), **card(pool, chosen)}
    return f"{chosen.num_rows} of {len(pool.candidates)} rows"


def judge_step(step: Step) -> str:
    """Verdicts on one set of answers: `verdicts.parquet`."""
    generations = pq.read_table(step.folders["generate"] / "generations.parquet")
    found = verdicts(make_judge(step.task["judge"]), generations)
    with step.store.attempt(step.stage, step.key, dict(step.identity)) as attempt:
        write_table(attempt.folder / "verdicts.parquet", found)
        attempt.facts = {"rows": found.num_rows, "errors": found.num_rows - found["refusal"].drop_null().length()}
    return f"{found.num_rows} verdicts"


FUNCTIONS = {
    "model": model_step,
    "cluster": cluster_step,
    "label": label_step,
    "sample": sample_step,
    "judge": judge_step,
}
