"""Out of memory, of disk, of object store, for real: each is one line that says which."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.runtime.causes import NODE_OUT_OF_MEMORY, STORE
from tests.conftest import ROOT
from tests.faults.drivers import Driver
from tests.faults.raylets import Raylets
from tests.studies import Run, write_study

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.engine]

DISK = 96 << 20
"""Bytes of the small disk: enough for the study, which takes a few."""

MEMORY = """
import time
import ray
from lib.errors import RetriableError
from lib.runtime.session import remote_errors

ray.init(log_to_driver=False, logging_level="error")


@ray.remote(num_cpus=1)
class Engine:
    def work(self):
        time.sleep(60)


@ray.remote(num_cpus=1, max_retries=0)
def work():
    time.sleep(60)


for reference in (Engine.remote().work.remote(), work.remote()):
    try:
        with remote_errors():
            ray.get(reference)
    except RetriableError as error:
        print("said:", error, flush=True)
"""

OBJECTS = """
import numpy as np
import ray
from lib.errors import RetriableError
from lib.runtime.session import remote_errors

ray.init(
    address="local", num_cpus=1, object_store_memory=80 << 20, include_dashboard=False, log_to_driver=False,
    logging_level="error", _system_config={"automatic_object_spilling_enabled": False},
)
try:
    with remote_errors():
        kept = [ray.put(np.ones(30 << 20, dtype=np.uint8)) for _ in range(4)]
except RetriableError as error:
    print("said:", error, flush=True)
"""


def told(script: str, **environment: str) -> list[str]:
    """What a script says."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment}, cwd=ROOT, text=True, capture_output=True, timeout=150, check=False,
    )  # fmt: skip
    found = [line.removeprefix("said: ") for line in done.stdout.splitlines() if line.startswith("said: ")]
    assert found, done.stdout + done.stderr
    return found


def test_a_process_that_ray_ends_for_its_memory_is_said_to_be() -> None:
    watchful = {
        "RAY_memory_usage_threshold": "0.01",
        "RAY_memory_monitor_refresh_ms": "100",
    }  # any machine is over that
    with Raylets(head_cpus=0, RAY_memory_monitor_refresh_ms="0") as cluster:
        cluster.environment |= watchful
        cluster.add(2)
        assert told(MEMORY, **{**cluster.env, "RAY_ADDRESS": cluster.address}) == [NODE_OUT_OF_MEMORY] * 2


def test_a_full_object_store_is_said_to_be() -> None:
    assert told(OBJECTS) == [f"Ray's object store is full: {STORE}"]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of its own; skips where none may be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("no small disk: this user may not mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        folder.rmdir()


def test_a_disk_that_fills_up_while_cells_are_trained_is_one_line_and_no_loss(
    undisturbed: Run, tiny_llama: Path, tmp_path: Path, small_disk: Path
) -> None:
    """In the training worker, in Ray Train's and Ray Tune's own files, and in the driver: whoever meets it first."""
    storage = small_disk / "runs"
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage=storage)
    for stage in (undisturbed.storage / "artifacts").iterdir():
        if stage.name not in ("train", "generate", "judge"):
            shutil.copytree(stage, storage / "artifacts" / stage.name)
    driver = Driver(study, "train.checkpoint_steps=10")
    driver.wait_for(r"train tiny none: started")
    filler = small_disk / "filler"
    fill(filler)
    code, output = driver.to_the_end()
    assert code == 2, output[-6000:]
    assert "Traceback" not in output
    assert f"storage {storage} is full: free some space" in output.splitlines()[-1], output[-6000:]
    filler.unlink()
    code, output = Driver(study).to_the_end()
    assert code == 0, output[-6000:]
    assert Run(study, storage, output).results().equals(undisturbed.results())


def fill(path: Path) -> None:
    """Take every byte that is left."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * (1 << 20)):
                pass
        except OSError:
            return
