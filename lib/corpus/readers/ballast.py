"""The `ballast` format."""

from __future__ import annotations

from typing import Any

from lib.corpus.example import Example
from lib.corpus.reader import Reader, flag_of, text_of
from lib.corpus.records import BadRow
from lib.corpus.text import normalise


class Ballast(Reader):
    """Our own form: instruction, response, and whatever labels are known (categories, is_safe, flags)."""

    name = "ballast"
    columns = ("instruction", "response")

    def example(self, record: dict[str, Any], source: str) -> Example:
        categories = record.get("categories") or []
        if not isinstance(categories, list) or not all(isinstance(c, str) and c for c in categories):
            raise BadRow("'categories' is no list of names")
        return Example.make(
            source=source,
            instruction=text_of(record, "instruction"),
            response=text_of(record, "response"),
            categories=tuple(sorted({name for c in categories if (name := normalise(c))})),
            is_safe=flag_of(record, "is_safe"),
            harmful_request=flag_of(record, "harmful_request"),
            refusal=flag_of(record, "refusal"),
            harmful_response=flag_of(record, "harmful_response"),
        )
