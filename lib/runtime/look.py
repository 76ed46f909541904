"""What a cell is worth, while its search runs: its answers by the search's own engine, the verdicts, and the one number.

A finished cell's answers and verdicts are ordinary artifacts, and the pipeline finds them there when it goes over all cells.
"""

from __future__ import annotations

import io
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import UserError
from lib.judging.judge import make_judge, verdicts
from lib.plan import Cell, Lookup, Node, make_plan
from lib.plan.node import VERSIONS
from lib.plan.objective import OVER_REFUSAL, Objective
from lib.plan.points import Point
from lib.plan.tried import look_name
from lib.progress import Progress
from lib.runtime.cell_engine import CellEngine, CellJob
from lib.runtime.generate import answer_job, cell_job, engine_settings
from lib.runtime.judge import judge_answers
from lib.runtime.session import Session, remote_errors
from lib.statistics.metrics import GENERATION_COLUMNS, VERDICT_COLUMNS, rates
from lib.store import Store, digest_value
from lib.study.recipe import recipe_of
from lib.study.schema import Study

LOOK = "look"
"""What answers of a cell on its way are published as, until they are judged."""


@dataclass(frozen=True)
class Value:
    """What a search looks at, of one cell."""

    value: float
    over_refusal: float | None
    """The largest of the sets that it is limited on; None: no limit."""


class NotServed(Exception):
    """An engine does not answer for a cell, and goes on with others. The fault is nobody's to mend in the study."""


def ranks_of(study: Study) -> list[int]:
    """Every rank that an adapter of the searched points may end with: of LoRA, and of an average that has its own."""
    recipes = [recipe_of(study.recipe, one.recipe, one.name) for one in study.models]
    found: list[Any] = [one.lora.r for one in recipes] + [one.ema.rank for one in recipes if one.ema]
    for whole, name in (("recipe.lora", "r"), ("recipe.ema", "rank")):
        found += [one.get(name) for one in study.sweep.axes.get(whole, []) if isinstance(one, Mapping)]
        found += study.sweep.axes.get(f"{whole}.{name}", [])
        found += [int(one.to) for path, one in study.sweep.ranges.items() if path == f"{whole}.{name}"]
    return [rank for rank in found if rank]


class Answering:
    """The engine of one base model, started when it is first needed and restarted by Ray when it dies."""

    def __init__(self, session: Session, study: Study, model: str, title: str, dtype: str, rows: bool) -> None:
        self.session, self.study = session, study
        self.settings = engine_settings(session, study, model, dtype, title=title, rows=rows, rank=max(ranks_of(study)))
        self.actor: Any = None

    def ask(self, jobs: Sequence[Any]) -> None:
        """Have cells answer what they are asked.

        Raises:
            NotServed: a cell's answers would not be its own, or it lost its engine too often.
            RetriableError: the engine does not come up, or is lost too often.
        """
        import ray

        if self.actor is None:
            retries = self.study.train.retries
            self.actor = ray.remote(
                num_cpus=1, num_gpus=self.settings.gpus, runtime_env={"env_vars": self.settings.environment},
                max_restarts=retries, max_task_retries=retries,
            )(CellEngine).remote(self.settings, self.study.storage)  # fmt: skip
            self.session.progress.say(f"search: starting a vLLM engine ({self.settings.dtype})")
            with remote_errors():
                ray.get(self.actor.ready.remote(), timeout=self.session.cluster.start_deadline_s)
        with remote_errors():
            told = ray.get(self.actor.answer.remote(list(jobs)))
        if errors := [one["error"] for one in told if "error" in one]:
            raise NotServed(errors[0])

    def stop(self) -> None:
        """End the engine."""
        import ray

        if self.actor is not None:
            ray.kill(self.actor)


class Looker:
    """Finds cells by their points, and what they are worth."""

    def __init__(self, study: Study, model: str, objective: Objective) -> None:
        self.study, self.model, self.objective = study, model, objective
        self.lookup = Lookup(Store(study.storage))
        self.run = uuid.uuid4().hex
        self.judge = make_judge(objective.judge)

    def cell(self, point: Point) -> Cell:
        """The cell of a point as it stands in the store now."""
        plan = make_plan(self.study, self.lookup, online=True, points=[point])
        return next(cell for cell in plan.cells if cell.train is not None)

    def known(self, point: Point) -> Value | None:
        """What a trained, answered and judged cell is worth; None where one of these is missing."""
        cell = self.cell(point)
        if cell.train is None or not self.lookup.have(cell.train):
            return None
        return self._value(cell) if all(self.lookup.have(node) for node in self._verdicts(cell)) else None

    def find_out(self, point: Point, engine: Answering) -> Value:
        """What a trained cell is worth; asks and judges what is missing.

        Raises:
            UserError: it cannot be answered by this engine.
        """
        cell = self.cell(point)
        asked = [cell.generate[name] for name in self._sets]
        missing = [node for node in asked if not self.lookup.have(node)]
        if missing:
            self._refuse_other(missing[0], engine)
            tries = 1 + self.study.train.retries
            engine.ask([cell_job(self.lookup, cell, missing, self.study, self.run, tries)])
        quiet = Session(self.study.cluster, Progress(io.StringIO()))
        judge_answers(quiet, self.lookup, self._verdicts(cell), self.study)
        return self._value(cell)

    def name_looks(self, key: str) -> str:
        """What looks at a cell are kept under: all that decides their values."""
        asked = {name: self._base(name).key for name in self._sets}
        rules = self.study.sweep.search
        schedule = {"factor": rules.factor, "rungs": rules.rungs}  # a look's time is one of this schedule
        judged = {"judge": self.judge.identity, "metric": self.objective.metric, "version": VERSIONS["judge"]}
        return look_name(key, {"asked": asked, **judged, **schedule})

    def look(self, trained: CellJob, key: str, engine: Answering) -> Value:
        """What the weights that a cell has on its way are worth. Nothing of it stays.

        Args:
            trained: the weights, with nothing asked of them yet.
            key: stands for them.
        """
        asked = {}
        for name in self._sets:
            node = self._base(name)
            own = digest_value({"look": key, "asked": node.key})
            identity = {**(node.identity or {}), "train": key}
            job = answer_job(node, self.study, self.run, 1 + self.study.train.retries)
            asked[name] = replace(job, key=own, identity=identity, stage=LOOK)
        engine.ask([replace(trained, jobs=list(asked.values()))])
        self.judge.prepare({}, gpu=False)
        tables = {}
        for name, job in asked.items():
            folder = self.lookup.store.need(LOOK, job.key).folder
            answers = pq.read_table(folder / "generations.parquet")
            tables[name] = answers, verdicts(self.judge, answers)
            self.lookup.store.remove(folder.parent)
        return self._measured(tables)

    def _base(self, prompts: str) -> Node:
        """The prompt set as it is asked of the untouched model."""
        plan = make_plan(self.study, self.lookup, online=True, points=[])
        return next(cell for cell in plan.cells if cell.model == self.model).generate[prompts]

    @property
    def _sets(self) -> list[str]:
        return list(dict.fromkeys((self.objective.prompts, *self.objective.limited)))

    def _verdicts(self, cell: Cell) -> list[Node]:
        return [cell.judge[name, self.objective.judge] for name in self._sets]

    def _refuse_other(self, node: Node, engine: Answering) -> None:
        """Raises:
        UserError: the cell is served in another way than the engine was started for.
        """
        served = dict(node.identity or {})
        if served["dtype"] != engine.settings.dtype or (served["adapters"] == "rows") != engine.settings.rows:
            raise UserError(
                f"this cell is served in {served['dtype']} by {served['adapters']}, and the search's engine was started in "
                f"{engine.settings.dtype} by {'rows' if engine.settings.rows else 'swap'}: set evaluate.engine.dtype: fp32, or "
                "evaluate.engine.adapters: swap"
            )

    def _value(self, cell: Cell) -> Value:
        tables = {}
        for name in self._sets:
            answers = self.lookup.folder(cell.generate[name]) / "generations.parquet"
            told = self.lookup.folder(cell.judge[name, self.objective.judge]) / "verdicts.parquet"
            tables[name] = (
                pq.read_table(answers, columns=list(GENERATION_COLUMNS)),
                pq.read_table(told, columns=list(VERDICT_COLUMNS)),
            )
        return self._measured(tables)

    def _measured(self, tables: Mapping[str, tuple[pa.Table, pa.Table]]) -> Value:
        """By prompt set, answers and verdicts.

        Raises:
            UserError: no answer has a verdict.
        """
        numbers = {
            (rate.metric, name): rate.value
            for name, (answers, told) in tables.items()
            for rate in rates(answers, told, self.judge)
            if not rate.category
        }
        goal = self.objective
        limited = [numbers[OVER_REFUSAL, name] for name in goal.limited]
        found = Value(numbers[goal.metric, goal.prompts], max(limited, default=None))
        if not all(math.isfinite(one) for one in (found.value, *limited)):
            raise UserError(f"{goal.metric} could not be measured: no answer has a verdict")
        return found
