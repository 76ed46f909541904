"""How cells are chosen out of the axes: all of them, a sample, or step by step by what the ones before came to.

    sweep: {search: random, ...}                                       the method alone, all else as it is by default
    sweep: {search: {method: optuna, trials: 30, metric: asr, prompts: harmful}, recipe.lr: {from: 1e-5, to: 1e-3, scale: log}}

A search looks at what safety or usefulness the study's judges measure and never at a training loss: that is a mean over the
cell's own data, so cells with different data cannot be held against each other by it.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from lib.study.part import Count, Integer, Name, Number, Part, Positive

Share = Annotated[Number, Field(gt=0, lt=1)]
ADAPTIVE = ("optuna", "asha")
"""Methods that look at a metric while they run."""
OWN = {"factor": ("asha",), "rungs": ("asha",)}
"""Settings that only some methods read."""
LOSSES = ("loss", "training_loss", "train_loss")
DIGITS = 4
"""Significant digits of a value out of a range: no recipe needs more, and a cell's name has to be read."""


class Range(Part):
    """Every value between two ends, of which a search tries some. With two whole numbers as ends: whole numbers."""

    from_: Annotated[Number | Integer, Field(alias="from", union_mode="smart")]
    """The smallest value."""
    to: Annotated[Number | Integer, Field(union_mode="smart")]
    """The largest value."""
    scale: Literal["linear", "log"] = "linear"
    """`log`: each factor of ten gets its equal share, as learning rates want it."""

    model_config = ConfigDict(populate_by_name=True)

    @model_validator(mode="after")
    def _between(self) -> Range:
        if not self.from_ < self.to:
            raise ValueError(f"a range goes from a smaller value to a larger one, not from {self.from_} to {self.to}")
        if self.scale == "log" and self.from_ <= 0:
            raise ValueError(f"scale: log begins above 0, not at {self.from_}")
        return self

    @property
    def whole(self) -> bool:
        """Are its values whole numbers?"""
        return isinstance(self.from_, int) and isinstance(self.to, int)

    def value(self, number: float) -> float | int:
        """A number of the range as a recipe has it: rounded, and inside."""
        rounded = math.floor(number + 0.5) if self.whole else float(f"{number:.{DIGITS}g}")
        return min(max(rounded, self.from_), self.to)

    def at(self, share: float) -> float | int:
        """The value at a share, in [0, 1), of the range by its scale."""
        low, high = (self.from_ - 0.5, self.to + 0.5) if self.whole else (self.from_, self.to)
        if self.scale == "log":
            return self.value(math.exp(math.log(low) + share * (math.log(high) - math.log(low))))
        return self.value(low + share * (high - low))


class Search(Part):
    """How cells are chosen out of the axes. May be written as its method alone."""

    method: Literal["grid", "random", "optuna", "asha"] = "grid"
    """`grid`: every combination; `random`: a sample of them; `optuna`: each next one by what the ones before came to (TPE,
    Bergstra et al. 2011; extra `search`); `asha`: a sample whose worse ones are stopped on the way (Li et al. 2020). The last
    two answer and judge inside the search, by an engine of their own."""
    trials: Positive = 20
    """How many combinations are tried, for each model."""
    metric: Name = "asr"
    """What the search looks at: a metric of the study's judges."""
    mode: Literal["min", "max"] | None = None
    """Is less of it better, or more (None: as is known of the metric)?"""
    prompts: Name | None = None
    """The prompt set that it is measured on (None: the one that gives it)."""
    judge: str | None = None
    """The judge that measures it (None: the first of `evaluate.judges` that does)."""
    over_refusal_at_most: Share | None = None
    """A cell that refuses more of the prompts that only look harmful is worse than any that does not (None: no limit)."""
    seed: Count = 0
    """Seed of what is tried."""
    rungs: Annotated[Integer, Field(ge=1, le=8)] = 2
    """`asha`: how often a cell is looked at before its end, at shares of its own steps: of 2 and a factor of 3, after 1/9
    and 1/3 of them."""
    factor: Annotated[Integer, Field(ge=2, le=10)] = 3
    """`asha`: at each look the best in so many of those looked at so far goes on."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"method": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_heeded(self) -> Search:
        every = {name: field.default for name, field in type(self).model_fields.items() if name != "method"}
        given = {name for name, default in every.items() if getattr(self, name) != default}
        if self.method == "grid" and given:
            raise ValueError(f"{sorted(given)[0]} says nothing to method: grid, which makes every cell: leave it out")
        for name, methods in OWN.items():
            if name in given and self.method not in methods:
                raise ValueError(
                    f"{name} is for method: {methods[0]}, and {self.method} would not read it: leave it out"
                )
        if self.metric in LOSSES:
            raise ValueError(
                f"metric {self.metric!r} is a mean over a cell's own data, so it is never compared between cells: name a "
                "metric of the study's judges, e.g. asr or over_refusal"
            )
        if self.metric == "over_refusal" and self.over_refusal_at_most is not None:
            raise ValueError("over_refusal is both the metric and limited: leave over_refusal_at_most out")
        return self

    @property
    def adaptive(self) -> bool:
        """Does it look at a metric while it runs?"""
        return self.method in ADAPTIVE
