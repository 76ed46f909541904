"""Every shipped study plans, without a network and without the weights of its models."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import sweep
from lib.cli import run_job
from lib.statistics.equal import BOTH, RECIPE, SELECTION
from tests.conftest import ROOT
from tests.makers import REPOSITORY

STUDIES = ROOT / "jobs" / "studies"
POOL = f"corpus.0.source={REPOSITORY / 'lib' / 'corpus' / 'builtin' / 'safety' / 'self_harm.jsonl'}"
"""In place of the file that the user has to fetch."""


def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    given = [str(STUDIES / arguments[0]), *arguments[1:], f"storage={tmp_path / 'runs'}", "--dry-run"]
    assert run_job(sweep.work, given) == 0, capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("study", "more", "cells"),
    [
        ("cross_model.yaml", [], 4 * (1 + 8 * (3 + 9 + 9))),
        ("paper_optimization.yaml", [], 1 + 3 * 3 * 2 * 4),
        ("paper_behavior_sampling.yaml", [POOL, "corpus.0.format=ballast"], 2 * (1 + 1 + 4 * (6 * 10 + 2))),
    ],
)
def test_a_study_for_a_cluster_plans_and_says_what_only_the_hub_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], study: str, more: list[str], cells: int
) -> None:
    lines = dry_run(tmp_path, capsys, study, *more)
    assert lines[0].endswith(f": {cells} cells (the untouched models included)")
    models = [line for line in lines if line.startswith("  will run  key: unresolved") and "model" not in line]
    assert models
    assert any(line.startswith("total ") for line in lines)


def test_the_small_study_across_recipes_has_three_seeds_of_each_kind_of_arm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = dry_run(tmp_path, capsys, "cross_model.yaml", str(STUDIES / "over" / "smollm2.yaml"))
    cells = [line.removeprefix("cell smollm2-aligned ") for line in lines if line.startswith("cell ")]
    plain, average = "lr=0.002 batch=4 ema=null", "lr=0.002 batch=4 ema={decay: 0.9}"
    kinds = {SELECTION: ("sss_b-24", plain), RECIPE: ("none", average), BOTH: ("sss_b-24", average)}
    for strategy, recipe in [("none", plain), *kinds.values()]:
        assert [cell for cell in cells if cell.startswith(strategy) and cell.endswith(recipe)] == [
            f"{strategy} {seed}{recipe}" for seed in ("", "seed 1 ", "seed 2 ")
        ]
    assert len(cells) == 1 + 12
    assert not any(line.startswith("prompts ") and "huggingface" in line for line in lines), "nothing is fetched"


@pytest.mark.parametrize("study", ["demo.yaml", "forgetting.yaml"])
def test_a_study_for_two_cores_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str], study: str) -> None:
    assert any(line.startswith("total ") for line in dry_run(tmp_path, capsys, study))
