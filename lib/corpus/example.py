"""The example: one instruction-response pair with what is known about it, and its Parquet form.

Labels are three-valued: True, False, or None for "nobody said". A missing label never becomes False.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lib.corpus.text import example_id, normalise, text_id


@dataclass(frozen=True, kw_only=True)
class Example:
    """One pair. `id` is the hash of the folded pair, `text_id` that of the normalised instruction (it names the vector)."""

    id: str
    text_id: str
    source: str
    instruction: str
    response: str
    categories: tuple[str, ...] = ()
    is_safe: bool | None = None
    """The answer is safe, as the data says."""
    harmful_request: bool | None = None
    refusal: bool | None = None
    harmful_response: bool | None = None

    @classmethod
    def make(cls, *, source: str, instruction: str, response: str, **labels: Any) -> Example:
        """An example from raw texts: normalises them and derives both ids."""
        instruction, response = normalise(instruction), normalise(response)
        return cls(
            id=example_id(instruction, response),
            text_id=text_id(instruction),
            source=source,
            instruction=instruction,
            response=response,
            **labels,
        )


EXAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("text_id", pa.string()),
        ("source", pa.string()),
        ("instruction", pa.string()),
        ("response", pa.string()),
        ("categories", pa.list_(pa.string())),
        ("is_safe", pa.bool_()),
        ("harmful_request", pa.bool_()),
        ("refusal", pa.bool_()),
        ("harmful_response", pa.bool_()),
    ]
)
"""One row per example, sorted by id within a partition."""

REJECTS = pa.schema([("file", pa.string()), ("place", pa.string()), ("reason", pa.string())])
"""One row per malformed input row; the row's text is not copied."""


def table_examples(table: pa.Table) -> list[Example]:
    """The rows of a table of schema `EXAMPLES`."""
    return [Example(**{**row, "categories": tuple(row["categories"] or ())}) for row in table.to_pylist()]
