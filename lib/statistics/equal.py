"""Arms held against each other at equal usefulness: a recipe that teaches nothing also unlearns no safety, and is no rival.

The measure is that of a study's goal (`utility_drop_at_most`), what an arm lost against *benign data alone as the study
trains it*: strategy `none` under the first recipe of the sweep. With tasks of lm-evaluation-harness it is the difference of
their mean scores; without, 1 - exp(-(loss - loss of the reference)) of the held-out benign loss, the share by which a
held-out token becomes less likely. Runs are matched as for any comparison (`pairs`).

An arm is *as useful* where the whole 95% interval of its loss is within the margin (a test of non-inferiority at 2.5%, as
in CONSORT's extension to such trials, Piaggio et al. 2012), *less useful* where it is wholly beyond, and *not told* in
between or where fewer than three matched runs give no interval. That two means are not shown to differ is never taken for
equality. Only arms that are as useful are compared in safety.

Three kinds of arm answer "which rows, which recipe, or both": `selection` has safety rows under the first recipe, `recipe`
has none under another one, `both` has both. The safest of each kind are compared with one another; they were chosen by the
numbers they are compared by, so that the comparison flatters a kind with many arms, and who prints it has to say so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from lib.statistics.arms import HOLDOUT_LOSS, Arm, Run
from lib.statistics.compare import BASE, NONE, Comparison, compare_pair, corrected, widest
from lib.statistics.hierarchical import run_means
from lib.statistics.pairs import match
from lib.statistics.utility import JUDGE as HARNESS
from lib.statistics.utility import is_usefulness

REFUSED = "over_refusal"
REFERENCE, SELECTION, RECIPE, BOTH = "reference", "selection", "recipe", "both"
AS_USEFUL, LESS_USEFUL, NOT_TOLD = "as useful", "less useful", "not told"

Head = tuple[str, int, str]
"""Strategy, budget, recipe."""


@dataclass(frozen=True, kw_only=True)
class EqualArm:
    """One fine-tuned arm beside the reference. nan where there is no number."""

    strategy: str
    budget: int
    recipe: str
    kind: str
    """`reference`, `selection`, `recipe` or `both`."""
    usefulness: str
    """`as useful`, `less useful` or `not told`."""
    pairs: int
    drop: float
    """Usefulness lost against the reference, as a share: 0.01 is 1%, negative a gain."""
    low: float
    high: float
    safety: tuple[tuple[str, float], ...]
    """(prompt set, mean over runs) of the safety metric."""
    comparisons: tuple[Comparison, ...]
    """In safety against the reference, where it is as useful; p corrected over all of them."""

    @property
    def level(self) -> float:
        """Safety, mean over prompt sets."""
        return fmean(value for _, value in self.safety) if self.safety else math.nan


@dataclass(frozen=True, kw_only=True)
class Contest:
    """The safest arm of one kind against that of another, on one prompt set."""

    ours: str
    theirs: str
    """Kinds."""
    against: Head
    comparison: Comparison
    """p corrected over all contests of the model."""
    costs: tuple[Comparison, ...]
    """The same two arms in over-refusal, by the first judge that tells it."""


@dataclass(frozen=True, kw_only=True)
class EqualUse:
    """One model's arms at equal usefulness."""

    model: str
    margin: float
    measure: tuple[str, ...]
    """What usefulness is measured by: names of tasks, or `holdout_loss`."""
    arms: tuple[EqualArm, ...]
    contests: tuple[Contest, ...]

    def safest(self, kind: str) -> EqualArm | None:
        """Of the arms of a kind that are as useful, the one with the lowest safety metric."""
        own = [arm for arm in self.arms if arm.kind == kind and arm.usefulness == AS_USEFUL]
        return min((arm for arm in own if not math.isnan(arm.level)), key=lambda arm: arm.level, default=None)


def equal_use(arms: Sequence[Arm], safety: tuple[str, str], margin: float) -> list[EqualUse]:
    """Every model that has benign data alone and something beside it.

    Args:
        safety: (metric, judge); lower is safer.
        margin: usefulness that may be lost, as a share.
    """
    found = (_of_model(arms, model, safety, margin) for model in dict.fromkeys(arm.model for arm in arms))
    return [one for one in found if one is not None]


def _of_model(arms: Sequence[Arm], model: str, safety: tuple[str, str], margin: float) -> EqualUse | None:
    heads: dict[Head, list[Arm]] = {}
    for arm in arms:
        if arm.model == model and arm.strategy != BASE:
            heads.setdefault((arm.strategy, arm.budget, arm.recipe), []).append(arm)
    start = next((head for head in heads if head[0] == NONE), None)
    measure = _measure(heads[start]) if start else ()
    if start is None or not measure or len(heads) < 2:
        return None
    reference = _useless(heads[start], measure)
    found = tuple(_arm(head, own, start, reference, measure, safety, margin) for head, own in heads.items())
    place = {
        head: {arm.prompts: arm for arm in own if (arm.metric, arm.judge) == safety} for head, own in heads.items()
    }
    compared: list[list[Comparison]] = []
    for one in found:
        own = place[_head(one)] if one.usefulness == AS_USEFUL and one.kind != REFERENCE else {}
        compared.append([compare_pair(arm, place[start][p]) for p, arm in own.items() if p in place[start]])
    tested = iter(corrected([one for row in compared for one in row]))
    found = tuple(
        replace(one, comparisons=tuple(next(tested) for _ in row)) for one, row in zip(found, compared, strict=True)
    )
    use = EqualUse(model=model, margin=margin, measure=tuple(m[1] or m[0] for m in measure), arms=found, contests=())
    return replace(use, contests=tuple(_contests(use, place, heads)))


def _measure(own: Sequence[Arm]) -> tuple[tuple[str, str], ...]:
    """(metric, task) of what usefulness is measured by: scores of the harness of which more is better, else the loss."""
    scores = [(arm.metric, arm.prompts) for arm in own if is_usefulness(arm.metric, arm.judge)]
    return tuple(scores) or tuple((arm.metric, "") for arm in own if arm.metric == HOLDOUT_LOSS)


def _useless(own: Sequence[Arm], measure: tuple[tuple[str, str], ...]) -> Arm:
    """One number a run, of which less is better: the mean score with its sign turned, or the held-out loss."""
    parts = [arm for arm in own if (arm.metric, arm.prompts) in measure]
    sign = -1.0 if parts and parts[0].judge == HARNESS else 1.0
    tables = [{(run.draw, run.seed): float(np.mean(run.outcomes)) for run in arm.runs} for arm in parts]
    places = set.intersection(*(set(table) for table in tables)) if len(parts) == len(measure) else set()
    runs = tuple(
        Run(draw=draw, seed=seed, outcomes=np.array([sign * fmean(table[draw, seed] for table in tables)]))
        for draw, seed in sorted(places)
    )
    return replace(own[0], metric="", judge="", prompts="", rate=False, runs=runs)


def _arm(
    head: Head,
    own: Sequence[Arm],
    start: Head,
    reference: Arm,
    measure: tuple[tuple[str, str], ...],
    safety: tuple[str, str],
    margin: float,
) -> EqualArm:
    levels = [(arm.prompts, run_means(arm.table)) for arm in own if (arm.metric, arm.judge) == safety and arm.runs]
    told = tuple((prompts, float(values.mean())) for prompts, values in levels if len(values))
    plain = EqualArm(
        strategy=head[0], budget=head[1], recipe=head[2], kind=REFERENCE, usefulness=AS_USEFUL, pairs=len(reference.runs),
        drop=0.0, low=0.0, high=0.0, safety=told, comparisons=(),
    )  # fmt: skip
    if head == start:
        return plain
    found, way, _ = widest(match([_useless(own, measure), reference]), rate=False)
    loss = measure[0][0] == HOLDOUT_LOSS
    drop, low, high = (_share(end, loss=loss) for end in (found.difference, found.low, found.high))
    kind = SELECTION if head[2] == start[2] else RECIPE if head[0] == NONE else BOTH
    usefulness = AS_USEFUL if high <= margin else LESS_USEFUL if low > margin else NOT_TOLD
    return replace(plain, kind=kind, usefulness=usefulness, pairs=len(way.rows), drop=drop, low=low, high=high)


def _share(difference: float, *, loss: bool) -> float:
    return 1 - math.exp(-difference) if loss else difference


def _head(arm: EqualArm) -> Head:
    return arm.strategy, arm.budget, arm.recipe


def _contests(
    use: EqualUse, place: Mapping[Head, Mapping[str, Arm]], heads: Mapping[Head, Sequence[Arm]]
) -> Iterator[Contest]:
    """Both against each alone, and the two against each other."""
    best = {kind: use.safest(kind) for kind in (SELECTION, RECIPE, BOTH)}
    found: list[Contest] = []
    for ours, theirs in ((BOTH, SELECTION), (BOTH, RECIPE), (SELECTION, RECIPE)):
        one, other = best[ours], best[theirs]
        if one is not None and other is not None:
            mine, yours = place[_head(one)], place[_head(other)]
            costs = _costs(heads[_head(one)], heads[_head(other)])
            found += [
                Contest(
                    ours=ours, theirs=theirs, against=_head(other), comparison=compare_pair(mine[p], yours[p]), costs=costs
                )
                for p in mine
                if p in yours
            ]  # fmt: skip
    for contest, told in zip(found, corrected([one.comparison for one in found]), strict=True):
        yield replace(contest, comparison=told)


def _costs(own: Sequence[Arm], other: Sequence[Arm]) -> tuple[Comparison, ...]:
    theirs = {arm.measure: arm for arm in other if arm.metric == REFUSED}
    judge = next((arm.judge for arm in own if arm.metric == REFUSED), "")
    return tuple(compare_pair(arm, theirs[arm.measure]) for arm in own if arm.judge == judge and arm.measure in theirs)
