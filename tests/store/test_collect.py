"""Freeing what nobody wants: what is looked at, what is left alone, and what a kill in between leaves."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from pathlib import Path

import pytest

from lib.store import Store, digest_value
from lib.store import collect as collecting
from lib.store.collect import Unwanted, free, unwanted
from lib.store.place import MANIFEST
from lib.store.store import OWNER

DAY_S = 86400.0
A, B, C = (digest_value(name) for name in "abc")


def publish(store: Store, key: str, *, resumable: bool = False, days: float = 0) -> Path:
    with store.attempt("mix", key, {}, resumable=resumable) as attempt:
        (attempt.folder / "rows").write_text("x" * 1000)
    return aged(store.root / "artifacts" / "mix" / key, days)


def aged(place: Path, days: float) -> Path:
    then = time.time() - days * DAY_S
    for path in (*place.rglob("*"), place):
        os.utime(path, (then, then), follow_symlinks=False)
    return place


def found(store: Store, *wanted: str, days: float = 7) -> list[Unwanted]:
    return unwanted(store, ["mix", "train"], {"mix": wanted}, days * DAY_S)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def test_what_no_plan_wants_is_found_with_its_size_once_it_is_old_enough(store: Store) -> None:
    publish(store, A, days=8)
    publish(store, B, days=8)
    publish(store, C, days=6)
    (one,) = found(store, A)
    assert (one.stage, one.key, one.whole, round(one.age_s / DAY_S)) == ("mix", B, True, 8)
    assert one.size_bytes > 1000
    assert {one.key for one in found(store, A, days=5)} == {B, C}
    assert store.find("mix", B) is not None  # looking changes nothing


@pytest.mark.parametrize("resumable", [False, True])
def test_what_is_freed_is_gone_and_can_be_made_again(store: Store, resumable: bool) -> None:
    place = publish(store, A, resumable=resumable, days=8)
    kept = publish(store, B, days=8)
    assert all(free(store, one) for one in found(store, B))
    assert not place.exists()
    assert store.find("mix", B, verify=True) is not None
    assert list(kept.parent.iterdir()) == [kept]
    publish(store, A, resumable=resumable)
    assert store.find("mix", A, verify=True) is not None


@pytest.mark.parametrize("host", ["here", "elsewhere"])
def test_a_folder_with_an_open_attempt_is_left_alone(store: Store, host: str) -> None:
    place = publish(store, A)
    (place / "attempt").mkdir()
    who = {"host": socket.gethostname() if host == "here" else "another", "pid": os.getpid()}
    (place / "attempt" / OWNER).write_text(json.dumps(who))
    aged(place, 30)
    assert found(store) == []


def test_what_has_not_this_layout_is_left_alone(store: Store, tmp_path: Path) -> None:
    artifacts = store.root / "artifacts"
    (artifacts / "mix" / "my notes").mkdir(parents=True)
    foreign = publish(store, A)
    (foreign / MANIFEST).write_text(json.dumps({"stage": "train", "key": A}))
    broken = publish(store, B)
    (broken / MANIFEST).write_text("{")
    (artifacts / "other" / C).mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (artifacts / "mix" / C).symlink_to(tmp_path / "elsewhere")
    store.checkpoints(C).mkdir(parents=True)
    aged(store.root, 30)
    assert found(store) == []


def test_what_a_killed_writer_left_is_found_too_but_never_in_its_first_hour(store: Store) -> None:
    place = publish(store, A, resumable=True, days=0.02)
    (place / MANIFEST).unlink()
    aged(place, 0.02)
    assert found(store, days=0) == []
    aged(place, 0.1)
    (one,) = found(store, days=0)
    assert not one.whole
    assert free(store, one)
    assert not place.exists()


def test_what_changed_since_it_was_found_stays(store: Store) -> None:
    publish(store, A, days=8)
    (one,) = found(store)
    shutil.rmtree(one.folder)
    publish(store, A)
    assert not free(store, one)
    assert store.find("mix", A, verify=True) is not None


@pytest.mark.parametrize("cut", ["unlink", "rename", "rmtree"])
@pytest.mark.parametrize("resumable", [False, True])
def test_a_kill_in_between_leaves_a_whole_artifact_or_none(
    store: Store, monkeypatch: pytest.MonkeyPatch, cut: str, resumable: bool
) -> None:
    place = publish(store, A, resumable=resumable, days=8)
    (one,) = found(store)

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(collecting.shutil if cut == "rmtree" else Path, cut, kill)
        with pytest.raises(Killed):
            free(store, one)
    whole = store.find("mix", A, verify=True) is not None
    assert whole == (cut == "unlink")
    if not whole:
        publish(store, A, resumable=resumable)
        assert store.find("mix", A, verify=True) is not None
    aged(place, 8)
    for one in found(store):
        free(store, one)
    owned = [path for path in place.glob("*") if (path / OWNER).exists()]  # of this process, which lives
    assert place.exists() == bool(owned)
