"""Readers: a file format's columns to examples. One file each in `lib/corpus/readers`; nothing else is edited."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from lib.corpus.example import Example
from lib.corpus.records import BadRow, records
from lib.corpus.text import normalise
from lib.errors import UserError
from lib.registry import Plugin

MAX_TEXT_CHARS = 200_000


class Reader(Plugin):
    """Turns one raw record into an `Example`.

    A reader sets `name` and `columns` (what every record must have) and defines `example`.
    """

    kind = "format"
    package = "lib.corpus.readers"
    columns: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def example(self, record: dict[str, Any], source: str) -> Example:
        """One record as an example.

        Raises:
            BadRow: a value is missing or has the wrong type; the message is the reason.
        """

    def read(self, path: Path) -> Iterator[tuple[str, Example | BadRow]]:
        """Every record of a file with its place.

        Raises:
            UserError: the file as a whole is not of this format.
        """
        for index, (place, record) in enumerate(records(path)):
            if isinstance(record, BadRow):
                yield place, record
                continue
            missing = [column for column in self.columns if column not in record]
            if missing and index == 0:
                raise UserError(
                    f"{path} is not of format {self.name!r}: its first row lacks {', '.join(map(repr, missing))} "
                    f"(it has {', '.join(map(repr, list(record)[:8]))})"
                )
            try:
                if missing:
                    raise BadRow(f"no {missing[0]!r}")
                yield place, self.example(record, path.name)
            except BadRow as reason:
                yield place, reason


def probe(reader: Reader, path: Path, rows: int = 50) -> None:
    """Read the first rows of a file, so that a wrong format is found before anything runs.

    Raises:
        UserError: see `Reader.read`.
    """
    for _ in islice(reader.read(path), rows):
        pass


def text_of(record: dict[str, Any], key: str) -> str:
    """A text that must be there.

    Raises:
        BadRow: absent, no string, blank, or absurdly long.
    """
    value = record.get(key)
    if not isinstance(value, str):
        raise BadRow(f"{key!r} is {'missing' if value is None else f'no text but {str(value)[:40]!r}'}")
    if not normalise(value):
        raise BadRow(f"{key!r} is empty")
    if len(value) > MAX_TEXT_CHARS:
        raise BadRow(f"{key!r} has {len(value)} characters, over {MAX_TEXT_CHARS}")
    return value


def flag_of(record: dict[str, Any], key: str) -> bool | None:
    """A label that may be absent (None).

    Raises:
        BadRow: present, and neither true nor false.
    """
    value = record.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise BadRow(f"{key!r} is neither true nor false: {str(value)[:40]!r}")
