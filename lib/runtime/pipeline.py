"""The driver: plan, run the first stage that has something missing, plan again.

Planning again after each stage is what gives cells their keys (a cell is named by the rows that a sample really picked),
and is also how a run resumes: there is no other state than the store.
"""

from __future__ import annotations

from collections import defaultdict

from lib.plan import STAGES, Lookup, Node, Plan, make_plan
from lib.progress import Progress
from lib.runtime.outputs import write_exports, write_selections
from lib.runtime.session import Session
from lib.store import Store
from lib.study.schema import Study


def run(study: Study, progress: Progress, *, until: str = STAGES[-1]) -> tuple[Plan, Lookup]:
    """Run every stage up to `until` that is not there yet.

    Raises:
        UserError: the study or its data are wrong.
        RetriableError: the machine failed more often than was allowed.
    """
    lookup = Lookup(Store(study.storage))
    make_plan(study, lookup)  # what is wrong with the study is said before anything is written
    lookup.store.prepare()
    with Session(study.cluster, progress) as session:
        for stage in STAGES[: STAGES.index(until) + 1]:
            plan = make_plan(study, lookup, online=True)
            nodes = plan.nodes(stage)
            if stage == "model":
                nodes = [node for node in nodes if _is_needed(node, plan, until)]
            missing = [node for node in nodes if not lookup.have(node)]
            if not nodes:
                continue
            if missing:
                progress.say(f"{stage}: {len(missing)} of {len(nodes)} to run")
                run_stage(stage, missing, plan, session, lookup)
            else:
                progress.say(f"{stage}: have {len(nodes)} of {len(nodes)}")
            if stage == "sample":  # what people wait for at once, and not after the training
                write_selections(plan, lookup)
                if exported := write_exports(plan, lookup):
                    progress.say(f"export: {exported}")
        plan = make_plan(study, lookup, online=True)
    return plan, lookup


def _is_needed(model: Node, plan: Plan, until: str) -> bool:
    """Does any stage up to `until` read this model? A selection must not wait for the download of what it is trained on."""
    if until == "model" or STAGES.index(until) >= STAGES.index("mix"):
        return True
    stages = STAGES[: STAGES.index(until) + 1]
    return any(model in node.inputs.values() for stage in stages for node in plan.nodes(stage))


def run_stage(stage: str, missing: list[Node], plan: Plan, session: Session, lookup: Lookup) -> None:
    """Run the missing nodes of one stage. Runtime modules are imported here, when there is work for them."""
    progress = session.progress
    if stage == "ingest":
        from lib.runtime.ingest import ingest

        for outcome in ingest(session, lookup, missing):
            progress.say(f"ingest {outcome}")
    elif stage == "embed":
        from lib.runtime.embed import embed

        progress.say(f"embed {embed(session, lookup, missing)}")
    elif stage == "guard":
        from lib.runtime.guards import guard_corpus

        for node in missing:
            progress.say(f"guard: {guard_corpus(session, lookup, node, plan.study)}")
    elif stage in ("cluster", "label"):
        from lib.runtime.cluster import cluster_corpus
        from lib.runtime.label import label_corpus

        for node in missing:
            progress.say(f"{stage}: {(cluster_corpus if stage == 'cluster' else label_corpus)(session, lookup, node)}")
    elif stage == "mix":
        from lib.runtime.mix import mix

        progress.say(f"mix {mix(session, lookup, missing)}")
    elif stage == "train":
        _train(missing, plan, session, lookup)
    elif stage == "generate":
        from lib.runtime.generate import generate

        generate(session, lookup, plan.cells, plan.study)
    elif stage == "judge":  # text work of milliseconds: not worth a process, and a new judge must not start Ray
        from lib.runtime.steps import make_step, run_step

        for node in missing:
            run_step(node.title, make_step(lookup, node))
        progress.say(f"judge: {len(missing)} sets of answers judged")
    else:
        from lib.runtime.steps import run_steps

        for done, (title, outcome) in enumerate(run_steps(session, lookup, missing), start=1):
            progress.say(f"{stage} {done} of {len(missing)}: {title}: {outcome}")


def _train(missing: list[Node], plan: Plan, session: Session, lookup: Lookup) -> None:
    from lib.runtime.train import cell_job, raise_failures, train_cells

    labels = {cell.train.key: cell.label for cell in plan.cells if cell.train}
    groups: dict[tuple[str, str], list[Node]] = defaultdict(list)
    for node in missing:
        groups[node.title, node.task["recipe"]["dtype"]].append(node)
    for nodes in groups.values():
        outcomes = train_cells(
            session,
            lookup.store,
            [cell_job(lookup, node, labels[node.key]) for node in nodes],
            model=lookup.folder(nodes[0].inputs["model"]),
            workers=plan.study.train.workers,
            retries=plan.study.train.retries,
            study=plan.study.name,
        )
        raise_failures(outcomes, {str(key): label for key, label in labels.items()})
