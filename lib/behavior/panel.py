"""Who is asked a question: the labeler whose answers become labels, and those that are compared with each other.

Comparing changes no label. The answers of compared labelers are kept as columns beside the labels, row by row, since the
rows on which two labelers part are what one wants to read next.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from lib.behavior.agreement import agreement, cross_table
from lib.behavior.labeler import Labeler, make_labeler
from lib.corpus.example import Example
from lib.embedding.texts import Kind
from lib.errors import UserError

Vectors = Mapping[Kind, np.ndarray]
"""Kind of text -> float32 [N, D]."""
Verdicts = Mapping[str, Mapping[str, Sequence[bool | None]]]
"""Guard -> question -> one verdict per example."""


@dataclass(frozen=True)
class Panel:
    """The labelers of one question."""

    question: str
    decides: Labeler
    compared: tuple[Labeler, ...] = ()

    @property
    def labelers(self) -> dict[str, Labeler]:
        """Title -> labeler, each once, the one that decides first."""
        return {labeler.title: labeler for labeler in (self.decides, *self.compared)}

    @property
    def identity(self) -> dict[str, Any]:
        """What enters the content key. Titles of compared labelers count, since they name columns and facts."""
        others = [{"title": labeler.title, **labeler.identity} for labeler in self.compared]
        return {**self.decides.identity, "compared": others}

    @property
    def columns(self) -> dict[str, str]:
        """Compared labeler's title -> the column that its answers are kept in."""
        return {labeler.title: f"{self.question} by {labeler.title}" for labeler in self.compared}

    def learned(self, labelers: Mapping[str, Labeler]) -> Panel:
        """The panel with some labelers, by title, replaced by what they are after learning."""
        now = {**self.labelers, **labelers}
        return replace(
            self, decides=now[self.decides.title], compared=tuple(now[labeler.title] for labeler in self.compared)
        )

    def answers(
        self, examples: Sequence[Example], vectors: Vectors, verdicts: Verdicts
    ) -> dict[str, list[bool | None]]:
        """Title -> one answer per example."""

        def seen(labeler: Labeler) -> Any:
            if labeler.guard:
                return verdicts[labeler.guard][self.question]
            return vectors[labeler.looks_at] if labeler.looks_at else None

        return {title: labeler.label(examples, seen(labeler)) for title, labeler in self.labelers.items()}


class Agreements:
    """Adds up how a panel's compared labelers agree, partition by partition."""

    def __init__(self, panel: Panel) -> None:
        self.columns = panel.columns
        self.tables: dict[tuple[str, str], Counter[Any]] = {
            pair: Counter() for pair in itertools.combinations(panel.columns, 2)
        }

    def add(self, labels: pa.Table) -> None:
        """Count a partition's labels in."""
        answers = {title: labels[column].to_pylist() for title, column in self.columns.items()}
        for (first, second), table in self.tables.items():
            table.update(cross_table(answers[first], answers[second]))

    def facts(self) -> list[dict[str, Any]]:
        """Every pair's agreement, in the order of the study."""
        return [agreement(first, second, table) for (first, second), table in self.tables.items()]


def make_panel(question: str, decides: str, compared: Sequence[str] | None = None) -> Panel:
    """The panel of labelers written as `NAME[:OPTION]`.

    Raises:
        UserError: a labeler that does not exist or does not answer this question, or one compared with itself.
    """
    others = tuple(make_labeler(text, question) for text in compared or ())
    titles = [labeler.title for labeler in others]
    twice = [title for title, count in Counter(titles).items() if count > 1]
    if twice:
        raise UserError(
            f"behavior.compare.{question} names {twice[0]} twice: a labeler agrees with itself, name another"
        )
    return Panel(question, make_labeler(decides, question), others)
