"""A tiny model that speaks, shared by the tests of judges and labelers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_models import make_speaker

SPOKEN = "unsafe"


@pytest.fixture(scope="session")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model that says `SPOKEN` to everything, as a Llama Guard would."""
    return make_speaker(tmp_path_factory.mktemp("speaker"), SPOKEN)
