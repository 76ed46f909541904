"""The sample stage: one plain task per selection. Pool and vectors come partition by partition; texts only of picked rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.behavior.names import Names
from lib.corpus.partitions import Part, parts_in, read_part
from lib.embedding.leakage import leaked_texts
from lib.embedding.near import drop_near, unjudged
from lib.embedding.stored import read_vectors, rows_of
from lib.embedding.texts import vector_id
from lib.sampling.card import card
from lib.sampling.evidence import Evidence, gather, single_category
from lib.sampling.pool import DUPLICATE, LEAKED, Pool, make_pool
from lib.sampling.select import content_digest, picked_ids, select, selection_table
from lib.sampling.strategy import Strategy, make_strategy

Folders = Mapping[str, Path]


def make_selection(
    folders: Folders, identity: Mapping[str, Any], task: Mapping[str, Any]
) -> tuple[pa.Table, dict[str, Any]]:
    """A selection, schema `SELECTION`, and its facts.

    Args:
        folders: artifacts by role, as the planner's `_evidence` names them.
        identity: of the sample node.
        task: `label`, how the study calls the strategy; `text`, what `embed` and `cluster` were made of; `names`, what
            becomes of the references' category names (None: nothing). The labels rest on the same names, by their key.
    """
    dropped: dict[str, Sequence[str]] = {}
    unsure = 0
    if "leakage" in folders:
        dropped[LEAKED] = leaked_texts(folders["leakage"])
    types = identity["types"]

    def eligible() -> Pool:
        rows = _rows(folders, task["text"])
        return make_pool(rows, types=types, dropped=dropped, allow_unsafe=identity["allow_unsafe"])

    pool = eligible()
    if "duplicates" in folders:  # among what may be picked alone: a row must not go for one that is kept out itself

        def pairs() -> Iterator[pa.Table]:
            return (pq.read_table(folders["duplicates"] / part.name) for part in parts_in(folders["duplicates"]))

        left = pa.array(sorted({one.decode() for one in pool.text_ids.tolist()}), pa.string())
        dropped[DUPLICATE] = sorted(drop_near(pairs(), left))
        unsure = unjudged(pairs(), left)
        pool = eligible()
    strategy = make_strategy(**identity["strategy"])
    evidence = _evidence(folders, strategy, pool, task["text"]["embed"], task["names"])
    picks = select(
        pool, strategy, label=task["label"], budget=identity["budget"], draw=identity["draw"], evidence=evidence,
        types=types,
    )  # fmt: skip
    chosen = selection_table(pool, picks, _texts(folders["corpus"], picked_ids(pool, picks)))
    told = {"unjudged": unsure} if unsure else {}
    return chosen, {
        "content": content_digest(chosen),
        **told,
        **card(pool, chosen, strata=strategy.strata, types=types),
    }


def _rows(folders: Folders, text: Mapping[str, str]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """By partition: the corpus with what strategies ask for, and its labels."""
    for part in parts_in(folders["corpus"]):
        pairs = {role for role in ("embed", "cluster") if role in folders and text[role] == "pair"}
        columns = ["id", "text_id", *(["instruction", "response"] if pairs else [])]
        corpus = pq.read_table(folders["corpus"] / part.name, columns=columns)
        named = corpus["text_id"].combine_chunks()
        if pairs:
            named = pa.array([vector_id("pair", row["instruction"], row["response"]) for row in corpus.to_pylist()])
            corpus = corpus.drop_columns(["instruction", "response"])
        if "embed" in pairs:
            corpus = corpus.append_column("vector_id", named)
        if "cluster" in folders:
            ids = named if "cluster" in pairs else corpus["text_id"].combine_chunks()
            corpus = corpus.append_column("cluster", _clusters(folders["cluster"], part, ids))
        yield corpus, pq.read_table(folders["label"] / part.name)


def _clusters(folder: Path, part: Part, ids: pa.Array) -> pa.Array:
    table = read_part(folder, part, ["text_id", "cluster"], key="text_id")
    assert table is not None
    return table["cluster"].combine_chunks().take(pa.array(rows_of(table["text_id"].combine_chunks(), ids)))


def _evidence(folders: Folders, strategy: Strategy, pool: Pool, text: str, renamed: Names | None) -> Evidence:
    found: dict[str, Any] = {}
    if strategy.needs_vectors and len(pool):
        ids = pool.text_ids if text == "instruction" else pool.vector_ids
        assert ids is not None
        found["vectors"] = gather(ids, (read_vectors(folders["embed"], part) for part in parts_in(folders["embed"])))
    if strategy.needs_references:
        categories: list[Sequence[str]] = []
        wanted: list[str] = []
        for part in parts_in(folders["references"]):
            names = ["instruction", "response", "categories"]
            for row in pq.read_table(folders["references"] / part.name, columns=names).to_pylist():
                own = row["categories"] or ()
                categories.append(own if renamed is None else renamed.of(own))
                wanted.append(vector_id(text, row["instruction"], row["response"]))
        ids, matrix = read_vectors(folders["embed_references"])
        found["references"] = single_category(categories, matrix[rows_of(ids, wanted)])
    return Evidence(**found)


def _texts(corpus: Path, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """id -> (instruction, response) of these rows."""
    wanted = pa.array(ids, pa.string())
    found: dict[str, tuple[str, str]] = {}
    for part in parts_in(corpus):
        table = pq.read_table(corpus / part.name, columns=["id", "instruction", "response"])
        hits = table.filter(pc.is_in(table["id"], wanted))
        found |= {row["id"]: (row["instruction"], row["response"]) for row in hits.to_pylist()}
    return found
