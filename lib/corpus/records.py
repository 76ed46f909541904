"""Files to records: JSON, JSON Lines (also gzipped), CSV and Parquet, each record with the place it stands at.

Nothing here knows what a record means; readers (`lib/corpus/readers`) and prompt sets (`lib/generation/prompt_sets`) do.
A file that cannot be read as its ending says is a `UserError`; a record that is broken by itself is a `BadRow`,
so that `on_bad_row: skip` can go on behind it.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.errors import UserError

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet")
MAX_LINE_CHARS = 10_000_000


class BadRow(Exception):
    """A record that cannot become a row; the message is the reason."""


Record = tuple[str, dict[str, Any] | BadRow]
"""(place such as "line 7", the record or why there is none)"""


def has_known_suffix(path: Path) -> bool:
    """Is this a file that `records` reads?"""
    return path.name.lower().endswith(SUFFIXES)


def records(path: Path) -> Iterator[Record]:
    """Every record of a file in order.

    Raises:
        UserError: no such file, no records, or not the format its ending says.
    """
    name = path.name.lower()
    try:
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty: expected one row per line")
        if name.endswith(".parquet"):
            found = _parquet(path)
        elif name.endswith(".csv"):
            found = _csv(path)
        elif name.endswith(".json"):
            found = _json(path)
        elif name.endswith((".jsonl", ".jsonl.gz")):
            found = _jsonl(path)
        else:
            raise UserError(f"{path}: unknown ending; one of {', '.join(SUFFIXES)} is needed")
        empty = True
        for record in found:
            empty = False
            yield record
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error):
        raise UserError(f"{path} is not {_kind(name)}: it holds bytes that are no UTF-8 text") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    if empty:
        raise UserError(f"{path} holds no rows")


def _kind(name: str) -> str:
    return next(suffix for suffix in SUFFIXES if name.endswith(suffix))


def _jsonl(path: Path) -> Iterator[Record]:
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if "\x00" in line:
                raise UserError(f"{path} is not .jsonl: line {number} holds NUL bytes (a binary file?)")
            if line.strip():
                yield f"line {number}", _parse(line)


def _parse(line: str) -> dict[str, Any] | BadRow:
    if len(line) > MAX_LINE_CHARS:
        return BadRow(f"longer than {MAX_LINE_CHARS} characters")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return BadRow("not valid JSON")
    return value if isinstance(value, dict) else BadRow(f"a JSON {type(value).__name__}, not an object")


def _json(path: Path) -> Iterator[Record]:
    try:
        rows = json.loads(path.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); for one object per line use the ending .jsonl") from None
    if not isinstance(rows, list):
        raise UserError(f"{path} holds a JSON {type(rows).__name__}: a list of objects is needed")
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row if isinstance(row, dict) else BadRow(f"a JSON {type(row).__name__}, not an object")


def _csv(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    yield f"line {reader.line_num}", BadRow("has more or fewer cells than the header")
                else:
                    yield f"line {reader.line_num}", row
        except csv.Error as error:
            raise UserError(f"{path}, line {reader.reader.line_num}: not valid CSV ({error})") from None


def _parquet(path: Path) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        number = 0
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield f"row {number}", row
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UserError(f"{path} is not valid Parquet ({' '.join(str(error).split())[:120]})") from None
