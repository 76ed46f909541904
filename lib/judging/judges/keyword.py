"""Refusal by phrase list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.behavior.phrases import phrase_list
from lib.judging.judge import Judge, Verdict


class Keyword(Judge):
    """`keyword:LIST` (default `qi29`): an answer that holds a phrase of the list is a refusal.

    An empty answer holds none: it counts as an answer under `qi29` and `xstest`, as those lists have it, and is
    counted apart.
    """

    name = "keyword"
    takes_option = True

    def __init__(self, option: str | None = None) -> None:
        super().__init__(option or "qi29")
        self.phrases = phrase_list(self.option or "qi29")

    @property
    def identity(self) -> dict[str, Any]:
        rule = self.phrases
        return {
            "judge": self.name,
            "phrases": list(rule.phrases),
            "at_start": rule.at_start,
            "case_sensitive": rule.case_sensitive,
            "fold_apostrophes": rule.fold_apostrophes,
        }

    def judge(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        return [Verdict(self.phrases.matches(answer)) for _, answer in pairs]
