"""Labelers: each answers one question about an example with True, False or None. One file each in `labelers/`.

A labeler answers only what it can know: a refusal labeler says nothing about the request, and what nobody knows stays
None and becomes type `unknown`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from lib.corpus.example import Example
from lib.errors import UserError
from lib.registry import Plugin


class Labeler(Plugin):
    """Answers `question` in `answers` for a batch of examples.

    A labeler sets `name` and `answers` (the questions it can be used for) and defines `label`.
    """

    kind = "labeler"
    package = "lib.behavior.labelers"
    answers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, question: str, option: str | None = None) -> None:
        if question not in self.answers:
            raise UserError(f"labeler {self.name!r} does not answer {question!r} (only {', '.join(self.answers)})")
        if option is not None and not self.takes_option:
            raise UserError(f"labeler {self.name!r} takes no option, given {option!r}")
        self.question = question
        self.option = option

    takes_option: ClassVar[bool] = False

    @property
    def identity(self) -> dict[str, Any]:
        """What enters the content key: everything that can change a label."""
        return {"labeler": self.name, "option": self.option}

    @abstractmethod
    def label(self, examples: Sequence[Example]) -> list[bool | None]:
        """One answer per example, in order; None where this labeler cannot tell."""


def make_labeler(text: str, question: str) -> Labeler:
    """The labeler written as `NAME[:OPTION]`.

    Raises:
        UserError: unknown name, wrong option, or a labeler that does not answer this question.
    """
    name, _, option = text.partition(":")
    labeler: Labeler = Labeler.find(name)(question, option or None)
    return labeler
