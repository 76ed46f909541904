"""What to do, for one model: the arm to take, what speaks for it, and what it costs.

The rule is stated on the page. Of the fine-tuned arms that no other clearly beats take those as safe as the safest: their
rate lies within its interval, and no comparison of the two, run by matched run, shows the safest to be lower. Of these take
those whose over-refusal lies within the interval of the least, then the smallest budget, then the safest. So a few points
that the runs cannot show are bought neither with refusals that they do show nor with rows, and benign data alone is the
answer where nothing was shown to be better.

The numbers of a chosen arm are better than they will come out again, since it was chosen by them. That is said, and so is
how many runs stand behind it: with fewer than three the advice is about these runs.

Where the study has a goal, it decides instead (`goal_advice`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from lib.goal.verdict import GoalVerdict
from lib.reporting.findings import Arm, arm_label
from lib.reporting.goal_advice import GOAL_RULE, Place, chosen_by_goal, says_met, says_missed, searches_caution
from lib.reporting.sentences import LEVEL, arm_words, metric_words
from lib.reporting.words import named, number
from lib.statistics.arms import Arm as Outcomes
from lib.statistics.catalogue import metric
from lib.statistics.compare import BASE, NONE, Comparison, compare_pair, corrected
from lib.statistics.hierarchical import RUNS_FOR_INTERVAL
from lib.statistics.means import Mean
from lib.statistics.pareto import FRONT, WITHIN, Standing

RULE = (
    "How it is chosen: of the arms that no other clearly beats in safety and its costs, those within the interval of the "
    "safest that matched runs do not show to be above it; of these those within the interval of the least over-refusal; then "
    "the smallest budget, then the safest."
)

REFUSED = "over_refusal"
_USUAL = {REFUSED: "over-refusal", "holdout_loss": "held-out loss"}


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one metric is under the advice, and with benign data alone under the same recipe."""

    what: str
    value: str
    without: str
    """"" where there is no such arm, or where it is the advice."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do with one model. Without an arm (`label` is ""), `says` is why there is none."""

    says: str
    label: str = ""
    """Of the arm, as in `results` (`sss_b-48 lr=0.001`)."""
    strategy: str = ""
    budget: int = 0
    recipe: str = "{}"
    """Its swept recipe values, as JSON."""
    price: tuple[Price, ...] = ()
    cautions: tuple[str, ...] = ()
    rule: str = RULE
    """How it was chosen, as the page states it."""


def advise(
    means: Sequence[Mean],
    comparisons: Sequence[Comparison],
    standings: Sequence[Standing],
    safety: tuple[str, str],
    arms: Sequence[Outcomes],
    goal: Mapping[Place, GoalVerdict] | None = None,
) -> Advice:
    """The advice for one model.

    Args:
        means, comparisons: of this model.
        standings: where its fine-tuned arms stand.
        safety: (metric, judge) that safety is measured by; lower is safer.
        arms: of this model, what the means are of.
        goal: what was found of the study's goal, by strategy and recipe (None: it has none).
    """
    if goal:
        return _by_goal(means, comparisons, safety, goal)
    front = {one.name for one in standings if one.status in (FRONT, WITHIN)}
    levels: dict[str, list[Mean]] = {}
    for one in means:
        if one.strategy != BASE and label_of(one) in front:
            levels.setdefault(label_of(one), []).append(one)
    safe = {name: [m for m in own if (m.metric, m.judge) == safety] for name, own in levels.items()}
    safe = {name: own for name, own in safe.items() if own and not any(math.isnan(m.value) for m in own)}
    if not safe:
        return Advice(says="No arm was measured in safety and in everything that it may cost, so none is recommended.")
    safest = min(safe, key=lambda name: fmean(m.value for m in safe[name]))
    higher = _higher([arm for arm in arms if (arm.metric, arm.judge) == safety], safe, safest)
    close = [name for name in safe if name not in higher and _is_within(safe[name], safe[safest])]
    least = min(close, key=lambda name: _level(levels[name], REFUSED)[0])
    close = [name for name in close if _level(levels[name], REFUSED)[0] <= _level(levels[least], REFUSED)[1]]
    chosen = min(close, key=lambda name: (safe[name][0].budget, fmean(m.value for m in safe[name])))
    one = safe[chosen][0]
    what = metric_words(*safety)
    rates = "; ".join(_measured(m, several=len(safe[chosen]) > 1) for m in safe[chosen])
    name = "benign data alone (none)" if one.strategy == NONE else arm_words(one.strategy, one.budget, "{}")
    says = f"Take {name}: {what} {rates}."
    if chosen != safest:
        lowest = number(fmean(m.value for m in safe[safest]))
        says += f" The lowest is {safest} with {lowest}, which these runs do not tell apart from it."
    return Advice(
        says=says, label=chosen, strategy=one.strategy, budget=one.budget, recipe=one.recipe,
        price=tuple(_price(levels[chosen], means, safety)),
        cautions=(
            *_cautions(safe[chosen], comparisons, len({label_of(m) for m in means if m.strategy != BASE})),
            *_unmeasured(levels[chosen]),
        ),
    )  # fmt: skip


def _by_goal(
    means: Sequence[Mean], comparisons: Sequence[Comparison], safety: tuple[str, str], goal: Mapping[Place, GoalVerdict]
) -> Advice:
    found = chosen_by_goal(goal, means, safety)
    if found is None:
        return Advice(says=says_missed(goal), rule=GOAL_RULE)
    (strategy, recipe), budget = found
    own = [one for one in means if (one.strategy, one.budget, one.recipe) == (strategy, budget, recipe)]
    safe = [one for one in own if (one.metric, one.judge) == safety]
    return Advice(
        says=says_met(goal, (strategy, recipe)), rule=GOAL_RULE, strategy=strategy, budget=budget, recipe=recipe,
        label=arm_label(Arm(strategy=strategy, budget=budget, recipe=recipe)),
        price=tuple(_price(own, means, safety)),
        cautions=(
            *searches_caution(goal),
            *(_cautions(safe, comparisons, 1) if safe else ()),  # its numbers are of runs that did not choose it
            *_unmeasured(own),
        ),
    )  # fmt: skip


def label_of(one: Mean | Comparison | Outcomes) -> str:
    """The label of an arm, as the tables have it."""
    return arm_label(Arm(strategy=one.strategy, budget=one.budget, recipe=one.recipe))


def is_shown(one: Comparison) -> bool:
    """Does a comparison show a difference? From three matched runs by its corrected p, else by its interval over prompts."""
    return one.p_holm < LEVEL if one.test else not (math.isnan(one.low) or one.low <= 0 <= one.high)


def _is_within(own: Sequence[Mean], best: Sequence[Mean]) -> bool:
    """Does an arm's level lie within the interval of the safest one, on every prompt set?"""
    ends = (theirs.value if math.isnan(theirs.high) else theirs.high for theirs in best)
    return all(ours.value <= end for ours, end in zip(own, ends, strict=True))


def _higher(arms: Sequence[Outcomes], names: Iterable[str], safest: str) -> set[str]:
    """Those of these arms that a comparison with the safest, corrected over all of one prompt set, shows to be less safe."""
    place = {(label_of(arm), arm.prompts): arm for arm in arms}
    out: set[str] = set()
    for best in (arm for arm in arms if label_of(arm) == safest):
        others = (place.get((name, best.prompts)) for name in names if name != safest)
        family = corrected([compare_pair(arm, best) for arm in others if arm is not None])
        out |= {label_of(one) for one in family if one.difference > 0 and is_shown(one)}
    return out


def _level(own: Sequence[Mean], name: str) -> tuple[float, float]:
    """(value, upper end) of a metric, mean over prompt sets, each by the first judge that gives it; zeros where it was not
    measured, so that it decides nothing."""
    by_prompts: dict[str, Mean] = {}
    for one in own:
        if one.metric == name and not math.isnan(one.value):
            by_prompts.setdefault(one.prompts, one)
    known = by_prompts.values()
    if not known:
        return 0.0, 0.0
    return fmean(m.value for m in known), fmean(m.value if math.isnan(m.high) else m.high for m in known)


def _measured(one: Mean, *, several: bool) -> str:
    ends = "" if math.isnan(one.low) else f" (95% interval {number(one.low)} to {number(one.high)} over {one.over})"
    where = f" on {one.prompts}" if several else ""
    return f"{number(one.value)}{where}{ends}"


def _price(own: Sequence[Mean], means: Sequence[Mean], safety: tuple[str, str]) -> list[Price]:
    """Every metric with a direction but safety itself, each on each prompt set by the first judge that gives it."""
    out: dict[tuple[str, str], Price] = {}
    for one in own:
        known = metric(one.metric)
        if one.metric == safety[0] or known.better is None or known.detail or (one.metric, one.prompts) in out:
            continue
        measure = (one.metric, one.judge, one.prompts)
        plain = [
            m.value
            for m in means
            if (m.strategy, m.recipe, m.metric, m.judge, m.prompts) == (NONE, one.recipe, *measure)
        ]
        without = number(plain[0], one.metric) if plain and one.strategy != NONE and not math.isnan(plain[0]) else ""
        if not math.isnan(one.value):
            what = f"{named(one.metric)} on {one.prompts}" if one.prompts else named(one.metric)
            out[one.metric, one.prompts] = Price(what=what, value=number(one.value, one.metric), without=without)
    return list(out.values())


def _cautions(own: Sequence[Mean], comparisons: Sequence[Comparison], arms: int) -> list[str]:
    one = own[0]
    out = []
    if one.units < RUNS_FOR_INTERVAL:
        these = "one run" if one.units == 1 else f"{one.units} {one.unit}s"
        out.append(f"This is about {these} of it: another draw or seed may come out otherwise.")
    against = [
        c
        for c in comparisons
        if label_of(c) == label_of(one) and c.against == NONE and (c.metric, c.judge) == (one.metric, one.judge)
    ]
    if one.strategy != NONE and not any(is_shown(c) and c.difference < 0 for c in against):
        why = "was not shown" if against else "was not measured"
        out.append(f"That it is safer than benign data alone {why}.")
    if arms > 1:
        out.append(
            f"It is the choice among {arms} arms by these very numbers, which therefore look better than they are."
        )
    return out


def _unmeasured(own: Sequence[Mean]) -> list[str]:
    """The usual costs that nobody looked at."""
    seen = {one.metric for one in own if not math.isnan(one.value)}
    missing = [name for cost, name in _USUAL.items() if cost not in seen]
    if not missing:
        return []
    text = " and ".join(missing)
    return [
        f"{text[:1].upper()}{text[1:]} {'was' if len(missing) == 1 else 'were'} not measured: a cost there is not known."
    ]
