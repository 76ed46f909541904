"""A store in a bucket: published whole or not at all, seen by machines that share nothing, never read damaged."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, NoReturn

import pytest

from lib.errors import StorageError, UserError
from lib.files import write_text
from lib.store import Artifact, Store, at, deliver, here
from lib.store import bucket as buckets
from lib.store.bucket import Bucket
from lib.store.collect import free, unwanted
from lib.store.mirror import cache_folder
from lib.store.place import send
from tests.conftest import ROOT
from tests.faulty import Fault, Proxy, s3_error
from tests.store.conftest import moved

KEY, OTHER = "0" * 32, "1" * 32


@pytest.fixture
def store(bucket_store: Store) -> Store:
    return bucket_store


def publish(store: Store, text: str = "rows", key: str = KEY, **facts: Any) -> None:
    with store.attempt("sample", key, {"k": 1}) as attempt:
        (attempt.folder / "in").mkdir()
        (attempt.folder / "in" / "rows.txt").write_text(text)
        (attempt.folder / "more.txt").write_text("more")
        attempt.facts = facts


def found(store: Store, stage: str = "sample", *, verify: bool = False) -> Artifact:
    artifact = store.find(stage, KEY, verify=verify)
    assert artifact is not None
    return artifact


def text_of(artifact: Artifact) -> str:
    return (artifact.folder / "in" / "rows.txt").read_text()


def objects(store: Store, below: str = "") -> set[str]:
    return set(Bucket(store.storage).list(below))


# ---------------------------------------------------------------- publishing


def test_an_artifact_is_seen_by_another_machine(store: Store, tmp_path: Path) -> None:
    store.prepare()
    with store.attempt("sample", KEY, {"k": 1}) as attempt:
        (attempt.folder / "rows.txt").write_text("rows")
        assert store.find("sample", KEY) is None
        assert moved(store, tmp_path / "b").find("sample", KEY) is None
        attempt.facts = {"rows": 4}
    other = moved(store, tmp_path / "b")
    artifact = found(other, verify=True)
    assert artifact.facts == {"rows": 4}
    assert (artifact.folder / "rows.txt").read_text() == "rows"
    assert artifact.folder.is_relative_to(tmp_path / "b")
    assert (other.root, store.root) == (tmp_path / "b" / store.root.name, store.root)
    assert objects(store) == {
        f"artifacts/sample/{KEY}/manifest.json",
        f"artifacts/sample/{KEY}/{attempt.folder.name}/rows.txt",
    }
    assert here(artifact.address) == artifact.folder


def test_a_store_is_sent_by_its_url(store: Store, tmp_path: Path) -> None:
    os.environ["BALLAST_CACHE"] = str(tmp_path / "b")
    sent = pickle.loads(pickle.dumps(store))
    assert (sent.storage, sent.root.parent) == (store.storage, tmp_path / "b")


def test_the_writer_has_its_artifact_here_and_asks_for_nothing_again(store: Store, s3: Proxy) -> None:
    publish(store)
    artifact = found(store)
    s3.asked.clear()
    assert text_of(artifact) == "rows"
    assert s3.asked == []


def test_files_that_nobody_asks_for_stay_where_they_are(store: Store, s3: Proxy, tmp_path: Path) -> None:
    publish(store)
    artifact = found(moved(store, tmp_path / "b"))
    folder = artifact.here("*.txt", "!in/*")
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["more.txt"]
    assert text_of(artifact) == "rows"
    assert here(artifact.address, "more.txt") == artifact.folder


def test_all_processes_of_a_machine_fetch_a_file_once(store: Store, s3: Proxy, tmp_path: Path) -> None:
    publish(store)
    artifact = found(moved(store, tmp_path / "b"))
    s3.choose = lambda method, path: Fault(wait_s=0.3) if method == "GET" and "more.txt" in path else None
    s3.asked.clear()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: here(artifact.address, "more.txt"), range(6)))
    assert s3.count("GET", "more.txt") == 1


def test_the_second_writer_loses_and_leaves_nothing(store: Store) -> None:
    with store.attempt("sample", KEY, {}) as slow:
        (slow.folder / "late.txt").write_text("late")
        publish(store, "first")
    assert text_of(found(store)) == "first"
    assert not slow.folder.exists()
    assert len(objects(store)) == 3


def test_two_machines_on_one_key_leave_exactly_one_whole_artifact(store: Store, tmp_path: Path) -> None:
    machines = {name: moved(store, tmp_path / name) for name in ("a", "b", "c")}
    start = Barrier(len(machines))

    def write(name: str) -> Path:
        with machines[name].attempt("sample", KEY, {"k": 1}) as attempt:
            (attempt.folder / "in").mkdir()
            (attempt.folder / "in" / "rows.txt").write_text(name * 1000)
            start.wait(30)
        return attempt.folder

    with ThreadPoolExecutor(len(machines)) as pool:
        folders = list(pool.map(write, machines))
    assert text_of(found(store, verify=True)) in {name * 1000 for name in machines}
    assert len(objects(store)) == 2
    assert sum(folder.exists() for folder in folders) == 1


def test_an_error_discards_what_was_delivered_too(store: Store) -> None:
    def work() -> NoReturn:
        with store.attempt("sample", KEY, {}) as attempt:
            (attempt.folder / "rows.txt").write_text("rows")
            deliver(attempt.address, "rows.txt")
            assert len(objects(store)) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert objects(store) == set()


@pytest.mark.parametrize(
    "fault", [s3_error(400, "ExpiredToken"), s3_error(500, "InternalError"), Fault(cut_request=10)], ids=str
)
@pytest.mark.parametrize("part", ["rows.txt", "manifest.json"])
def test_a_store_that_fails_for_good_shows_nothing(
    store: Store, s3: Proxy, monkeypatch: pytest.MonkeyPatch, fault: Fault, part: str
) -> None:
    monkeypatch.setattr(buckets, "TRIES", 2)
    s3.always(fault, "PUT", part)
    with pytest.raises(StorageError, match=f"^storage {store.storage}") as error:
        publish(store)
    assert "\n" not in str(error.value)
    s3.choose = lambda method, path: None
    assert store.find("sample", KEY) is None
    assert objects(store) == set()
    publish(store)
    assert text_of(found(store, verify=True)) == "rows"


@pytest.mark.parametrize(
    "fault", [s3_error(503, "SlowDown"), Fault(cut_request=10), Fault(lose_answer=True)], ids=["slow", "cut", "lost"]
)
def test_what_passes_is_not_noticed(store: Store, s3: Proxy, fault: Fault) -> None:
    left = {"rows.txt": 1, "manifest.json": 1}

    def choose(method: str, path: str) -> Fault | None:
        name = path.rpartition("/")[2]
        if method == "PUT" and left.get(name):
            left[name] -= 1
            return fault
        return None

    s3.choose = choose
    publish(store, rows=1)
    assert left == {"rows.txt": 0, "manifest.json": 0}
    assert text_of(found(store, verify=True)) == "rows"
    assert len(objects(store)) == 3


CUT_OFF = """
import sys
from lib.store import Store
with Store(sys.argv[1]).attempt(sys.argv[2], sys.argv[3], {}, resumable=sys.argv[2] == "embed") as attempt:
    for number in range(4):
        (attempt.folder / f"part-{number}").write_bytes(bytes([number]) * 3_000_000)
    attempt.files = {f"part-{number}" for number in range(4)}
"""


@pytest.mark.parametrize("stage", ["sample", "embed"])
def test_a_writer_that_is_killed_while_it_uploads_shows_nothing(
    store: Store, s3: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    reached, stop = [], Fault(wait_s=30)
    s3.choose = lambda method, path: reached.append(path) or stop if method == "PUT" and "part-2" in path else None
    command = [sys.executable, "-c", CUT_OFF, store.storage, stage, KEY]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "BALLAST_CACHE": str(tmp_path / "killed")})
    until = time.monotonic() + 60
    while not reached or len(objects(store)) < 1:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    s3.choose = lambda method, path: None
    left = objects(store)
    assert left
    assert not any("manifest" in name for name in left)
    assert store.find(stage, KEY) is None
    again = moved(store, tmp_path / "again")
    monkeypatch.setattr(sys, "argv", command[-4:])
    exec(CUT_OFF, {})
    assert len(found(again, stage, verify=True).manifest["files"]) == 4
    if stage == "embed":
        assert len(objects(store)) == 5
    else:  # the attempt of a machine that is gone is nobody's, until it is collected
        assert len(objects(store)) == 5 + len(left)


# ---------------------------------------------------------------- parts


def test_parts_are_made_where_there_is_room_and_gathered(store: Store, tmp_path: Path) -> None:
    with store.attempt("embed", KEY, {}, resumable=True) as attempt:
        for name in ("a", "b"):
            os.environ["BALLAST_CACHE"] = str(tmp_path / name)
            write_text(at(attempt.address) / name, f"rows of {name}")
            deliver(attempt.address, name)
        os.environ["BALLAST_CACHE"] = str(tmp_path / "c")
        assert {path.name for path in here(attempt.address).iterdir()} == {"a", "b"}
        os.environ["BALLAST_CACHE"] = str(tmp_path / "cache")
        assert here(attempt.address) == attempt.folder
        attempt.files = {"a", "b"}
    assert sorted(found(store, "embed", verify=True).manifest["files"]) == ["a", "b"]


def test_parts_that_are_there_are_known_to_who_comes_after_elsewhere(store: Store, tmp_path: Path) -> None:
    def cut_off() -> None:
        with store.attempt("embed", KEY, {}, resumable=True) as attempt:
            write_text(attempt.folder / "a", "rows of a")
            deliver(attempt.address, "a")
            write_text(attempt.folder / "never sent", "b")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    other = moved(store, tmp_path / "b")
    with other.attempt("embed", KEY, {}, resumable=True) as attempt:
        assert [path.name for path in attempt.folder.iterdir()] == ["a"]
        attempt.files = {"a"}
    assert (found(other, "embed", verify=True).folder / "a").read_text() == "rows of a"


def test_a_manifest_whose_part_is_gone_says_nothing_of_the_parts_that_are_made_again(store: Store) -> None:
    with store.attempt("embed", KEY, {}, resumable=True) as attempt:
        for name in ("a", "b"):
            write_text(attempt.folder / name, name)
        attempt.files = {"a", "b"}
    Bucket(store.storage).delete([f"artifacts/embed/{KEY}/parts/a"])
    with store.attempt("embed", KEY, {}, resumable=True) as attempt:
        (attempt.folder / "a").unlink(missing_ok=True)
        write_text(attempt.folder / "a", "other rows")
        deliver(attempt.address, "a")
        assert (here(attempt.address) / "a").read_text() == "other rows"
        attempt.files = {"a", "b"}
    assert (found(store, "embed", verify=True).folder / "a").read_text() == "other rows"


def test_of_two_who_make_a_part_the_first_counts(store: Store, tmp_path: Path) -> None:
    with store.attempt("embed", KEY, {}, resumable=True) as attempt:
        write_text(attempt.folder / "a", "ours")
        os.environ["BALLAST_CACHE"] = str(tmp_path / "b")
        write_text(at(attempt.address) / "a", "hers")
        deliver(attempt.address, "a")
        os.environ["BALLAST_CACHE"] = str(tmp_path / "cache")
        attempt.files = {"a"}
    assert (found(store, "embed", verify=True).folder / "a").read_text() == "hers"


def test_parts_of_another_cut_are_removed(store: Store) -> None:
    with store.attempt("embed", KEY, {}, resumable=True) as attempt:
        for name in ("1-of-3", "1-of-2", "tries.json"):
            write_text(attempt.folder / name, name)
        deliver(attempt.address, "1-of-3")
        send(attempt.address, "tries.json")
        attempt.files = {"1-of-2"}
    assert objects(store) == {f"artifacts/embed/{KEY}/manifest.json", f"artifacts/embed/{KEY}/parts/1-of-2"}


def test_what_is_written_again_under_its_name_is_fetched_again(store: Store, tmp_path: Path) -> None:
    with store.attempt("embed", KEY, {}, resumable=True) as attempt:
        write_text(attempt.folder / "tries.json", "1")
        send(attempt.address, "tries.json")
        os.environ["BALLAST_CACHE"] = str(tmp_path / "b")
        assert (here(attempt.address) / "tries.json").read_text() == "1"
        os.environ["BALLAST_CACHE"] = str(tmp_path / "cache")
        time.sleep(1.1)  # a bucket tells times in seconds
        write_text(attempt.folder / "tries.json", "2")
        send(attempt.address, "tries.json")
        os.environ["BALLAST_CACHE"] = str(tmp_path / "b")
        assert (here(attempt.address) / "tries.json").read_text() == "2"
        os.environ["BALLAST_CACHE"] = str(tmp_path / "cache")
        attempt.files = set()


# ---------------------------------------------------------------- damage


def change(path: Path, text: str) -> None:
    path.write_text(text)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "cut": lambda path: path.write_text("ro"), "gone": Path.unlink, "replaced": lambda path: path.write_text("rowz"),
}  # fmt: skip


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_copy_is_fetched_again(store: Store, tmp_path: Path, how: str) -> None:
    publish(store)
    artifact = found(moved(store, tmp_path / "b"))
    artifact.here("more.txt")
    copy = artifact.here("in/rows.txt") / "in" / "rows.txt"
    DAMAGE[how](copy)
    assert text_of(artifact) == "rows"
    DAMAGE["cut"](copy)  # also once all of it has been checked
    assert text_of(artifact) == "rows"


@pytest.mark.parametrize("how", ["replaced", "gone", "cut"])
def test_a_damaged_object_is_never_read(store: Store, tmp_path: Path, how: str) -> None:
    publish(store)
    bucket, artifact = Bucket(store.storage), found(store)
    name = f"{artifact.name}/in/rows.txt"
    if how == "gone":
        bucket.delete([name])
    else:
        bucket.put(name, b"rowz" if how == "replaced" else b"ro")
    other = moved(store, tmp_path / "b")
    if how == "replaced":  # of the right size: it shows when it is fetched
        with pytest.raises(
            StorageError, match=r"rows.txt is not what its manifest says .*: remove s3://.*/, and the same"
        ):
            text_of(found(other))
        with pytest.raises(StorageError, match="is not what its manifest says"):
            here(artifact.address)
        free(other, unwanted(other, ["sample"], {}, -60)[0])
    assert other.find("sample", KEY) is None
    publish(other, "again")
    assert text_of(found(moved(store, tmp_path / "c"), verify=True)) == "again"


def test_a_damaged_manifest_gives_way(store: Store) -> None:
    publish(store)
    Bucket(store.storage).put(f"artifacts/sample/{KEY}/manifest.json", b'{"attempt": ')
    assert store.find("sample", KEY) is None
    publish(store, "again")
    assert text_of(found(store, verify=True)) == "again"


def test_names_that_lead_out_of_the_mirror_are_nobodys(store: Store, tmp_path: Path) -> None:
    publish(store)
    artifact, bucket = found(store), Bucket(store.storage)
    manifest = json.loads(bucket.read(f"artifacts/sample/{KEY}/manifest.json") or b"")
    for name in ("../../../../out", "/tmp/out", "a/../../out"):
        bad = {**manifest, "files": {name: {"bytes": 1, "sha256": "0"}}}
        bucket.put(f"artifacts/sample/{KEY}/manifest.json", json.dumps(bad).encode())
        assert moved(store, tmp_path / "b").find("sample", KEY) is None
    bucket.put(f"{artifact.name}/../../../../../out", b"out")
    assert all(".." not in name for name in objects(store))
    here(artifact.address)
    assert not list(tmp_path.rglob("out"))


def test_a_cache_that_others_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALLAST_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(UserError, match=r"written to by others.*chmod 700"):
        cache_folder()
    (tmp_path / "file").touch()
    monkeypatch.setenv("BALLAST_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="set BALLAST_CACHE to a folder on a local disk"):
        cache_folder()


# ---------------------------------------------------------------- many at once, and none any more


def test_a_plan_is_one_look_at_each_stage(store: Store, s3: Proxy) -> None:
    keys = [f"{number:032x}" for number in range(20)]
    for key in keys[:3]:
        publish(store, key=key)
    other = Store(store.storage)
    s3.asked.clear()
    with other.at_once(), other.at_once():
        assert [key for key in keys if other.find("sample", key)] == keys[:3]
        assert other.find("train", KEY) is None
    assert s3.count("GET", "list-type=2") <= 3  # of an empty stage the client makes sure
    assert len(s3.asked) <= 3 + 1 + 3
    publish(store, key=keys[4])
    s3.asked.clear()
    with other.at_once():
        assert len([key for key in keys if other.find("sample", key)]) == 4
    assert len(s3.asked) == 1 + 1  # manifests that were read are known
    assert other.find("sample", keys[5]) is None
    publish(store, key=keys[5])
    assert other.find("sample", keys[5]) is not None


def test_what_no_plan_wants_is_freed(store: Store, tmp_path: Path) -> None:
    publish(store)
    publish(store, key=OTHER)
    bucket = Bucket(store.storage)
    bucket.put(f"artifacts/embed/{KEY}/parts/a", b"rows")
    bucket.put("artifacts/sample/my notes/x", b"")
    bucket.put(f"artifacts/mix/{KEY}/manifest.json", b'{"stage": "train", "key": "0"}')
    other = moved(store, tmp_path / "b")
    stages = ["sample", "embed", "mix"]
    assert unwanted(other, stages, {"sample": [OTHER]}, 3600) == []
    (one,) = unwanted(other, stages, {"sample": [OTHER]}, -60)
    assert (one.stage, one.key, one.whole) == ("sample", KEY, True)
    assert one.size_bytes > 8
    before = objects(store)
    assert free(other, one)
    assert not free(other, one)
    assert before - objects(store) == {name for name in before if name.startswith(f"artifacts/sample/{KEY}/")}
    publish(store, "again")
    assert not free(other, one)
    assert text_of(found(store)) == "again"


def test_what_a_killed_writer_left_is_freed_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    Bucket(store.storage).put(f"artifacts/embed/{KEY}/parts/a", b"rows")
    later = time.time() + 2 * 3600
    assert unwanted(store, ["embed"], {}, 0) == []
    monkeypatch.setattr(time, "time", lambda: later)
    (one,) = unwanted(store, ["embed"], {}, 0)
    assert not one.whole
    assert free(store, one)
    assert objects(store) == set()


def test_scratch_and_checkpoints_go_here_and_there(store: Store) -> None:
    with store.scratch() as folder:
        (folder / "x").write_text("x")
        send(store.address(folder), "x")
        assert objects(store)
    assert objects(store) == set()
    assert not folder.exists()
    place = at(store.address(store.checkpoints(KEY)))
    (place / "x").write_text("x")
    send(store.address(place))
    store.remove(store.checkpoints(KEY))
    assert objects(store) == set()
    assert not place.exists()
