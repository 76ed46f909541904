"""The `safety_tuned` format."""

from __future__ import annotations

from typing import Any

from lib.corpus.example import Example
from lib.corpus.reader import Reader, text_of


class SafetyTuned(Reader):
    """Safety-Tuned LLaMAs (Bianchi et al. 2024): instruction, input, output. Every answer is safe; no categories."""

    name = "safety_tuned"
    columns = ("instruction", "output")

    def example(self, record: dict[str, Any], source: str) -> Example:
        return Example.make(
            source=source,
            instruction=text_of(record, "instruction"),
            response=text_of(record, "output"),
            is_safe=True,
        )
