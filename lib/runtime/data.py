"""The stages that run over whole corpora, on Ray Data: ingest, embed, mix.

Every pipeline ends in groups that write their own file into the attempt (atomically, so a retried group does no harm) and
send back one row of counts. The driver never holds a corpus.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.corpus.example import EXAMPLES, REJECTS
from lib.corpus.ingest import PLACE, REASON, drop_duplicates, partition_of, read_file
from lib.corpus.text import fold_id
from lib.embedding.encoder import VECTORS, Encoder
from lib.errors import UserError
from lib.files import write_table
from lib.models.prompt import load_tokenizer, tokenise_pairs
from lib.plan import Lookup, Node
from lib.runtime.session import Session, remote_errors
from lib.store import Attempt
from lib.training.mix import TOKENS, tokens_digest


def part_files(folder: Path) -> list[str]:
    """The partition files of an artifact, in order."""
    return [str(path) for path in sorted(folder.glob("part-*.parquet"))]


def read_parts(folder: Path, columns: list[str] | None = None) -> pa.Table:
    """All partitions of an artifact as one table, sorted as written."""
    return pa.concat_tables([pq.read_table(path, columns=columns) for path in part_files(folder)])


# ---------------------------------------------------------------- ingest


def ingest(session: Session, lookup: Lookup, node: Node) -> str:
    """Files to `part-*.parquet` (schema `EXAMPLES`, sorted by id within a part) and `rejects.parquet`.

    Raises:
        UserError: a malformed row with `on_bad_row: fail`; no row at all.
    """
    import ray

    session.start()
    files = [{**file, "index": index} for index, file in enumerate(node.task["files"])]
    with lookup.store.attempt(node.stage, str(node.key), dict(node.identity or {})) as attempt:
        rows = ray.data.from_items(files, override_num_blocks=len(files)).map_batches(
            partial(_read, partitions=node.task["partitions"]), batch_size=1, batch_format="pyarrow"
        )
        groups = rows.groupby("partition", num_partitions=node.task["partitions"]).map_groups(
            partial(_write_partition, folder=str(attempt.folder)), batch_format="pyarrow"
        )
        with remote_errors():
            done = sorted(groups.take_all(), key=lambda row: row["partition"])
        rejects = [dict(zip(REJECTS.names, values, strict=True)) for row in done for values in row["rejects"]]
        skip = (node.identity or {})["on_bad_row"] == "skip"
        if rejects and not skip:
            first = rejects[0]
            more = f" (and {len(rejects) - 1} more)" if len(rejects) > 1 else ""
            raise UserError(
                f"{first['file']}, {first['place']}: {first['reason']}{more}; mend it or set on_bad_row: skip"
            )
        write_table(attempt.folder / "rejects.parquet", pa.Table.from_pylist(rejects, schema=REJECTS))
        attempt.facts = {
            "rows": sum(row["rows"] for row in done),
            "duplicates": sum(row["duplicates"] for row in done),
            "rejected": len(rejects),
        }
        if not attempt.facts["rows"]:
            raise UserError(f"{node.title}: no row is left ({len(rejects)} rejected)")
    return f"{attempt.facts['rows']} rows, {attempt.facts['duplicates']} duplicates, {len(rejects)} rejected"


def _read(batch: pa.Table, *, partitions: int) -> Iterator[pa.Table]:
    for file in batch.to_pylist():
        yield from read_file(file["path"], file["format"], file["index"], partitions)


def _write_partition(group: pa.Table, *, folder: str) -> pa.Table:
    partition = group["partition"][0].as_py()
    kept = drop_duplicates(group)
    bad = kept.filter(pc.is_valid(kept[REASON]))
    good = kept.filter(pc.is_null(kept[REASON])).select(EXAMPLES.names).cast(EXAMPLES)
    if good.num_rows:
        write_table(Path(folder) / f"part-{partition:05d}.parquet", good)
    rejects = bad.select(["source", PLACE, REASON]).to_pylist()
    row = {
        "partition": partition,
        "rows": good.num_rows,
        "duplicates": group.num_rows - kept.num_rows,
        "rejects": [[r["source"], r[PLACE], r[REASON]] for r in rejects],
    }
    kinds = [("partition", pa.int32()), ("rows", pa.int64()), ("duplicates", pa.int64())]
    return pa.Table.from_pylist([row], schema=pa.schema([*kinds, ("rejects", pa.list_(pa.list_(pa.string())))]))


# ---------------------------------------------------------------- embed

EMBED_ROWS = 100_000
"""Rows of one hash partition: what one actor embeds and writes at a time."""


def embed(session: Session, lookup: Lookup, node: Node) -> str:
    """Unique instructions of all pools to `part-*.parquet` (schema `VECTORS`), by hash partition of the text.

    GPU actors where the study has GPUs, CPU actors otherwise; the code is the same.
    """
    import ray

    session.start()
    encoder = lookup.folder(node.inputs["encoder"])
    pools = [pool for role, pool in node.inputs.items() if role != "encoder"]
    files = [path for pool in pools for path in part_files(lookup.folder(pool))]
    gpus = session.gpus
    rows = sum((lookup.facts(pool) or {})["rows"] for pool in pools)
    partitions = max(1, -(-rows // EMBED_ROWS))
    with lookup.store.attempt(node.stage, str(node.key), dict(node.identity or {})) as attempt:
        done = (
            ray.data.read_parquet(files, columns=["text_id", "instruction"])
            .map_batches(partial(_add_partition, partitions=partitions), batch_format="pyarrow")
            .groupby("partition", num_partitions=partitions)
            .map_groups(
                EmbedPartition,
                fn_constructor_kwargs={
                    "folder": str(attempt.folder),
                    "encoder": str(encoder),
                    "batch": node.task["batch"],
                    "threads": None if gpus else session.threads,
                },
                batch_format="pyarrow",
                concurrency=min(partitions, max(1, gpus)),
                num_gpus=1 if gpus else 0,
                num_cpus=1,
            )
        )
        with remote_errors():
            counts = done.take_all()
        attempt.facts = {
            "texts": sum(row["texts"] for row in counts),
            "rows": sum(row["rows"] for row in counts),
            "dimensions": counts[0]["dimensions"],
        }
        attempt.about = {"device": counts[0]["device"]}
    return f"{attempt.facts['texts']} unique texts of {attempt.facts['rows']} rows, {attempt.facts['dimensions']} dimensions"


def _add_partition(batch: pa.Table, *, partitions: int) -> pa.Table:
    parts = [partition_of(text_id, partitions) for text_id in batch["text_id"].to_pylist()]
    return batch.append_column("partition", pa.array(parts, pa.int32()))


class EmbedPartition:
    """A Ray Data actor: holds the encoder, writes the vectors of one hash partition at a time."""

    def __init__(self, folder: str, encoder: str, batch: int, threads: int | None) -> None:
        self.folder, self.batch = Path(folder), batch
        self.encoder = Encoder(encoder, threads=threads)

    def __call__(self, group: pa.Table) -> pa.Table:
        unique = dict(zip(group["text_id"].to_pylist(), group["instruction"].to_pylist(), strict=True))
        ids = sorted(unique)
        vectors = self.encoder.encode([unique[i] for i in ids], self.batch)
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1]).cast(
            VECTORS.field(1).type
        )
        partition = group["partition"][0].as_py()
        write_table(self.folder / f"part-{partition:05d}.parquet", pa.table([pa.array(ids), column], schema=VECTORS))
        return pa.table(
            {
                "texts": [len(ids)],
                "rows": [group.num_rows],
                "dimensions": [vectors.shape[1]],
                "device": [self.encoder.device],
            }
        )


# ---------------------------------------------------------------- mix


def mix(session: Session, lookup: Lookup, nodes: list[Node]) -> str:
    """Tokenise the rows of every node in one pipeline: `train.parquet` and `holdout.parquet` (schema `TOKENS`)."""
    from contextlib import ExitStack

    import ray

    session.start()
    with ExitStack() as stack:
        attempts: list[Attempt] = []
        items = []
        for index, node in enumerate(nodes):
            attempt = stack.enter_context(lookup.store.attempt(node.stage, str(node.key), dict(node.identity or {})))
            attempts.append(attempt)
            identity = dict(node.identity or {})
            items.append(
                {
                    "node": index,
                    "role": identity["role"],
                    "rows": str(lookup.folder(node.inputs["rows"])),
                    "model": str(lookup.folder(node.inputs["model"])),
                    "folder": str(attempt.folder),
                    "template": identity["template"],
                    "max_tokens": identity["max_tokens"],
                    "limit": identity.get("limit") or 0,
                    "holdout": identity.get("holdout") or 0,
                    "leaked": list(node.task["leaked"]),
                }
            )
        done = (
            ray.data.from_items(items, override_num_blocks=len(items))
            .map_batches(_load_rows, batch_size=1, batch_format="pandas")
            .map_batches(_tokenise, batch_size=1024, batch_format="pyarrow")
            .groupby("node", num_partitions=len(items))
            .map_groups(_write_tokens, batch_format="pyarrow")
        )
        with remote_errors():
            counts = {row["node"]: row for row in done.take_all()}
        for index, attempt in enumerate(attempts):
            row = counts.get(index, dict.fromkeys(("train", "holdout", "cut", "mute", "leaked", "tokens"), 0))
            for part in ("train", "holdout"):
                if not (attempt.folder / f"{part}.parquet").exists():  # an empty selection
                    write_table(attempt.folder / f"{part}.parquet", TOKENS.empty_table())
            attempt.facts = {
                "rows": row["train"],
                "holdout": row["holdout"],
                "cut": row["cut"],
                "mute": row["mute"],
                "leaked": row["leaked"],
                "tokens": row["tokens"],
                "content": tokens_digest(pq.read_table(attempt.folder / "train.parquet")),
                "holdout_content": tokens_digest(pq.read_table(attempt.folder / "holdout.parquet")),
            }
    return ", ".join(f"{node.title}: {a.facts['rows']} rows" for node, a in zip(nodes, attempts, strict=True))


WORK = pa.schema(
    [
        ("node", pa.int32()), ("order", pa.int64()), ("part", pa.string()), ("id", pa.string()),
        ("instruction", pa.string()), ("response", pa.string()), ("leaked", pa.int64()),
        ("model", pa.string()), ("template", pa.string()), ("max_tokens", pa.int32()), ("folder", pa.string()),
    ]
)  # fmt: skip


def _load_rows(batch: Any) -> Iterator[pa.Table]:
    """The rows of one node, benign ones split into held-out rows (the last by id) and training rows (the first)."""
    for item in batch.to_dict("records"):
        leaked = 0
        if item["role"] == "benign":
            table = read_parts(Path(item["rows"]), ["id", "instruction", "response"]).sort_by("id")
            bad = set(item["leaked"])
            keep = [fold_id(text) not in bad for text in table["instruction"].to_pylist()]
            leaked = len(keep) - sum(keep)
            table = table.filter(pa.array(keep))
            available = table.num_rows - item["holdout"]
            limit = item["limit"] or available
            if available < limit or limit < 1:
                raise UserError(
                    f"benign has {table.num_rows} usable rows, fewer than limit {item['limit'] or 1} "
                    f"+ holdout {item['holdout']}: lower benign.limit or benign.holdout"
                )
            parts = [("train", table.slice(0, limit)), ("holdout", table.slice(available))]
        else:
            parts = [("train", pq.read_table(Path(item["rows"]) / "selection.parquet"))]
        for part, rows in parts:
            n = rows.num_rows
            constant = {"node": item["node"], "part": part, "leaked": leaked, "model": item["model"]}
            constant |= {key: item[key] for key in ("template", "max_tokens", "folder")}
            columns = {name: rows[name] for name in ("id", "instruction", "response")} | {"order": np.arange(n)}
            columns |= {name: [value] * n for name, value in constant.items()}
            yield pa.table({name: columns[name] for name in WORK.names}).cast(WORK)


@lru_cache(maxsize=4)
def _tokenizer(folder: str) -> Any:
    return load_tokenizer(folder)


def _tokenise(batch: pa.Table) -> pa.Table:
    found = []
    for row in batch.to_pylist():
        pair = [(row["instruction"], row["response"])]
        found += tokenise_pairs(_tokenizer(row["model"]), row["template"], pair, row["max_tokens"])
    columns = {name: batch[name] for name in ("node", "order", "part", "id", "leaked", "folder")}
    columns["ids"] = pa.array([pair.ids for pair in found], pa.list_(pa.int32()))
    columns["prompt_tokens"] = pa.array([pair.prompt_tokens for pair in found], pa.int32())
    columns["cut"] = pa.array([pair.cut for pair in found], pa.bool_())
    return pa.table(columns)


def _write_tokens(group: pa.Table) -> pa.Table:
    folder = Path(group["folder"][0].as_py())
    counts = {}
    for part in ("train", "holdout"):
        rows = group.filter(pc.equal(group["part"], part)).sort_by("order").select(TOKENS.names).cast(TOKENS)
        write_table(folder / f"{part}.parquet", rows.combine_chunks())
        counts[part] = rows.num_rows
    lengths = [(len(i), p) for i, p in zip(group["ids"].to_pylist(), group["prompt_tokens"].to_pylist(), strict=True)]
    mute = sum(prompt >= length for length, prompt in lengths)
    if mute == len(lengths):
        raise UserError(
            "every training row's prompt fills recipe.max_tokens, so that nothing is left to learn: raise it"
        )
    totals = {"cut": pc.sum(group["cut"]).as_py() or 0, "mute": mute, "tokens": sum(length for length, _ in lengths)}
    head = {"node": group["node"][0].as_py(), "leaked": group["leaked"][0].as_py()}
    return pa.table({name: [value] for name, value in {**head, **counts, **totals}.items()})
