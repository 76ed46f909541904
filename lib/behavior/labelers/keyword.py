"""Refusal by phrase at the start of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lib.behavior.labeler import Labeler
from lib.behavior.phrases import phrase_list
from lib.corpus.example import Example


class Keyword(Labeler):
    """`keyword[:LIST]` (default list `opening`): does the answer start with a refusal phrase?

    Whatever the list's own rule, labelling looks at the start: an answer that explains and only then mentions
    "illegal" is no refusal.
    """

    name = "keyword"
    answers = ("refusal",)
    takes_option = True

    def __init__(self, question: str, option: str | None = None) -> None:
        super().__init__(question, option)
        self.phrases = replace(phrase_list(option or "opening"), at_start=True)

    @property
    def title(self) -> str:
        return f"{self.name}:{self.phrases.name}"

    @property
    def identity(self) -> dict[str, Any]:
        rule = self.phrases
        return {
            "labeler": self.name,
            "phrases": list(rule.phrases),
            "case_sensitive": rule.case_sensitive,
            "fold_apostrophes": rule.fold_apostrophes,
        }

    def label(self, examples: Sequence[Example], seen: Any = None) -> list[bool | None]:
        return [self.phrases.matches(example.response) for example in examples]
