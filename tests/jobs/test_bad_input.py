"""Bad input as a user meets it: one line with the fix, exit code 2, no traceback, nothing made and nothing lost."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from lib.errors import UserError
from lib.progress import Progress
from lib.runtime.pipeline import run
from lib.runtime.session import Session
from lib.study import load_study
from tests.studies import run_job, write_study

GOOD = {"instruction": "Name a colour.", "response": "Blue is a colour."}


@pytest.fixture
def study(tmp_path: Path, tiny_llama: Path) -> Path:
    return write_study(tmp_path / "study.yaml", model=tiny_llama, storage=tmp_path / "runs")


def refused(study: Path, *overrides: str, before: str = "--dry-run") -> str:
    """Run it; the one line it is refused with."""
    code, output = run_job("sweep", study, *([before] if before else []), *overrides, timeout_s=60)
    lines = [line for line in output.splitlines() if line.strip()]
    assert code == 2, output
    assert lines[-1].startswith("error: "), output
    assert len([line for line in lines if not line.startswith("[")]) == 1, output
    assert "Traceback" not in output
    assert not (study.parent / "runs").exists(), "something was written"
    return lines[-1].removeprefix("error: ")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("corpus.0.source=nowhere.jsonl", "'nowhere.jsonl' does not exist"),
        ("corpus.0.format=beavertails", "is not of format 'beavertails'"),
        ("corpus.0.format=beavertail", "did you mean 'beavertails'"),
        ("sweep.strategy=[sssb]", "did you mean 'sss'"),
        ("evaluate.judges=[keywords]", "did you mean 'keyword'"),
        ("evaluate.judges=['keyword:qi92']", "unknown refusal phrase list 'qi92'"),
        ("evaluate.prompts.0.source=builtin:harmfull", "did you mean 'harmful'"),
        ("models.0.source=package:no_such_package", "no package 'no_such_package' is installed"),
        ("models.0.source=./no-such-folder", "is no folder"),
        ("models.0.source=org/model", "name the revision"),
        ("recipe.lr=.nan", "recipe.lr"),
        ("recipe.lr=1e9", "recipe.lr"),
        ("recipe.steps=-1", "recipe.steps"),
        ("recipe.lrr=1", "did you mean 'lr'"),
        ("name=../outside", "name"),
        ("name=a/b", "name"),
        ("recipe.ema=0.99", "recipe.ema"),
        ("storage=http://bucket/x", "a path, s3://bucket/prefix or gs://bucket/prefix"),
        ("storage=s3://Bucket/x", "write it as s3://bucket/prefix"),
        ("categories.from=nearest", None),
    ],
)
def test_a_wrong_study_is_one_line(study: Path, override: str, said: str | None) -> None:
    overrides = [override] if said else [override, "references=null"]
    assert (said or "no references") in refused(study, *overrides)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.jsonl", b"", "is empty"),
        ("binary.jsonl", bytes(range(256)), "is not .jsonl"),
        ("zip.parquet", b"PK\x03\x04 no parquet", "is not valid Parquet"),
        ("rows.txt", b"{}\n", "unknown ending"),
        ("list.json", b"{", "is not valid JSON"),
    ],
)
def test_a_wrong_file_is_named(study: Path, tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    line = refused(study, f"corpus.0.source={tmp_path / name}")
    assert said in line
    assert name in line


def test_a_folder_without_files_is_named(study: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("x")
    assert "is a folder without a file ending in" in refused(study, f"corpus.0.source={tmp_path / 'folder'}")


def test_a_storage_that_is_a_file_is_named(study: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    line = refused(study, f"storage={tmp_path / 'file' / 'runs'}", before="")
    assert "storage" in line
    assert "cannot be written" in line


def stopped(study: Path, *overrides: str) -> str:
    """Run it in this process up to the selections; what it stops with."""
    with pytest.raises(UserError) as error:
        run(load_study(study, [*overrides, "cluster.max_gpus=0"]), Progress(io.StringIO()), until="sample")
    return str(error.value)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.engine
def test_a_bad_row_stops_with_file_and_line_and_is_skipped_on_request(
    study: Path, ray_session: Session, tmp_path: Path
) -> None:
    """In a running pipeline: rows without a response, and a budget over the pool, keep what was finished."""
    rows = [{**GOOD, "instruction": f"Name colour {i}.", "harmful_request": True, "refusal": False} for i in range(60)]
    rows[57] = {**rows[57], "response": float("nan")}
    rows[58] = {"instruction": "No answer here."}
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    wrong = [f"corpus.0.source={corpus}", "sweep.strategy=[random]", "sweep.budget=[500]", "references=null"]

    code, output = run_job("sample", study, *wrong)
    assert code == 2, output
    last = output.strip().splitlines()[-1]
    assert last.startswith(f"error: {corpus}, line 58: 'response' is no text"), output
    assert "(and 1 more)" in last
    assert "Traceback" not in output

    skipping = [*wrong, "corpus.on_bad_row=skip"]
    assert "strategy 'random' needs 500 rows and the eligible pool has 58 (442 short)" in stopped(study, *skipping)
    kept = list((tmp_path / "runs" / "artifacts" / "ingest").glob("*/manifest.json"))
    assert len(kept) >= 2, "a finished stage was lost"
    rejects = [m for m in kept if json.loads(m.read_text())["facts"]["rejected"] == 2]
    assert len(rejects) == 1
    line = stopped(study, *skipping, "sweep.budget=[4]", "sweep.strategy=[sss]")
    assert "strategy 'sss' needs categories and no row of the pool has one" in line


def test_a_file_of_answers_that_is_none_is_one_line(study: Path, tmp_path: Path) -> None:
    code, output = run_job("judge", study, "--answers", tmp_path / "none.jsonl", timeout_s=60)
    assert (code, output.strip()) == (
        2, f"error: {tmp_path / 'none.jsonl'} does not exist: give a file of answers (.jsonl, .json, .csv or .parquet)"
    )  # fmt: skip


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_storage_without_permission_is_named(study: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "cannot be written" in refused(study, f"storage={tmp_path / 'locked' / 'runs'}", before="")
