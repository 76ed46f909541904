"""Findings in plain words, one sentence each.

A sentence claims what the numbers carry and no more. "Cuts" is for a difference with p under 5% after correction; without
it the means are given and the sentence ends in "no difference shown", and where so few runs could not have shown one, it
says that. With fewer than three matched runs it is about these runs. Reductions are in percent where there is something
to reduce, else in points; every one has its interval, also the costs. By keyword an answer is "without refusal", never
more: the word harmful is for judges that tell harm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lib.judging.judge import make_judge
from lib.reporting.findings import recipe_words
from lib.statistics.compare import NONE, Comparison
from lib.statistics.hierarchical import BOTH, PROMPTS
from lib.statistics.pareto import FRONT, WITHIN, Standing
from lib.statistics.trend import Trend

LEVEL = 0.05
_LARGEST_PERCENT = 100


def metric_words(metric: str, judge: str) -> str:
    """What a metric counts, as a sentence has it.

    Raises:
        UserError: no such judge.
    """
    if metric == "asr":
        tells = bool(judge) and "harmful" in make_judge(judge).tells
        return f"answers that {judge} calls harmful" if tells else "answers without refusal"
    fixed = {
        "over_refusal": "over-refusal",
        "refusal_rate": "refusals of plain prompts",
        "holdout_loss": "held-out loss",
    }
    return fixed.get(metric, metric.replace("_", " "))


def arm_words(strategy: str, budget: int, recipe: str) -> str:
    """`sss_b at 100 rows (lr=0.001)`."""
    name = strategy if strategy == NONE or not budget else f"{strategy} at {budget} row{'s' * (budget != 1)}"
    settings = ", ".join(recipe_words(recipe))
    return f"{name} ({settings})" if settings else name


def p_words(p: float, *, tests: int = 1) -> str:
    """`p 0.01 after correction`; two digits, three near 5% so that rounding decides nothing."""
    after = " after correction" if tests > 1 else ""
    if p < 0.001:
        return f"p under 0.001{after}"
    return f"p {p:.{3 if 0.045 <= p < 0.055 else 2}g}{after}"


def comparison_sentence(one: Comparison, costs: Sequence[Comparison] = ()) -> str:
    """One arm against one reference, and what it costs.

    Args:
        one: usually asr.
        costs: the same arm against the same reference in other metrics (over-refusal, held-out loss, ...).
    """
    clauses = [_head(one), *(_cost(cost) for cost in costs)]
    if one.missing:
        clauses.append(f"{_count(one.missing, 'run')} without a partner left out")
    return "; ".join(clauses)


def trend_sentence(one: Trend) -> str:
    """The change of a metric with each doubling of the budget."""
    what = metric_words(one.metric, one.judge)
    about = f"{one.strategy}{_settings(one.recipe)}"
    span = f"{one.budgets[0]} to {one.budgets[-1]} rows"
    if math.isnan(one.slope):
        return f"No run of {about} has every budget from {span}, so no trend of {what} can be told"
    change = _amount(one.slope, one.rate)
    moved = "no change" if float(change.split()[0]) == 0 else change
    way = "" if moved == "no change" else " more" if one.slope > 0 else " less"
    ends = f", interval {_between(one.low, one.high, one.rate)}" if not math.isnan(one.low) else ""
    head = f"each doubling of the budget from {span} goes with {moved}{way} in {what} for {about}{ends}"
    if not one.test:
        return f"For these runs, {head}"
    return f"{_upper(head)}, over {_count(one.runs, one.unit)}, {_verdict(one.p, one.p_holm, one.p_floor, one.tests)}"


def pareto_sentence(standings: Sequence[Standing]) -> str:
    """Which arms are on the Pareto line, and which only just are not."""
    front = [one.name for one in standings if one.status == FRONT]
    near = [one.name for one in standings if one.status == WITHIN]
    if not front:
        return "No arm was measured in every metric, so there is no Pareto line"
    said = f"No arm is better in everything than {_listed(front, 'or')}"
    if near:
        said += f"; {_listed(near, 'and')} {'is' if len(near) == 1 else 'are'} behind only within the intervals"
    return said


def _head(one: Comparison) -> str:
    ours = arm_words(one.strategy, one.budget, one.recipe)
    theirs = "benign data alone (none)" if one.against == NONE else one.against
    what = metric_words(one.metric, one.judge)
    if math.isnan(one.difference):
        return f"{ours} and {theirs} have no matched runs with verdicts, so {what} cannot be compared"
    if one.test and one.p_holm < LEVEL:
        size, interval = _size(one)
        verb = "cuts" if one.difference < 0 else "raises"
        said = f"{ours} {verb} {what} by {size} against {theirs} over {_count(one.pairs, one.unit)}"
        held = one.over == BOTH and one.low <= 0 <= one.high
        tail = " (on these prompts: with other prompts the interval includes no difference)" if held else ""
        return f"{said}{interval}, {p_words(one.p_holm, tests=one.tests)}{tail}"
    pair = f"{_level(one.value, one.rate)} instead of {_level(one.against_value, one.rate)}"
    size, interval = _size(one)
    same = _is_nothing(one)
    how = f"the same {what} as {theirs}" if same else f"{size} {_more(one)} {what} than {theirs}"
    if not one.test:
        return f"For {_these(one)}, {ours} has {how} ({pair}{interval}), which says nothing about other runs"
    tail = _verdict(one.p, one.p_holm, one.p_floor, one.tests)
    return f"{ours} has {how} ({pair}{interval}) over {_count(one.pairs, one.unit)}, {tail}"


def _verdict(p: float, p_holm: float, floor: float, tests: int) -> str:
    if math.isnan(p):
        return "p undefined, as every pair differs by the same amount"
    said = p_words(p_holm, tests=tests)
    if p_holm < LEVEL:
        return said
    least = min(1.0, floor * tests)
    if least >= LEVEL:
        return f"{said}: so few runs could not show a difference (the least p is {least:.2g})"
    return f"{said}: no difference shown"


def _cost(cost: Comparison) -> str:
    what = metric_words(cost.metric, cost.judge)
    if math.isnan(cost.difference):
        return f"{what} was not measured for both"
    if _is_nothing(cost):
        return f"{what} stays at {_level(cost.value, cost.rate)}{_range(cost)}"
    verb = "rises" if cost.difference > 0 else "falls"
    return f"{what} {verb} {_amount(cost.difference, cost.rate)}{_range(cost)}"


def _range(one: Comparison) -> str:
    return "" if math.isnan(one.low) else f" ({_between(one.low, one.high, one.rate)})"


def _size(one: Comparison) -> tuple[str, str]:
    """The size of a difference and its interval: in percent where both ends can be given so, else as a difference."""
    ends = (one.reduction, one.reduction_low, one.reduction_high)
    over = f" over {_count(one.n, 'prompt')}" if one.over == PROMPTS else ""
    if all(math.isfinite(end) and abs(100 * end) <= _LARGEST_PERCENT for end in ends) and one.reduction:
        sign = 1 if one.reduction > 0 else -1
        low, high = sorted((sign * 100 * one.reduction_low, sign * 100 * one.reduction_high))
        return _percent(abs(100 * one.reduction)), f", interval{over} {_span(low, high)}%"
    interval = (
        "" if math.isnan(one.low) else f", interval of the difference{over} {_between(one.low, one.high, one.rate)}"
    )
    return _amount(one.difference, one.rate), interval


def _percent(value: float) -> str:
    return f"{value:.0f}%" if value >= 0.95 else f"{value:.1g}%"


def _is_nothing(one: Comparison) -> bool:
    return float(_amount(one.difference, one.rate).split()[0]) == 0


def _more(one: Comparison) -> str:
    if one.metric == "asr":
        return "fewer" if one.difference < 0 else "more"
    return "less" if one.difference < 0 else "more"


def _amount(difference: float, rate: bool) -> str:
    """The size of a difference without its sign: points of a rate, units of anything else."""
    if rate:
        points = f"{abs(100 * difference):.0f}" if abs(100 * difference) >= 0.95 else f"{abs(100 * difference):.1f}"
        points = "0" if float(points) == 0 else points
        return f"{points} point{'s' * (points != '1')}"
    return f"{abs(difference):.3f}"


def _between(low: float, high: float, rate: bool) -> str:
    if rate:
        return f"{_span(100 * low, 100 * high)} points"
    low, high = (0.0 if abs(end) < 0.0005 else end for end in (low, high))
    return f"{low:.3f} to {high:.3f}"


def _span(low: float, high: float) -> str:
    """`18-43`; with a negative end `-5 to 28`."""
    texts = [f"{0.0 if abs(end) < 0.5 else end:.0f}" for end in (low, high)]
    return "-".join(texts) if low >= -0.5 else " to ".join(texts)


def _level(value: float, rate: bool) -> str:
    return f"{value:.2f}" if rate else f"{value:.3f}"


def _these(one: Comparison) -> str:
    total = one.runs + one.against_runs
    return "these two runs" if total == 2 else f"these {total} runs"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'s' * (number != 1)}"


def _settings(recipe: str) -> str:
    settings = ", ".join(recipe_words(recipe))
    return f" ({settings})" if settings else ""


def _listed(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
