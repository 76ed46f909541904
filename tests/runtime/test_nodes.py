"""A folder that another machine does not see is told before anything is computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lib.runtime.nodes import _sees, refuse_unseen
from lib.store.shared import Shared
from tests.conftest import ROOT
from tests.faults.raylets import Raylets

ASK = """
import os, sys, tempfile, time, ray
from lib.errors import UserError
from lib.runtime.nodes import refuse_unseen
from lib.store.shared import Shared
environment = {"env_vars": {"PYTHONPATH": sys.argv[2]}}
until = time.monotonic() + 90
while not ray.is_initialized():  # the head listens before it answers
    try:
        ray.init(sys.argv[1], log_to_driver=False, logging_level="error", runtime_env=environment)
    except ConnectionError:
        if time.monotonic() > until:
            raise
while sum(node["Alive"] for node in ray.nodes()) < 2 and time.monotonic() < until:
    time.sleep(0.2)
os.chdir(tempfile.mkdtemp(dir="."))  # workers are where this process was
for storage in sys.argv[3:]:
    try:
        refuse_unseen(Shared(storage))
        print("seen")
    except UserError as error:
        print("refused:", error)
"""


def test_a_file_is_seen_or_not(tmp_path: Path) -> None:
    (tmp_path / "probe").touch()
    assert _sees(str(tmp_path / "probe"))
    assert not _sees(str(tmp_path / "none"))


def test_a_bucket_is_seen_by_all(tmp_path: Path) -> None:
    shared = Shared(str(tmp_path))
    shared.sends = True
    refuse_unseen(shared)  # asks no cluster, of which there is none


@pytest.mark.ray
def test_a_folder_of_this_machine_alone_is_refused(tmp_path: Path) -> None:
    with Raylets(head_cpus=1) as cluster:
        cluster.add(1)
        # What /proc/self leads to is another folder in every process, as a disk of its own is on every machine.
        own = "/proc/self/cwd/runs"
        asked = subprocess.run(
            [sys.executable, "-c", ASK, cluster.address, str(ROOT), str(tmp_path / "runs"), own],
            cwd=tmp_path, env={**cluster.env, "PYTHONPATH": str(ROOT)}, text=True, capture_output=True, timeout=180,
            check=False,
        )  # fmt: skip
    assert asked.returncode == 0, asked.stderr[-3000:]
    seen, refused = asked.stdout.strip().splitlines()
    assert seen == "seen"
    assert refused.startswith(f"refused: storage {own} is not seen by the machine ")
    assert "storage=s3://bucket/prefix" in refused
    assert not list((tmp_path / "runs").iterdir())
