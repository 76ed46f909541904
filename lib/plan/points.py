"""The cells that a search means: points of the axes, where a grid means their whole product.

A random search draws each axis by itself, as Ray Tune's samplers do, from a seed: the plan must know the cells, and imports no
Ray. The first n points of a search are the same however many more it asks for, so raising `trials` adds cells and keeps those
that are there. Points that come to one cell by construction (`none` has no budget, some strategies have no draw) are one.

What an adaptive search tries is known as it goes (`lib/plan/tried`); a plan made before has points drawn at random, which
stand for as many cells.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lib.sampling.strategy import make_strategy
from lib.study.search import Range
from lib.study.sweep import MIXED, RECIPE_AXIS, Sweep

MODEL, STRATEGY, BUDGET, DRAW, SEED = "model", "strategy", "budget", "draw", "seed"
MISSES = 100
"""Draws in vain, for each point, before a space counts as used up."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One combination of the axes."""

    model: str | None = None
    """None: every model of the study."""
    strategy: str
    """A strategy's label."""
    budget: int | str
    """As in the study: a count, or a share."""
    draw: int
    seed: int
    axes: Mapping[str, Any] = field(default_factory=dict)
    """Values of the axes that are dotted paths, in the study's order."""

    def of(self, axes: Mapping[str, Any]) -> bool:
        """Is it one of the study of a family that has these values?"""
        return all(self.axes[path] == value for path, value in axes.items())

    @property
    def recipe(self) -> dict[str, Any]:
        """The swept values of the recipe."""
        return {path: value for path, value in self.axes.items() if path.startswith(RECIPE_AXIS)}


Space = Mapping[str, Sequence[Any] | Range]
"""Axis -> what may be chosen, in the order of the study."""


def space_of(sweep: Sweep) -> Space:
    """Every axis of a study."""
    head: dict[str, Sequence[Any] | Range] = {
        STRATEGY: [entry.label for entry in sweep.strategy], BUDGET: sweep.budget, DRAW: sweep.draw, SEED: sweep.seed,
    }  # fmt: skip
    ranges, lists = sweep.ranges, sweep.axes
    return head | {path: ranges[path] if path in ranges else lists[path] for path in sweep.paths}


def point_of(chosen: Mapping[str, Any]) -> Point:
    """The point of a choice on every axis."""
    head = {name: chosen[name] for name in (MODEL, STRATEGY, BUDGET, DRAW, SEED) if name in chosen}
    return Point(**head, axes={path: value for path, value in chosen.items() if path not in head})


def sampled(sweep: Sweep) -> list[Point]:
    """The points of a seeded sample, different ones, in the order they were drawn; all there are where there are fewer."""
    rng, space = random.Random(sweep.search.seed), space_of(sweep)
    found: dict[str, Point] = {}
    misses = 0
    while len(found) < sweep.search.trials and misses < MISSES * sweep.search.trials:
        point = point_of({path: _drawn(values, rng) for path, values in space.items()})
        name = identity_of(point, sweep)
        misses += name in found
        found.setdefault(name, point)
    return list(found.values())


def _drawn(values: Sequence[Any] | Range, rng: random.Random) -> Any:
    share = rng.random()
    return values.at(share) if isinstance(values, Range) else values[int(share * len(values))]


def identity_of(point: Point, sweep: Sweep) -> str:
    """Equal for points that are the same cell whatever is in the corpus."""
    entry = next(one for one in sweep.strategy if one.label == point.strategy)
    strategy = make_strategy(entry.name, entry.options)
    budget = point.budget if strategy.uses_budget else 0
    draw = point.draw if strategy.seeded else 0
    return repr((point.strategy, budget, draw, point.seed, sorted(point.axes.items(), key=lambda one: one[0])))


def covering(sweep: Sweep) -> Iterator[Point]:
    """Points with which everything that comes before training is planned, for any point of the axes: every selection, and
    every value of the recipe that data depend on."""
    space = space_of(sweep)
    first = {path: values.at(0) if isinstance(values, Range) else values[0] for path, values in space.items()}
    lengths = space.get(MIXED, (None,))
    assert not isinstance(lengths, Range)
    for entry in sweep.strategy:
        for budget in sweep.budget:
            for draw in sweep.draw:
                for length in lengths:
                    own = {} if length is None else {MIXED: length}
                    yield point_of({**first, STRATEGY: entry.label, BUDGET: budget, DRAW: draw, **own})
