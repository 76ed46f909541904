"""A lock that a killed process left behind holds nobody up for good."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from lib.training.prepare import release_stale


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
