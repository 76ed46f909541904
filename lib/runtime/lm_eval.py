"""Tasks of lm-evaluation-harness, asked of an engine that has a cell loaded, in the same pass that answers its prompt sets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import UserError
from lib.harness.catalogue import find_task
from lib.harness.data import Rows, read_data
from lib.harness.questions import Questions
from lib.models.family import find_family
from lib.models.source import model_shape
from lib.plan import Node
from lib.plan.utility import AskedTask
from lib.store import digest_value
from lib.study.lm_eval import HarnessTask
from lib.training.canary import CanaryResult

if TYPE_CHECKING:
    from lib.runtime.cell_engine import CellEngine


@dataclass(frozen=True, kw_only=True)
class TaskJob:
    """One task, or group of tasks, to be done by one model."""

    key: str
    identity: dict[str, Any]
    questions: Questions
    family: str
    block: int

    def do(self, engine: CellEngine, beside: str | None, checked: CanaryResult) -> int:
        """Ask what the engine has loaded, and publish the harness' results; the number of generated tokens.

        Raises:
            UserError: data or prompts that do not fit, or no chat template.
        """
        from lib.harness.model import EngineModel
        from lib.harness.run import measure

        settings = engine.settings
        base = Path(settings.model)
        family = find_family(base, self.family)
        chat = engine.tokenizer.chat_template or family.chat
        if self.questions.chat and not chat:
            raise UserError(
                f"lm_eval task {self.questions.task} is asked with chat: true, and {base.name} has no chat template"
            )
        with engine.store.attempt("utility", self.key, self.identity, resumable=True) as attempt:
            model = EngineModel(
                lambda ids, sampling: engine.outputs(ids, beside, sampling), engine.tokenizer, parts=attempt.address,
                window=settings.max_model_tokens, block=self.block, whole_prompts=settings.gpu or beside is None, chat=chat,
                longest=model_shape(base).get("max_position_embeddings", settings.max_model_tokens),
            )  # fmt: skip
            attempt.files, attempt.facts = measure(model, self.questions, attempt.folder)
            attempt.facts["canary"] = {
                "status": checked.status, "distance": round(checked.distance, 6), "reason": checked.reason,
            }  # fmt: skip
            attempt.about = {"engine": settings.dtype, "rows": settings.rows, "threads": settings.threads}
        engine.meter.add("ballast_tokens_generated", model.tokens)
        return int(model.tokens)


def task_job(node: Node) -> TaskJob:
    """The job of a utility node. Local data are read here, so that an engine elsewhere need not see the files."""
    task: AskedTask = node.task["task"]
    identity = dict(node.identity or {})
    questions = Questions(
        key=digest_value(dict(task.identity or {})), task=task.name, folders=task.entry.folders, limit=task.asked.limit,
        num_fewshot=task.asked.num_fewshot, chat=task.asked.chat, rows=_rows(task), commits=dict(task.commits),
    )  # fmt: skip
    return TaskJob(
        key=str(node.key), identity=identity, questions=questions, family=node.task["family"], block=identity["block"]
    )


def _rows(task: AskedTask) -> dict[str, Rows] | None:
    return _read(task.asked.model_dump_json(), digest_value(dict(task.identity or {}))) if task.asked.data else None


@lru_cache(maxsize=8)
def _read(asked: str, content: str) -> dict[str, Rows]:
    """Local data, read once for all cells as long as its content is the same."""
    parsed = HarnessTask.model_validate_json(asked)
    return read_data(find_task(parsed.task).leaves, parsed)
