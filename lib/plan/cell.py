"""A cell: one fine-tune and its evaluation, as the plan, the runtime and the tables know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lib.plan.node import Node
from lib.study.sweep import EVALUATE_AXIS, RECIPE_AXIS


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One fine-tune and its evaluation; or the untouched model (`strategy` "base")."""

    model: str
    strategy: str
    budget: int
    draw: int
    seed: int
    axes: Mapping[str, Any] = field(default_factory=dict)
    """The swept values, by dotted path; of an untouched model, those that decide how it is asked."""
    sample: Node | None = None
    train: Node | None = None
    generate: Mapping[str, Node] = field(default_factory=dict)
    """By prompt set."""
    judge: Mapping[tuple[str, str], Node] = field(default_factory=dict)
    """By (prompt set, judge)."""
    utility: Mapping[str, Node] = field(default_factory=dict)
    """By task of lm-evaluation-harness."""
    also: tuple[str, ...] = ()
    """Labels of coordinates that came to the same cell."""

    @property
    def label(self) -> str:
        """How progress lines and tables call the cell."""
        parts = [self.model, self.strategy if not self.budget else f"{self.strategy}-{self.budget}"]
        parts += [f"draw {self.draw}"] if self.draw else []
        parts += [f"seed {self.seed}"] if self.seed else []
        return " ".join(parts + axis_words(self.axes))

    @property
    def asked(self) -> dict[str, Any]:
        """Those of the swept values that decide how the cell is asked: one fine-tune may be several cells by them."""
        return {path: value for path, value in self.axes.items() if path.startswith(EVALUATE_AXIS)}


@dataclass(frozen=True, kw_only=True)
class FailedCell:
    """A fine-tune that was tried and has no result."""

    label: str
    key: str
    reason: str
    """One line."""


@dataclass(frozen=True, kw_only=True)
class StoppedCell:
    """A fine-tune that a search stopped before its end: it has no weights and is in no table."""

    label: str
    key: str
    step: int
    """Optimizer steps it had made."""
    value: float
    """Of what the search looks at, when it was stopped."""


def axis_words(axes: Mapping[str, Any]) -> list[str]:
    """Swept values as labels have them: `lr=0.001`, `selection.near_duplicates=drop`."""
    return [f"{path.removeprefix(RECIPE_AXIS)}={_written(value)}" for path, value in axes.items()]


def _written(value: Any) -> str:
    """A swept value as a study would have it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_written(one)}" for key, one in value.items()) + "}"
    return "null" if value is None else str(value)
