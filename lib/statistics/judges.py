"""What the judges of a study said of the same rows: their agreement, and the rows on which they differ. Read from the store of
a finished plan, one prompt set at a time; answers are read only where a row is listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lib.files import read_table
from lib.judging.agreement import Question, agree, differing, not_compared, questions
from lib.judging.judge import make_judge
from lib.plan import Cell, Lookup, Plan
from lib.statistics.results import cell_id

DISAGREEMENTS = pa.schema(
    [
        ("model", pa.string()), ("cell", pa.string()), ("run", pa.string()), ("prompts", pa.string()),
        ("number", pa.int32()), ("question", pa.string()), ("first", pa.string()), ("first_said", pa.bool_()),
        ("second", pa.string()), ("second_said", pa.bool_()), ("prompt", pa.string()), ("answer", pa.string()),
    ]
)  # fmt: skip
"""A row per answer, question and pair of judges that said yes and no to it. `number`: of the prompt in its set."""


def judge_agreement(plan: Plan, lookup: Lookup) -> dict[str, Any]:
    """How the judges agree, for the summary.

    Returns:
        `sets`: for each prompt set its `prompts` and `questions` (of `lib.judging.agreement.agree`); `not_compared`: pairs
        of judges without a question in common; `differ`: rows of the list of disagreements. Empty with fewer than two judges.
    """
    judges = {name: make_judge(name) for name in plan.study.evaluate.judges}
    if len(judges) < 2:
        return {}
    asked = questions(judges)
    sets: list[dict[str, Any]] = []
    for prompts in plan.prompt_sets if asked and plan.cells else ():
        found = [
            agree(
                question, np.concatenate([_said(cell, prompts.name, question, lookup) for cell in plan.cells], axis=1)
            )
            for question in asked
        ]
        sets.append({"prompts": prompts.name, "questions": found})
    differ = sum(pair.get("differ", 0) for one in sets for question in one["questions"] for pair in question["pairs"])
    return {"sets": sets, "not_compared": [list(pair) for pair in not_compared(judges)], "differ": differ}


def disagreements(plan: Plan, lookup: Lookup) -> Iterator[pa.Table]:
    """Tables of schema `DISAGREEMENTS`, one per cell and prompt set that has such rows, in the plan's order."""
    asked = questions({name: make_judge(name) for name in plan.study.evaluate.judges})
    for cell in plan.cells:
        for prompts in plan.prompt_sets:
            found = [
                (question, one)
                for question in asked
                for one in differing(question, _said(cell, prompts.name, question, lookup))
            ]
            if not found:
                continue
            file = lookup.folder(cell.generate[prompts.name]) / "generations.parquet"
            answers = read_table(file, ["number", "prompt", "answer"]).to_pylist()
            head = {"model": cell.model, "cell": cell_id(cell), "run": cell.label, "prompts": prompts.name}
            yield pa.Table.from_pylist(
                [{**head, "question": question.field, **_row(one), **answers[one[0]]} for question, one in found],
                schema=DISAGREEMENTS,
            )


def _row(one: tuple[int, str, bool, str, bool]) -> Mapping[str, Any]:
    _, first, first_said, second, second_said = one
    return {"first": first, "first_said": first_said, "second": second, "second_said": second_said}


def _said(cell: Cell, prompts: str, question: Question, lookup: Lookup) -> np.ndarray:
    """float [judges of the question, rows]: what each said of one cell's answers; NaN where it said nothing."""
    files = [lookup.folder(cell.judge[prompts, name]) / "verdicts.parquet" for name in question.judges]
    columns = [read_table(file, [question.field])[question.field] for file in files]
    return np.array([[np.nan if v is None else float(v) for v in column.to_pylist()] for column in columns])
