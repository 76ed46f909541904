"""Every strategy against `random` and against `none`, at the same model, budget and recipe.

The difference of run means has an interval over runs and prompts (`contrast`) and, from three pairs, a p value over runs
(`paired`), corrected by Holm over all comparisons of one metric by one judge on one prompt set. The two ask different
things: p asks whether other runs would differ on these prompts, the interval also allows for other prompts and is the
wider; a p under .05 beside an interval that holds 0 is a difference that these prompts may owe to themselves.
With fewer than three pairs there is no p value and the interval is over prompts, for these runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pyarrow as pa

from lib.statistics.arms import Arm
from lib.statistics.components import Floats, without_gaps
from lib.statistics.contrast import Contrast, contrast
from lib.statistics.holm import holm
from lib.statistics.means import Units, averaged, finite, units
from lib.statistics.paired import Test, paired_test
from lib.statistics.pairs import Pairs, match

RANDOM, NONE, BASE = "random", "none", "base"

COMPARISONS = pa.schema(
    [
        ("model", pa.string()), ("strategy", pa.string()), ("budget", pa.int32()), ("recipe", pa.string()),
        ("against", pa.string()), ("metric", pa.string()), ("judge", pa.string()), ("prompts", pa.string()),
        ("rate", pa.bool_()),
        ("pairs", pa.int32()), ("unit", pa.string()), ("runs", pa.int32()), ("against_runs", pa.int32()),
        ("missing", pa.int32()), ("n", pa.int32()), ("value", pa.float64()), ("against_value", pa.float64()),
        ("difference", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("over", pa.string()),
        ("reduction", pa.float64()), ("reduction_low", pa.float64()), ("reduction_high", pa.float64()),
        ("test", pa.string()), ("p", pa.float64()), ("p_floor", pa.float64()), ("p_holm", pa.float64()),
        ("tests", pa.int32()),
    ]
)  # fmt: skip
"""One row per (arm, reference, metric, judge, prompt set); null where there is no number."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One arm against one reference. nan where there is no number."""

    model: str
    strategy: str
    budget: int
    recipe: str
    against: str
    """`random` (at the same budget) or `none`."""
    metric: str
    judge: str
    prompts: str
    rate: bool
    """A share in 0..1; otherwise a score."""
    pairs: int
    """Matched units: what the interval and p are about."""
    unit: str
    """What a pair is: `seed`, `draw` or `run`."""
    runs: int
    against_runs: int
    missing: int
    """Runs without a partner, or planned and failed."""
    n: int
    """Prompts with a verdict on both sides of a pair."""
    value: float
    against_value: float
    difference: float
    low: float
    high: float
    over: str
    """What the intervals cover: `prompts` (these runs only), `runs and prompts`, `runs`, or "" where there is none."""
    reduction: float
    """1 - value / against_value: 0.31 is "31% less"."""
    reduction_low: float
    reduction_high: float
    test: str
    """`paired t`, `sign flips`, or "" with fewer than three pairs."""
    p: float
    p_floor: float
    """The smallest p that so many pairs can give."""
    p_holm: float
    """p, corrected for all comparisons of this metric, judge and prompt set."""
    tests: int
    """How many those are."""


def compare(arms: Sequence[Arm], references: Sequence[str] = (RANDOM, NONE)) -> list[Comparison]:
    """Every arm against every reference that is there, in the order of the arms."""
    found = list(_comparisons(arms, references))
    out = list(found)
    for measure in dict.fromkeys(_measure(one) for one in found):
        family = [k for k, one in enumerate(found) if _measure(one) == measure]
        for k, one in zip(family, corrected([found[k] for k in family]), strict=True):
            out[k] = one
    return out


def corrected(family: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons that belong together, each with its p corrected for all of them."""
    tests = sum(not math.isnan(one.p) for one in family)
    return [replace(one, p_holm=p, tests=tests) for one, p in zip(family, holm([one.p for one in family]), strict=True)]


def table_of(rows: Iterable[Comparison]) -> pa.Table:
    """Schema `COMPARISONS`."""
    return pa.Table.from_pylist([finite(asdict(row)) for row in rows], schema=COMPARISONS)


def _measure(one: Comparison) -> tuple[str, str, str]:
    return one.metric, one.judge, one.prompts


def _comparisons(arms: Sequence[Arm], references: Sequence[str]) -> Iterator[Comparison]:
    place = {(arm.model, arm.strategy, arm.budget, arm.recipe, arm.measure): arm for arm in arms}
    for arm in arms:
        if arm.strategy in (BASE, NONE):
            continue
        for reference in references:
            budget = 0 if reference == NONE else arm.budget
            other = place.get((arm.model, reference, budget, arm.recipe, arm.measure))
            if other is not None and reference != arm.strategy:
                yield compare_pair(arm, other)


def compare_pair(arm: Arm, other: Arm) -> Comparison:
    """One arm against another, without a family (p is not corrected)."""
    pairs = match([arm, other])
    best, way, n = widest(pairs, rate=arm.rate)
    test = strictest(pairs.places, pairs.tables[0] - pairs.tables[1])
    return Comparison(
        model=arm.model, strategy=arm.strategy, budget=arm.budget, recipe=arm.recipe, against=other.strategy,
        metric=arm.metric, judge=arm.judge, prompts=arm.prompts, rate=arm.rate,
        pairs=len(way.rows), unit=way.unit, runs=pairs.runs[0],
        against_runs=pairs.runs[1], missing=pairs.missing, n=n, value=best.x, against_value=best.y,
        difference=best.difference, low=best.low, high=best.high, over=best.over, reduction=best.reduction,
        reduction_low=best.reduction_low, reduction_high=best.reduction_high, test=test.name, p=test.p,
        p_floor=test.floor, p_holm=test.p, tests=int(not math.isnan(test.p)),
    )  # fmt: skip


def widest(pairs: Pairs, *, rate: bool) -> tuple[Contrast, Units, int]:
    """The contrast with the widest interval of the ways to count these pairs (`means`), and how many prompts are in it."""
    nan = math.nan
    if not pairs.places:
        empty = Contrast(
            x=nan,
            y=nan,
            difference=nan,
            low=nan,
            high=nan,
            reduction=nan,
            reduction_low=nan,
            reduction_high=nan,
            over="",
        )
        return empty, Units(unit="run", rows=()), 0
    found = []
    for way in units(pairs.places):
        x, y = (without_gaps(averaged(table, way)) for table in pairs.tables)
        found.append((contrast(x, y, rate=rate), way, x.shape[1]))
    return max(found, key=lambda one: one[0].high - one[0].low)


def strictest(places: Sequence[tuple[int, int]], differences: Floats) -> Test:
    """The test with the largest p of the ways to count these pairs, one without p only where all are.

    Args:
        differences: [K, n], nan where there is no verdict.
    """
    if not places:
        return paired_test(np.empty(0))
    tests = [paired_test(np.nanmean(averaged(differences, way), axis=1)) for way in units(places)]
    return max(tests, key=lambda test: -1.0 if math.isnan(test.p) else test.p)
