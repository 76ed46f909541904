"""Labelers: each answers one question about an example with True, False or None. One file each in `labelers/`.

A labeler answers only what it can know: a refusal labeler says nothing about the request, and what nobody knows stays
None and becomes type `unknown`. It answers by itself: a flag that a row came with is the answer of `given`, a labeler like
any other, and never overrides another's. Two labelers mixed in one column would be neither, and could not be compared.

What a labeler needs besides the texts it says on its class: vectors (`looks_at`), labelled rows to learn from (`Learner`),
or the verdicts of a guard model (`guard`), which reads every row of the corpus before.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from lib.corpus.example import Example
from lib.embedding.texts import Kind
from lib.errors import UserError
from lib.registry import Plugin


class Labeler(Plugin):
    """Answers `question` in `answers` for a batch of examples.

    A labeler sets `name` and `answers` (the questions it can be used for) and defines `label`.
    """

    kind = "labeler"
    package = "lib.behavior.labelers"
    answers: ClassVar[tuple[str, ...]] = ()
    takes_option: ClassVar[bool] = False
    looks_at: Kind | None = None
    """Which text's vector it looks at (None: at none). May depend on the question."""
    guard: ClassVar[str | None] = None
    """Whose verdicts it gives (None: its own)."""

    def __init__(self, question: str, option: str | None = None) -> None:
        if question not in self.answers:
            raise UserError(f"labeler {self.name!r} does not answer {question!r} (only {', '.join(self.answers)})")
        if option is not None and not self.takes_option:
            raise UserError(f"labeler {self.name!r} takes no option, given {option!r}")
        self.question = question
        self.option = option

    @property
    def title(self) -> str:
        """How facts, columns and the report call it: `NAME[:OPTION]`, one spelling for one labeler."""
        return self.name if self.option is None else f"{self.name}:{self.option}"

    @property
    def identity(self) -> dict[str, Any]:
        """What enters the content key: everything that can change a label."""
        return {"labeler": self.name, "option": self.option}

    @abstractmethod
    def label(self, examples: Sequence[Example], seen: Any = None) -> list[bool | None]:
        """One answer per example, in order; None where this labeler cannot tell.

        Args:
            seen: what it asked for: float32 [N, D] vectors of the texts it looks at, or its guard's N verdicts on the
                question (None: it asked for nothing).
        """


class Learner(Labeler):
    """A labeler that learns from labelled rows, once, before it labels."""

    most_rows: ClassVar[int] = 50_000
    """Labelled rows that it learns from at most: the first by id. Ids are hashes, so those are a random sample."""

    @abstractmethod
    def learn(self, examples: Sequence[Example], vectors: np.ndarray) -> tuple[Self, dict[str, Any]]:
        """A labeler that has learned, and how good its answers are, as plain values.

        Args:
            examples: rows whose flag for the question is given, in any order.
            vectors: float32 [N, D] of the texts it looks at.

        Raises:
            UserError: too few rows to learn from.
        """


def make_labeler(text: str, question: str) -> Labeler:
    """The labeler written as `NAME[:OPTION]`.

    Raises:
        UserError: unknown name, wrong option, or a labeler that does not answer this question.
    """
    name, _, option = text.partition(":")
    labeler: Labeler = Labeler.find(name)(question, option or None)
    return labeler
