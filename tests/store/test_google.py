"""The same store on what answers like Google's JSON API, through gcsfs: the code is one, the client another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib.errors import StorageError
from lib.files import write_text
from lib.store import Store, at, deliver, here
from lib.store import bucket as buckets
from lib.store.bucket import Bucket
from lib.store.collect import free, unwanted
from tests.servers import gs_server
from tests.store.conftest import moved

KEY = "0" * 32


@pytest.fixture
def objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """What lies in the bucket `pool`."""
    found: dict[str, bytes] = {}
    monkeypatch.setenv("BALLAST_CACHE", str(tmp_path / "cache"))
    with gs_server("pool", found) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        with buckets.fresh_clients():
            yield found


def test_objects_are_written_listed_read_and_removed(objects: dict[str, bytes], tmp_path: Path) -> None:
    bucket = Bucket("gs://pool/a")
    bucket.check()
    assert objects == {}
    bucket.put("x/one", b"1")
    (tmp_path / "big").write_bytes(bytes(6 << 20))
    assert bucket.create("x/big", tmp_path / "big")
    assert not bucket.create("x/big", tmp_path / "big")
    assert bucket.create("k", b"first")
    assert not bucket.create("k", b"second")
    assert bucket.create("k", b"first")
    assert {name: entry.size_bytes for name, entry in bucket.list("x").items()} == {"one": 1, "big": 6 << 20}
    assert bucket.list("none") == {}
    assert (bucket.read("x/one"), bucket.read("none"), bucket.entry("none")) == (b"1", None, None)
    entry = bucket.entry("k")
    assert entry is not None
    assert (entry.size_bytes, entry.version) == (5, "1")
    assert bucket.get("x/big", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == bytes(6 << 20)
    assert not bucket.get("none", tmp_path / "none")
    bucket.delete(["x/big", "k", "none"])
    assert objects == {"a/x/one": b"1"}


def test_a_bucket_that_is_not_there(objects: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "TRIES", 1)
    for do in (Bucket("gs://other/a").check, lambda: Bucket("gs://other/a").list("x")):
        with pytest.raises(StorageError, match=r"storage gs://other/a: .*no such bucket"):
            do()


def publish(store: Store, text: str, **more: Any) -> None:
    with store.attempt("sample", KEY, more) as attempt:
        (attempt.folder / "rows.txt").write_text(text)


def test_a_store_in_google_s_bucket(objects: dict[str, bytes], tmp_path: Path) -> None:
    store = Store("gs://pool/runs")
    store.prepare()
    with store.attempt("sample", KEY, {}) as slow:
        (slow.folder / "late.txt").write_text("late")
        publish(store, "first")
    other = moved(store, tmp_path / "b")
    with other.at_once():
        artifact = other.find("sample", KEY, verify=True)
        assert artifact is not None
    assert (artifact.folder / "rows.txt").read_text() == "first"
    assert len(objects) == 2
    with store.attempt("embed", KEY, {}, resumable=True) as attempt:
        write_text(at(attempt.address) / "a", "rows")
        deliver(attempt.address, "a")
        os.environ["BALLAST_CACHE"] = str(tmp_path / "cache")
        assert (here(attempt.address) / "a").read_text() == "rows"
        attempt.files = {"a"}
    assert all(free(other, one) for one in unwanted(other, ["sample", "embed"], {}, 0))
    assert objects == {}
