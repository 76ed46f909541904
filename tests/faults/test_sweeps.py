"""Sweeps that lose their driver again and again, a machine in their middle, or run twice at once on one storage."""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from tests.faults.drivers import Driver
from tests.faults.kills import wait
from tests.faults.raylets import QUICK, Raylets, title, writing_below
from tests.faults.witness import Witness, left_over
from tests.studies import Run, run_job, write_study

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.engine]

TWELVE = (
    "sweep.strategy=[random,sss_b]", "sweep.budget=[4,8]", "sweep.seed=[0,1,2]", "recipe.steps=20", "train.checkpoint_steps=5",
)  # fmt: skip
"""Cells of one base model."""
KILLS, SEED = 5, 7
LIVES = (0.2, 0.6)
"""Shares of an undisturbed run between which drivers live: long enough to come on, too short to end."""
GONE_S = 15.0
"""Everything that a killed driver started on its machine is gone by then."""


def study_in(folder: Path, model: Path, undisturbed: Run) -> Path:
    """The tiny study with what comes before training there already: it is not at risk, and costs time."""
    storage = folder / "runs"
    for stage in (undisturbed.storage / "artifacts").iterdir():
        if stage.name not in ("mix", "train", "generate", "judge", "sample"):
            shutil.copytree(stage, storage / "artifacts" / stage.name)
    return write_study(folder / "study.yaml", model=model, storage=storage)


@pytest.mark.timeout(2400)
def test_twelve_cells_survive_a_driver_that_is_killed_five_times(
    undisturbed: Run, tiny_llama: Path, tmp_path: Path
) -> None:
    calm = study_in(tmp_path / "calm", tiny_llama, undisturbed)
    begun = time.monotonic()
    code, output = run_job("sweep", calm, *TWELVE)
    assert code == 0, output[-6000:]
    whole_s = time.monotonic() - begun

    study = study_in(tmp_path / "killed", tiny_llama, undisturbed)
    moments, place = random.Random(SEED), tempfile.mkdtemp(prefix="rl-")
    trained = list[str]()
    with Witness(study.parent / "runs") as witness:
        for _ in range(KILLS):
            driver = Driver(study, *TWELVE, RAY_TMPDIR=place)
            wait(driver, moments.uniform(*LIVES) * whole_s)
            assert driver.process.poll() is None, f"it should have been killed before its end: {driver.output[-3000:]}"
            driver.kill()
            trained += trained_by(driver.output)
            wait_until_gone(place)
        code, output = Driver(study, *TWELVE, RAY_TMPDIR=place).to_the_end(900)
        trained += trained_by(output)
    assert code == 0, output[-6000:]
    wait_until_gone(place)
    shutil.rmtree(place, ignore_errors=True)
    before, after = Run(calm, calm.parent / "runs", ""), Run(study, study.parent / "runs", output)
    assert after.results().num_rows > 12
    assert after.results().equals(before.results())
    assert after.tokens() == before.tokens()
    assert left_over(study.parent / "runs") == []
    assert all(count <= KILLS for count in witness.redone().values()), witness.redone()
    assert len(set(trained)) == len(trained), "a cell that was done was trained again"


def trained_by(output: str) -> list[str]:
    """Cells that a driver saw come to their end."""
    return re.findall(r"train (tiny \S+): done in", output)


def wait_until_gone(place: str) -> None:
    """Until nothing that a local driver started is left."""
    until = time.monotonic() + GONE_S
    while found := [f"{one.pid} {title(one)}" for one in writing_below(place)]:
        assert time.monotonic() < until, found
        time.sleep(0.2)


def test_a_lost_machine_costs_the_cells_that_ran_there_and_no_other(
    undisturbed: Run, tiny_llama: Path, tmp_path: Path
) -> None:
    """Two groups on two machines, of which one goes for good: the other comes to the end of all, the lost cell too."""
    study = study_in(tmp_path, tiny_llama, undisturbed)
    storage = tmp_path / "runs"
    with Raylets(head_cpus=1, **QUICK) as cluster:
        machine = cluster.add(1)
        settings = ("sweep.max_concurrent=2", "train.checkpoint_steps=10")
        driver = Driver(study, *settings, address=cluster.address, **cluster.environment)
        driver.wait_until(lambda: driver.said(": started") == 2, "two cells that run side by side", 300)
        driver.wait_until(lambda: len(list((storage / "checkpoints").glob("*/step-*"))) >= 2, "two checkpoints", 120)
        machine.lose()
        code, output = driver.to_the_end()
        assert code == 0, output[-6000:]
        assert output.count("lost its worker") == 1
        assert output.count("started (try 2)") == 1
        assert output.count("goes on from step") == 1
        cluster.wait_for_peace()
        assert cluster.still_held() == {}
    assert Run(study, storage, output).results().equals(undisturbed.results())
    assert left_over(storage) == []


def test_two_drivers_at_once_on_one_storage_do_no_harm_to_each_other(
    undisturbed: Run, tiny_llama: Path, tmp_path: Path
) -> None:
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage=tmp_path / "runs")
    drivers = [Driver(study, "train.checkpoint_steps=10") for _ in range(2)]
    for driver in drivers:
        code, output = driver.to_the_end(900)
        assert code == 0, output[-6000:]
        assert "report:" in output
    both = Run(study, tmp_path / "runs", "")
    answers = undisturbed.tokens()
    assert both.results().equals(undisturbed.results())
    assert len(both.tokens()) == 8
    assert both.tokens() == {key: answers[key] for key in both.tokens()}
    assert left_over(tmp_path / "runs") == []
