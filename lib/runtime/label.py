"""The label stage: one Ray task per partition of the corpus.

A partition's siblings (other answers to the same prompts, of the corpus or of the references) and its vectors lie in the
same hash range, so a task reads nothing else; what it needs to know of all labelled rows is learned once (`learn`) and
handed to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.behavior.categories import by_prompt
from lib.behavior.label import counts, in_words, label
from lib.behavior.labeler import Learner
from lib.behavior.names import Names
from lib.behavior.nearest import nearest
from lib.corpus.example import table_examples
from lib.corpus.partitions import Part, parts_among, parts_in, read_part
from lib.corpus.text import fold_id
from lib.embedding.texts import vectors_role
from lib.files import write_table
from lib.guards.guard import verdicts_role
from lib.plan import Lookup, Node
from lib.runtime.guards import verdicts_of
from lib.runtime.learn import LABELLED, Folders, Learned, Settings, learn, renamed, vectors_of
from lib.runtime.session import Session
from lib.store import at, deliver, here
from lib.store.place import Address, resolved

RANGE_ROWS = 16_384


def label_corpus(session: Session, lookup: Lookup, node: Node) -> str:
    """Labels of every partition (schema `LABELS`), under the names and in the order of the corpus' partitions."""
    identity, folders = dict(node.identity or {}), {role: lookup.address(n) for role, n in node.inputs.items()}
    settings = {**identity, **node.task}
    pools = {pool: (lookup.facts(node.inputs[pool]) or {})["rows"] for pool in LABELLED if pool in node.inputs}
    with lookup.store.attempt(node.stage, str(node.key), identity, resumable=True) as attempt:
        facts: dict[str, Any] = {}
        if settings["names"] is not None:
            facts["dropped"] = dropped_names(resolved(folders), settings["categories"], settings["names"])
        known = pools.get("references", 0) if settings["categories"] == "nearest" else 0
        if any(isinstance(one, Learner) for panel in settings["panels"].values() for one in panel.labelers.values()):
            known = sum(pools.values())
        [(learned, found)] = session.run_tasks(learn, [(folders, settings)], threads=session.threads, rows=known)
        parts = parts_among(lookup.names(node.inputs["corpus"]))
        missing = [part for part in parts if not (attempt.folder / part.name).exists()]
        todo = [(part, folders, settings, attempt.address) for part in missing]
        made = session.run_tasks(label_part, todo, shared=[learned], rows=pools["corpus"])
        for done, _ in enumerate(made, start=1):
            if len(todo) > 1:
                session.progress.tick("label", done, len(todo), "partitions")
        here(attempt.address)
        attempt.files = {part.name for part in parts}
        tables = (pq.read_table(attempt.folder / part.name) for part in parts)
        attempt.facts = facts | found | counts(tables, settings["panels"])
    return in_words(attempt.facts)


def dropped_names(folders: Folders, source: str, names: Names) -> dict[str, dict[str, int]]:
    """Pool -> category name without counterpart -> rows that had it, in every pool that gives categories.

    Raises:
        UserError: a name that is none of the taxonomy's; said before any partition is labelled.
    """
    wanted = {"given": LABELLED[:1], "nearest": LABELLED[1:]}.get(source, LABELLED)
    found = {}
    for pool in wanted:
        if pool in folders:
            held = Counter[str]()
            for part in parts_in(folders[pool]):
                flat = pq.read_table(folders[pool] / part.name, columns=["categories"])["categories"].combine_chunks()
                held.update({one["values"]: one["counts"] for one in pc.value_counts(flat.flatten()).to_pylist()})
            found[pool] = names.dropped(held)
    return found


def label_part(
    part: Part, addresses: Mapping[str, Address], settings: Settings, target: Address, learned: Learned
) -> None:
    """Write the labels of one partition, made range by range: as Python values rows take many times their size."""
    folders = resolved(addresses)
    ranges = -(-pq.read_metadata(folders["corpus"] / part.name).num_rows // RANGE_ROWS)
    inner = (Part(part.count * ranges, part.index * ranges + number) for number in range(ranges))
    found = (_label_range(one, folders, settings, learned) for one in inner)
    labels = pa.concat_tables([table for table in found if table is not None])
    write_table(at(target) / part.name, labels.combine_chunks(), keep=True)
    deliver(target, part.name)


def _label_range(part: Part, folders: Mapping[str, Path], settings: Settings, learned: Learned) -> pa.Table | None:
    """The labels of the corpus' rows in a range of ids. Answers to one instruction lie in one range."""
    table = read_part(folders["corpus"], part)
    if table is None:
        return None
    examples, rows = table_examples(table), table.to_pylist()
    asked = [one for panel in learned.panels.values() for one in panel.labelers.values()]
    kinds = {one.looks_at for one in asked}
    guards = {one.guard: read_part(folders[verdicts_role(one.guard)], part) for one in asked if one.guard}
    verdicts = {guard: verdicts_of(found, rows) for guard, found in guards.items()}
    kinds |= {settings["text"]} if learned.references is not None else set()
    vectors = {kind: vectors_of(folders[vectors_role("corpus", kind)], part, kind, rows) for kind in kinds if kind}
    categories: list[tuple[str, ...]]
    scores: list[float | None] = [None] * len(examples)
    if learned.references is not None:
        names, cosines = nearest(vectors[settings["text"]], learned.references, settings["neighbours"])
        categories, scores = [(name,) for name in names], [float(cosine) for cosine in cosines]
    else:
        categories = [renamed(settings, example.categories) for example in examples]
    if settings["categories"] == "prompt":
        siblings = [(fold_id(example.instruction), own) for example, own in zip(examples, categories, strict=True)]
        if "references" in folders:
            others = read_part(folders["references"], part, ["instruction", "categories"])
            found = [] if others is None else others.to_pylist()
            siblings += [(fold_id(row["instruction"]), renamed(settings, row["categories"] or ())) for row in found]
        known = by_prompt(siblings)
        categories = [known.get(fold_id(example.instruction), ()) for example in examples]
    return label(
        examples,
        categories=categories,
        scores=scores,
        panels=learned.panels,
        vectors=vectors,
        verdicts=verdicts,
        assume_harmful=settings["assume_harmful"],
    )
