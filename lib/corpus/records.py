"""Files to records: JSON, JSON Lines (also compressed), CSV and Parquet, each record with the place it stands at.

Nothing here knows what a record means; readers (`lib/corpus/readers`) and prompt sets (`lib/generation/prompt_sets`) do.
A file that cannot be read as its ending says is a `UserError`; a record that is broken by itself is a `BadRow`,
so that `on_bad_row: skip` can go on behind it.

A file may lie on a disk or in an object store (`lib.corpus.remote`), and rows may come from a hub instead of a file
(`lib.corpus.hub`): what follows is the same for all of them.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lib.corpus.remote import is_remote, open_remote, remote_errors
from lib.errors import UserError

OPENERS: dict[str, Any] = {".jsonl": None, ".jsonl.gz": gzip.open, ".jsonl.xz": lzma.open}
SUFFIXES = (*OPENERS, ".json", ".csv", ".parquet")
NO_TEXT = "bytes that are no UTF-8 text"
MAX_LINE_CHARS = 10_000_000
PARQUET_ROWS = 4096
"""Rows that are in memory at once: long answers make the default, 65,536, gigabytes."""


class BadRow(Exception):
    """A record that cannot become a row; the message is the reason."""


class TooLong(BadRow):
    """A row over the length limit: set aside and counted apart, never a failure."""


Record = tuple[str, dict[str, Any] | BadRow]
"""(place such as "line 7", the record or why there is none)"""


def has_known_suffix(path: Path | str) -> bool:
    """Is this a file that `records` reads?"""
    return Path(path).name.lower().endswith(SUFFIXES)


def records(location: Path | str, *, one_object: bool = False) -> Iterator[Record]:
    """Every record of a file in order.

    Args:
        location: a local path, an `s3://` or `gs://` URL, or a `hub:` location of `lib.corpus.sources.locate`.
        one_object: take a .json file that holds an object instead of a list of them for one record.

    Raises:
        UserError: no such file, no records, or not the format its ending says.
    """
    text = str(location)
    if text.startswith("hub:"):
        from lib.corpus.hub import hub_rows

        yield from hub_rows(text)
        return
    suffix = next((s for s in SUFFIXES if text.lower().endswith(s)), None)
    empty = True
    with remote_errors(text) if is_remote(text) else _local_errors(text), _open(text) as file:
        if not file.seek(0, io.SEEK_END):
            raise UserError(f"{text} is empty: expected one row per line")
        file.seek(0)
        if suffix is None:
            raise UserError(f"{text}: unknown ending; one of {', '.join(SUFFIXES)} is needed")
        try:
            for record in _rows(file, suffix, text, one_object):
                empty = False
                yield record
        except (UnicodeDecodeError, gzip.BadGzipFile, lzma.LZMAError, EOFError, zlib.error):
            raise UserError(f"{text} is not {suffix}: it holds {NO_TEXT}") from None
    if empty:
        raise UserError(f"{text} holds no rows")


@contextlib.contextmanager
def _local_errors(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{name} does not exist") from None
    except OSError as error:
        raise UserError(f"{name} cannot be read: {' '.join(str(error.strerror or error).split())}") from None


def _open(location: str) -> IO[bytes]:
    return open_remote(location) if is_remote(location) else Path(location).open("rb")


def _rows(file: IO[bytes], suffix: str, name: str, one_object: bool) -> Iterator[Record]:
    if suffix == ".parquet":
        return _parquet(file, name)
    if suffix == ".csv":
        return _csv(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), name)
    if suffix == ".json":
        return _json(file.read().decode("utf-8-sig"), name, one_object)
    opener = OPENERS[suffix]
    text = io.TextIOWrapper(
        opener(file) if opener else file, encoding="utf-8-sig", newline="\n", errors="surrogateescape"
    )
    return _jsonl(text, name)


def _jsonl(lines: IO[str], name: str) -> Iterator[Record]:
    """Bytes that are no UTF-8 are the fault of their line, but in the first one the file is no text at all."""
    seen = False
    for number, line in enumerate(_lines(lines), start=1):
        if isinstance(line, TooLong):
            yield f"line {number}", line
            continue
        if "\x00" in line:
            raise UserError(f"{name} is not .jsonl: line {number} holds NUL bytes (a binary file?)")
        if line.strip():
            whole = is_text(line)
            if not (whole or seen):
                raise UserError(f"{name} is not .jsonl: it holds {NO_TEXT}")
            seen = True
            yield f"line {number}", _parse(line) if whole else BadRow(f"holds {NO_TEXT}")


def _lines(lines: IO[str]) -> Iterator[str | TooLong]:
    """Line by line. Of one that is too long only its length is taken: compressed, a file of a few kilobytes holds a line
    that no memory does."""
    while line := lines.readline(MAX_LINE_CHARS + 1):
        length = len(line)
        if length <= MAX_LINE_CHARS or line.endswith("\n"):
            yield line
            continue
        while not line.endswith("\n") and (line := lines.readline(MAX_LINE_CHARS + 1)):
            length += len(line)
        yield TooLong(f"the line has {length} characters, over {MAX_LINE_CHARS}")


def is_text(value: Any) -> bool:
    """Can this be written as UTF-8? A lone surrogate cannot: a byte that was no text, or half a character that JSON escapes.
    What is no string is not asked."""
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse(line: str) -> dict[str, Any] | BadRow:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return BadRow("not valid JSON")
    return value if isinstance(value, dict) else BadRow(f"a JSON {type(value).__name__}, not an object")


def _json(text: str, name: str, one_object: bool) -> Iterator[Record]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} is not valid JSON ({error}); for one object per line use the ending .jsonl") from None
    if one_object and isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list):
        raise UserError(f"{name} holds a JSON {type(rows).__name__}: a list of objects is needed")
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row if isinstance(row, dict) else BadRow(f"a JSON {type(row).__name__}, not an object")


def _csv(lines: IO[str], name: str) -> Iterator[Record]:
    # The module's own limit per cell, 131,072 characters, would refuse the file for one long answer.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_CHARS))
    reader = csv.DictReader(lines, strict=True)
    try:
        header = list(reader.fieldnames or ())
        twice = sorted({column for column in header if header.count(column) > 1})
        if twice:
            raise UserError(f"{name} has two columns called {twice[0]!r}: rename one")
        for row in reader:
            if None in row or None in row.values():
                yield f"line {reader.line_num}", BadRow("has more or fewer cells than the header")
            else:
                yield f"line {reader.line_num}", row
    except csv.Error as error:
        raise UserError(f"{name}, line {reader.reader.line_num}: not valid CSV ({error})") from None


def _parquet(file: IO[bytes], name: str) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        for batch in pq.ParquetFile(file).iter_batches(PARQUET_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield f"row {number}", row
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UserError(f"{name} is not valid Parquet ({' '.join(str(error).split())[:120]})") from None
