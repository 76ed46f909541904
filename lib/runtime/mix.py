"""The mix stage on Ray Data: the rows of every mix, tokenised in one pipeline.

Each mix is a group that writes its own files into its attempt (atomically, so a retried group does no harm) and sends
back one row of counts. Few rows go through the same functions in the driver: a shuffle starts a process per group.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.errors import UserError
from lib.files import write_table
from lib.models.family import Family, find_family
from lib.models.prompt import load_tokenizer, tokenise_pairs
from lib.models.special import stop_id
from lib.plan import Lookup, Node
from lib.runtime.session import SMALL_ROWS, Session, remote_errors
from lib.store import Attempt, at, deliver, here
from lib.store.place import NO_WEIGHTS
from lib.training.benign import benign_rows
from lib.training.mix import TOKENS, tokens_digest


def mix(session: Session, lookup: Lookup, nodes: list[Node]) -> str:
    """Tokenise the rows of every node in one pipeline: `train.parquet` and `holdout.parquet` (schema `TOKENS`)."""
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
                    "rows": lookup.address(node.inputs["rows"]),
                    "model": lookup.address(node.inputs["model"]),
                    "folder": attempt.address,
                    "template": identity["template"],
                    "family": identity.get("family", "auto"),
                    "max_tokens": identity["max_tokens"],
                    "limit": identity.get("limit") or 0,
                    "holdout": identity.get("holdout") or 0,
                    "leaked": lookup.address(node.inputs["leakage"]) if "leakage" in node.inputs else "",
                }
            )
        rows = sum((lookup.facts(node.inputs["rows"]) or {}).get("rows", 0) for node in nodes)
        counts = {row["node"]: row for row in (_here(items) if rows <= SMALL_ROWS else _on_ray_data(session, items))}
        for index, attempt in enumerate(attempts):
            here(attempt.address)
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
            attempt.about = {
                "family": find_family(here(items[index]["model"], *NO_WEIGHTS), items[index]["family"]).name
            }
    return ", ".join(f"{node.title}: {a.facts['rows']} rows" for node, a in zip(nodes, attempts, strict=True))


def _here(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every mix, one after the other, in this process; yields counts."""
    for item in items:
        rows = pa.concat_tables(_tokenise(part) for part in _rows_of(item))
        if rows.num_rows:
            yield from _write_tokens(rows).to_pylist()


def _on_ray_data(session: Session, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, spread over the cluster."""
    done = (
        session.data.from_items(items, override_num_blocks=len(items))
        .map_batches(_load_rows, batch_size=1, batch_format="pandas")
        .map_batches(_tokenise, batch_size=1024, batch_format="pyarrow")
        .groupby("node", num_partitions=len(items))
        .map_groups(_write_tokens, batch_format="pyarrow")
    )
    with remote_errors():
        return session.named_data(done, "mix").take_all()  # type: ignore[no-any-return]


WORK = pa.schema(
    [
        ("node", pa.int32()), ("order", pa.int64()), ("part", pa.string()), ("id", pa.string()),
        ("instruction", pa.string()), ("response", pa.string()), ("leaked", pa.int64()),
        ("model", pa.string()), ("template", pa.string()), ("family", pa.string()), ("max_tokens", pa.int32()),
        ("folder", pa.string()),
    ]
)  # fmt: skip


def _load_rows(batch: Any) -> Iterator[pa.Table]:
    for item in batch.to_dict("records"):
        yield from _rows_of(item)


def _rows_of(item: dict[str, Any]) -> Iterator[pa.Table]:
    """The rows of one node, benign ones split into training rows and held-out rows."""
    leaked = 0
    if item["role"] == "benign":
        found = benign_rows(
            here(item["rows"]), ["id", "instruction", "response"],
            leaked=here(item["leaked"]) if item["leaked"] else None,
            limit=item["limit"] or None, holdout=item["holdout"],
        )  # fmt: skip
        leaked, parts = found.leaked, [("train", found.train), ("holdout", found.holdout)]
    else:
        parts = [("train", pq.read_table(here(item["rows"]) / "selection.parquet"))]
    for part, rows in parts:
        n = rows.num_rows
        constant = {"node": item["node"], "part": part, "leaked": leaked, "model": item["model"]}
        constant |= {key: item[key] for key in ("template", "family", "max_tokens", "folder")}
        columns = {name: rows[name] for name in ("id", "instruction", "response")} | {"order": np.arange(n)}
        columns |= {name: [value] * n for name, value in constant.items()}
        yield pa.table({name: columns[name] for name in WORK.names}).cast(WORK)


@lru_cache(maxsize=4)
def _tokenizer(model: str, family: str) -> tuple[Any, Family, int]:
    """A model's tokenizer, its family, and the id that ends an answer."""
    folder = here(model, *NO_WEIGHTS)
    tokenizer, found = load_tokenizer(str(folder)), find_family(folder, family)
    return tokenizer, found, stop_id(tokenizer, folder, found)


def _tokenise(batch: pa.Table) -> pa.Table:
    found = []
    for row in batch.to_pylist():
        tokenizer, family, stop = _tokenizer(row["model"], row["family"])
        pair = [(row["instruction"], row["response"])]
        found += tokenise_pairs(tokenizer, row["template"], pair, row["max_tokens"], family, stop)
    columns = {name: batch[name] for name in ("node", "order", "part", "id", "leaked", "folder")}
    columns["ids"] = pa.array([pair.ids for pair in found], pa.list_(pa.int32()))
    columns["prompt_tokens"] = pa.array([pair.prompt_tokens for pair in found], pa.int32())
    columns["cut"] = pa.array([pair.cut for pair in found], pa.bool_())
    return pa.table(columns)


def _write_tokens(group: pa.Table) -> pa.Table:
    address = group["folder"][0].as_py()
    folder, counts = at(address), {}
    for part in ("train", "holdout"):
        rows = group.filter(pc.equal(group["part"], part)).sort_by("order").select(TOKENS.names).cast(TOKENS)
        write_table(folder / f"{part}.parquet", rows.combine_chunks())
        counts[part] = rows.num_rows
    deliver(address, *(f"{part}.parquet" for part in counts))
    lengths = [(len(i), p) for i, p in zip(group["ids"].to_pylist(), group["prompt_tokens"].to_pylist(), strict=True)]
    mute = sum(prompt >= length for length, prompt in lengths)
    if mute == len(lengths):
        raise UserError(
            "every training row's prompt fills recipe.max_tokens, so that nothing is left to learn: raise it"
        )
    totals = {"cut": pc.sum(group["cut"]).as_py() or 0, "mute": mute, "tokens": sum(length for length, _ in lengths)}
    head = {"node": group["node"][0].as_py(), "leaked": group["leaked"][0].as_py()}
    return pa.table({name: [value] for name, value in {**head, **counts, **totals}.items()})
