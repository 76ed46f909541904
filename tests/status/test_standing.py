"""How a study stands, told from its storage: cells by what is there, the last run by its log, words for a terminal."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lib.files import write_table
from lib.judging.judge import VERDICTS
from lib.plan import Lookup, make_plan
from lib.status.journal import LOG_FILE
from lib.status.record import Expected, make_record, write_record
from lib.status.standing import last_run, standing
from lib.status.text import age, status_text
from lib.store import Store
from lib.study import Study
from tests.makers import demo, finished

SMALL = ("evaluate.prompts=[harmful]", "evaluate.judges=[keyword:qi29]")
NOW = 1_800_000_000.0
REFUSED = {"none": 1, "random-48": 2, "sss_b-48": 3, "base": 0}
"""Of four answers, by cell."""


def line(event: str, seconds_ago: float = 0.0, run: str = "r1", **fields: Any) -> dict[str, Any]:
    when = datetime.datetime.fromtimestamp(NOW - seconds_ago, datetime.UTC).isoformat()
    return {"event": event, "time": when, "run": run, **fields}


def write_log(folder: Path, lines: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOG_FILE).write_text("".join(f"{json.dumps(one)}\n" for one in lines))


class Story:
    """The demo study as it stands when some stages have run for some cells."""

    def __init__(self, tmp_path: Path, *overrides: str) -> None:
        self.study: Study = demo(tmp_path, *overrides)
        self.store = Store(self.study.storage)
        self.folder = Path(self.study.storage) / "studies" / self.study.name

    def record(self, told: Expected | None = None) -> None:
        write_record(self.folder, make_record(make_plan(self.study, Lookup(self.store)), told))

    def key(self, cell: str) -> str:
        plan = make_plan(self.study, Lookup(self.store))
        return next(key for key, label in plan.labels.items() if label.endswith(cell))

    def drop(self, stage: str, cells: Collection[str]) -> None:
        """Take the artifacts of a stage away from some cells."""
        for cell in make_plan(self.study, Lookup(self.store)).cells:
            if cell.label.split()[1] in cells:
                nodes = [cell.train] if stage == "train" else getattr(cell, stage).values()
                for node in nodes:
                    if node is not None:
                        (self.store.root / "artifacts" / stage / str(node.key) / "manifest.json").unlink()

    def text(self) -> list[str]:
        return status_text(self.study.name, self.folder, self.store, NOW).splitlines()


@pytest.fixture
def story(told: Path, tmp_path: Path) -> Story:
    """The study with every stage done."""
    shutil.copytree(told, tmp_path / "runs")
    return Story(tmp_path, *SMALL)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its storage, made once: keys do not depend on where it lies."""
    made = Story(tmp_path_factory.mktemp("told"), *SMALL)
    plan, _ = finished(made.study)  # keys are known; what has files is made again
    names = {node.key: cell.label.split()[1] for cell in plan.cells for node in cell.generate.values()}
    for node in (*plan.nodes("generate"), *plan.nodes("judge")):
        place = made.store.root / "artifacts" / node.stage / str(node.key)
        (place / "manifest.json").unlink()
        with made.store.attempt(node.stage, str(node.key), {}) as attempt:
            if node.stage == "generate":
                write_table(attempt.folder / "generations.parquet", pa.table({"kind": ["harmful"] * 4}))
            else:
                refused = REFUSED[names[node.inputs["generate"].key]]
                rows = [{"number": n, "refusal": n < refused} for n in range(4)]
                write_table(attempt.folder / "verdicts.parquet", pa.Table.from_pylist(rows, schema=VERDICTS))
            attempt.facts = {"rows": 4, "errors": 0}
    made.record(Expected(device="a device", assumed=True, devices=1, stages={"train": (3, 300.0), "judge": (4, 8.0)}))
    return made.store.root


def test_a_study_that_was_never_run_is_one_line_and_makes_nothing(tmp_path: Path) -> None:
    made = Story(tmp_path)
    assert len(made.text()) == 1
    assert made.text()[0].startswith("study demo has not been run yet: ")
    assert not made.store.root.exists()


def test_a_finished_study(story: Story) -> None:
    write_log(story.folder, [line("run_started", 90), line("run_ended", 60, outcome="done")])
    text = story.text()
    assert text[1] == "not running: the last run ended 60 s ago, done"
    assert text[2].startswith("cells: 0 waiting, 0 training, 0 trained, 0 answered, 4 judged, 0 failed (of 4,")
    assert "lowest asr so far: 0.25 (n 4) on harmful by keyword:qi29, smollm2-135m sss_b-48" in text
    assert text[-2:] == ["errors: none", "time left: none, everything is there"]


def test_a_study_that_is_training(story: Story) -> None:
    for stage in ("judge", "generate"):
        story.drop(stage, REFUSED)
    story.drop("train", ["random-48", "sss_b-48"])
    key = story.key("random-48")
    write_log(story.folder, [
        line("run_started", 50), line("stage_started", 45, stage="train"), line("cell_started", 30, key=key),
        line("cell_step", 4, key=key, cell="smollm2-135m random-48", step=5, total=20, loss=1.5),
    ])  # fmt: skip
    text = story.text()
    assert text[1] == "train is running as of the last line of its log, 4 s ago"
    assert text[2].startswith("cells: 2 waiting, 1 training, 1 trained, 0 answered, 0 judged, 0 failed")
    assert text[3] == "  smollm2-135m random-48: step 5 of 20, loss 1.500"
    assert "train 1/3" in text[4]
    assert (
        text[-1] == "time left: about 3:03 by the cost model (a device, whose speed is assumed)"
    )  # 1.75 cells, all judging
    assert not any("asr" in one for one in text)


def test_failures_are_named_until_somebody_tries_again(story: Story) -> None:
    for stage in ("judge", "generate", "train"):
        story.drop(stage, ["random-48"])
    told = {"key": story.key("random-48"), "cell": "smollm2-135m random-48"}
    lines = [
        line("run_started", 4000), line("cell_started", 3950, **told), line("engine_lost", 3920),
        line("cell_failed", 3900, error="UserError", reason="the loss\x1b[2J is not finite", **told),
        line("run_ended", 3800, outcome="failed", error="RetriableError"),
    ]  # fmt: skip
    write_log(story.folder, lines)
    text = story.text()
    assert text[1].startswith("not running: the last run ended 63 min ago, failed (RetriableError; ")
    assert "0 waiting, 0 training, 0 trained, 0 answered, 3 judged, 1 failed" in text[2]
    at = text.index("errors:")
    assert text[at + 1].startswith("  UserError: cell smollm2-135m random-48: the loss")
    assert "\x1b" not in text[at + 1]
    assert text[at + 2] == "  engines lost and started anew: 1"
    write_log(story.folder, [*lines, line("run_started", 20, run="r2")])
    text = story.text()
    assert (text[1], "errors: none" in text) == (
        "running, between two stages as of the last line of its log, 20 s ago",
        True,
    )
    assert "1 waiting" in text[2]


def test_a_driver_that_was_killed_is_doubted(story: Story) -> None:
    story.drop("judge", ["none"])
    write_log(story.folder, [line("run_started", 9000), line("stage_started", 8000, stage="judge")])
    assert story.text()[1] == (
        "judge is running as of the last line of its log, 2 h ago; nothing since: its driver was killed, "
        "or it waits for machines"
    )
    (story.folder / LOG_FILE).unlink()
    assert story.text()[1] == "no log: nobody knows when it last ran"


def test_answers_that_are_missing_are_counted_once(story: Story) -> None:
    plan = make_plan(story.study, Lookup(story.store))
    for stage, errors in (("generate", 3), ("judge", 5)):
        path = story.store.root / "artifacts" / stage / str(plan.nodes(stage)[1].key) / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["facts"]["errors"] = errors
        path.write_text(json.dumps(manifest))
    found = standing(story.folder, story.store)
    assert found is not None
    assert (found.unanswered, dict(found.unread)) == (3, {"keyword:qi29": 2})


def test_the_last_run_alone_counts() -> None:
    run = last_run([
        line("run_started", 9), line("cell_failed", 8, key="a"), line("run_started", 7, run="r2"),
        line("stage_started", 6, run="r2", stage="train"), line("cell_started", 5, run="r2", key="b"),
        line("cell_started", 4, run="r2", key="c"), line("cell_trained", 3, run="r2", key="b"),
    ])  # fmt: skip
    assert (run.stage, run.ended, list(run.training), run.failed, run.heard) == ("train", "", ["c"], {}, NOW - 3)
    assert last_run([{"event": "x", "time": 5}]).heard is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (75, "75 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 days"), (864000, "10 days")],
)
def test_age(seconds: float, text: str) -> None:
    assert age(seconds) == text
