"""The fields of a raw record, typed: what readers and prompt sets take their texts, flags and names with.

Raw data is full of values that are almost right (a NaN for a missing text, the string "false", a list in a list). Each
function here says what it accepts, and anything else is a `BadRow` that names the field and shows the beginning of what
it held. None is guessed at, since `bool("false")` is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.corpus.records import BadRow
from lib.corpus.text import normalise


def text_of(record: Mapping[str, Any], key: str) -> str:
    """A text that must be there.

    Raises:
        BadRow: absent, no string, or empty once it is normalised.
    """
    value = record.get(key)
    if not isinstance(value, str):
        raise BadRow(f"{key!r} is {'missing' if value is None else f'no text but {str(value)[:40]!r}'}")
    if not normalise(value):
        raise BadRow(f"{key!r} is empty")
    return value


def one_of(record: Mapping[str, Any], *keys: str) -> str:
    """The first of these fields that the record holds (the first of all where it holds none, so that it is named).

    Data sets are published twice, on a hub and as a file, and a field seldom has the same name in both.
    """
    return next((key for key in keys if record.get(key) is not None), keys[0])


def with_context(first: str, second: str) -> str:
    """Two texts as one instruction, the second after a blank line; an empty one is left out."""
    return "\n\n".join(text for text in (first, second) if normalise(text))


def optional_text(record: Mapping[str, Any], key: str) -> str:
    """A text that may be absent or empty.

    Raises:
        BadRow: present, and no string.
    """
    value = record.get(key)
    if value is None or isinstance(value, str):
        return value or ""
    raise BadRow(f"{key!r} is no text")


def flag_of(record: Mapping[str, Any], key: str) -> bool | None:
    """A label that may be absent (None).

    Raises:
        BadRow: present, and neither true nor false.
    """
    value = record.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise BadRow(f"{key!r} is neither true nor false: {str(value)[:40]!r}")


def flag_that_is_there(record: Mapping[str, Any], key: str) -> bool:
    """A label without which a row says nothing.

    Raises:
        BadRow: absent, or neither true nor false.
    """
    value = flag_of(record, key)
    if value is None:
        raise BadRow(f"{key!r} is missing")
    return value


def names_of(record: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Names in a list that may be absent; each once, sorted.

    Raises:
        BadRow: present, and no list of names.
    """
    value = record.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise BadRow(f"{key!r} is no list of names")
    return tuple(sorted({name for one in value if (name := normalise(one))}))


def flagged(record: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The names whose flag is set in a mapping of names to flags, sorted.

    Raises:
        BadRow: no mapping of names to true or false.
    """
    value = record.get(key)
    if not isinstance(value, dict) or not all(isinstance(on, bool) for on in value.values()):
        raise BadRow(f"{key!r} is no mapping of names to true or false")
    return tuple(sorted({name for one, on in value.items() if on and (name := normalise(one))}))
