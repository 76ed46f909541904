"""Thirty runs of the tiny study from nothing, each with something killed at a random moment: the results stay the same.

`BALLAST_FAULT_RUNS=0-5` or `=7,12` (or `pytest -k 'run07'`) takes some of them; `BALLAST_FAULT_TABLE=FILE` collects their rows.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.kills import RUNS, append, run_with_a_kill, stage_of, victim_of
from tests.studies import Run, write_study

BLOCK = 1
"""So many units of a stage may be made again."""


def chosen(text: str) -> list[int]:
    """`0-5` or `7,12` as numbers of runs; all where nothing is said."""
    if not text:
        return list(range(RUNS))
    spans = [part.partition("-") for part in text.split(",")]
    return [number for first, dash, last in spans for number in range(int(first), int(last if dash else first) + 1)]


NUMBERS = chosen(os.environ.get("BALLAST_FAULT_RUNS", ""))


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.engine
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"run{number:02d}-{victim_of(number)}")
def test_a_kill_at_a_random_moment_changes_nothing(
    number: int, undisturbed: Run, undisturbed_s: float, tiny_llama: Path, tmp_path: Path
) -> None:
    storage = tmp_path / "runs"
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage=storage)
    kill, run = run_with_a_kill(number, study, storage, undisturbed_s)
    answers = undisturbed.tokens()
    equal = run.results().equals(undisturbed.results()) and run.tokens() == {key: answers[key] for key in run.tokens()}
    kill = replace(kill, equal=equal)
    table = Path(os.environ.get("BALLAST_FAULT_TABLE", tmp_path / "kills"))
    append(table, kill)
    print(table.with_suffix(".md").read_text())
    assert equal, kill
    assert all(count <= BLOCK for count in kill.redone.values()), kill


def test_runs_can_be_chosen() -> None:
    assert chosen("") == list(range(30))
    assert chosen("0-2,7") == [0, 1, 2, 7]


def test_the_stage_is_the_last_that_was_begun() -> None:
    said = "[ 0:02] ingest: 2 of 2 to run\n[ 0:09] ingest corpus: 300 rows\n[ 0:20] train: 3 of 3 to run\n"
    assert stage_of(said) == "train"
    assert stage_of("[ 0:01] Ray started here") == "start"
