"""Shared fixtures: a home of their own for everything that is started, one Ray for the session, tiny models."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.progress import Progress
from lib.runtime.session import Session
from lib.study.schema import Cluster
from lib.training.prepare import extensions_folder
from tests.tiny_models import make_model

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
"""Real research data, where this machine has it; tests that read it skip where it is absent."""


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

    cluster = Cluster(max_gpus=0, cpus=4)
    with Session(cluster, Progress(io.StringIO())) as session:
        session.start()
        yield session
