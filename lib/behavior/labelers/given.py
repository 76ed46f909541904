"""Labels that came with the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.behavior.labeler import Labeler
from lib.corpus.example import Example


class Given(Labeler):
    """`given`: the row's own flag, None where it has none."""

    name = "given"
    answers = ("refusal", "harmful_request", "harmful_response")

    def label(self, examples: Sequence[Example], seen: Any = None) -> list[bool | None]:
        return [getattr(example, self.question) for example in examples]
