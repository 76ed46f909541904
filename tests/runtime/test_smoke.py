"""`--smoke` as a user runs it, and what it leaves: the models, and nothing else."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lib.errors import UserError
from lib.plan import Lookup, Plan
from lib.plan.stored import store_plan, wanted_keys
from lib.progress import Progress
from lib.runtime import smoke as module
from lib.runtime.outputs import study_folder
from lib.runtime.smoke import smoke
from lib.store import Store
from lib.study import Study
from tests.makers import demo, finished
from tests.studies import Run, run_job, write_study


def files_in(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_it_frees_what_is_its_own_and_keeps_what_is_the_studys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = demo(tmp_path, "sweep.strategy=[none, random, sss_b]", "sweep.recipe.schedule=[linear, cosine]")
    plan, lookup = finished(study)
    store_plan(plan, lookup.store, ended=True)
    before, made = files_in(tmp_path), dict[Path, int]()

    def run(small: Study, _: Progress, *, chosen: Sequence[str]) -> tuple[Plan, Lookup]:
        plan, lookup = finished(small)
        store_plan(plan, lookup.store, ended=True)
        assert len(chosen) == 3
        return plan, lookup

    def report(plan: Plan, *_: Any) -> str:
        study_folder(plan.study).mkdir(parents=True)
        (study_folder(plan.study) / "report.html").touch()
        assert len([cell for cell in plan.cells if cell.train]) == 3
        made.update(files_in(tmp_path))
        return "numbers that mean nothing"

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(module, "report", report)
    out = io.StringIO()
    said = smoke(study, Progress(out), ["study.yaml", "--smoke"])
    assert re.fullmatch(r"smoke: ok, 13 stages, \d+ s", said)
    assert "smoke: 3 of 6 cells, so that every model, strategy and axis value is touched" in out.getvalue()
    assert "mean nothing" not in out.getvalue()
    assert len(made) > len(before)
    assert files_in(tmp_path) == before
    assert wanted_keys(Store(study.storage))["train"] == {str(node.key) for node in plan.nodes("train")}


def test_what_fails_stays_and_is_said_to_be_of_the_smoke_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = demo(tmp_path)

    def run(small: Study, *_: Any, **__: Any) -> None:
        finished(small)
        raise UserError("the model is gated")

    monkeypatch.setattr(module, "run", run)
    with pytest.raises(UserError, match=r"^smoke: the model is gated$"):
        smoke(study, Progress(io.StringIO()), [])
    assert files_in(tmp_path / "runs")


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
