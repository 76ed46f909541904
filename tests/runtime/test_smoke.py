"""`--smoke` as a user runs it, and what it leaves: the models, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lib.store import Store
from tests.studies import Run, run_job, write_study


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.engine
def test_every_stage_runs_and_nothing_pretends_to_be_a_result(tiny_llama: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage=tmp_path / "runs")
    axes = ["recipe.steps=null", "recipe.epochs=50", "sweep.recipe.ema=[null, {decay: 0.9}]", "sweep.draw=[0, 1, 2]"]
    code, output = run_job("sweep", study, *axes, "--smoke")
    assert code == 0, output[-6000:]
    assert re.search(r"smoke: 3 of \d+ cells, so that every model, strategy and axis value is touched", output), output
    assert re.search(r"^smoke: ok, 13 stages, \d+ s$", output.splitlines()[-1]), output
    left = [path.relative_to(tmp_path / "runs").as_posix() for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert left == [], "it is freed"


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.engine
def test_a_smoke_run_leaves_a_finished_study_alone(undisturbed: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.storage.rglob("*") if path.is_file()}
    code, output = run_job("sweep", undisturbed.study, "--smoke")
    assert code == 0, output[-6000:]
    after = {path: path.stat().st_mtime_ns for path in undisturbed.storage.rglob("*") if path.is_file()}
    assert after == before


def test_a_mistake_is_one_line_that_says_smoke(tiny_llama: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage=tmp_path / "runs")
    code, output = run_job("sweep", study, "--smoke", "sweep.strategy=[sssb]", timeout_s=60)
    assert code == 2, output
    assert output.startswith("error: smoke: unknown strategy 'sssb'; did you mean 'sss'?"), output
    assert Store(tmp_path / "runs").root.exists() is False
