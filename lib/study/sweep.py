"""The axes of a study: strategies with their filters, budgets, draws, seeds, and any value of the recipe."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from lib.study.part import Count, Part, as_list

Types = Literal["T1", "T2", "T3", "T4"]


class Strategy(Part):
    """A sampling strategy and its filter. A bare name is accepted."""

    name: str
    """`none`, `random`, `sss`, ...; `sss_b` stands for `{name: sss, types: [T1]}`."""
    types: list[Types] | None = None
    """Only rows of these behavior types are candidates (None: all)."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _alias(self) -> Strategy:
        if self.name.endswith("_b") and self.types in (None, ["T1"]):
            object.__setattr__(self, "name", self.name.removesuffix("_b"))
            object.__setattr__(self, "types", ["T1"])
        if self.types is not None:
            object.__setattr__(self, "types", sorted(set(self.types)))
        return self

    @property
    def label(self) -> str:
        """The name used in tables and file names: `sss`, `sss_b`, `sss-T2`."""
        if self.types is None:
            return self.name
        return f"{self.name}_b" if self.types == ["T1"] else f"{self.name}-{'-'.join(self.types)}"


def _budget(value: Any) -> Any:
    """Accept a count (48) or a share of the benign rows ("0.5%")."""
    if isinstance(value, str) and value.strip().endswith("%"):
        share = value.strip().removesuffix("%").strip()
        if not 0 < float(share) <= 100:
            raise ValueError(f"a share is more than 0% and at most 100%, not {value!r}")
        return f"{Decimal(share).normalize():f}%"
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"a budget is a count of rows (48) or a share of the benign rows ('0.5%'), not {value!r}")
    return value


Budget = Annotated[int | str, BeforeValidator(_budget)]
RECIPE_AXIS = "recipe."


class Sweep(Part):
    """The axes. Their product are the cells; equal cells are trained once."""

    model_config = ConfigDict(extra="allow")

    strategy: Annotated[list[Strategy], BeforeValidator(as_list), Field(min_length=1)]
    """Strategies to compare."""
    budget: Annotated[list[Budget], BeforeValidator(as_list), Field(min_length=1)] = [48]
    """How many safety rows."""
    draw: Annotated[list[Count], BeforeValidator(as_list), Field(min_length=1)] = [0]
    """Seeded repetitions of the selection."""
    seed: Annotated[list[Count], BeforeValidator(as_list), Field(min_length=1)] = [0]
    """Seeds of the training: adapter initialisation, dropout, order."""

    @property
    def recipe_axes(self) -> dict[str, list[Any]]:
        """Axes over the recipe, by dotted path (`recipe.lr`)."""
        return {path: as_list(values) for path, values in (self.__pydantic_extra__ or {}).items()}

    @model_validator(mode="after")
    def _axes(self) -> Sweep:
        for path, values in self.recipe_axes.items():
            if not values:
                raise ValueError(f"axis {path!r} has no values")
            if not path.startswith(RECIPE_AXIS):
                raise ValueError(f"unknown axis {path!r}: strategy, budget, draw, seed, or a path like recipe.lr")
        return self
