"""What guard models say of the corpus: `lib.guards` holds how each is asked and read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.behavior.labeler import Labeler
from lib.corpus.example import Example
from lib.guards.models.llama_guard import LlamaGuard
from lib.guards.models.wildguard import WildGuard


class Guarded(Labeler):
    """Passes a guard's verdicts on."""

    def label(self, examples: Sequence[Example], seen: Any = None) -> list[bool | None]:
        if seen is None or len(seen) != len(examples):
            raise ValueError("a guard's labeler needs one verdict per example")
        return list(seen)


class ByWildGuard(Guarded):
    """`wildguard`: the verdicts of WildGuard; unreadable ones stay unknown."""

    name = guard = WildGuard.name
    answers = WildGuard.answers


class ByLlamaGuard(Guarded):
    """`llama_guard`: the verdicts of Llama Guard on request and answer; it does not tell refusals."""

    name = guard = LlamaGuard.name
    answers = LlamaGuard.answers
