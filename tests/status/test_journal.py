"""The log of a run: lines that a machine reads, small, without secrets, and nothing that stops a run."""

from __future__ import annotations

import datetime
import json
import math
from pathlib import Path

import pytest

from lib.status.journal import LOG_FILE, TEXT_CHARS, Journal, LinesHandler, clean, events


def test_a_line_is_json_with_time_level_and_what_always_holds(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "study", study="demo", run="r1")
    journal.write("cell_trained", stage="train", cell="tiny sss_b-8", key="ab12", holdout_loss=math.nan, error=None)
    journal.write("cell_failed", "error", reason="line\nbreak")
    first, second = map(json.loads, (tmp_path / "study" / LOG_FILE).read_text().splitlines())
    assert (
        abs(datetime.datetime.fromisoformat(first.pop("time")).timestamp() - datetime.datetime.now().timestamp()) < 60
    )
    assert first == {
        "level": "info", "event": "cell_trained", "study": "demo", "run": "r1", "stage": "train", "cell": "tiny sss_b-8",
        "key": "ab12", "holdout_loss": None,
    }  # fmt: skip
    assert (second["level"], second["reason"]) == ("error", "line break")


def test_several_writers_and_a_full_file_lose_no_recent_line(tmp_path: Path) -> None:
    one, two = (Journal(tmp_path, study="demo", run=name) for name in ("one", "two"))
    for journal in (one, two):
        (handler,) = journal.logger.handlers
        assert isinstance(handler, LinesHandler)
        handler.max_bytes = 2000
    for number in range(40):
        (one if number % 2 else two).write("progress", done=number)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4000
    assert {path.name for path in tmp_path.iterdir()} == {LOG_FILE, f"{LOG_FILE}.1"}
    done = [event["done"] for event in events(tmp_path)]
    assert done == list(range(done[0], 40))
    assert len(done) > 10


def test_what_is_no_event_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / LOG_FILE).write_bytes(
        b'{"event": "a"}\n\xff\xfe\n[1]\n{"no": 1}\n{"event": 3}\n{"event": "b"}\n{"event": "cu'
    )
    assert [event["event"] for event in events(tmp_path)] == ["a", "b"]
    assert list(events(tmp_path / "nowhere")) == []


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Journal(tmp_path / "file", study="demo").write("run_started")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("401 for hf_abcdef123", "401 for [HF_TOKEN]"),
        ("s3://me:pass@bucket/x is full", "s3://***@bucket/x is full"),
        ("403 for X-Amz-Signature=0123456789abcdef", "403 for X-Amz-Signature=***"),
        ("a\n  b", "a b"),
        ("short", "short"),
        ("x" * 999, "x" * TEXT_CHARS),
    ],
)
def test_a_reason_is_one_line_without_secrets(text: str, said: str) -> None:
    assert clean(text, {"HF_TOKEN": "hf_abcdef123", "MY_SECRET": "short", "PATH": "is full"}) == said
