"""What the driver tells of a run: states of cells, its log, its record; stages are made up, no Ray."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lib.errors import RetriableError
from lib.judging.judge import VERDICTS, make_judge
from lib.plan import Lookup, Plan, make_plan
from lib.runtime import observer as told
from lib.runtime.metrics import METRICS
from lib.runtime.observer import Observer
from lib.status.journal import events
from lib.status.record import read_record
from lib.store import Store
from tests.makers import demo, finished

SMALL = ("evaluate.prompts=[harmful]", "evaluate.judges=[keyword:qi29]")


class Gauges:
    """A meter that remembers the latest value by name and tags."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, ...], float] = {}

    def set(self, name: str, value: float, **tags: str) -> None:
        assert set(METRICS[name].tags) == set(tags)
        self.values[name, *tags.values()] = value

    def add(self, name: str, amount: float = 1) -> None:
        self.values[(name,)] = self.values.get((name,), 0) + amount

    def progress(self) -> None:
        self.add("progress")

    def cells(self) -> dict[str, float]:
        return {at[1]: value for at, value in self.values.items() if at[0] == "ballast_cells" and value}


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The storage of the demo study, all of it planned and no cell begun."""
    study = demo(tmp_path_factory.mktemp("sampled"), *SMALL)
    finished(study)
    for stage in ("train", "generate", "judge"):
        shutil.rmtree(Path(study.storage) / "artifacts" / stage)
    return Path(study.storage)


@pytest.fixture
def watched(sampled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Observer, Gauges, Plan, Lookup]:
    """An observer of it."""
    monkeypatch.setattr(told, "is_up", lambda: True)
    shutil.copytree(sampled, tmp_path / "runs")
    study = demo(tmp_path, *SMALL)
    store = Store(study.storage)
    observer, gauges = Observer(study), Gauges()
    observer.meter = gauges  # type: ignore[assignment]
    lookup = Lookup(store)
    observer.planned(plan := make_plan(study, lookup), lookup, {})
    return observer, gauges, plan, lookup


def log(observer: Observer) -> list[dict[str, Any]]:
    assert observer.folder is not None
    return list(events(observer.folder))


def publish(lookup: Lookup, node: Any) -> None:
    with lookup.store.attempt(node.stage, str(node.key), {}) as attempt:
        attempt.facts = {"form": "adapter", "holdout_loss": 2.0}


def test_cells_go_from_waiting_to_done(watched: Any, tmp_path: Path) -> None:
    observer, gauges, plan, lookup = watched
    assert gauges.cells() == {"waiting": 4}
    cell = plan.cells[1]
    key = str(cell.train.key)
    observer.cell_started(key, cell.label)
    assert gauges.cells() == {"waiting": 3, "running": 1}
    observer.cell_ended(key, cell.label, {"metrics": {"holdout_loss": 2.0, "steps": 3, "wall_s": 1.0}})
    publish(lookup, cell.train)
    observer.planned(plan := make_plan(plan.study, lookup), lookup, {})
    assert gauges.cells() == {"waiting": 3, "running": 1}, "it is not judged"
    cell = plan.cells[1]
    publish(lookup, cell.generate["harmful"])
    observer.planned(plan := make_plan(plan.study, lookup), lookup, {})
    cell = plan.cells[1]
    pq_file = tmp_path / "generations.parquet"
    pa.parquet.write_table(pa.table({"kind": ["harmful"] * 4}), pq_file)
    rows = [{"number": n, "refusal": n < 3} for n in range(4)]
    verdicts = pa.Table.from_pylist(rows, schema=VERDICTS)
    observer.judged(cell.judge["harmful", "keyword:qi29"], pq_file, verdicts, make_judge("keyword:qi29"), 1)
    assert gauges.cells() == {"waiting": 3, "done": 1}
    assert gauges.values["ballast_asr", cell.label, "harmful", "keyword:qi29"] == 0.25
    assert gauges.values[("ballast_error_rows",)] == 1
    last = log(observer)[-1]
    assert (last["event"], last["cell"], last["asr"], last["n"]) == ("answers_judged", cell.label, 0.25, 4)


def test_failed_and_left_cells(watched: Any) -> None:
    observer, gauges, plan, lookup = watched
    first, second, *_ = (cell for cell in plan.cells if cell.train)
    failure = {"error": "its worker group died\n3 times", "user": False}
    for cell, outcome in ((first, failure), (second, {"left": "late"})):
        observer.cell_started(str(cell.train.key), cell.label)
        observer.cell_ended(str(cell.train.key), cell.label, outcome)
    assert gauges.cells() == {"waiting": 3, "failed": 1}
    observer.planned(plan, lookup, {str(first.train.key): failure, str(second.train.key): {"left": "late"}})
    assert gauges.cells() == {"waiting": 3, "failed": 1}
    failed = next(event for event in log(observer) if event["event"] == "cell_failed")
    assert (failed["level"], failed["error"], failed["reason"], failed["key"]) == (
        "error", "RetriableError", "its worker group died 3 times", str(first.train.key),
    )  # fmt: skip


def test_the_record_is_written_and_names_every_cell(watched: Any) -> None:
    observer, _, plan, _ = watched
    record = read_record(observer.folder)
    assert record is not None
    assert [cell.label for cell in record.cells] == [cell.label for cell in plan.cells]
    assert record.expected is not None
    assert record.expected.stages["train"][0] == 3


def test_a_run_and_its_stages_are_told_with_their_end(watched: Any) -> None:
    observer, gauges, _, _ = watched
    with pytest.raises(RetriableError), observer.run("judge"), observer.stage("train", 3, 2):  # noqa: PT012
        observer.ticked("train x", 1, 2, "steps")
        raise RetriableError("a prompt: secret words")
    with observer.run("judge"), observer.stage("judge", 3, 3):
        observer.ticked("judge wildguard", 512, 1024, "answers")
    told_of = [(one["event"], one.get("stage"), one.get("outcome"), one.get("error")) for one in log(observer)]
    assert told_of == [
        ("run_started", None, None, None), ("stage_started", "train", None, None),
        ("run_ended", None, "failed", "RetriableError"), ("run_started", None, None, None),
        ("stage_started", "judge", None, None), ("progress", "judge", None, None), ("stage_ended", "judge", None, None),
        ("run_ended", None, "done", None),
    ]  # fmt: skip
    assert "secret" not in json.dumps(log(observer))
    assert {at[1] for at in gauges.values if at[0] == "ballast_stage_seconds"} == {"train", "judge"}
    assert len({one["run"] for one in log(observer)}) == 1


def test_steps_are_told_now_and_then(watched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    observer, _, _, _ = watched
    clock = [100.0]
    monkeypatch.setattr(told.time, "monotonic", lambda: clock[0])
    for step in range(1, 21):
        clock[0] += 1
        observer.cell_step("k", "a cell", step, 20, 1.5)
    assert [one["step"] for one in log(observer) if one["event"] == "cell_step"] == [1, 6, 11, 16, 20]


def test_without_a_study_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    observer = Observer()
    with observer.run("judge"), observer.stage("train", 1, 1):
        observer.cell_started("k", "a cell")
        observer.engine_lost("generate", 2)
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    study = demo(tmp_path)
    plan, lookup = finished(study)
    (Path(study.storage) / "studies").write_text("in the way")
    observer = Observer(study)
    with observer.run("judge"):
        observer.planned(plan, lookup, {})
    assert Counter(observer.states.values()) == {"done": 4}
