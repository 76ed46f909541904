"""The ingest stage on Ray Data: files to clean, partitioned examples.

Files are read in parallel, rows meet their duplicates by hash partition, and each partition writes its own files into the
attempt and sends back one row of counts. Neither the driver nor any worker holds more than one partition.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.corpus.example import EXAMPLES, REJECTS, Example
from lib.corpus.hub import hub_shards
from lib.corpus.ingest import ORDER, PLACE, REASON, TOO_LONG, drop_duplicates, partitions_for, read_file
from lib.corpus.partitions import Part
from lib.corpus.sources import locate
from lib.errors import UserError
from lib.files import write_table
from lib.plan import Lookup, Node
from lib.runtime.session import Session, remote_errors
from lib.store import at, deliver, here

UNKNOWN_BYTES = 256 << 20
"""The size that a hub's data set is taken to have where it does not tell."""
REJECTED = "rejected-"
"""Prefix of a partition's rejects inside the attempt; they are put together at the end."""


def ingest(session: Session, lookup: Lookup, nodes: list[Node]) -> Iterator[str]:
    """Files of every node to partitions of schema `EXAMPLES`, sorted by id, and `rejects.parquet`; all in one pipeline.

    Yields:
        one line of outcome per node.

    Raises:
        UserError: a malformed row with `on_bad_row: fail`; no row at all.
    """
    for node in nodes:
        if "prompts" in node.task:
            yield f"{node.title}: {_ingest_prompts(lookup, node)}"
    read = [node for node in nodes if "files" in node.task]
    if not read:
        return
    mistakes: list[UserError] = []
    with ExitStack() as stack:
        own = [stack.enter_context(ExitStack()) for _ in read]  # each pool is published, or not, by itself
        attempts = [
            each.enter_context(lookup.store.attempt(node.stage, str(node.key), dict(node.identity or {})))
            for each, node in zip(own, read, strict=True)
        ]
        done = _run(session, read, [attempt.address for attempt in attempts])
        for number, (node, attempt) in enumerate(zip(read, attempts, strict=True)):
            try:
                with own[number]:
                    attempt.facts = _finish(node, here(attempt.address), [row for row in done if row["node"] == number])
            except UserError as error:
                mistakes.append(error)
    if mistakes:
        raise mistakes[0]
    for node, attempt in zip(read, attempts, strict=True):
        facts = attempt.facts
        longer = f", {facts['too_long']} over the length limit" if facts["too_long"] else ""
        said = f"{facts['rows']} rows, {facts['duplicates']} duplicates, {facts['rejected']} rejected"
        yield f"{node.title}: {said}{longer}"


def _run(session: Session, nodes: list[Node], folders: list[str]) -> list[dict[str, Any]]:
    """One row of counts for each partition of each node that has rows."""
    located = [_located(node) for node in nodes]
    counts = [partitions_for(size) for _, size in located]
    files = [
        {**file, "index": index, "node": number, "first": sum(counts[:number]), "partitions": counts[number]}
        for number, (found, _) in enumerate(located)
        for index, file in enumerate(found)
    ]
    rows = session.data.from_items(files, override_num_blocks=len(files)).map_batches(
        _read, batch_size=1, batch_format="pyarrow"
    )
    groups = rows.groupby("partition", num_partitions=sum(counts)).map_groups(
        partial(_write_partition, folders=folders, counts=counts), batch_format="pyarrow"
    )
    with remote_errors():
        return list(session.named_data(groups, "ingest").take_all())


def _located(node: Node) -> tuple[list[dict[str, Any]], int]:
    """What is read side by side, in order, and the bytes of all of it. A hub tells its files only now: a plan asks no hub."""
    files, size = [], node.task["size_bytes"]
    for file in node.task["files"]:
        paths = [file["path"]]
        if file["path"].startswith("hub:") and not file.get("limit"):
            paths, told = hub_shards(file["path"])
            size += told or UNKNOWN_BYTES
        files += [{**file, "path": path} for path in paths]
    return files, size


def _finish(node: Node, folder: Path, done: list[dict[str, Any]]) -> dict[str, Any]:
    """The facts of a node, once its rejects are put together."""
    malformed = [row for row in done if row["rejected"]]
    total = sum(row["rejected"] for row in done)
    if malformed and (node.identity or {})["on_bad_row"] != "skip":
        first = min(malformed, key=lambda row: row["first_order"])
        more = f" (and {total - 1} more)" if total > 1 else ""
        raise UserError(f"{first['first']}{more}; mend it or set on_bad_row: skip")
    _join_rejects(folder)
    facts = {name: sum(row[name] for row in done) for name in ("rows", "duplicates", "rejected", "too_long")}
    if not facts["rows"]:
        raise UserError(f"{node.title}: no row is left ({total} rejected)")
    for source, identity in node.task.get("sources", ()):
        if not source.source.startswith("hub:") and locate(source).identity != identity:
            raise UserError(f"source {source.source!r} changed while it was read: run the same command again")
    return facts


def _ingest_prompts(lookup: Lookup, node: Node) -> str:
    """Evaluation prompts as a pool of their own, so that they are embedded like any other text."""
    with lookup.store.attempt(node.stage, str(node.key), dict(node.identity or {})) as attempt:
        made = {
            e.id: e for e in (Example.make(source="", instruction=text, response="") for text in node.task["prompts"])
        }
        rows = [{**vars(made[one]), "categories": []} for one in sorted(made)]
        write_table(attempt.folder / Part(1, 0).name, pa.Table.from_pylist(rows, schema=EXAMPLES))
        attempt.facts = {"rows": len(rows), "duplicates": 0, "rejected": 0, "too_long": 0}
    return f"{len(rows)} prompts"


def _read(batch: pa.Table) -> Iterator[pa.Table]:
    for file in batch.to_pylist():
        for table in read_file(file, file["partitions"]):
            place = table.column_names.index("partition")
            yield table.set_column(place, "partition", pc.add(table["partition"], pa.scalar(file["first"], pa.int32())))


def _write_partition(group: pa.Table, *, folders: list[str], counts: list[int]) -> pa.Table:
    """Write one partition of one node: partitions are numbered through all nodes."""
    place, node = group["partition"][0].as_py(), 0
    while place >= counts[node]:
        place, node = place - counts[node], node + 1
    address, part = folders[node], Part(counts[node], place)
    folder = at(address)
    kept = drop_duplicates(group)
    bad = kept.filter(pc.is_valid(kept[REASON]))
    good = kept.filter(pc.is_null(kept[REASON])).select(EXAMPLES.names).cast(EXAMPLES)
    if good.num_rows:
        write_table(folder / part.name, good)
        deliver(address, part.name)
    first, first_order = "", 0
    if bad.num_rows:
        columns = [bad["source"], bad[PLACE], bad[REASON], bad[ORDER]]
        write_table(folder / f"{REJECTED}{part.name}", pa.table(columns, names=[*REJECTS.names, ORDER]))
        deliver(address, f"{REJECTED}{part.name}")
        malformed = bad.filter(pc.invert(bad[TOO_LONG]))
        if malformed.num_rows:
            file, place, reason, first_order = (malformed[name][0].as_py() for name in ("source", PLACE, REASON, ORDER))
            first = f"{file}, {place}: {reason}"
    too_long = pc.sum(bad[TOO_LONG]).as_py() or 0
    row = {
        "node": node, "rows": good.num_rows, "duplicates": group.num_rows - kept.num_rows, "rejected": bad.num_rows - too_long,
        "too_long": too_long, "first": first, "first_order": first_order,
    }  # fmt: skip
    return pa.table({name: [value] for name, value in row.items()})


def _join_rejects(folder: Path) -> None:
    """One `rejects.parquet` in source order from those of the partitions."""
    parts = sorted(folder.glob(f"{REJECTED}*"))
    tables = [pq.read_table(path) for path in parts]
    joined = pa.concat_tables(tables).sort_by(ORDER).select(REJECTS.names) if tables else REJECTS.empty_table()
    write_table(folder / "rejects.parquet", joined.cast(REJECTS))
    for path in parts:
        path.unlink()
