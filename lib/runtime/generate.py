"""The generate stage: one pool of engines per base model and precision answers for the base and for every cell."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from lib.errors import UserError
from lib.plan import Cell, Lookup, Node
from lib.progress import duration
from lib.runtime.answer import AnswerJob
from lib.runtime.cell_engine import CellEngine, CellJob, Trained
from lib.runtime.engine_pool import on_engines
from lib.runtime.lm_eval import task_job
from lib.runtime.session import Session
from lib.runtime.vllm_engine import EngineSettings

VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
PLACED = {"max_model_tokens", "kv_cache_gb", "gpu_memory", "compile", "tensor_parallel", "stuck_s"}
"""What of a study's engine is passed on as it is."""

Asked = tuple[Cell, list[Node]]


def generate(
    session: Session, lookup: Lookup, cells: Sequence[Cell], study: Any, nodes: Collection[Node]
) -> dict[str, dict[str, Any]]:
    """Answer prompt sets and tasks: engines by (model, precision), cells one after the other.

    All of one cell go together, so that its weights are loaded once.

    Args:
        nodes: what to do, of the stages generate and utility.

    Returns:
        Fine-tunes that cannot be asked, by key: `{"error": why, "user": False}`.

    Raises:
        UserError: a prompt or an adapter that the engine has no room for.
        RetriableError: engines were lost too often, or on the base model.
    """
    failed: dict[str, dict[str, Any]] = {}
    wanted = {node.key for node in nodes}
    work: dict[tuple[str, str, bool], dict[str, tuple[Cell, list[Node]]]] = defaultdict(dict)
    with lookup.store.at_once():
        open_cells = [
            (cell, [node for node in (*cell.generate.values(), *cell.utility.values())
                    if node.key in wanted and not lookup.have(node)])
            for cell in cells
        ]  # fmt: skip
    for cell, missing in open_cells:
        if missing:
            identity = dict(missing[0].identity or {})
            place = (lookup.address(missing[0].inputs["model"]), identity["dtype"], identity["adapters"] == "rows")
            _, asked = work[place].setdefault(str(cell.train and cell.train.key), (cell, []))  # loaded once
            asked += [node for node in missing if node.key not in {one.key for one in asked}]
    for (model, dtype, rows), todo in work.items():
        ranks = [_rank_of(cell.train.task["recipe"]) for cell, _ in todo.values() if cell.train and rows]
        title = next(iter(todo.values()))[1][0].inputs["model"].title
        settings = engine_settings(session, study, model, dtype, title=title, rows=rows, rank=max(ranks, default=8))
        failed |= _answer_cells(session, lookup, settings, list(todo.values()), study)
    return failed


def engine_settings(
    session: Session, study: Any, model: str, dtype: str, *, title: str, rows: bool, rank: int
) -> EngineSettings:
    """What an engine of a study is started with.

    Args:
        model: where the folder of the base is found.
        title: what the dashboard calls it.
        rows: adapters by the row.
        rank: the largest that an adapter has.
    """
    engine = study.evaluate.engine
    return EngineSettings(
        model=model, dtype=dtype, rows=rows, max_rank=_vllm_rank(rank), max_loras=engine.max_loras if rows else 1,
        gpu=session.gpus > 0, threads=session.threads, study=study.name, title=title,
        **engine.model_dump(include=PLACED),
    )  # fmt: skip


def _rank_of(recipe: dict[str, Any]) -> int:
    """The rank of the adapter that a recipe ends with."""
    rank: int = (recipe["ema"] or {}).get("rank") or recipe["lora"]["r"]
    return rank


def _vllm_rank(rank: int) -> int:
    """vLLM takes a few adapter ranks only: the smallest that holds this one."""
    if rank > VLLM_RANKS[-1]:
        raise UserError(
            f"an adapter of rank {rank} is larger than vLLM serves by the row ({VLLM_RANKS[-1]}): set "
            "evaluate.engine.adapters: swap"
        )
    return next(size for size in VLLM_RANKS if size >= rank)


def _answer_cells(
    session: Session, lookup: Lookup, settings: EngineSettings, todo: list[Asked], study: Any
) -> dict[str, dict[str, Any]]:
    """Engines fed with cells until none is left; those of one group share a batch. Returns the fine-tunes that failed."""
    size, tries, run = settings.max_loras, 1 + study.train.retries, uuid.uuid4().hex
    groups = [todo[start : start + size] for start in range(0, len(todo), size)]

    def ask(engine: Any, group: list[Asked]) -> Any:
        return engine.answer.remote([cell_job(lookup, cell, nodes, study, run, tries) for cell, nodes in group])

    def name(group: list[Asked]) -> str:
        return ", ".join(cell.label for cell, _ in group)

    asked = [node.task["prompts"].prompts for _, nodes in todo for node in nodes if node.stage == "generate"]
    blocks = 1 + sum(-(-len(prompts) // study.evaluate.engine.block) for prompts in asked)
    begun, done = time.monotonic(), 0
    failed: dict[str, dict[str, Any]] = {}
    answered = on_engines(
        session, "generate", CellEngine, settings, [lookup.store.storage], groups, ask=ask, retries=tries * blocks,
        name=name,
    )  # fmt: skip
    for group, results in answered:
        begun = begun if done else time.monotonic() - next((one["seconds"] for one in results if "seconds" in one), 0)
        for (cell, _), said in zip(group, results, strict=True):
            done += 1
            if "error" in said:
                assert cell.train is not None
                failed[str(cell.train.key)] = {**said, "user": False}
                session.progress.say(f"generate {done} of {len(todo)} cells: {cell.label}: FAILED: {said['error']}")
                continue
            canary_text = "" if cell.train is None else f", canary {said['canary']} ({said['distance']:.3f} nats)"
            left = duration((len(todo) - done) * (time.monotonic() - begun) / done)
            told = f"{cell.label}, {said['tokens']} tokens{canary_text}" + (
                f", {left} left" if done < len(todo) else ""
            )
            session.progress.say(f"generate {done} of {len(todo)} cells: {told}")
            session.observer.answered(cell.label, cell.train.key if cell.train else None, said)
    return failed


def cell_job(lookup: Lookup, cell: Cell, nodes: list[Node], study: Any, run: str, tries: int) -> CellJob:
    """What of some nodes of a cell is not answered yet, for its engine.

    Args:
        run: names the driver's run.
        tries: how often a block may be asked in it.
    """
    trained = None
    if cell.train is not None:
        form = (lookup.facts(cell.train) or {})["form"]
        trained = Trained(key=str(cell.train.key), folder=lookup.address(cell.train), form=form)
    todo = [node for node in nodes if not lookup.have(node)]
    jobs = [task_job(node) if node.stage == "utility" else answer_job(node, study, run, tries) for node in todo]
    return CellJob(cell=trained, jobs=jobs)


def answer_job(node: Node, study: Any, run: str, tries: int) -> AnswerJob:
    """A generate node for an engine."""
    return AnswerJob(
        key=str(node.key),
        identity=dict(node.identity or {}),
        prompts=[(p.text, p.kind, p.categories) for p in node.task["prompts"].prompts],
        template=node.task["template"],
        generation=node.task["generation"],
        block=study.evaluate.engine.block,
        run=run,
        tries=tries,
        **node.task["prompts"].variant,
    )
