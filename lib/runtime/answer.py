"""One prompt set answered by one model: block by block, each written when it is done.

A block's membership is fixed, since what shares a batch can move a token. Who comes after a killed engine or driver finds
the blocks that are done and makes the others. A block that loses its engine again and again is given up: its rows are
errors, which are counted and never judged, and the next block is asked.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import RetriableError, UserError
from lib.files import write_table, write_text
from lib.generation.answers import GENERATIONS, answer_row, blocks, error_row
from lib.generation.decoding import Said
from lib.models.family import find_family
from lib.models.prompt import prompt_ids
from lib.store import Attempt, deliver
from lib.store.digest import digest_value
from lib.store.place import send
from lib.study.generation import Generation
from lib.training.canary import CanaryResult

if TYPE_CHECKING:
    from lib.runtime.cell_engine import CellEngine

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Batch:
    """What is asked at once."""

    ids: Sequence[Sequence[int]]
    generation: Generation
    stop: int
    """The id that an answer ends with, for beams."""

    @property
    def decoding(self) -> tuple[Generation, int]:
        """How it is answered: batches of which this is equal may go together."""
        return self.generation, self.stop


@dataclass(frozen=True, kw_only=True)
class AnswerJob:
    """One prompt set to be answered by one model."""

    key: str
    identity: dict[str, Any]
    prompts: Sequence[tuple[str, str, tuple[str, ...]]]
    """(text, kind, categories) in order."""
    template: str
    generation: Generation
    block: int
    run: str
    """Names the driver's run: engines lost in an earlier one do not count."""
    tries: int
    """How often a block may be asked in this run."""
    system: str | None = None
    prefill: str | None = None
    stage: str = "generate"
    """What the answers are published as."""

    def answer(self, engine: CellEngine, checked: CanaryResult) -> Generator[Batch, list[Said], int]:
        """Yields batches, is sent their answers, publishes; returns the number of generated tokens.

        Args:
            checked: the canary of what the engine has loaded.

        Raises:
            UserError: a prompt and its answer are longer than the engine's window.
            RetriableError: two blocks in a row lost their engines.
        """
        family = find_family(Path(engine.settings.model), self.identity.get("family", "auto"))
        vary = {"system": self.system, "prefill": self.prefill}
        ids = [prompt_ids(engine.tokenizer, self.template, text, family, **vary) for text, _, _ in self.prompts]
        longest = max(len(one) for one in ids) + self.generation.max_tokens
        if longest > engine.settings.max_model_tokens:
            raise UserError(
                f"a prompt and its answer take {longest} tokens, over evaluate.engine.max_model_tokens "
                f"{engine.settings.max_model_tokens}: raise it"
            )
        chat = engine.tokenizer.chat_template or family.chat or ""
        around = digest_value([self.template, chat, self.system, self.prefill])[:16]
        stop = engine.stop_id(family)
        with engine.store.attempt(self.stage, self.key, self.identity, resumable=True) as attempt:
            made: list[pa.Table] = []
            for number, block in enumerate(blocks(len(ids), self.block)):
                path = attempt.folder / f"block-{number:05d}.parquet"
                table = _written(path)
                if table is None:
                    if self._may_try(attempt, number):
                        answers = yield Batch([ids[i] for i in block], self.generation, stop)
                        rows = [self._row(i, ids, around, said=said) for i, said in zip(block, answers, strict=True)]
                    else:
                        error = f"the engine was lost {self.tries} times on this block"
                        if made and made[-1]["error"].null_count == 0:
                            raise RetriableError(f"{error}, and on the one before: see the log of its worker")
                        rows = [self._row(i, ids, around, error=error) for i in block]
                    table = pa.Table.from_pylist(rows, schema=GENERATIONS)
                    write_table(path, table)
                    deliver(attempt.address, path.name)
                made.append(table)
            whole = attempt.folder / "generations.parquet"
            write_table(whole, pa.concat_tables(made), keep=True)
            deliver(attempt.address, whole.name)
            table = pq.read_table(whole)  # perhaps another driver's, who was first
            attempt.files = {"generations.parquet"}
            attempt.facts = {**counts(table), "canary": as_facts(checked)}
            attempt.about = {"family": family.name, **engine.about()}
        engine.meter.add("ballast_error_rows", attempt.facts["errors"])
        tokens: int = attempt.facts["tokens"]
        return tokens

    def _row(
        self, number: int, ids: Sequence[Sequence[int]], around: str, *, said: Said | None = None, error: str = ""
    ) -> dict[str, object]:
        text, kind, categories = self.prompts[number]
        given: dict[str, Any] = {
            "number": number, "prompt": text, "kind": kind, "categories": categories, "prompt_tokens": len(ids[number]),
            "template": around,
        }  # fmt: skip
        if said is None:
            return error_row(**given, error=error)
        return answer_row(
            **given, text=said.text, tokens=said.tokens, finish=said.finish, prefill=self.prefill or ""
        )  # fmt: skip

    def _may_try(self, attempt: Attempt, number: int) -> bool:
        """Note one more try of a block; False when there have been enough. The note outlives this machine."""
        note = attempt.folder / f"tries-{number:05d}.json"
        told = json.loads(note.read_text()) if note.exists() else {}
        before = told.get("tries", 0) if told.get("run") == self.run else 0
        if before >= self.tries:
            return False
        write_text(note, json.dumps({"run": self.run, "tries": before + 1}))
        send(attempt.address, note.name)
        return True


def _written(path: Path) -> pa.Table | None:
    """A block that is there. Another driver on the same key removes blocks when it has published all of them."""
    try:
        return pq.read_table(path)
    except FileNotFoundError:
        return None


def counts(table: pa.Table) -> dict[str, int]:
    """Rows, tokens, and what is wrong with answers of schema `GENERATIONS`."""
    rows: Rows = table.select(["tokens", "empty", "truncated", "error"]).to_pylist()
    return {
        "rows": len(rows),
        "tokens": sum(len(row["tokens"]) for row in rows),
        "empty": sum(row["empty"] for row in rows),
        "truncated": sum(row["truncated"] for row in rows),
        "errors": sum(row["error"] is not None for row in rows),
    }


def as_facts(checked: CanaryResult) -> dict[str, Any]:
    """A canary's result as plain values."""
    return {"status": checked.status, "distance": round(checked.distance, 6), "reason": checked.reason}
