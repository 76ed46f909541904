"""One cluster head and one whole run of the tiny study, shared by the tests of submission and of the main job."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studies import Head, Run, write_study
from tests.tiny_models import make_speaker

SPOKEN = "unsafe"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A head with dashboard and token, up for as long as tests need it."""
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


@pytest.fixture(scope="session")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model that says `SPOKEN` to everything, as a Llama Guard would."""
    return make_speaker(tmp_path_factory.mktemp("speaker"), SPOKEN)


@pytest.fixture(scope="session")
def undisturbed(head: Head, tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Run:
    """The tiny study run once from nothing, as a submitted job."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = write_study(folder / "study.yaml", model=tiny_llama, storage=folder / "runs")
    job = head.submit_study(study)
    output = job.stdout + job.stderr
    assert job.returncode == 0, output[-6000:]
    return Run(study, folder / "runs", output)
