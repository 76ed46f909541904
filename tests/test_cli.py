"""Around every job: arguments, what only this machine knows, exit codes."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lib.cli import local_gpus, parser, read_study, run_job
from lib.errors import GoalMissed, RetriableError, UserError
from tests.conftest import ROOT
from tests.makers import DEMO


def given(*overrides: str) -> argparse.Namespace:
    return parser("sweep", "Run a study.").parse_args([str(DEMO), *overrides])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("no such file"), 2, "error: no such file\n"),
        (GoalMissed("asr 0.4 over 0.1"), 3, "goal missed: asr 0.4 over 0.1\n"),
        (
            RetriableError("worker died"), 1,
            "failed: worker died\nwhat was finished is kept; the same command goes on from there\n",
        ),
        (KeyboardInterrupt(), 130, "\nstopped; what was finished is kept, the same command goes on from there\n"),
    ],
)  # fmt: skip
def test_what_a_job_raises_is_an_exit_code_and_no_traceback(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(_: Sequence[str]) -> int:
        raise error

    assert run_job(work, []) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", said)


def test_our_own_mistakes_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_job(lambda _: 1 // 0, [])


def test_only_our_own_readers_end_is_a_broken_pipe() -> None:
    """Of a worker's or a subprocess's pipe it is a failure like any other; and who is cut off has not done what was asked."""
    code = "import sys\nfrom lib.cli import run_job\ndef work(_):\n    {}\nsys.exit(run_job(work))"

    def run(body: str, reads: bool) -> tuple[int, str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code.format(body)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert process.stdout is not None
        if not reads:
            process.stdout.close()
            process.stdout = None
        _, told = process.communicate(timeout=60)
        return process.returncode, told

    assert run("raise BrokenPipeError", reads=True)[0] == 1
    assert "Traceback" in run("raise BrokenPipeError", reads=True)[1]
    assert run("import time; time.sleep(1); print('x' * 10**6, flush=True)", reads=False) == (141, "")


def test_a_job_gets_its_arguments_and_gives_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_job(len, ["a", "b"]) == 2
    monkeypatch.setattr("sys.argv", ["job", "a", "b", "c"])
    assert run_job(len) == 3


def test_arguments() -> None:
    options = given("recipe.lr=1e-4", "name=x")
    assert (options.study, options.overrides) == (DEMO, ["recipe.lr=1e-4", "name=x"])
    with pytest.raises(SystemExit) as stop:
        parser("sweep", "").parse_args([])
    assert stop.value.code == 2


# ---------------------------------------------------------------- reading a study


@pytest.fixture(autouse=True)
def _outside_a_ray_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_relative_storage_is_seen_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_study(given()).storage == str(tmp_path / "runs")
    assert read_study(given("storage=/shared/runs")).storage == "/shared/runs"
    assert list(tmp_path.iterdir()) == []


def test_a_storage_at_home_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_study(given("storage=~/runs")).storage == str(tmp_path / "runs")


def test_a_relative_storage_inside_a_ray_job_is_refused_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    with pytest.raises(
        UserError, match=r"storage 'runs' is relative and would vanish .* give one that every node sees"
    ):
        read_study(given())
    assert read_study(given("storage=/shared/runs")).storage == "/shared/runs"


def test_a_bad_study_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def work(arguments: Sequence[str]) -> int:
        read_study(parser("sweep", "").parse_args(arguments))
        return 0

    assert run_job(work, [str(DEMO), "recipe.lrr=1"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {DEMO}: unknown key 'recipe.lrr'; did you mean 'lr'?")


@pytest.mark.parametrize(
    ("visible", "gpus"), [("", 0), ("-1", 0), ("0", 1), ("0,3", 2), ("GPU-aa,GPU-bb,GPU-cc", 3), (" ", 0)]
)
def test_gpus_that_this_process_may_use(visible: str, gpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert local_gpus() == gpus
    assert read_study(given()).cluster.max_gpus == gpus
    assert read_study(given("cluster.max_gpus=5")).cluster.max_gpus == 5
