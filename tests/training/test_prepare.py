"""Compiled ops lie in a folder of their environment; a lock that a killed process left behind holds nobody up for good."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest

from lib.training.prepare import VARIABLE, extensions_folder, release_stale, use_own_ninja


def test_every_environment_compiles_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folders = []
    for prefix in ("/one/.venv", "/other/.venv", "/one/.venv"):
        monkeypatch.setattr(sys, "prefix", prefix)
        monkeypatch.delenv(VARIABLE)
        folders.append(extensions_folder())
        assert os.environ[VARIABLE] == str(folders[-1])
    assert folders[0] == folders[2] != folders[1]
    assert all(folder.is_relative_to(tmp_path) for folder in folders)


def test_a_folder_that_the_user_names_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    assert extensions_folder() == tmp_path / "mine"


def test_ninja_is_the_environments_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    use_own_ninja()
    own = os.environ["PATH"]
    assert shutil.which("ninja") == str(Path(sys.executable).with_name("ninja"))
    use_own_ninja()
    assert os.environ["PATH"] == own


def test_an_old_lock_beside_fresh_object_files_is_somebodys(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    os.utime(lock, (time.time() - 60, time.time() - 60))
    (tmp_path / "half.o").touch()
    threading.Timer(0.5, lock.unlink).start()
    started = time.monotonic()
    release_stale(lock, stale_s=30)
    assert time.monotonic() - started >= 0.4


def test_an_old_lock_is_removed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    os.utime(lock, (time.time() - 60, time.time() - 60))
    release_stale(lock, stale_s=30)
    assert not lock.exists()


def test_a_fresh_lock_is_waited_for(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    threading.Timer(0.5, lock.unlink).start()
    started = time.monotonic()
    release_stale(lock, stale_s=30)
    assert time.monotonic() - started >= 0.4


def test_no_lock_is_no_wait(tmp_path: Path) -> None:
    release_stale(tmp_path / "lock")
