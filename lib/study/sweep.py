"""The axes of a study: strategies with their filters, budgets, draws, seeds, and any value that may differ by cell.

A value may differ by cell when it decides what the cell is made of or how it is asked. What every cell is measured with
(prompt sets, judges, held-out rows), what only places work, and what the report says once for the whole study may not.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lib.study.part import Count, Part, Positive, as_list, first_mistake, seconds
from lib.study.search import Range, Search

Type = Literal["T1", "T2", "T3", "T4"]
TYPES: tuple[str, ...] = get_args(Type)


def _types(value: Any) -> Any:
    """A set of types, sorted, or a mix of them with shares that sum to 1; one type alone is no mix."""
    if value is None:
        return None
    if not isinstance(value, list | dict) or not value:
        raise ValueError(
            f"types are a list ([T1]) or a mix ({{T1: 0.8, T2: 0.2}}), not {value!r}; leave out for all rows"
        )
    for kind in value:
        if kind not in TYPES:
            raise ValueError(f"unknown type {kind!r} (choose from: {', '.join(TYPES)})")
    if isinstance(value, list):
        return sorted(set(value))
    for kind, share in value.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            raise ValueError(f"the share of {kind} is more than 0 and at most 1, not {share!r}")
    total = sum(Decimal(str(share)) for share in value.values())
    if total != 1:
        raise ValueError(f"the shares of types sum to {total}, and must sum to 1")
    return dict(sorted(value.items())) if len(value) > 1 else list(value)


class Strategy(Part):
    """A sampling strategy, its filter and its options. A bare name is accepted."""

    model_config = ConfigDict(extra="allow")

    name: str
    """`none`, `random`, `sss`, ...; `sss_b` stands for `{name: sss, types: [T1]}`. Further keys are the strategy's own
    options (`lib/sampling/strategies`)."""
    types: Annotated[list[Type] | dict[Type, float] | None, BeforeValidator(_types)] = None
    """Only rows of these behavior types are candidates (None: all). A mix, `{T1: 0.8, T2: 0.2}`, splits the budget."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _alias(self) -> Strategy:
        if self.name.endswith("_b"):
            plain = self.name.removesuffix("_b")
            if self.types not in (None, ["T1"]):
                raise ValueError(f"{self.name} is {plain} with types: [T1]; for other types give {plain}")
            object.__setattr__(self, "name", plain)
            object.__setattr__(self, "types", ["T1"])
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The keys that are the strategy's own, by name. Untyped: the planner has the strategy check them."""
        return dict(sorted((self.__pydantic_extra__ or {}).items()))

    @property
    def label(self) -> str:
        """The name used in tables and file names: `sss`, `sss_b`, `sss-T2`, `sss-T1x0.8-T2x0.2`, `pss_b-prototypes=3`."""
        if isinstance(self.types, dict):
            parts = [self.name, *(f"{kind}x{Decimal(str(share)).normalize():f}" for kind, share in self.types.items())]
        elif self.types == ["T1"]:
            parts = [f"{self.name}_b"]
        else:
            parts = [self.name, *(self.types or ())]
        options = [
            f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in self.options.items()
        ]
        return "-".join(parts + options)


def _budget(value: Any) -> Any:
    """Accept a count (48) or a share of the benign rows ("0.5%")."""
    if isinstance(value, str) and value.strip().endswith("%"):
        share = value.strip().removesuffix("%").strip()
        if not 0 < float(share) <= 100:
            raise ValueError(f"a share is more than 0% and at most 100%, not {value!r}")
        return f"{Decimal(share).normalize():f}%"
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"a budget is a count of rows (48) or a share of the benign rows ('0.5%'), not {value!r}")
    return value


Budget = Annotated[int | str, BeforeValidator(_budget)]


def _is_range(values: Any) -> bool:
    return isinstance(values, dict) and {"from", "to"} <= set(values)


def _duration(value: str) -> str:
    """A duration as it was given; too short a one is refused."""
    if seconds(value) <= 0:
        raise ValueError("a time budget is more than 0")
    return value


RECIPE_AXIS = "recipe."
EVALUATE_AXIS = "evaluate."
AXES = (
    "recipe.", "selection.", "encoder.", "clusters.", "categories.", "corpus.", "benign.limit", "evaluate.generation.",
    "evaluate.engine.dtype", "evaluate.engine.adapters",
)  # fmt: skip
"""Paths that may be axes; those that end with a dot stand for everything under them."""
MIXED = "recipe.max_tokens"
"""The one value of a recipe that data depend on."""
NO_AXES = {
    "selection.allow_unsafe": "the report says it once, of the whole study: set it there",
    "corpus.assume_harmful_requests": "the report says it once, of the whole study: set it there",
    "encoder.batch": "it only places the work and changes no result: set it once",
    "encoder.workers": "it only places the work and changes no result: set it once",
    "clusters.workers": "it only places the work and changes no result: set it once",
}
"""Paths under these that may not, and why."""


class Sweep(Part):
    """The axes. Their product are the cells; equal cells are trained once. Further keys are axes by dotted path
    (`recipe.lr: [1e-4, 1e-3]`): anything under `recipe`, `selection`, `encoder`, `clusters`, `categories`, `corpus` and
    `evaluate.generation`, and `benign.limit`, `evaluate.engine.dtype`, `evaluate.engine.adapters`."""

    model_config = ConfigDict(extra="allow")

    strategy: Annotated[list[Strategy], BeforeValidator(as_list), Field(min_length=1)]
    """Strategies to compare."""
    budget: Annotated[list[Budget], BeforeValidator(as_list), Field(min_length=1)] = [48]
    """How many safety rows."""
    draw: Annotated[list[Count], BeforeValidator(as_list), Field(min_length=1)] = [0]
    """Seeded repetitions of the selection."""
    seed: Annotated[list[Count], BeforeValidator(as_list), Field(min_length=1)] = [0]
    """Seeds of the training: adapter initialisation, dropout, order."""
    on_cell_error: Literal["continue", "stop"] = "continue"
    """`continue`: the others go on to the report, which names the cells that failed; `stop`: no further cell is started and
    nothing is reported. The command fails either way, and what is finished is kept."""
    max_concurrent: Positive | None = None
    """Cells trained at once (None: as many as `cluster.max_gpus` has room for with `train.workers`; 1 on CPUs)."""
    time_budget: Annotated[str, AfterValidator(_duration)] | None = None
    """No new cell is started when the command has run for so long (`90m`, `6h`, `2d`). What is finished by then is evaluated
    and reported, and the command succeeds and says what is left; the same command goes on with it. None: no limit."""
    search: Search = Search()
    """How cells are chosen out of the axes: `grid` (all of them), `random`, `optuna`, `asha`, or a mapping with `method`,
    `trials`, `metric`, ... For all but `grid` an axis of the recipe may be a range, `{from: 1e-5, to: 1e-3, scale: log}`."""

    @property
    def paths(self) -> list[str]:
        """Every axis that is a dotted path."""
        return list(self.__pydantic_extra__ or {})

    @property
    def axes(self) -> dict[str, list[Any]]:
        """The values of every axis that is a dotted path and has some."""
        given = self.__pydantic_extra__ or {}
        return {path: as_list(values) for path, values in given.items() if not _is_range(values)}

    @property
    def ranges(self) -> dict[str, Range]:
        """The axes that are ranges, by dotted path."""
        given = self.__pydantic_extra__ or {}
        return {path: Range.model_validate(values) for path, values in given.items() if _is_range(values)}

    @property
    def recipe_axes(self) -> dict[str, list[Any]]:
        """Axes over the recipe, by dotted path (`recipe.lr`)."""
        return {path: values for path, values in self.axes.items() if path.startswith(RECIPE_AXIS)}

    @property
    def study_axes(self) -> dict[str, list[Any]]:
        """Axes over other parts of the study: every combination of their values is a study of its own."""
        return {path: values for path, values in self.axes.items() if not path.startswith(RECIPE_AXIS)}

    @model_validator(mode="after")
    def _axes(self) -> Sweep:
        for path in self.paths:
            if not self.axes.get(path, True):
                raise ValueError(f"axis {path!r} has no values")
            if path in NO_AXES:
                raise ValueError(f"{path} is no axis: {NO_AXES[path]}")
            if not any(path == one or (one.endswith(".") and path.startswith(one)) for one in AXES):
                raise ValueError(
                    f"unknown axis {path!r}: strategy, budget, draw, seed, or a path like recipe.lr; paths begin with "
                    f"{', '.join(one.removesuffix('.') for one in AXES)}"
                )
        return self

    @model_validator(mode="after")
    def _ranges(self) -> Sweep:
        for path, values in (self.__pydantic_extra__ or {}).items():
            if not _is_range(values):
                continue
            try:
                Range.model_validate(values)
            except ValidationError as error:
                raise ValueError(f"axis {path!r}{first_mistake(error)}") from None
            if self.search.method == "grid":
                raise ValueError(
                    f"axis {path!r} is a range, and a grid takes values: list them, or set sweep.search: random or optuna"
                )
            if not path.startswith(RECIPE_AXIS) or path == MIXED:
                raise ValueError(f"axis {path!r} is no range, since each of its values makes other data: list them")
        return self
