"""What a search looks at: which metric of which judge on which prompt set, and which way is better.

Which metrics a judge gives on a kind of prompts follows from what it tells (`lib/statistics/metrics`); it is asked here with one
made-up row, so that there is no second list of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from lib.errors import UserError
from lib.generation.answers import GENERATIONS
from lib.generation.prompts import PromptSet
from lib.judging.judge import VERDICTS, Judge
from lib.statistics.catalogue import metric as known
from lib.statistics.metrics import rates
from lib.study.schema import Study

OVER_REFUSAL = "over_refusal"


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a search wants less or more of, and the limit that it keeps."""

    metric: str
    mode: Literal["min", "max"]
    judge: str
    prompts: str
    at_most: float | None = None
    """Of over-refusal, by the same judge (None: no limit)."""
    limited: tuple[str, ...] = ()
    """The prompt sets that give over-refusal, where it has a limit."""

    @property
    def words(self) -> str:
        """In words: `asr on harmful by keyword:qi29, less is better`."""
        better = "less" if self.mode == "min" else "more"
        limit = "" if self.at_most is None else f", over-refusal at most {self.at_most:g}"
        return f"{self.metric} on {self.prompts} by {self.judge}, {better} is better{limit}"

    def score(self, value: float, over_refusal: float | None) -> float:
        """Less is better; over 1 for a cell over the limit, the more so the further it is.

        Args:
            value: the metric's.
            over_refusal: the largest of the limited sets (None: no limit).
        """
        signed = value if self.mode == "min" else -value
        if self.at_most is None or over_refusal is None:
            return signed
        # With a limit, any value that keeps it has to be under every one that does not.
        return 1 + over_refusal - self.at_most if over_refusal > self.at_most else signed / (1 + abs(signed))


def find_objective(study: Study, prompt_sets: Sequence[PromptSet], judges: Mapping[str, Judge]) -> Objective | None:
    """The objective of a study's search; None for a grid, or where prompt sets are not read yet.

    Raises:
        UserError: the study's judges do not measure it, or a search on the way cannot.
    """
    search = study.sweep.search
    if search.method == "grid" or any(one.unread is not None for one in prompt_sets):
        return None
    for name, choices in (("prompts", [one.name for one in prompt_sets]), ("judge", list(judges))):
        if getattr(search, name) not in (None, *choices):
            raise UserError(
                f"sweep.search.{name} {getattr(search, name)!r} is not in this study (it has: {', '.join(choices)})"
            )
    given = list(_given(prompt_sets, judges))
    found = [
        (judge, prompts)
        for metric, judge, prompts in given
        if metric == search.metric and search.judge in (None, judge) and search.prompts in (None, prompts)
    ]
    if not found:
        names = ", ".join(dict.fromkeys(metric for metric, _, _ in given))
        where = f" on {search.prompts}" if search.prompts else ""
        raise UserError(
            f"sweep.search.metric {search.metric!r} is not measured{where} by the judges of this study (they give: {names})"
        )
    judge = found[0][0]
    sets = [prompts for one, prompts in found if one == judge]
    if len(sets) > 1:
        raise UserError(
            f"sweep.search.metric {search.metric!r} is measured on {' and '.join(sets)}: name one, sweep.search.prompts={sets[0]}"
        )
    mode = search.mode or {"low": "min", "high": "max"}.get(known(search.metric).better or "")
    if mode is None:
        raise UserError(f"nobody knows whether more {search.metric} is better: set sweep.search.mode to min or max")
    limited = tuple(p for metric, one, p in given if metric == OVER_REFUSAL and one == judge)
    if search.over_refusal_at_most is not None and not limited:
        raise UserError(
            f"sweep.search.over_refusal_at_most: judge {judge} does not measure over_refusal "
            "in this study: leave it out, or name a prompt set of look-alikes"
        )
    if search.adaptive and judges[judge].needs:
        raise UserError(
            f"method {search.method} judges inside the search, and judge {judge} has a model or is learned: set "
            "sweep.search.judge to one that is not, e.g. keyword:qi29, or use method: random"
        )
    return Objective(
        metric=search.metric, mode="min" if mode == "min" else "max", judge=judge, prompts=sets[0],
        at_most=search.over_refusal_at_most, limited=limited if search.over_refusal_at_most is not None else (),
    )  # fmt: skip


def _given(prompt_sets: Sequence[PromptSet], judges: Mapping[str, Judge]) -> Iterator[tuple[str, str, str]]:
    """(metric, judge, prompt set) that this study measures."""
    for text, judge in judges.items():
        for prompts in prompt_sets:
            for kind in dict.fromkeys(prompt.kind for prompt in prompts.prompts):
                row = {"number": 0, "kind": kind, "categories": [], "empty": False, "truncated": False}
                verdict = {
                    "number": 0,
                    "refusal": True,
                    "partial": True,
                    "harmful": True,
                    "score": 0.0,
                    "categories": [],
                }
                answers = pa.Table.from_pylist([row], schema=GENERATIONS)
                for rate in rates(answers, pa.Table.from_pylist([verdict], schema=VERDICTS), judge):
                    yield rate.metric, text, prompts.name
