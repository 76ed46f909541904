"""`jobs.sweep STUDY --status` as it is called; what it tells of a run is in `tests/status`."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.sweep import work
from lib.cli import run_job
from tests.makers import DEMO


def test_a_study_that_was_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_job(work, [str(DEMO), "--status", f"storage={tmp_path / 'runs'}"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("other", [["--dry-run"], ["--gc"], ["--accelerator", "h100"], ["--yes"]])
def test_wrong_use_is_refused(other: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = run_job(work, [str(DEMO), "--status", f"storage={tmp_path / 'runs'}", *other])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert "error: " in capsys.readouterr().err
