"""The embed stage on Ray Data: every text of the pools once, by hash partition, on GPU actors where there are GPUs.

Examples are partitioned by instruction already, so no text has to be moved: an actor takes one hash range of one pool,
reads its rows, embeds what no other pool has vectors for, and writes one file. What a kill leaves behind are whole
partitions, and the next run makes the others. A partition is small enough that little is lost and large enough that its
batches are full; all missing partitions of an encoder's pools go through one set of actors, since an encoder takes longer to load
than a small pool to embed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lib.corpus.partitions import Part, all_parts, parts_in, read_part
from lib.embedding.encoder import Encoder
from lib.embedding.stored import read_vectors, rows_of, vectors_table
from lib.embedding.texts import embedded_text, vector_id
from lib.files import write_table
from lib.plan import Lookup, Node
from lib.runtime.metrics import Meter
from lib.runtime.session import Session, remote_errors
from lib.runtime.tally import tally
from lib.store import at, deliver, here

PART_ROWS = 16_384
"""Rows of a partition: 25 MB of float32 vectors of 384 dimensions."""


OF_ENCODER = ("pooling", "dtype", "storage")
"""What an embedding's identity says of its encoder, beside the model."""


def by_encoder(nodes: list[Node]) -> list[list[Node]]:
    """Nodes that one encoder serves, together: where it is an axis of the study there are several."""
    groups = defaultdict[tuple[str, ...], list[Node]](list)
    for node in nodes:
        identity = node.identity or {}
        groups[str(node.inputs["encoder"].key), *(identity[name] for name in OF_ENCODER)].append(node)
    return list(groups.values())


def embed(session: Session, lookup: Lookup, nodes: list[Node]) -> str:
    """Vectors of every node's pool: partitions of `vectors_schema`, sorted by text_id.

    Args:
        nodes: of one encoder (`by_encoder`).
    """
    settings = {
        **dict(nodes[0].task), "threads": None if session.gpus else session.threads,
        "device": "cuda" if session.gpus else "cpu", "study": session.observer.study,
    }  # fmt: skip
    settings |= {name: (nodes[0].identity or {})[name] for name in OF_ENCODER}
    encoder = lookup.address(nodes[0].inputs["encoder"])
    with ExitStack() as stack:
        items: list[dict[str, Any]] = []
        attempts, all_names, all_seen, earlier = [], [], [], list[tuple[str, str]]()
        for node in nodes:
            identity = dict(node.identity or {})
            attempt = stack.enter_context(lookup.store.attempt(node.stage, str(node.key), identity, resumable=True))
            pool = node.inputs["pool"]
            parts = all_parts(max(1, -(-(lookup.facts(pool) or {})["rows"] // PART_ROWS)))
            kind = identity["text"]
            reuse = [lookup.address(n) for n in node.task["reuse"] if lookup.have(n)]
            reuse += [folder for other, folder in earlier if other == kind]
            seen = set[str]()
            for part in parts:
                if (attempt.folder / part.name).exists():
                    seen.add(part.name)
                else:
                    items.append(
                        {
                            "count": part.count, "index": part.index, "kind": kind, "folder": attempt.address,
                            "pool": lookup.address(pool), "reuse": reuse,
                        }
                    )  # fmt: skip
            earlier.append((kind, attempt.address))
            attempts.append(attempt)
            all_names.append({part.name for part in parts})
            all_seen.append(seen)
        if items:
            workers = min(len(items), nodes[0].task["workers"] or max(1, session.gpus))
            total = sum((lookup.facts(node.inputs["pool"]) or {})["rows"] for node in nodes)
            with tally(session, "embed", total, "rows") as counter, remote_errors():
                made = session.data.from_items(items, override_num_blocks=len(items)).map_batches(
                    EmbedPart,
                    fn_constructor_kwargs={"encoder": encoder, "settings": settings, "tally": counter},
                    batch_size=1,
                    batch_format="pyarrow",
                    compute=session.data.ActorPoolStrategy(size=workers),
                    num_gpus=1 if session.gpus else 0,
                    num_cpus=1,
                )
                session.named_data(made, "embed").take_all()
        for attempt, names, seen in zip(attempts, all_names, all_seen, strict=True):
            there = [part for part in parts_in(here(attempt.address)) if part.name in names]
            attempt.files = {part.name for part in there} | seen  # of these none may have gone meanwhile
            texts = sum(pq.read_metadata(attempt.folder / part.name).num_rows for part in there)
            first = pq.ParquetFile(attempt.folder / there[0].name)
            dimensions = len(next(first.iter_batches(1))["vector"][0])
            attempt.facts = {"texts": texts, "dimensions": dimensions}
            attempt.about = {"workers": settings["workers"], "batch": settings["batch"]}
    said = [f"{node.title}: {a.facts['texts']} texts" for node, a in zip(nodes, attempts, strict=True)]
    return f"{', '.join(said)}, {attempts[0].facts['dimensions']} dimensions"


class EmbedPart:
    """A Ray Data actor: holds the encoder, makes the vectors of one hash range of one pool at a time."""

    def __init__(self, encoder: str, settings: dict[str, Any], tally: Any) -> None:
        self.batch, self.storage, self.tally = settings["batch"], settings["storage"], tally
        self.meter = Meter(settings["study"])
        self.encoder = Encoder(
            str(here(encoder)),
            pooling=settings["pooling"],
            dtype=settings["dtype"],
            threads=settings["threads"],
            device=settings["device"],
        )

    def __call__(self, batch: pa.Table) -> pa.Table:
        for item in batch.to_pylist():
            self._make(item)
        return pa.table({"done": [batch.num_rows]})

    def _count(self, rows: int) -> None:
        self.tally.add.remote(rows)
        self.meter.add("ballast_rows_embedded", rows)

    def _make(self, item: dict[str, Any]) -> None:
        part, kind = Part(item["count"], item["index"]), item["kind"]
        rows = read_part(here(item["pool"]), part, ["instruction", "response"])
        if rows is None:
            return
        unique = {
            vector_id(kind, instruction, response): embedded_text(kind, instruction, response)
            for instruction, response in zip(rows["instruction"].to_pylist(), rows["response"].to_pylist(), strict=True)
        }
        ids = sorted(unique)
        vectors: dict[str, np.ndarray] = {}
        for folder in item["reuse"]:
            vectors |= _known(here(folder), part, unique)
        missing = [one for one in ids if one not in vectors]
        self._count(rows.num_rows - len(missing))
        if missing:
            encoded = self.encoder.encode([unique[one] for one in missing], self.batch, self._count)
            vectors |= dict(zip(missing, encoded, strict=True))
        made = np.stack([vectors[one] for one in ids])
        write_table(at(item["folder"]) / part.name, vectors_table(ids, made, self.storage), keep=True)
        deliver(item["folder"], part.name)


def _known(folder: Path, part: Part, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """Those of the wanted texts' vectors that another pool has already, as far as it has come."""
    found: dict[str, np.ndarray] = {}
    for other in parts_in(
        folder
    ):  # one after the other: a small pool has one partition, which overlaps all of a large one
        if part.overlaps(other):
            ids = pq.read_table(folder / other.name, columns=["text_id"])["text_id"].combine_chunks()
            common = [one for one in ids.to_pylist() if one in wanted]
            if common:
                _, matrix = read_vectors(folder, other)
                found |= dict(zip(common, matrix[rows_of(ids, common)], strict=True))
    return found
