"""A run's log on its way to a bucket: earlier runs stay, lines that were not sent are not lost, nothing is stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.errors import StorageError
from lib.status import sender
from lib.status.journal import LOG_FILE, Journal, events
from lib.status.sender import LogSender, bring_log
from lib.store.shared import Shared

FOLDER = "studies/demo"


class Far(Shared):
    """A storage that others see as a second folder."""

    sends = True

    def __init__(self, here: Path, there: Path) -> None:
        super().__init__(str(here))
        self.there, self.broken = there, False

    def size_bytes(self, name: str) -> int | None:
        return Shared(str(self.there)).size_bytes(name)

    def bring(self, folder: str, files: object = None, only: tuple[str, ...] = ()) -> None:
        for name in only:
            (self.root / folder).mkdir(parents=True, exist_ok=True)
            (self.root / folder / name).write_bytes((self.there / folder / name).read_bytes())

    def send(self, folder: str, names: list[str] | None = None) -> None:
        if self.broken:
            raise StorageError("it is gone")
        for name in names or ():
            (self.there / folder).mkdir(parents=True, exist_ok=True)
            (self.there / folder / name).write_bytes((self.root / folder / name).read_bytes())


def run(far: Far, *told: str) -> None:
    with LogSender(far, FOLDER):
        journal = Journal(far.root / FOLDER, study="demo", run="r")
        for event in told:
            journal.write(event)


def told(place: Path) -> list[str]:
    return [event["event"] for event in events(place / FOLDER)]


def test_a_run_elsewhere_goes_on_with_the_log(tmp_path: Path) -> None:
    run(Far(tmp_path / "a", tmp_path / "bucket"), "one", "two")
    run(Far(tmp_path / "b", tmp_path / "bucket"), "three")
    assert told(tmp_path / "bucket") == told(tmp_path / "b") == ["one", "two", "three"]


def test_who_looks_at_a_run_on_its_own_machine_takes_no_line_away(tmp_path: Path) -> None:
    far = Far(tmp_path / "a", tmp_path / "bucket")
    run(far, "one")
    Journal(far.root / FOLDER, study="demo", run="r").write("two")  # not sent yet
    bring_log(far, FOLDER)
    assert told(tmp_path / "a") == ["one", "two"]


def test_lines_of_a_killed_run_that_were_not_sent_are_kept(tmp_path: Path) -> None:
    far = Far(tmp_path / "a", tmp_path / "bucket")
    run(far, "one")
    Journal(far.root / FOLDER, study="demo", run="killed").write("two")
    run(far, "three")
    assert told(tmp_path / "bucket") == ["one", "two", "three"]


def test_it_is_sent_while_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "SEND_S", 0.01)
    far = Far(tmp_path / "a", tmp_path / "bucket")
    with LogSender(far, FOLDER):
        Journal(far.root / FOLDER, study="demo", run="r").write("one")
        while not (tmp_path / "bucket" / FOLDER / LOG_FILE).exists():
            pass
    assert told(tmp_path / "bucket") == ["one"]


def test_a_bucket_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    far = Far(tmp_path / "a", tmp_path / "bucket")
    far.broken = True
    run(far, "one")
    assert told(tmp_path / "a") == ["one"]
    assert told(tmp_path / "bucket") == []
