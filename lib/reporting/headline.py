"""What the main table shows: each metric on each prompt set once, by the first judge of the study that gives it.

With five judges on eight prompt sets there are a hundred columns to show and ten that answer the reader's question. The first
judge is the study's own choice for it; what it does not give (a harm score beside its refusals, helpfulness, a task of
lm-evaluation-harness) comes from the first that does. In a report of several studies a model may have no number by that
judge: then the next one that gives it a number is shown beside it. Metrics that follow from another or split one up, and the
other judges, stand below, by prompt set.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeVar

from lib.generation.prompts import KINDS
from lib.reporting.findings import Findings, Measure
from lib.statistics.catalogue import METRICS, metric, place

Item = TypeVar("Item")


def headline(found: Findings) -> list[Measure]:
    """The measures of the main table, in the order they are shown."""
    told: dict[Measure, set[str]] = {}
    for model, _, measure, category in found.rates:
        if not category:
            told.setdefault(measure, set()).add(model)
    shown: list[Measure] = []
    covered: dict[tuple[str, str], set[str]] = {}
    for judge in found.judges or (None,):
        for measure in found.measures(judge):
            have = covered.setdefault((measure.metric, measure.prompts), set())
            if not is_detail(measure.metric) and not told[measure] <= have:
                shown.append(measure)
                have |= told[measure]
    return sorted(shown, key=lambda measure: place(measure.metric))


def is_detail(name: str) -> bool:
    """Does a metric stand with the details? So does a score, also one not known here, on prompts it is not made for."""
    return metric(name).detail or (name not in METRICS and name.endswith(tuple(f"_on_{kind}" for kind in KINDS)))


def by_prompts(found: Findings) -> dict[str, list[Measure]]:
    """Prompt set -> everything that judges measured on it, where that is more than the main table has of it."""
    shown = set(headline(found))
    sets: dict[str, list[Measure]] = {}
    for judge in found.judges:
        for measure in found.measures(judge):
            if measure.judge:
                sets.setdefault(measure.prompts, []).append(measure)
    return {
        prompts: sorted(measures, key=lambda measure: place(measure.metric))
        for prompts, measures in sets.items()
        if not shown.issuperset(measures)
    }


def pieces(items: Sequence[Item], most: int) -> list[list[Item]]:
    """The same items in as few lists as hold at most so many each, of nearly equal length."""
    count = -(-len(items) // most)
    ends = [len(items) * k // count for k in range(count + 1)] if count else []
    return [list(items[start:end]) for start, end in itertools.pairwise(ends)]
