"""A machine that says it will go, as a spot machine does: the notice is the call that an autoscaler makes of Ray's head."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.faults.drivers import Driver
from tests.faults.raylets import QUICK, RAY, Raylets
from tests.faults.witness import left_over
from tests.studies import run_job, write_study

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.engine]

STEPS = 400
ONE_CELL = ("sweep.strategy=[none]", f"recipe.steps={STEPS}", "train.checkpoint_steps=100000")
"""Whose only checkpoint is the one that a notice brings about."""
NOTICED = {"RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "0.5"}
"""Ray Train asks every five seconds, of a notice that comes minutes before the end."""
WORKERS = """
import sys, ray
ray.init(sys.argv[1], log_to_driver=False, logging_level="error")
print([node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")][0])
"""


def give_notice(cluster: Raylets, seconds: int) -> None:
    """Tell the head that its one machine with CPUs will be gone in so many seconds."""
    asked = subprocess.run(
        [sys.executable, "-c", WORKERS, cluster.address], env=cluster.env, text=True, capture_output=True, check=True
    )
    subprocess.run(
        [
            RAY, "drain-node", "--address", cluster.address, "--node-id", asked.stdout.strip().splitlines()[-1], "--reason",
            "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "the price has risen", "--deadline-remaining-seconds",
            str(seconds),
        ],
        env=cluster.env, check=True, capture_output=True,
    )  # fmt: skip


def test_a_notice_saves_the_cell_at_once_and_it_goes_on_elsewhere(tiny_llama: Path, tmp_path: Path) -> None:
    calm, told = (write_study(tmp_path / f"{n}.yaml", model=tiny_llama, storage=tmp_path / n) for n in ("calm", "told"))
    code, output = run_job("train", calm, *ONE_CELL)
    assert code == 0, output[-6000:]
    storage = tmp_path / "told"
    shutil.copytree(tmp_path / "calm", storage, ignore=shutil.ignore_patterns("train"))

    with Raylets(head_cpus=0, **QUICK, **NOTICED) as cluster:
        machine = cluster.add(2)
        driver = Driver(told, *ONE_CELL, job="train", address=cluster.address, **cluster.environment)
        driver.wait_for(rf"train tiny none: \d+ of {STEPS} steps")
        assert list((storage / "checkpoints").glob("*/step-*")) == []
        give_notice(cluster, 60)
        driver.wait_for_file(storage / "checkpoints", "*/step-*", 30)
        machine.lose()
        cluster.add(2)
        driver.wait_for(rf"train tiny none: goes on from step \d+ of {STEPS}")
        code, output = driver.to_the_end()
        assert code == 0, output[-6000:]
        cluster.wait_for_peace()
        assert cluster.still_held() == {}
    assert left_over(storage) == []
    undisturbed, interrupted = (
        pq.read_table(next((tmp_path / name / "artifacts" / "train").glob("*/*/training_log.parquet")))
        for name in ("calm", "told")
    )
    assert interrupted["step"].to_pylist() == list(range(1, STEPS + 1))
    assert interrupted.equals(undisturbed)
