"""What models and strangers wrote is shown as text: no terminal obeys it, no spreadsheet runs it, no harness executes it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.board import Board
from lib.errors import UserError
from lib.export.mixes import json_line
from lib.outgoing import clean, tell
from lib.progress import Progress
from lib.reporting.disagreements import write_disagreements
from lib.reporting.tables import csv_cell, csv_text
from tests.harness_tasks import needs_harness

ESCAPES = [
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x9b31m",
    "a\rb",
    "\x08\x08",
    "\u202etxt.exe",
    "\u2066x",
    "\ud800",
    "\x00",
]
OBEYED = {
    chr(n)
    for n in (*range(9), 11, 12, *range(13, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


@pytest.mark.parametrize("text", ESCAPES)
def test_no_terminal_obeys_a_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    progress = Progress(out)
    progress.say(f"train {text}: FAILED")
    progress.tick(text, 1, 1, text, text)
    tell(f"said {text}")
    said = out.getvalue() + capsys.readouterr().out
    assert not OBEYED & set(said)
    said.encode()


def test_a_board_draws_its_own_escapes_and_no_others() -> None:
    out = io.StringIO()
    progress = Progress(out)
    progress.live = True
    board = Board(total=1)
    board.start("\x1b[31mcell\x07")
    progress.show(board)
    assert out.getvalue().count("\x1b") == 0
    progress.show(None)
    assert out.getvalue().count("\x1b") == out.getvalue().count("F\x1b[0J") * 2


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(st.text(max_size=40))
def test_what_is_cleaned_holds_no_control_character(text: str) -> None:
    assert not OBEYED & set(clean(text))


@pytest.mark.parametrize(
    "begins", ["=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", " =", "  @"]
)
def test_no_spreadsheet_runs_a_cell(begins: str, tmp_path: Path) -> None:
    text = f"{begins}cmd|' /C calc'!A0"
    table = pa.table({"answer": [text], "value": [-0.5]})
    [row] = csv.DictReader(io.StringIO(csv_text(table), newline=""))
    assert row == {"answer": f"'{text}", "value": "-0.5"}
    write_disagreements(tmp_path, table.schema, [table])
    with (tmp_path / "disagreements.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file))["answer"] == f"'{text}"
    assert csv_cell(["=1+1"]) == "['=1+1']"


def test_no_answer_ends_its_row(tmp_path: Path) -> None:
    """Python's writer quotes a line end only if it is the file's own, and every reader takes the others for one too."""
    table = pa.table({"answer": ["a\r=1+1", "b\r\n=1+1", "c\x1b[2J\x85d"], "n": [1, 2, 3]})
    rows = list(csv.DictReader(io.StringIO(csv_text(table), newline="")))
    assert [row["answer"] for row in rows] == ["a\ufffd=1+1", "b\n=1+1", "c\ufffd[2J\ufffdd"]


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(st.text(max_size=40))
def test_a_row_for_other_trainers_is_one_line_and_comes_back(text: str) -> None:
    import json

    line = json_line({"a": text})
    assert len(line.splitlines()) == 1 or not {"\n", "\r", "\u2028", "\u2029"} & set(line)
    assert json.loads(line) == {"a": text}


@needs_harness
@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("humaneval", "runs code that a model wrote"),
        ("mbpp", "runs code that a model wrote"),
        ("score_robustness_math", r"score/math/math_grader\.py of the harness runs texts as code"),
    ],
)
def test_a_harness_task_that_runs_answers_is_refused_in_the_plan(task: str, said: str) -> None:
    from lib.harness.catalogue import find_task
    from lib.plan.utility import _check
    from lib.study.lm_eval import HarnessTask

    with pytest.raises(UserError, match=said):
        _check(HarnessTask(task=task), find_task(task))


@needs_harness
def test_ordinary_tasks_run_no_text() -> None:
    from lib.harness.catalogue import evaluating_file, find_task

    assert [evaluating_file(find_task(name)) for name in ("gsm8k", "mmlu_anatomy", "arc_challenge", "ifeval")] == [
        None
    ] * 4


def test_the_harness_is_asked_by_what_refuses_unsafe_tasks_by_itself() -> None:
    """`evaluate` raises for a task that is marked unsafe unless it is told otherwise; it is never told."""
    from tests.security.sources import calls, keywords

    found: list[Any] = [call for place, called, call in calls() if called == "evaluate" and "harness" in place]
    assert found
    assert all("confirm_run_unsafe_code" not in keywords(call) for call in found)
