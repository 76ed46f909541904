"""The `beavertails` format."""

from __future__ import annotations

from typing import Any

from lib.corpus.example import Example
from lib.corpus.reader import Reader, flag_of, text_of
from lib.corpus.records import BadRow


class BeaverTails(Reader):
    """BeaverTails (Ji et al. 2023): prompt, response, `category` with 14 flags, `is_safe`.

    The flags describe the answer, so every safe row has none: categories of safe rows come from an unsafe answer to
    the same prompt (`categories: {from: prompt}`) or from references (`nearest`).
    """

    name = "beavertails"
    columns = ("prompt", "response", "category", "is_safe")

    def example(self, record: dict[str, Any], source: str) -> Example:
        flags = record["category"]
        if not isinstance(flags, dict) or not all(isinstance(v, bool) for v in flags.values()):
            raise BadRow("'category' is no mapping of names to true or false")
        is_safe = flag_of(record, "is_safe")
        if is_safe is None:
            raise BadRow("'is_safe' is missing")
        return Example.make(
            source=source,
            instruction=text_of(record, "prompt"),
            response=text_of(record, "response"),
            categories=tuple(sorted(name for name, on in flags.items() if on)),
            is_safe=is_safe,
            harmful_response=not is_safe,
        )
