"""A harmful request is one that asks about a harm category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.behavior.labeler import Labeler
from lib.corpus.example import Example


class FromCategories(Labeler):
    """`categories`: True where the instruction has a harm category, None elsewhere (never False).

    Use with `categories: {from: prompt}`. With `nearest` every instruction gets a category and this says nothing.
    """

    name = "categories"
    answers = ("harmful_request",)

    def label(self, examples: Sequence[Example], seen: Any = None) -> list[bool | None]:
        return [True if example.categories else None for example in examples]
