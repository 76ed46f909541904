"""What a judge has said so far, and which sets of answers still wait for it: a set is published once all its pairs are known.

A judge that can read nothing is a mistake of the study and not a result. So nothing is published before the first readable
verdict, and a judge that never gives one is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.errors import UserError
from lib.files import write_table
from lib.judging.generative import TOO_LONG
from lib.judging.judge import Judge, Verdict, verdict_table, verdicts_in
from lib.plan import Lookup, Node
from lib.runtime.judge_chunks import Answers


class VerdictBook:
    """The verdicts of one judge, by pair.

    Args:
        waiting: the nodes to publish, with their answers.
        done: verdicts that are published already, with their answers.
        told: called with what is published: node, file of the answers, verdicts, judge, answers without a verdict.
    """

    def __init__(
        self,
        lookup: Lookup,
        judge: Judge,
        waiting: Sequence[tuple[Node, Answers]],
        done: Sequence[tuple[Node, Answers]] = (),
        *,
        told: Callable[[Node, Path, pa.Table, Judge, int], None] = lambda *_: None,
    ) -> None:
        self.lookup, self.judge, self.told = lookup, judge, told
        self.found: dict[str, Verdict] = {}
        self.facts: dict[str, Any] = {}
        """What the judge says beside every number it gives (`Judge.prepare`)."""
        self.waiting = [(node, answers, {one for one in answers.ids if one is not None}) for node, answers in waiting]
        for node, answers in done:
            made = verdicts_in(pq.read_table(lookup.folder(node) / "verdicts.parquet"))
            self.found |= {one: said for one, said in zip(answers.ids, made, strict=True) if one is not None}
            self.facts = self.facts or (lookup.facts(node) or {}).get("prepared", {})
        self.readable = any(verdict.error is None for verdict in self.found.values())

    @property
    def wanted(self) -> set[str]:
        """Pairs that a waiting set has and nobody has judged."""
        return {one for _, _, ids in self.waiting for one in ids if one not in self.found}

    def add(self, verdicts: Mapping[str, Verdict]) -> None:
        """Take verdicts and publish the sets whose pairs are then all known. What was said before of a pair stands."""
        for one, verdict in verdicts.items():
            self.found.setdefault(one, verdict)
        self.readable = self.readable or any(verdict.error is None for verdict in verdicts.values())
        self.publish()

    def publish(self) -> None:
        """Publish the sets whose pairs are all known."""
        waiting, self.waiting = self.waiting, []
        for node, answers, ids in waiting:
            if ids <= self.found.keys() and (self.readable or not ids):
                self._publish(node, answers)
            else:
                self.waiting.append((node, answers, ids))

    def close(self) -> None:
        """Raises:
        UserError: the judge gave no verdict on any answer.
        """
        if not self.waiting:
            return
        tried = [self.found[one] for one in dict.fromkeys(one for _, _, ids in self.waiting for one in sorted(ids))]
        first, name = tried[0], self.judge.name
        remedy = f"give judge_models.{name} {self.judge.example} or a model of its kind" if self.judge.example else ""
        if first.error == TOO_LONG:
            remedy = f"raise judge_models.{name}.max_model_tokens"
        said = "" if first.said is None else f", such as {first.said[:60]!r}"
        told = " ".join(str(first.error).split())[:200]
        raise UserError(
            f"judge {name!r} gave no verdict on any of {len(tried)} answers ({told}{said})"
            + (f": {remedy}" if remedy else "")
        )

    def outcome(self) -> str:
        """How many answers have a verdict and how many have none, and why."""
        errors = Counter(verdict.error for verdict in self.found.values() if verdict.error)
        too_long, without = errors[TOO_LONG], errors.total()
        more = f", {without} without a verdict" if without else ""
        return f"{len(self.found)} different answers{more}" + (f" ({too_long} too long)" if too_long else "")

    def _publish(self, node: Node, answers: Answers) -> None:
        generations = pq.read_table(answers.file, columns=["number", "error"])
        table = verdict_table(generations, answers.ids, self.found)
        errors = table["error"].to_pylist()
        with self.lookup.store.attempt(node.stage, str(node.key), dict(node.identity or {})) as attempt:
            write_table(attempt.folder / "verdicts.parquet", table)
            attempt.facts = {"rows": table.num_rows, "errors": table.num_rows - errors.count(None)}
            if cut := pc.sum(table["cut"]).as_py():
                attempt.facts["cut"] = cut
            if "max_model_tokens" in self.judge.settings:
                attempt.facts["too_long"] = errors.count(TOO_LONG)
            if "model" in node.inputs:
                attempt.facts["model"] = dict(node.inputs["model"].identity or {})
            if self.facts:
                attempt.facts["prepared"] = self.facts
        unanswered = table.num_rows - generations["error"].null_count
        self.told(node, answers.file, table, self.judge, attempt.facts["errors"] - unanswered)
