"""Folders that several write together: whole or absent, the newest counts, on a file system as in a bucket."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lib.store import Store
from lib.store.shelf import Shelf, shelf_at

LAST = "state.json"


class Machines:
    """Two machines that write to one shelf."""

    def __init__(self, store: Store, tmp_path: Path, apart: bool) -> None:
        self.address, self.caches = store.address(store.checkpoints("key")), [tmp_path / "cache", tmp_path / "b"]
        self.apart = apart

    def shelf(self, machine: int) -> Shelf:
        os.environ["BALLAST_CACHE"] = str(self.caches[machine])  # the fixture puts it back
        return shelf_at(self.address, LAST)

    def write(self, step: int, token: str, *, finished: bool = True) -> None:
        name, writing = f"step-{step:08d}", Path()
        for machine in (0, 1):
            shelf = self.shelf(machine)
            writing = shelf.writing(name, token)
            writing.mkdir(parents=True, exist_ok=True)
            (writing / f"part-{machine}").write_text(f"{step} of {machine}")
            shelf.written(writing / f"part-{machine}")
        if finished:
            shelf = self.shelf(0)
            writing = shelf.writing(name, token)
            (writing / LAST).write_text(str(step))
            shelf.finish(writing, name)
            for machine in (0, 1):
                shelf = self.shelf(machine)
                shelf.leave(shelf.writing(name, token))

    def read(self, machine: int) -> dict[str, str] | None:
        shelf = self.shelf(machine)
        newest = shelf.newest()
        return None if newest is None else {path.name: path.read_text() for path in shelf.open(newest).iterdir()}


@pytest.fixture(params=["folder", "bucket"])
def machines(request: pytest.FixtureRequest, tmp_path: Path) -> Machines:
    if request.param == "folder":
        return Machines(Store(tmp_path / "runs"), tmp_path, apart=False)
    store: Store = request.getfixturevalue("bucket_store")
    return Machines(store, tmp_path, apart=True)


def whole(step: int) -> dict[str, str]:
    return {"part-0": f"{step} of 0", "part-1": f"{step} of 1", LAST: str(step)}


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BALLAST_CACHE", str(tmp_path / "cache"))


def test_what_all_have_written_is_there_for_all_and_older_ones_are_not(machines: Machines) -> None:
    assert machines.read(0) is None
    for step in (9, 10, 100):
        machines.write(step, f"token{step}")
        assert machines.read(0) == machines.read(1) == whole(step)


def test_what_is_not_finished_does_not_count(machines: Machines) -> None:
    machines.write(1, "a")
    machines.write(2, "b", finished=False)
    assert machines.read(0) == machines.read(1) == whole(1)
    machines.write(2, "c")
    assert machines.read(1) == whole(2)


def test_two_drivers_on_one_step(machines: Machines) -> None:
    machines.write(1, "a")
    machines.write(1, "b")
    assert machines.read(0) == whole(1)
    machines.write(2, "c")
    assert machines.read(0) == whole(2)


def test_cleared_is_empty(machines: Machines) -> None:
    machines.write(1, "a")
    machines.shelf(0).clear()
    assert machines.read(0) is None
    assert machines.read(1) is None
