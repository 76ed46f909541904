"""A model that Ballast did not make, asked a study's prompt sets: no corpus is read and nothing is trained."""

from __future__ import annotations

from pathlib import Path

from lib.plan import Cell, Lookup, make_plan
from lib.progress import Progress
from lib.runtime.generate import generate
from lib.runtime.pipeline import run_stage
from lib.runtime.session import Session
from lib.store import Store
from lib.study.models import Model
from lib.study.schema import Study

NAME = "given"


def answer_alone(study: Study, source: str, progress: Progress) -> dict[str, Path]:
    """Answers of a model to every prompt set of a study.

    Args:
        source: a model source: a folder, `package:NAME`, `org/name@revision`. Its template is that of the study's first model.

    Returns:
        Prompt set -> its `generations.parquet`.
    """
    model = Model(name=NAME, source=source, template=study.models[0].template)
    alone = study.model_copy(update={"models": [model]})
    lookup = Lookup(Store(study.storage))
    lookup.store.prepare()
    plan = make_plan(alone, lookup, online=True)
    with Session(study.cluster, progress, store=lookup.store) as session:
        weights = (
            next(cell for cell in plan.cells if cell.train is None).generate[plan.prompt_sets[0].name].inputs["model"]
        )
        if not lookup.have(weights):
            run_stage("model", [weights], plan, session, lookup)
            plan = make_plan(alone, lookup, online=True)
        [base] = (cell for cell in plan.cells if cell.train is None)
        generate(session, lookup, [base], alone, list(base.generate.values()))
    return _files(base, lookup)


def _files(cell: Cell, lookup: Lookup) -> dict[str, Path]:
    return {name: lookup.folder(node) / "generations.parquet" for name, node in cell.generate.items()}
