"""The `safety_tuned` format."""

from __future__ import annotations

from typing import Any

from lib.corpus.example import Example
from lib.corpus.fields import optional_text, text_of, with_context
from lib.corpus.reader import Reader


class SafetyTuned(Reader):
    """Safety-Tuned LLaMAs (Bianchi et al. 2024): instruction, input, output, as `alpaca` has them. Every answer is safe; no
    categories."""

    name = "safety_tuned"
    columns = ("instruction", "output")

    def examples(self, record: dict[str, Any], source: str) -> list[Example]:
        instruction = with_context(text_of(record, "instruction"), optional_text(record, "input"))
        return [Example.make(source=source, instruction=instruction, response=text_of(record, "output"), is_safe=True)]
