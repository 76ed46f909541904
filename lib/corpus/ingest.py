"""Raw files to clean examples: read, reject, partition, drop exact duplicates. Plain functions on tables.

Partitions are by id and ids begin with their instruction's hash (`lib.corpus.text`), so a duplicate always meets its twin
in the same partition and no step needs more than one partition in memory. Of two equal pairs the one first in source
order stays, but what the other knew (a category, a flag) is not merged in: labels stay those of one row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lib.corpus.example import EXAMPLES, Example
from lib.corpus.partitions import partition_of
from lib.corpus.reader import TooLong, make_reader
from lib.corpus.records import BadRow

CHUNK_ROWS = 4096
ORDER, PLACE, REASON, SAFER, TOO_LONG = "order", "place", "reason", "safer", "too_long"

READ = pa.schema(
    [
        *EXAMPLES, (ORDER, pa.int64()), ("partition", pa.int32()), (PLACE, pa.string()), (REASON, pa.string()),
        (TOO_LONG, pa.bool_()),
    ]
)  # fmt: skip
"""What `read_file` yields: an example (`reason` null) or a reject (all but source, place and reason null)."""

PARTITION_BYTES = 32 << 20
"""Of source. With short rows (130 bytes) that is a quarter of a million of them."""


def partitions_for(size_bytes: int) -> int:
    """How many hash partitions a pool is cut into: about `PARTITION_BYTES` each, and no more processes than that needs."""
    return max(1, -(-size_bytes // PARTITION_BYTES))


def read_file(file: Mapping[str, Any], partitions: int) -> Iterator[pa.Table]:
    """Tables of schema `READ` with the rows of one file, `CHUNK_ROWS` at a time.

    Args:
        file: `path`, `format`, `columns`, `max_chars`, and `index`, its position in the source order; of duplicates the
            row that is first stays. With `limit`, the rows of `path` and of `more` behind it end after so many.
    """
    reader = make_reader(file["format"], file["columns"], file["max_chars"])
    chunk: list[dict[str, object]] = []
    rows = ((path, *one) for path in (file["path"], *(file.get("more") or ())) for one in reader.read(path))
    for number, (path, place, row) in enumerate(islice(rows, file.get("limit") or None)):
        order = (file["index"] << 40) + number
        if isinstance(row, BadRow):
            reject = {ORDER: order, "source": path, PLACE: place, REASON: str(row)}
            chunk.append({**reject, TOO_LONG: isinstance(row, TooLong), "partition": number % partitions})
        else:
            chunk.append(_row(row, order, partitions, place))
        if len(chunk) == CHUNK_ROWS:
            yield pa.Table.from_pylist(chunk, schema=READ)
            chunk = []
    if chunk:
        yield pa.Table.from_pylist(chunk, schema=READ)


def _row(example: Example, order: int, partitions: int, place: str) -> dict[str, object]:
    return {
        **asdict(example),
        "categories": list(example.categories),
        ORDER: order,
        "partition": partition_of(example.id, partitions),
        PLACE: place,
        TOO_LONG: False,
    }


def drop_duplicates(table: pa.Table) -> pa.Table:
    """One row per id, sorted by id: of those that somebody calls unsafe, else of those with a harmful answer, else of all, the
    one of lowest `order`. Where several people labelled a pair, one of them is enough to keep it out of a selection, in
    whatever order they come. Rejects pass through behind them."""
    good = table.filter(pc.is_null(table[REASON]))
    unsafe, harmful = pc.equal(good["is_safe"], False), pc.equal(good["harmful_response"], True)
    safer = pc.if_else(pc.fill_null(unsafe, False), 0, pc.if_else(pc.fill_null(harmful, False), 1, 2))
    order = [("id", "ascending"), (SAFER, "ascending"), (ORDER, "ascending")]
    good = good.append_column(SAFER, safer).sort_by(order).drop_columns([SAFER])
    ids = good["id"].to_pylist()
    first = [i for i, one in enumerate(ids) if i == 0 or one != ids[i - 1]]
    return pa.concat_tables(
        [good.take(pa.array(first, pa.int64())), table.filter(pc.is_valid(table[REASON])).sort_by(ORDER)]
    )
