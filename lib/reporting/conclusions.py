"""What a study says in sentences, by model: what to do, what benign data alone do, comparisons with their costs, trends, the
Pareto line.

Safety is asr by one judge, or the harm score where that judge gives no asr. Its usual costs stand in the same sentence:
over-refusal and the held-out loss, of the same arm against the same reference, whether they rose or not. What nobody
measured is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib.goal.verdict import GoalVerdict
from lib.reporting.advice import Advice, advise, label_of
from lib.reporting.equal import EqualWords, equal_words
from lib.reporting.findings import recipe_words
from lib.reporting.sentences import comparison_sentence, metric_words, pareto_sentence, trend_sentence
from lib.reporting.words import number
from lib.statistics.compare import BASE, NONE, Comparison
from lib.statistics.equal import EqualUse
from lib.statistics.means import Mean
from lib.statistics.pareto import Point, Standing, pareto
from lib.statistics.study import Statistics
from lib.statistics.utility import is_usefulness

Goals = Mapping[tuple[str, str, str], GoalVerdict]
"""What was found of a study's goal, by model, strategy and recipe."""

SAFETY, COSTS = ("asr", "harm_score"), ("over_refusal", "holdout_loss")


@dataclass(frozen=True, kw_only=True)
class Conclusions:
    """The sentences of one model."""

    model: str
    advice: Advice
    alone: str
    """What benign data alone do to the untouched model, "" where one of the two was not measured."""
    comparisons: tuple[str, ...]
    """In the order of the study: every arm against `random`, then against `none`."""
    about: tuple[str, ...]
    """The label of the arm that each of these is about."""
    trends: tuple[str, ...]
    pareto: str
    standings: tuple[Standing, ...]
    """Where every fine-tuned arm stands, by its label (`sss_b-48 lr=0.001`)."""
    equal: EqualWords | None
    """What holds at equal usefulness, where recipes are swept."""


def conclusions(
    found: Statistics, judge: str, equal: Sequence[EqualUse] = (), goal: Goals | None = None
) -> list[Conclusions]:
    """What the study says, model by model.

    Args:
        judge: whose asr and over-refusal are meant; usually the first of the study.
        equal: its arms at equal usefulness, by the same safety metric.
        goal: its verdicts, where it has one.

    Raises:
        UserError: no such judge.
    """
    out = []
    by = safety_of(found.means, judge)
    judges = (by[1], judge, "")
    for model in dict.fromkeys(one.model for one in found.means):
        means = [one for one in found.means if one.model == model]
        arms = [one for one in found.arms if one.model == model]
        own = [one for one in found.comparisons if one.model == model]
        safety = [one for one in own if (one.metric, one.judge) == by]
        trends = [one for one in found.trends if (one.model, one.metric, one.judge) == (model, *by)]
        standings = tuple(pareto(points(means, by, judges)))
        verdicts = {key[1:]: one for key, one in (goal or {}).items() if key[0] == model}
        use = next((one for one in equal if one.model == model), None)
        out.append(
            Conclusions(
                model=model,
                advice=advise(means, own, standings, by, arms, verdicts),
                alone=alone_sentence(means, by),
                comparisons=tuple(
                    _with_prompts(one, safety, comparison_sentence(one, costs(one, own, judges))) for one in safety
                ),
                about=tuple(label_of(one) for one in safety),
                trends=tuple(trend_sentence(one) for one in trends),
                pareto=pareto_sentence(standings),
                standings=standings,
                equal=equal_words(use, by) if use else None,
            )
        )
    return out


def safety_of(means: Sequence[Mean], judge: str) -> tuple[str, str]:
    """(metric, judge) that safety is told by: asr of this judge, else a harm score, whichever judge gives it."""
    harm = [(one.metric, one.judge) for one in means if one.metric == SAFETY[1]]
    has_asr = any((one.metric, one.judge) == (SAFETY[0], judge) for one in means)
    return (SAFETY[0], judge) if has_asr or not harm else harm[0]


def alone_sentence(means: Sequence[Mean], safety: tuple[str, str]) -> str:
    """What benign data alone do: the untouched model's level and that of every `none` arm, on each prompt set."""
    said = []
    own = [one for one in means if (one.metric, one.judge) == safety and not math.isnan(one.value)]
    for start in (one for one in own if one.strategy == BASE):
        after = [one for one in own if one.strategy == NONE and one.prompts == start.prompts]
        levels = [f"{number(one.value)}{f' ({settings(one.recipe)})' if len(after) > 1 else ''}" for one in after]
        if levels:
            head = f"On {start.prompts}, b" if len({one.prompts for one in own}) > 1 else "B"
            what = f"{metric_words(*safety)} from {number(start.value)} (the untouched model) to {', '.join(levels)}"
            said.append(f"{head}enign data alone (none) take {what}")
    return "; ".join(said)


def settings(recipe: str) -> str:
    """The swept values of a recipe as words."""
    return ", ".join(recipe_words(recipe)) or "the recipe"


def costs(one: Comparison, others: Sequence[Comparison], judges: Sequence[str]) -> list[Comparison]:
    """The same arm against the same reference in what safety usually costs, by the first of these judges that tells it."""

    def same(other: Comparison) -> bool:
        keys = ("model", "strategy", "budget", "recipe", "against")
        return all(getattr(one, key) == getattr(other, key) for key in keys) and other.judge in judges

    found: dict[tuple[str, str], Comparison] = {}
    for cost in sorted((c for c in others if c.metric in COSTS and same(c)), key=lambda c: judges.index(c.judge)):
        found.setdefault((cost.metric, cost.prompts), cost)
    return sorted(found.values(), key=lambda c: COSTS.index(c.metric))


def points(means: Sequence[Mean], safety: tuple[str, str], judges: Sequence[str]) -> list[Point]:
    """The fine-tuned arms of one model as points of safety and its costs: over-refusal, held-out loss, and what
    lm-evaluation-harness scored, with its sign turned, so that all of these are better when lower."""
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for one in means:
        if one.strategy != BASE and is_usefulness(one.metric, one.judge):
            span = (-one.value, -one.high, -one.low)
            found.setdefault(label_of(one), {})[f"{one.metric} {one.prompts}"] = span
    for one in sorted((m for m in means if m.judge in judges), key=lambda m: judges.index(m.judge)):
        if one.strategy != BASE and ((one.metric, one.judge) == safety or one.metric in COSTS):
            span = (one.value, one.low, one.high)
            found.setdefault(label_of(one), {}).setdefault(f"{one.metric} {one.prompts}".strip(), span)
    order = list(dict.fromkeys(label_of(one) for one in means))
    return [Point(name=name, metrics=found[name]) for name in order if name in found]


def _with_prompts(one: Comparison, all_of_them: Sequence[Comparison], sentence: str) -> str:
    """The sentence, with its prompt set where there is more than one."""
    return f"On {one.prompts}: {sentence}" if len({other.prompts for other in all_of_them}) > 1 else sentence
