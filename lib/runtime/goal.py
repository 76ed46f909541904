"""The smallest budget that meets the study's goal: train what the search asks for next, tell it what came of it, ask again.

A round is an ordinary run of the pipeline on some cells of the study's plan. All that a search knows are the results of finished
cells, so that a driver that was killed finds them in the store, tells them again, and is where it was.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from lib.errors import UserError
from lib.goal.limit import UTILITY_DROP, Limit, limits_of
from lib.goal.replay import Run
from lib.goal.search import SmallestBudget
from lib.goal.verdict import GoalVerdict, require
from lib.outgoing import tell
from lib.plan import Cell, Lookup, Plan, make_plan
from lib.progress import Progress
from lib.runtime.observer import Observer
from lib.runtime.outputs import study_name
from lib.runtime.pipeline import Outcomes, run, unfinished
from lib.runtime.session import Session
from lib.statistics.arms import coordinates
from lib.statistics.catalogue import metric as known
from lib.statistics.results import make_results
from lib.statistics.utility import is_usefulness
from lib.store import Store
from lib.study.goal import Goal
from lib.study.schema import Study

NONE, HARNESS, LOSS = "none", "lm_eval", "holdout_loss"

Values = dict[tuple[str, str, str], tuple[float, int]]
"""(metric, judge, prompt set) -> value and n, over all categories."""


@dataclass
class Search:
    """The search for one model, strategy and recipe."""

    labels: dict[int, list[str]] = field(default_factory=dict)
    """By budget, the cells of its different runs."""
    seeds: dict[str, int] = field(default_factory=dict)
    """Cell -> its seed, which tells the run of `none` that it is held against."""
    crossed: int = 0
    """Of several draws x several seeds, how many runs a budget could have had; 0 where all of them count."""
    found: SmallestBudget | None = None


Key = tuple[str, str, str]
"""Model, strategy, recipe."""
Finish = Callable[[Plan, Lookup, Mapping[Key, GoalVerdict]], None]


def search_budgets(study: Study, progress: Progress, finish: Finish) -> dict[Key, GoalVerdict]:
    """Search for each model, strategy and recipe; write `goal.json` beside the report.

    Args:
        finish: called with the cells that were run and the verdicts.

    Raises:
        UserError: a goal that this study cannot measure.
        GoalMissed: a model has no strategy that reaches the goal.
    """
    with Session(study.cluster, progress, Observer(study), store=Store(study.storage)) as session:
        return _search(study, progress, session, finish)


def _search(study: Study, progress: Progress, session: Session, finish: Finish) -> dict[Key, GoalVerdict]:
    assert study.goal is not None
    if study.sweep.time_budget:
        raise UserError(
            "sweep.time_budget does not go with a goal, whose search spends no more than half of the grid: leave it out"
        )
    lookup = Lookup(Store(study.storage))
    run(
        study, progress, until="sample", session=session
    )  # which draws are different runs is known when rows are picked
    plan = make_plan(study, lookup, online=True)
    searches, references = _grid(plan)
    if crossed := next((search for search in searches.values() if search.crossed), None):
        progress.say(
            f"goal: {len(next(iter(crossed.labels.values())))} of {crossed.crossed} runs a budget count, those that share "
            "neither draw nor seed, since others are not independent; for more give one seed and more draws, or more draws "
            "and as many seeds"
        )
    needed = {label for runs in references.values() for label in runs.values()} if _compares(study.goal) else set()
    failed: Outcomes = {}
    run(study, progress, chosen=needed, failed=failed, session=session)
    limits = _limits(study.goal, _values(make_plan(study, lookup, online=True).only(()), lookup, None), bool(needed))
    for key, search in searches.items():
        draws = min(len(labels) for labels in search.labels.values())
        search.found = SmallestBudget(search.labels, draws, limits, study.goal.confidence)
        if search.found.too_small:
            more = "draws and as many seeds" if search.crossed else "draws or seeds"
            progress.say(f"goal: {_named(key)} has {draws} runs a budget, too few to decide: give more {more}")
    asked = set(needed)
    while True:
        wanted = {label for search in searches.values() for label, _ in _asked(search)}
        if not wanted:
            break
        asked |= wanted
        progress.say(f"goal: {len(wanted)} cells next, {len(asked)} of {len(plan.labels)} so far")
        run(study, progress, chosen=wanted, failed=failed, session=session)
        _tell(study, lookup, searches, references, failed)
    verdicts = {key: search.found.verdict() for key, search in searches.items() if search.found}
    told = {_named(key): asdict(verdict) for key, verdict in verdicts.items()}
    text = json.dumps(_plain(told), indent=1, ensure_ascii=False) + "\n"
    lookup.store.shared.write(f"{study_name(study)}/goal.json", text.encode())
    finish(unfinished(make_plan(study, lookup, online=True), failed).only(asked), lookup, verdicts)
    for key, verdict in verdicts.items():
        tell(f"goal, {_named(key)}: {verdict.why}")
    require({(key[0], _arm(key)): verdict for key, verdict in verdicts.items()})
    return verdicts


def _grid(plan: Plan) -> tuple[dict[Key, Search], dict[tuple[str, str], dict[int, str]]]:
    """What is searched, and the run of `none` by (model, recipe) and seed."""
    found: dict[Key, dict[int, dict[tuple[int, int], str]]] = defaultdict(dict)
    references: dict[tuple[str, str], dict[int, str]] = {}
    for head, runs, _ in coordinates(plan):
        model, strategy, budget, recipe = (head[name] for name in ("model", "strategy", "budget", "recipe"))
        if strategy == NONE:
            references[model, recipe] = {seed: cell.label for (_, seed), cell in runs.items()}
        elif strategy != "base" and budget:
            found[model, strategy, recipe][budget] = {place: cell.label for place, cell in runs.items()}
    return {key: _independent(plan, key, budgets) for key, budgets in found.items()}, references


def _independent(plan: Plan, key: Key, budgets: dict[int, dict[tuple[int, int], str]]) -> Search:
    """Where draws and seeds are crossed, the runs that share neither: at every budget the same pairs, in the same order.

    Args:
        budgets: by budget and (draw, seed) the cells of its different runs.
    """
    model, strategy, recipe = key
    draws, seeds = (sorted({place[k] for runs in budgets.values() for place in runs}) for k in (0, 1))
    crossed = 0
    if min(len(draws), len(seeds)) > 1:
        crossed = max(len(runs) for runs in budgets.values())
        cells = {name: cell.label for cell in plan.cells for name in (cell.label, *cell.also)}
        axes = next(c.axes for c in plan.cells if c.train and json.dumps(dict(c.axes), sort_keys=True) == recipe)
        for budget in budgets:
            places = list(zip(draws, seeds, strict=False))
            wanted = [
                Cell(model=model, strategy=strategy, budget=budget, draw=draw, seed=seed, axes=axes).label
                for draw, seed in places
            ]
            budgets[budget] = {place: cells[name] for place, name in zip(places, wanted, strict=True)}
    return Search(
        labels={budget: list(runs.values()) for budget, runs in budgets.items()},
        seeds={label: seed for runs in budgets.values() for (_, seed), label in runs.items()},
        crossed=crossed,
    )


def _compares(goal: Goal) -> bool:
    return goal.utility_drop_at_most is not None


def _limits(goal: Goal, base: Mapping[str, Values], references: bool) -> tuple[Limit, ...]:
    """The limits of the goal, one for each prompt set that gives the metric, as the untouched models have it.

    Raises:
        UserError: the first judge gives no such metric, there is no `none` to hold usefulness against, or no score of it.
    """
    values = next(iter(base.values()))
    sets: dict[str, dict[str, int]] = defaultdict(dict)
    for (metric, _, prompts), (_, n) in values.items():
        sets[metric][prompts] = n
    if goal.metric not in sets:
        given = ", ".join(sorted(metric for metric in sets if metric != LOSS))
        raise UserError(
            f"goal.metric {goal.metric!r} is not measured by the first judge of this study (it gives: {given})"
        )
    if _compares(goal) and not references:
        raise UserError("goal.utility_drop_at_most is held against strategy none: add none to sweep.strategy")
    scores = [(metric, judge) for metric, judge, _ in values if judge == HARNESS]
    if _compares(goal) and scores and not any(is_usefulness(*score) for score in scores):
        given = ", ".join(sorted({metric for metric, _ in scores}))
        raise UserError(
            f"goal.utility_drop_at_most needs a score of which more is better, and evaluate.lm_eval gives {given}: add a task "
            "with acc or exact_match, or leave lm_eval out for the held-out loss"
        )
    counts = {metric: max(found.values()) for metric, found in sets.items() if known(metric).unit == "rate"}
    return tuple(
        one
        for limit in limits_of(goal, counts)
        for one in (
            [limit]
            if limit.metric == UTILITY_DROP
            else [
                replace(limit, metric=f"{limit.metric} {prompts}", prompts=limit.prompts and n)
                for prompts, n in sets[limit.metric].items()
            ]
        )
    )


def _asked(search: Search) -> Iterator[tuple[str, Run]]:
    """The cells that a search needs next."""
    if search.found is not None and not search.found.too_small:
        for one in search.found.ask():
            yield search.labels[one.budget][one.draw], one


def _tell(
    study: Study,
    lookup: Lookup,
    searches: Mapping[Key, Search],
    references: Mapping[tuple[str, str], Mapping[int, str]],
    failed: Outcomes,
) -> None:
    """Tell every search the outcomes that it has asked for."""
    plan = make_plan(study, lookup, online=True)
    lost = {label for key, label in plan.labels.items() if key in failed}
    wanted = {label: run for search in searches.values() for label, run in _asked(search)}
    beside = (
        {label for runs in references.values() for label in runs.values()}
        if study.goal and _compares(study.goal)
        else set()
    )
    values = _values(plan.without(failed).only({*wanted, *beside}), lookup, {*wanted, *beside})
    for (model, _, recipe), search in searches.items():
        for label, one in list(_asked(search)):
            assert search.found is not None
            if label in lost:
                search.found.tell(one, None)
                continue
            outcome = {f"{metric} {prompts}": value for (metric, _, prompts), (value, _) in values[label].items()}
            reference = references.get((model, recipe), {}).get(search.seeds[label])
            if reference in values:
                outcome[UTILITY_DROP] = _drop(values[reference], values[label])
            search.found.tell(
                one,
                outcome if all(math.isfinite(outcome.get(k.metric, math.nan)) for k in search.found.limits) else None,
            )


def _values(plan: Plan, lookup: Lookup, labels: set[str] | None) -> dict[str, Values]:
    """Results of cells by label (None: the untouched models), by the first judge or by none."""
    judges = {plan.study.evaluate.judges[0], HARNESS, ""}
    cells = [cell for cell in plan.cells if (cell.train is None if labels is None else cell.train is not None)]
    found: dict[str, Values] = {}
    for cell in cells:
        rows = make_results(replace(plan, cells=(cell,)), lookup).to_pylist()
        values = {
            (row["metric"], row["judge"], row["prompts"]): (row["value"], row["n"])
            for row in rows
            if row["judge"] in judges and not row["category"] and row["value"] is not None
        }
        found |= dict.fromkeys((cell.label, *cell.also), values)
    return found


def _drop(reference: Values, own: Values) -> float:
    """What usefulness lost against `none`, as a share."""
    scores = [key for key in reference if is_usefulness(key[0], key[1]) and key in own]
    if scores:
        return sum(reference[key][0] - own[key][0] for key in scores) / len(scores)
    losses = [found[key][0] for found in (own, reference) for key in found if key[0] == LOSS]
    return 1 - math.exp(-(losses[0] - losses[1])) if len(losses) == 2 else math.nan


def _arm(key: Key) -> str:
    """Strategy and, where recipes are swept, recipe."""
    return key[1] if key[2] in ("", "{}") else f"{key[1]} {key[2]}"


def _named(key: Key) -> str:
    return f"{key[0]} {_arm(key)}"


def _plain(value: Any) -> Any:
    """JSON has no infinity."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
