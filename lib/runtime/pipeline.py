"""The driver: plan, run the first stage that has something missing, plan again.

Planning again after each stage is what gives cells their keys (a cell is named by the rows that a sample really picked),
and is also how a run resumes: there is no other state than the store.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from lib.errors import RetriableError, UserError, unknown
from lib.plan import STAGES, FailedCell, Lookup, Node, Plan, make_plan
from lib.plan.stored import store_plan
from lib.plan.tried import read_tried
from lib.progress import Progress
from lib.runtime.observer import Observer
from lib.runtime.outputs import write_exports, write_selections
from lib.runtime.session import Session, remote_errors
from lib.runtime.trackers import check_trackers
from lib.store import Store
from lib.study.part import seconds
from lib.study.schema import Study

Outcomes = dict[str, dict[str, Any]]
"""Of fine-tunes without a result, by key: `error`, and `user`, is it the user's to mend? Or `left`, why it was not begun."""


Finish = Callable[[Plan, Lookup], None]
NAMED = 5
"""So many cells that are left are named."""


def run(
    study: Study,
    progress: Progress,
    *,
    until: str = STAGES[-1],
    cell: str | None = None,
    chosen: Collection[str] | None = None,
    failed: Outcomes | None = None,
    session: Session | None = None,
    finish: Finish | None = None,
) -> tuple[Plan, Lookup]:
    """Run every stage up to `until` that is not there yet. What a failed cell does not touch goes on to its end.

    Args:
        cell: train this cell alone, by its label.
        chosen: go through these cells alone, by their labels, and the untouched models (None: all).
        failed: takes cells that fail, which then is no error, and whose cells are left out from the start.
        session: to run in (None: one of its own, which ends with the run).
        finish: called with what came of it, also when cells failed or were left (the plan is then without them, and names
            them).

    Raises:
        UserError: the study or its data are wrong, it has no such cell, or a cell failed for a reason that the user can mend.
        RetriableError: the machine failed more often than was allowed.
    """
    if study.sweep.search.adaptive and STAGES.index(until) > STAGES.index("mix") and read_tried(study) is None:
        raise UserError(
            f"which cells this study has is found by its search ({study.sweep.search.method}): run jobs.sweep"
        )
    lookup = Lookup(Store(study.storage))
    plan = make_plan(study, lookup)  # what is wrong with the study is said before anything is written
    if cell is not None and not plan.open_budgets and cell not in plan.every_label:
        raise unknown("cell", cell, plan.every_label)
    check_trackers(study.track)
    lookup.store.prepare()
    store_plan(plan, lookup.store, ended=False)
    lenient, failed = failed is not None, {} if failed is None else failed
    begun, budget = time.monotonic(), study.sweep.time_budget
    observer = session.observer if session else Observer(study)
    with (
        observer.run(until),
        nullcontext(session)
        if session
        else Session(study.cluster, progress, observer, store=lookup.store) as open_session,
    ):
        if plan.first and STAGES.index(until) >= STAGES.index("mix"):
            _go_through(study, lookup, open_session, "train", failed, cell=cell, first=True)
            if not lenient or any(node.key in failed for node in make_plan(study, lookup, online=True).first.values()):
                raise_failures(failed, make_plan(study, lookup, online=True).labels)
        open_session.last_start = begun + seconds(budget) if budget else None  # not of models that all cells rest on
        _go_through(study, lookup, open_session, until, failed, cell=cell, chosen=chosen)
        with lookup.store.at_once():
            whole = make_plan(study, lookup, online=True)
            observer.planned(whole, lookup, failed)
    store_plan(whole, lookup.store, ended=not whole.open_budgets and cell is None)
    come = unfinished(whole, failed)
    if finish:
        finish(come, lookup)
    if come.left:
        progress.say(left_sentence(come, budget or ""))
    if not lenient:
        raise_failures(failed, whole.labels)
    return whole, lookup


def unfinished(plan: Plan, failed: Outcomes) -> Plan:
    """A plan without the cells that have no result, and with their names."""
    labels = plan.labels
    lost = tuple(
        FailedCell(label=labels[key], key=key, reason=" ".join(str(outcome["error"]).split()))
        for key, outcome in failed.items()
        if "error" in outcome
    )
    left = tuple(labels[key] for key, outcome in failed.items() if "left" in outcome)
    return replace(plan.without(failed), failed=lost, left=left)


def left_sentence(plan: Plan, budget: str) -> str:
    """What a run that was over in time did not come to."""
    named = ", ".join(plan.left[:NAMED]) + (", ..." if len(plan.left) > NAMED else "")
    return (
        f"time budget {budget} is over: {len(plan.left)} of {len(plan.left) + len(plan.failed) + len(plan.labels)} fine-tunes "
        f"are left ({named}); the same command goes on with them"
    )


def raise_failures(failed: Outcomes, labels: Mapping[str, str]) -> None:
    """Raise for cells that failed.

    Raises:
        UserError: a cell failed for a reason that the user can mend.
        RetriableError: a cell failed for another reason; the finished ones are kept.
    """
    errors = {key: outcome for key, outcome in failed.items() if "error" in outcome}
    if not errors:
        return
    key, outcome = next(iter(errors.items()))
    others = ", ".join(labels[other] for other in errors if other != key)
    more = f" ({len(errors)} cells failed; the others: {others})" if others else ""
    raise (UserError if outcome["user"] else RetriableError)(f"cell {labels[key]}: {outcome['error']}{more}")


def _go_through(
    study: Study,
    lookup: Lookup,
    session: Session,
    until: str,
    failed: Outcomes,
    *,
    cell: str | None = None,
    chosen: Collection[str] | None = None,
    first: bool = False,
) -> None:
    """Every stage in order, each planned anew.

    Args:
        failed: takes the fine-tunes that fail; what rests on them is left out from then on.
        cell: the only one to train.
        chosen: the only cells, by label.
        first: only what the models are made of, which is what has a key by then.
    """
    progress = session.progress
    for stage in STAGES[: STAGES.index(until) + 1]:
        with lookup.store.at_once():
            plan = make_plan(study, lookup, online=True)
            store_plan(plan, lookup.store, ended=False)
            session.observer.planned(plan, lookup, failed)
            labels = plan.labels  # of those that failed in a search before, too
            plan = plan.without(failed)
            plan = plan if chosen is None else plan.only(chosen)
            nodes = plan.nodes(stage)
            if stage == "model":
                nodes = [node for node in nodes if _is_needed(node, plan, until)]
            if first:
                nodes = [node for node in nodes if all(lookup.have(given) for given in node.inputs.values())]
            if stage == "train":
                nodes = _to_train(nodes, plan, cell, first)
            missing = [node for node in nodes if not lookup.have(node)]
            beside = [node for node in plan.nodes("utility") if stage == "generate" and not lookup.have(node)]
        if not nodes:
            continue
        if missing:
            progress.say(f"{stage}: {len(missing)} of {len(nodes)} to run")
            if stage == "generate" and STAGES.index(until) >= STAGES.index("utility"):
                missing += beside  # one engine start for both
            with session.observer.stage(stage, len(nodes), len(missing)), remote_errors():
                failed |= run_stage(stage, missing, plan, session, lookup)
            if study.sweep.on_cell_error == "stop":
                raise_failures(failed, labels)
        elif not first and chosen is None:
            progress.say(f"{stage}: have {len(nodes)} of {len(nodes)}")
        if stage == "sample":  # what people wait for at once, and not after the training
            write_selections(plan, lookup)
            if exported := write_exports(plan, lookup):
                progress.say(f"export: {exported}")


def _to_train(nodes: list[Node], plan: Plan, cell: str | None, first: bool) -> list[Node]:
    """The fine-tunes of this pass.

    Raises:
        UserError: the study has no such cell.
    """
    if first:
        nodes = [node for node in nodes if node in plan.first.values()]
    if cell is None:
        return nodes
    wanted = plan.trained(cell)
    if wanted is None:
        raise unknown("cell", cell, plan.every_label)
    if first and wanted not in plan.first.values():
        wanted = wanted.inputs["model"].inputs.get("cell")
    return [node for node in nodes if wanted is not None and node.key == wanted.key]


def _is_needed(model: Node, plan: Plan, until: str) -> bool:
    """Does any stage up to `until` read this model? A selection must not wait for the download of what it is trained on,
    nor training for that of a judge."""
    if until == "model":
        return True
    last, judges = STAGES.index(until), plan.nodes("judge")
    if last >= STAGES.index("mix") and not any(model in node.inputs.values() for node in judges):
        return True
    stages = [stage for stage in STAGES[: last + 1] if stage != "model"]
    return any(model in node.inputs.values() for stage in stages for node in plan.nodes(stage))


def run_stage(stage: str, missing: list[Node], plan: Plan, session: Session, lookup: Lookup) -> Outcomes:
    """Run the missing nodes of one stage. Runtime modules are imported here, when there is work for them.

    Returns:
        The fine-tunes that failed or were left.
    """
    progress = session.progress
    if stage == "ingest":
        from lib.runtime.ingest import ingest

        for outcome in ingest(session, lookup, missing):
            progress.say(f"ingest {outcome}")
    elif stage == "embed":
        from lib.runtime.embed import by_encoder, embed

        for nodes in by_encoder(missing):
            progress.say(f"embed {embed(session, lookup, nodes)}")
    elif stage == "guard":
        from lib.runtime.guards import guard_corpus

        for node in missing:
            progress.say(f"guard: {guard_corpus(session, lookup, node, plan.study)}")
    elif stage == "near":
        from lib.runtime.near import find_duplicates
        from lib.runtime.steps import run_steps

        for node in missing:
            if (node.identity or {})["what"] == "duplicates":
                progress.say(f"near duplicates: {find_duplicates(session, lookup, node)}")
        leaks = [node for node in missing if (node.identity or {})["what"] == "leakage"]
        for title, outcome in run_steps(session, lookup, leaks):
            progress.say(f"{title}: {outcome}")
    elif stage in ("cluster", "label"):
        from lib.runtime.cluster import cluster_corpus
        from lib.runtime.label import label_corpus

        for node in missing:
            progress.say(f"{stage}: {(cluster_corpus if stage == 'cluster' else label_corpus)(session, lookup, node)}")
    elif stage == "mix":
        from lib.runtime.mix import mix

        progress.say(f"mix {mix(session, lookup, missing)}")
    elif stage == "train":
        return _train(missing, plan, session, lookup)
    elif stage in ("generate", "utility"):
        from lib.runtime.generate import generate

        return generate(session, lookup, plan.cells, plan.study, missing)
    elif stage == "judge":
        from lib.runtime.judge import judge_answers

        judge_answers(session, lookup, plan.nodes("judge"), plan.study)
        progress.say(f"judge: {len(missing)} sets of answers judged")
    else:
        from lib.runtime.steps import run_steps

        for done, (title, outcome) in enumerate(run_steps(session, lookup, missing), start=1):
            progress.say(f"{stage} {done} of {len(missing)}: {title}: {outcome}")
    return {}


def _train(missing: list[Node], plan: Plan, session: Session, lookup: Lookup) -> Outcomes:
    from lib.runtime.train import cell_job, train_cells

    failed: Outcomes = {}
    labels = plan.labels
    groups: dict[tuple[str, str, str], list[Node]] = defaultdict(list)
    for node in missing:
        recipe = node.task["recipe"]
        groups[node.title, recipe["dtype"], recipe["quantize"]].append(node)
    for nodes in groups.values():
        if why := _closed(session, plan.study, failed):
            failed |= {str(node.key): {"left": why} for node in nodes}
            continue
        with lookup.store.at_once():
            jobs = [cell_job(lookup, node, labels[str(node.key)], plan.study) for node in nodes]
        outcomes = train_cells(
            session,
            lookup.store,
            jobs,
            model=lookup.address(nodes[0].inputs["model"]),
            title=nodes[0].inputs["model"].title,
            workers=plan.study.train.workers,
            retries=plan.study.train.retries,
            study=plan.study,
        )
        failed |= {key: outcome for key, outcome in outcomes.items() if "metrics" not in outcome}
    return failed


def _closed(session: Session, study: Study, failed: Outcomes) -> str:
    """Why no group is started any more; "" while they are."""
    if study.sweep.on_cell_error == "stop" and any("error" in outcome for outcome in failed.values()):
        return "a cell failed before it was begun"
    if session.time_left_s is not None and session.time_left_s <= 0:
        return "the time budget was over before it was begun"
    return ""
