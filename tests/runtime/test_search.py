"""Adaptive searches with the real trainer and engine on a tiny model: killed in the middle, gone on with, and then complete."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import chat_server
from tests.studies import run_job, start_job, write_study

pytestmark = [pytest.mark.ray, pytest.mark.engine, pytest.mark.slow]

AXES = ("sweep.strategy=[random, sss_b]", "sweep.budget=[8]", "sweep.recipe.lr={from: 1e-2, to: 0.5, scale: log}")
SHORT = ("recipe.steps=15", "evaluate.prompts.0.limit=6", "evaluate.prompts.1.limit=2")
JUDGES = "evaluate.judges=['keyword:qi29', 'openai:grader']"
LOOKS = "prompts: harmful, metric: harm_score_5, judge: 'openai:grader'"
OPTUNA = f"sweep.search={{method: optuna, trials: 4, {LOOKS}}}"
ASHA = f"sweep.search={{method: asha, trials: 5, rungs: 1, {LOOKS}}}"


@pytest.fixture
def grader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that grades an answer by its letters: models that say something else get another grade."""

    def reply(number: int, body: dict[str, Any]) -> str:
        digest = hashlib.sha256(str(body["messages"]).encode()).digest()
        return f"By its letters.\n#thescore: {1 + digest[0] % 5}"

    with chat_server(reply) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-real-key")
        yield


def tried(storage: Path) -> list[dict[str, Any]]:
    path = storage / "searches" / "tiny.json"
    found: list[dict[str, Any]] = json.loads(path.read_text())["tried"] if path.exists() else []
    return found


def published(storage: Path, stage: str) -> set[str]:
    return {path.parent.name for path in (storage / "artifacts" / stage).glob("*/manifest.json")}


def kill_when(storage: Path, count: int, *arguments: object) -> None:
    """Run a search and kill its driver as soon as so many trials are written down."""
    process = start_job("sweep", *arguments)
    deadline = time.monotonic() + 400
    while len(tried(storage)) < count:
        assert process.poll() is None, process.communicate()[0][-4000:]
        assert time.monotonic() < deadline
        time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_killed_optuna_search_goes_on_with_the_cells_that_are_stored(
    tiny_llama: Path, tmp_path: Path, grader: None
) -> None:
    pytest.importorskip("optuna", reason="the extra `search` is not installed")
    storage = tmp_path / "runs"
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage=storage)
    command = (study, *AXES, *SHORT, JUDGES, OPTUNA)
    kill_when(storage, 2, *command)
    before, trained = tried(storage), published(storage, "train")
    code, output = run_job("sweep", *command)
    assert code == 0, output[-6000:]
    after = tried(storage)
    assert after[: len(before)] == before
    assert len(after) == 4
    assert published(storage, "train") >= trained
    assert published(storage, "train") == {one["key"] for one in after}
    assert all(one["state"] == "done" for one in after)
    summary = json.loads((storage / "studies" / "tiny" / "summary.json").read_text())
    assert summary["search"]["best"][0]["of"] == 4
    assert summary["search"]["best"][0]["value"] == min(one["value"] for one in after)
    assert "the best of 4 is" in output
    assert "number and interval are optimistic" in output

    code, again = run_job("sweep", *command)
    assert code == 0, again[-4000:]
    assert "have 4 trials" in again
    assert "Ray started here" not in again
    code, told = run_job("report", *command)
    assert code == 0, told[-4000:]


def test_asha_stops_cells_on_their_way_and_the_others_are_what_a_grid_gives(
    tiny_llama: Path, tmp_path: Path, grader: None
) -> None:
    storage = tmp_path / "runs"
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage=storage)
    command = (study, *AXES, *SHORT, JUDGES, ASHA)
    kill_when(storage, 2, *command)
    before = tried(storage)
    code, output = run_job("sweep", *command)
    assert code == 0, output[-6000:]
    after = tried(storage)
    assert after[: len(before)] == before
    assert len(after) == 5
    stopped = [one for one in after if one["state"] == "stopped"]
    done = [one for one in after if one["state"] == "done"]
    assert len(stopped) + len(done) == 5
    assert stopped
    assert done
    assert published(storage, "train") == {one["key"] for one in done}
    assert not list((storage / "checkpoints").glob("*/*"))
    assert not published(storage, "look")
    summary = json.loads((storage / "studies" / "tiny" / "summary.json").read_text())
    assert [one["key"] for one in summary["search"]["stopped"]] == [one["key"] for one in stopped]
    for one in stopped:
        assert one["step"] == 5
        assert f"{one['label']} was stopped at step 5" in output

    # One that came through has the files of a cell that nobody looked at.
    survivor = done[-1]
    alone = tmp_path / "alone"
    axes = [f"recipe.lr={survivor['point']['axes']['recipe.lr']}", f"sweep.strategy={survivor['point']['strategy']}"]
    code, output = run_job("train", study, *SHORT, "sweep.budget=[8]", *axes, f"storage={alone}")
    assert code == 0, output[-4000:]
    assert digests(alone, survivor["key"]) == digests(storage, survivor["key"])

    code, again = run_job("sweep", *command)
    assert code == 0, again[-4000:]
    assert "have 5 trials" in again
    assert "Ray started here" not in again


def digests(storage: Path, key: str) -> dict[str, str]:
    """Of the weights, the log and the canary of a cell."""
    manifest = json.loads((storage / "artifacts" / "train" / key / "manifest.json").read_text())
    names = ("adapter/adapter_model.safetensors", "training_log.parquet", "canary.json")
    return {name: manifest["files"][name]["sha256"] for name in names}
