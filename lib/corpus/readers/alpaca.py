"""The `alpaca` format."""

from __future__ import annotations

from typing import Any

from lib.corpus.example import Example
from lib.corpus.reader import Reader, text_of
from lib.corpus.records import BadRow


class Alpaca(Reader):
    """Alpaca (Taori et al. 2023): instruction, input, output. A non-empty input follows the instruction after a blank line."""

    name = "alpaca"
    columns = ("instruction", "output")

    def example(self, record: dict[str, Any], source: str) -> Example:
        extra = record.get("input") or ""
        if not isinstance(extra, str):
            raise BadRow("'input' is no text")
        instruction = text_of(record, "instruction")
        return Example.make(
            source=source,
            instruction=f"{instruction}\n\n{extra}" if extra.strip() else instruction,
            response=text_of(record, "output"),
        )
