"""Pairs to be judged, cut into closed chunks, and the verdicts of a chunk as a file.

What shares a batch with a pair can show in what a language model says of it. So chunks are cut from all the answers that the
study has for a judge, in the plan's order, and not from what is missing today: who comes after a kill cuts the same chunks,
finds those that are done by their name, the digest of their pairs, and judges the others whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lib.files import write_table
from lib.judging.judge import VERDICTS, Judge, Verdict, pair_ids, verdicts_in
from lib.store import at, deliver, here
from lib.store.digest import digest_value
from lib.store.place import Address

CHUNK_PAIRS = 512
PAIR_COLUMNS = ["prompt", "answer", "error"]
CHUNKS = pa.schema([("pair", pa.string()), *[field for field in VERDICTS if field.name != "number"]])


@dataclass(frozen=True)
class Answers:
    """One set of answers: where it is, and its pairs by row (None: no answer)."""

    file: Path
    ids: Sequence[str | None]
    address: Address
    """Where a worker finds the file's folder."""


@dataclass(frozen=True)
class Chunk:
    """Pairs that are judged together."""

    name: str
    """The digest of its pairs."""
    number: int
    """From 1, among all chunks."""
    ids: tuple[str, ...]
    places: tuple[tuple[Address, str, tuple[int, ...]], ...]
    """Folder and name of a file of answers, and rows in it, in the order of `ids`."""


def read_answers(file: Path, address: Address | None = None) -> Answers:
    """The pairs of a file of answers; the texts are not kept.

    Args:
        address: where a worker finds the file's folder (None: as it is found here).
    """
    return Answers(file, pair_ids(pq.read_table(file, columns=PAIR_COLUMNS)), address or file.parent)


def cut(every: Sequence[Answers], wanted: AbstractSet[str]) -> list[Chunk]:
    """The chunks, of all that there are, that hold a wanted pair. Each pair is in one chunk, where it comes first."""
    places: dict[str, tuple[Answers, int]] = {}
    for answers in every:
        for row, one in enumerate(answers.ids):
            if one is not None:
                places.setdefault(one, (answers, row))
    chunks = []
    every_id = list(places)
    for number, start in enumerate(range(0, len(every_id), CHUNK_PAIRS), start=1):
        ids = every_id[start : start + CHUNK_PAIRS]
        if wanted.isdisjoint(ids):
            continue
        groups = itertools.groupby(
            (places[one] for one in ids), key=lambda place: (place[0].address, place[0].file.name)
        )
        rows = tuple((address, name, tuple(row for _, row in found)) for (address, name), found in groups)
        chunks.append(Chunk(digest_value(ids), number, tuple(ids), rows))
    return chunks


def judge_chunk(judge: Judge, chunk: Chunk, target: Address) -> list[Verdict]:
    """Judge a chunk and write its verdicts into a folder."""
    pairs: list[tuple[str, str]] = []
    for address, name, rows in chunk.places:
        table = pq.read_table(here(address, name) / name, columns=["prompt", "answer"]).take(list(rows))
        pairs += zip(table["prompt"].to_pylist(), table["answer"].to_pylist(), strict=True)
    found = judge.judge(pairs)
    made = [{"pair": one, **asdict(verdict)} for one, verdict in zip(chunk.ids, found, strict=True)]
    write_table(at(target) / f"{chunk.name}.parquet", pa.Table.from_pylist(made, schema=CHUNKS), keep=True)
    deliver(target, f"{chunk.name}.parquet")
    return found


def finished_chunk(chunk: Chunk, folder: Path) -> list[Verdict] | None:
    """The verdicts of a chunk that is done, or None."""
    try:
        return verdicts_in(pq.read_table(folder / f"{chunk.name}.parquet"))
    except FileNotFoundError:
        return None
