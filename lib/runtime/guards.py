"""The guard stage: a guard model reads the corpus on the same engines that answer prompts; verdicts by hash partition.

Partitions are cut for this stage alone, small enough that a lost engine or a killed driver costs a minute's work. Equal
prompts within a partition are asked once; answers to one instruction share its prefix in the engine's cache, since rows
are in order of their ids and an id begins with its instruction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.corpus.partitions import Part, all_parts, read_part
from lib.files import write_table
from lib.guards.guard import Ask, Guard, make_guard
from lib.plan import Lookup, Node
from lib.runtime.engine_pool import on_engines
from lib.runtime.session import Session
from lib.runtime.vllm_engine import EngineSettings, VllmEngine
from lib.store import at, deliver, here
from lib.store.place import Address
from lib.study.schema import Study

PART_ROWS = 2048
QUESTIONS = ("harmful_request", "refusal", "harmful_response")
VERDICTS = pa.schema(
    [("id", pa.string()), *((question, pa.bool_()) for question in QUESTIONS), ("said", pa.list_(pa.string()))]
)
"""One row per row of the pool, in order of id. `said`: what the model said, word for word; None: not asked (too long)."""


class GuardEngine(VllmEngine):
    """A Ray actor whose engine runs a guard model."""

    def __init__(self, settings: EngineSettings, guard: Guard) -> None:
        self.guard = guard
        super().__init__(settings)

    def _start(self, model: str | None = None) -> None:
        self.guard.prompt_ids(
            self.tokenizer, Ask(("a", "b"), ())
        )  # a wrong model is told before an engine is waited for
        super()._start(model)

    def said(self, asks: Sequence[Ask]) -> list[str | None]:
        """What the model says to each prompt, in one closed batch; None: not asked, since it is too long."""
        from vllm import SamplingParams

        ids = [self.guard.prompt_ids(self.tokenizer, ask) for ask in asks]
        longest = self.settings.max_model_tokens - self.guard.max_tokens
        fit = [number for number, one in enumerate(ids) if len(one) <= longest]
        sampling = SamplingParams(temperature=0, max_tokens=self.guard.max_tokens)
        outputs = self._generate([ids[number] for number in fit], sampling) if fit else []
        found = {number: str(output.outputs[0].text) for number, output in zip(fit, outputs, strict=True)}
        return [found.get(number) for number in range(len(asks))]


class CorpusGuardEngine(GuardEngine):
    """A guard that reads a pool."""

    def judge_part(self, part: Part, pool: Address, target: Address) -> int:
        """Write the verdicts on one partition of a pool; the number of its rows."""
        table = read_part(here(pool), part, ["id", "instruction", "response"])
        rows = [] if table is None else table.to_pylist()
        asked = [list(self.guard.asks(row["instruction"], row["response"])) for row in rows]
        unique = list(dict.fromkeys(ask for asks in asked for ask in asks))
        said = {ask: told for ask, told in zip(unique, self.said(unique), strict=True) if told is not None}
        made = [self._verdicts(row["id"], asks, said) for row, asks in zip(rows, asked, strict=True)]
        write_table(at(target) / part.name, pa.Table.from_pylist(made, schema=VERDICTS), keep=True)
        deliver(target, part.name)
        return len(rows)

    def _verdicts(self, one: str, asks: Sequence[Ask], said: Mapping[Ask, str]) -> dict[str, Any]:
        row: dict[str, Any] = {"id": one, **dict.fromkeys(QUESTIONS), "said": [said.get(ask) for ask in asks]}
        for ask in asks:
            if ask in said:
                row |= self.guard.read(ask, said[ask])
        return row


def guard_corpus(session: Session, lookup: Lookup, node: Node, study: Study) -> str:
    """A guard's verdicts on every row of a pool (schema `VERDICTS`), resumed by partition.

    Raises:
        UserError: the model cannot be asked in the guard's form.
        RetriableError: engines were lost too often.
    """
    identity, pool = dict(node.identity or {}), node.inputs["pool"]
    rows = (lookup.facts(pool) or {})["rows"]
    parts = all_parts(max(1, -(-rows // PART_ROWS)))
    guard = make_guard(identity["guard"])
    engine = study.evaluate.engine.model_dump(include={"kv_cache_gb", "gpu_memory", "compile", "stuck_s"})
    settings = EngineSettings(
        model=lookup.address(node.inputs["model"]), gpu=session.gpus > 0, threads=session.threads, **node.task,
        **engine, study=study.name, title=node.inputs["model"].title,
    )  # fmt: skip
    with lookup.store.attempt(node.stage, str(node.key), identity, resumable=True) as attempt:
        target, read = attempt.address, lookup.address(pool)
        missing = [part for part in parts if not (attempt.folder / part.name).exists()]
        judged = on_engines(
            session, f"guard {guard.name}", CorpusGuardEngine, settings, [guard], missing, retries=study.train.retries,
            ask=lambda actor, part: actor.judge_part.remote(part, read, target),
            name=lambda part: f"partition {part.index + 1} of {part.count}",
        )  # fmt: skip
        for done, _ in enumerate(judged, start=1) if missing else ():
            session.progress.tick(f"guard {guard.name}", done, len(missing), "partitions")
        here(target)
        attempt.files = {part.name for part in parts}
        attempt.facts = counts((pq.read_table(attempt.folder / part.name) for part in parts), guard.answers)
    facts = attempt.facts
    unread = ", ".join(f"{n} without a verdict on {question}" for question, n in facts["unread"].items() if n)
    return f"{guard.name}: {facts['rows']} rows" + (f", {unread}" if unread else "")


def counts(tables: Any, questions: Sequence[str]) -> dict[str, Any]:
    """Rows, those without a verdict by question, and those too long to be asked about."""
    rows, too_long, unread = 0, 0, Counter[str](dict.fromkeys(questions, 0))
    for table in tables:
        rows += table.num_rows
        unread.update({question: table[question].null_count for question in questions})
        flat = pc.list_parent_indices(table["said"].combine_chunks())
        not_asked = pc.is_null(pc.list_flatten(table["said"].combine_chunks()))
        too_long += len(pc.unique(flat.filter(not_asked)))
    return {"rows": rows, "unread": dict(unread), "too_long": too_long}


def verdicts_of(table: pa.Table | None, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[bool | None]]:
    """Question -> one verdict per row of a corpus partition, from the verdicts of its range of ids."""
    by_id = {} if table is None else {row["id"]: row for row in table.to_pylist()}
    return {question: [by_id[row["id"]][question] for row in rows] for question in QUESTIONS}
