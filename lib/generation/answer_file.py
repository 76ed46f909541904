"""A file of answers that were not made here, as a table of schema `GENERATIONS`.

JSON Lines, JSON, CSV or Parquet with `prompt` and `answer`, and optionally `kind` and `categories` of the prompt. A prompt of
no named kind counts as plain: what a refusal or an answer to it is worth cannot be known.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from lib.corpus.fields import text_of
from lib.corpus.records import BadRow, is_text, records
from lib.corpus.text import normalise
from lib.errors import UserError
from lib.generation.answers import GENERATIONS
from lib.generation.prompts import KINDS, PLAIN

NO_ANSWER = "the file has none"


def read_answer_file(path: Path) -> pa.Table:
    """Every row of the file in order. A row whose answer is null is a row without one; an empty answer is an answer.

    Raises:
        UserError: no such file, not the format its ending says, or a malformed row (its place is named).
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist: give a file of answers (.jsonl, .json, .csv or .parquet)")
    rows = []
    for number, (place, record) in enumerate(records(path)):
        try:
            if isinstance(record, BadRow):
                raise record
            rows.append(_row(number, record))
        except BadRow as reason:
            raise UserError(f"{path}, {place}: {reason}") from None
    return pa.Table.from_pylist(rows, schema=GENERATIONS)


def _row(number: int, record: dict[str, Any]) -> dict[str, Any]:
    if "answer" not in record:
        raise BadRow("'answer' is missing")
    answer, kind = record["answer"], record.get("kind") or PLAIN
    if answer is not None and not isinstance(answer, str):
        raise BadRow(f"'answer' is no text but {str(answer)[:40]!r}")
    for key in ("prompt", "answer"):
        if not is_text(record.get(key)):
            raise BadRow(f"{key!r} holds half a character (a lone surrogate): write the file again as UTF-8")
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadRow(f"'kind' is {str(kind)[:40]!r}: one of {', '.join(KINDS)}")
    return {
        "number": number,
        "prompt": text_of(record, "prompt"),
        "kind": kind,
        "categories": _categories(record.get("categories")),
        "answer": answer,
        "tokens": [],
        "empty": answer is not None and not answer.strip(),
        "truncated": False,
        "error": NO_ANSWER if answer is None else None,
    }


def _categories(given: Any) -> list[str]:
    """A list of names; in a CSV, names with semicolons between them."""
    names = given.split(";") if isinstance(given, str) else given or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadRow("'categories' is no list of names")
    return sorted({name for one in names if (name := normalise(one))})
