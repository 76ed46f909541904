"""What a study with several recipes says at equal usefulness: rows, recipe, or both (`lib.statistics.equal` argues the rule)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lib.reporting.findings import Arm, arm_label, recipe_words
from lib.reporting.sentences import arm_words, comparison_sentence, metric_words
from lib.reporting.words import number
from lib.statistics.arms import HOLDOUT_LOSS
from lib.statistics.equal import AS_USEFUL, BOTH, RECIPE, REFERENCE, SELECTION, Contest, EqualArm, EqualUse
from lib.statistics.hierarchical import RUNS_FOR_INTERVAL

KINDS = {
    REFERENCE: "benign data alone",
    SELECTION: "safety rows alone",
    RECIPE: "the recipe alone",
    BOTH: "safety rows and recipe",
}


@dataclass(frozen=True, kw_only=True)
class EqualRow:
    """One arm in the table."""

    label: str
    kind: str
    drop: str
    """Usefulness lost, with its interval."""
    usefulness: str
    counts: bool
    """Is it as useful, and so compared in safety?"""
    safety: tuple[str, ...]
    """By prompt set, in the order of `EqualWords.prompts`."""


@dataclass(frozen=True, kw_only=True)
class EqualWords:
    """One model at equal usefulness, in words."""

    sentences: tuple[str, ...]
    prompts: tuple[str, ...]
    """Prompt sets of the safety metric."""
    metric: str
    rows: tuple[EqualRow, ...]


def equal_words(use: EqualUse, safety: tuple[str, str]) -> EqualWords | None:
    """A model in words; None where it has one recipe only, since its comparisons then say it all with their costs.

    Args:
        safety: (metric, judge) that it was compared by.
    """
    kinds = {arm.kind for arm in use.arms}
    if not kinds & {RECIPE, BOTH}:
        return None
    reference = next(arm for arm in use.arms if arm.kind == REFERENCE)
    prompts = tuple(dict.fromkeys(name for arm in use.arms for name, _ in arm.safety))
    said = [_rule(use, reference)]
    if max((arm.pairs for arm in use.arms if arm.kind != REFERENCE), default=0) < RUNS_FOR_INTERVAL:
        said.append(
            f"With fewer than {RUNS_FOR_INTERVAL} matched runs no arm can be shown to be as useful, so none is compared"
        )
    else:
        said += [_of_kind(use, kind, safety) for kind in (SELECTION, RECIPE, BOTH) if kind in kinds]
    said += [_contest(one, several=len(prompts) > 1) for one in use.contests]
    if use.contests:
        said.append(
            "Each of these is the safest of its kind by these very numbers, which flatters a kind with many arms; p is "
            "corrected for the comparisons and not for that choice"
        )
    return EqualWords(
        sentences=tuple(said),
        prompts=prompts,
        metric=safety[0],
        rows=tuple(_row(arm, prompts, safety) for arm in use.arms),
    )


def _rule(use: EqualUse, reference: EqualArm) -> str:
    loss = use.measure == (HOLDOUT_LOSS,)
    what = "the likelihood of held-out benign tokens" if loss else f"the mean score on {', '.join(use.measure)}"
    others = [arm for arm in use.arms if arm.kind != REFERENCE]
    as_useful = sum(arm.usefulness == AS_USEFUL for arm in others)
    settings = ", ".join(recipe_words(reference.recipe))
    points = f"{100 * use.margin:g}%" if loss else f"{100 * use.margin:g} points"
    return (
        f"At equal usefulness: {as_useful} of {len(others)} arms are shown to lose at most {points} of {what} against benign "
        f"data alone ({settings})"
    )


def _of_kind(use: EqualUse, kind: str, safety: tuple[str, str]) -> str:
    name = KINDS[kind][:1].upper() + KINDS[kind][1:]
    best = use.safest(kind)
    if best is not None:
        own = sum(arm.kind == kind and arm.usefulness == AS_USEFUL for arm in use.arms)
        levels = ", ".join(f"{number(value, safety[0])} on {prompts}" for prompts, value in best.safety)
        chosen = f", the safest of {own}," if own > 1 else ""
        words = arm_words(best.strategy, best.budget, best.recipe)
        return f"{name}: {words}{chosen} has {metric_words(*safety)} {levels}"
    own_arms = [arm for arm in use.arms if arm.kind == kind and not math.isnan(arm.drop)]
    if not own_arms:
        return f"{name}: usefulness was not measured"
    near = min(own_arms, key=lambda arm: arm.drop)
    return (
        f"{name}: none of {len(own_arms)} arms is shown to be as useful; the nearest, "
        f"{arm_words(near.strategy, near.budget, near.recipe)}, loses {_drop(near)}"
    )


def _contest(one: Contest, *, several: bool) -> str:
    theirs = arm_words(*one.against)
    where = f" on {one.comparison.prompts}" if several else ""
    said = comparison_sentence(replace(one.comparison, against=theirs), one.costs)
    return f"{KINDS[one.ours][:1].upper()}{KINDS[one.ours][1:]} against {KINDS[one.theirs]}{where}: {said}"


def _drop(arm: EqualArm) -> str:
    ends = "" if math.isnan(arm.low) else f" ({100 * arm.low:.1f} to {100 * arm.high:.1f})"
    return "not known" if math.isnan(arm.drop) else f"{100 * arm.drop:.1f}%{ends}"


def _row(arm: EqualArm, prompts: tuple[str, ...], safety: tuple[str, str]) -> EqualRow:
    levels, against = dict(arm.safety), {one.prompts: one for one in arm.comparisons}

    def told(name: str) -> str:
        value = levels.get(name, math.nan)
        if math.isnan(value):
            return "–"
        one = against.get(name)
        if one is None or math.isnan(one.difference):
            return number(value, safety[0])
        ends = "" if math.isnan(one.low) else f" ({one.low:+.2f} to {one.high:+.2f})"
        return f"{number(value, safety[0])}; {one.difference:+.2f}{ends}"

    return EqualRow(
        label=arm_label(Arm(strategy=arm.strategy, budget=arm.budget, recipe=arm.recipe)), kind=KINDS[arm.kind],
        drop="–" if arm.kind == REFERENCE else _drop(arm), usefulness=arm.usefulness, counts=arm.usefulness == AS_USEFUL,
        safety=tuple(told(name) for name in prompts),
    )  # fmt: skip
