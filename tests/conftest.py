"""Shared fixtures: a home of their own for everything that is started, one Ray for the session, tiny models, one cluster head
and one whole undisturbed run of the tiny study."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lib.progress import Progress
from lib.runtime.session import Session
from lib.study.schema import Cluster
from lib.training.prepare import extensions_folder
from tests.schedule import ByGroup, place
from tests.tiny_models import make_model

if TYPE_CHECKING:
    from tests.studies import Head, Run

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
"""Real research data, where this machine has it; tests that read it skip where it is absent."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins."""
    items.sort(key=lambda item: place(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByGroup:
    """How tests are shared out where several processes run them."""
    return ByGroup(config, log)


@pytest.fixture(scope="session", autouse=True)
def own_home() -> Iterator[Path]:
    """A temporary HOME, so that tests leave nothing behind; DeepSpeed's compiled op is kept (building it takes long)."""
    with tempfile.TemporaryDirectory(prefix="ballast-home-") as home:
        kept = dict(os.environ)
        extensions_folder()  # sets where they lie, while this is still the user's own HOME
        os.environ.update({"HOME": home, "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"})
        os.environ.pop("RAY_ADDRESS", None)
        yield Path(home)
        os.environ.clear()
        os.environ.update(kept)


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random LLaMA."""
    return make_model(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture
def real_data() -> Path:
    """The folder with the real data; skips where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA.name}: it is not part of the project")
    return DATA


@pytest.fixture(scope="session")
def ray_session() -> Iterator[Session]:
    """One local Ray with 4 logical CPUs for every in-process test that needs one."""
    import io

    cluster = Cluster(max_gpus=0, cpus=4, threads=1)  # as in `tests.studies`
    with Session(cluster, Progress(io.StringIO())) as session:
        session.start()
        yield session


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A head with dashboard and token, up for as long as tests need it."""
    from tests.studies import Head

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
def undisturbed(head: Head, tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Run:
    """The tiny study run once from nothing, as a submitted job."""
    from tests.studies import Run, Scraper, write_study

    folder = tmp_path_factory.mktemp("undisturbed")
    study = write_study(folder / "study.yaml", model=tiny_llama, storage=folder / "runs")
    scraper = Scraper(head)
    scraper.start()
    job = head.submit_study(study)
    output = job.stdout + job.stderr
    assert job.returncode == 0, output[-6000:]
    return Run(study, folder / "runs", output, scraper.read())
