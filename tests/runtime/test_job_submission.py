"""`ray job submit` for real: a head started by cluster/local.sh, the working folder uploaded, the tiny study run from it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT
from tests.studies import write_study

pytestmark = [pytest.mark.ray, pytest.mark.engine]


@dataclass
class Head:
    """A running local cluster and the environment to talk to it."""

    env: dict[str, str]

    def script(self, verb: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["cluster/local.sh", verb], cwd=ROOT, env=self.env, text=True, capture_output=True, timeout=180, check=False
        )

    def submit(self, *command: str, timeout_s: float = 500) -> subprocess.CompletedProcess[str]:
        ray = Path(sys.executable).with_name("ray")
        return subprocess.run(
            [str(ray), "job", "submit", "--working-dir", ".", "--", *command],
            cwd=ROOT, env=self.env, text=True, capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    port = _free_port()
    env = {
        **os.environ,
        "BALLAST_CLUSTER_DIR": str(tmp_path_factory.mktemp("cluster")),
        "RAY_DASHBOARD_PORT": str(port),
        "BALLAST_HEAD_PORT": str(_free_port()),
        "RAY_AUTH_MODE": "token",
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{port}",
    }
    running = Head(env)
    up = running.script("up")
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        yield running
    finally:
        down = running.script("down")
    assert down.returncode == 0, down.stdout + down.stderr


def test_status_says_where(head: Head) -> None:
    status = head.script("status")
    assert status.returncode == 0, status.stdout
    assert head.env["RAY_API_SERVER_ADDRESS"] in status.stdout


def test_without_a_token_nothing_is_accepted(head: Head, tmp_path: Path) -> None:
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(head.env["RAY_API_SERVER_ADDRESS"] + "/api/jobs/", timeout=10)
    assert refused.value.code == 401


def test_a_relative_storage_is_refused_inside_a_job(head: Head) -> None:
    job = head.submit("python", "-m", "jobs.sweep", "jobs/studies/demo.yaml")
    assert job.returncode != 0
    assert re.search(r"error: storage 'runs' is relative .*storage=/", job.stdout + job.stderr), job.stdout


def test_the_study_runs_from_the_uploaded_folder(head: Head, tmp_path: Path, tiny_llama: Path) -> None:
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage=Path("runs"))
    storage = tmp_path / "runs"
    overrides = [f"storage={storage}", "sweep.strategy=[sss_b]", "evaluate.prompts.0.limit=3", "recipe.steps=5"]
    job = head.submit("python", "-m", "jobs.sweep", str(study), *overrides)
    assert job.returncode == 0, (job.stdout + job.stderr)[-6000:]
    results = pq.read_table(storage / "studies" / "tiny" / "results.parquet").to_pylist()
    assert {row["strategy"] for row in results} == {"base", "sss_b"}
