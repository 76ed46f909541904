"""Submitting against a dashboard that answers as Ray's does: join, start anew, follow through cuts, give the exit code."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.errors import RetriableError, UserError
from lib.runtime import submit as module
from lib.runtime.submission import Submission, make_submission
from lib.runtime.submit import submit
from tests.conftest import ROOT
from tests.job_server import Dashboard, dashboard
from tests.makers import DEMO


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """`submit` names the cluster in the environment, and reconnects in tests without waiting."""
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setattr(module, "PAUSE_S", 0.05)
    monkeypatch.setattr("lib.runtime.submission.known_keys", lambda study: [])  # half a second each


@pytest.fixture(scope="module")
def demo() -> Submission:
    return make_submission(DEMO, ["storage=/shared/runs"])


@pytest.fixture
def board() -> Iterator[Dashboard]:
    with dashboard() as running:
        yield running


def submitted(demo: Submission, board: Dashboard, **how: Any) -> tuple[int, str]:
    out = io.StringIO()
    return submit(demo, board.url, out=out, **how), out.getvalue()


def test_the_log_is_followed_and_the_package_is_the_code(demo: Submission, board: Dashboard) -> None:
    code, said = submitted(demo, board)
    [job] = board.jobs
    assert (code, job) == (0, f"demo-{demo.digest[:8]}-1")
    assert f"submitted {job}: python -m jobs.sweep jobs/studies/demo.yaml storage=/shared/runs" in said
    assert "one line\n" in said
    assert said.endswith(f"{job} succeeded\n")
    assert board.jobs[job]["metadata"] == dict(demo.metadata)
    assert set(board.jobs[job]["runtime_env"]) == {"working_dir"}
    [content] = board.packages.values()
    names = {name for name in zipfile.ZipFile(io.BytesIO(content)).namelist() if not name.endswith("/")}
    assert names == set(demo.package.files)


@pytest.mark.parametrize(
    ("ends", "code", "said"),
    [
        ({"status": "FAILED", "driver_exit_code": 1}, 1, "failed with exit code 1"),
        ({"status": "FAILED", "driver_exit_code": 2}, 2, "failed with exit code 2"),
        ({"status": "FAILED", "driver_exit_code": 3}, 3, "failed with exit code 3"),
        ({"status": "FAILED", "driver_exit_code": -9}, 137, "failed with exit code 137"),
        ({"status": "FAILED", "message": "runtime_env setup failed:\n no disk"}, 1, "setup failed: no disk"),
        ({"status": "STOPPED", "driver_exit_code": 0}, 130, "was stopped"),
    ],
)
def test_a_job_ends_with_its_own_exit_code(
    demo: Submission, board: Dashboard, ends: dict[str, Any], code: int, said: str
) -> None:
    board.ends = ends
    got, told = submitted(demo, board)
    assert got == code
    assert said in told.splitlines()[-1]


def test_a_log_is_told_once_however_often_the_connection_is_cut(demo: Submission, board: Dashboard) -> None:
    job = f"demo-{demo.digest[:8]}-1"
    board.logs[job] = ["a\n", "CUT", "b\n", "c\x1b[2J\n", "CUT", "d"]
    code, said = submitted(demo, board)
    assert code == 0
    assert said.split(f"stop: ray job stop {job}")[1].splitlines()[1:-1] == ["a", "b", "c[2J", "d"]


def test_a_cluster_that_is_gone_is_said_after_a_while(
    demo: Submission, board: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECONNECT_S", 0.5)
    board.logs[f"demo-{demo.digest[:8]}-1"] = ["CUT"] * 1000
    with pytest.raises(RetriableError, match=r"cannot be reached any more .* the same command follows it again"):
        submitted(demo, board)


def test_a_number_is_free_though_jobs_before_it_were_deleted(demo: Submission, board: Dashboard) -> None:
    for number in (2, 10):
        board.add(f"demo-{demo.digest[:8]}-{number}", "FAILED", metadata=dict(demo.metadata))
    assert submitted(demo, board, wait=False)[0] == 0
    assert f"demo-{demo.digest[:8]}-11" in board.jobs


def test_a_running_job_of_the_study_is_joined_and_an_ended_one_started_anew(demo: Submission, board: Dashboard) -> None:
    board.add(f"demo-{demo.digest[:8]}-1", "FAILED", metadata=dict(demo.metadata))
    assert submitted(demo, board, wait=False)[0] == 0
    running = f"demo-{demo.digest[:8]}-2"
    assert set(board.jobs) == {f"demo-{demo.digest[:8]}-1", running}
    code, said = submitted(demo, board)
    assert code == 0
    assert said.startswith(f"joined {running}, which is running already\n")
    assert board.requests.count("POST /api/jobs/") == 1


def test_of_two_that_submit_at_once_the_second_joins(demo: Submission, board: Dashboard) -> None:
    job = f"demo-{demo.digest[:8]}-1"
    board.taken = {job: {"metadata": dict(demo.metadata)}}
    code, said = submitted(demo, board)
    assert code == 0
    assert f"joined {job}, which was submitted a moment ago" in said


def test_the_same_study_with_other_settings_is_not_run_beside_it(demo: Submission, board: Dashboard) -> None:
    board.add("other", metadata={**demo.metadata, "ballast_digest": "else"})
    with pytest.raises(UserError, match=r"runs on this storage already, as other and with other settings: wait for it"):
        submitted(demo, board)
    board.jobs["other"]["metadata"]["ballast_storage"] = "/elsewhere"
    assert submitted(demo, board)[0] == 0


def test_the_driver_goes_to_a_machine_for_drivers_where_there_is_one(board: Dashboard) -> None:
    board.nodes.append({"CPU": 4.0, "ballast_driver": 1.0})
    automatic = make_submission(DEMO, ["storage=/shared/runs"])
    with pytest.raises(UserError, match=r"that one has none: give a number, cluster.max_gpus=8 \(0: CPUs alone\)"):
        submitted(automatic, board)
    assert not board.packages
    _, said = submitted(make_submission(DEMO, ["storage=/shared/runs", "cluster.max_gpus=0"]), board, wait=False)
    [job] = board.jobs.values()
    assert (job["entrypoint_num_cpus"], job["entrypoint_resources"]) == (1, {"ballast_driver": 1})
    assert "its driver waits for a machine with the resource ballast_driver" in said


def test_no_cluster_and_no_token_are_one_line(
    demo: Submission, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"no Ray cluster answers at http://127.0.0.1:9 .*cluster/local.sh up"):
        submit(demo, "http://127.0.0.1:9")
    with dashboard(token="right") as board:
        with pytest.raises(
            UserError, match=r"(asks for a|refuses this) token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN"
        ):
            submit(demo, board.url)
        assert not board.packages


COMMAND = [sys.executable, "-m", "jobs.submit", str(DEMO), "storage=/shared/runs"]


def test_ctrl_c_detaches(demo: Submission, board: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "follow", interrupted)
    code, said = submitted(demo, board)
    assert code == 130
    assert said.splitlines()[-1].startswith(
        f"detached; job demo-{demo.digest[:8]}-1 goes on. The same command follows it"
    )


@pytest.mark.slow
def test_interrupted_it_detaches_and_says_how_to_go_on(demo: Submission, board: Dashboard) -> None:
    board.ends = {}
    environment = {**os.environ, "RAY_API_SERVER_ADDRESS": board.url}
    running = subprocess.Popen(
        COMMAND, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert running.stdout is not None
    lines = []
    while "one line\n" not in lines:
        lines.append(running.stdout.readline())
        assert lines[-1], lines
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=20)
    job = f"demo-{demo.digest[:8]}-1"
    assert running.returncode == 130, [*lines, said]
    assert said.strip() == f"detached; job {job} goes on. The same command follows it again; ray job stop {job} ends it"
    assert board.jobs[job]["status"] == "RUNNING"


@pytest.mark.slow  # a real head asks for its token in tests/runtime/test_job_submission.py
def test_a_token_in_the_environment_is_shown_to_the_cluster_alone(demo: Submission) -> None:
    with dashboard(token="0123456789abcdef") as board:
        environment = {
            **os.environ, "RAY_API_SERVER_ADDRESS": board.url, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef",
        }  # fmt: skip
        started = time.monotonic()
        done = subprocess.run(
            [*COMMAND, "--no-wait"], cwd=ROOT, env=environment, text=True, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert time.monotonic() - started < 30
        [job] = board.jobs.values()
        assert "0123456789abcdef" not in str(job) + done.stdout + done.stderr
        wrong = subprocess.run(
            COMMAND, cwd=ROOT, env={**environment, "RAY_AUTH_TOKEN": "other-token"}, text=True, capture_output=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert wrong.returncode == 2
        assert "refuses this token" in wrong.stderr
