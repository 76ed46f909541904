"""Publication is one atomic step: whole or absent, first writer wins, damage is never read."""

import errno
import json
import multiprocessing
import os
import socket
import subprocess
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NoReturn

import pytest

from lib.errors import RetriableError, UserError
from lib.files import write_text
from lib.store import Artifact, Store, digest_file

KEY = "0" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def publish(store: Store, text: str = "rows", **facts: Any) -> None:
    with store.attempt("sample", KEY, {"k": 1}) as attempt:
        (attempt.folder / "in").mkdir()
        (attempt.folder / "in" / "rows.txt").write_text(text)
        attempt.facts = facts


def found(store: Store, *, verify: bool = False) -> Artifact:
    artifact = store.find("sample", KEY, verify=verify)
    assert artifact is not None
    return artifact


def text_of(artifact: Artifact) -> str:
    return (artifact.folder / "in" / "rows.txt").read_text()


def place_of(store: Store) -> Path:
    return store.root / "artifacts" / "sample" / KEY


def dead_pid() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left_by(store: Store, pid: int, host: str | None = None) -> Path:
    """A half-written attempt of another process."""
    folder = place_of(store) / "abandoned"
    folder.mkdir(parents=True)
    (folder / ".owner.json").write_text(json.dumps({"host": host or socket.gethostname(), "pid": pid}))
    (folder / "half.txt").write_text("ha")
    return folder


# ---------------------------------------------------------------- publishing


def test_an_artifact_appears_when_the_block_ends_and_not_before(store: Store) -> None:
    with store.attempt("sample", KEY, {"k": 1}) as attempt:
        (attempt.folder / "rows.txt").write_text("rows")
        assert store.find("sample", KEY) is None
    assert found(store).folder == attempt.folder


def test_the_manifest_records_what_the_artifact_is(store: Store) -> None:
    publish(store, "rows", rows=4)
    artifact = found(store)
    manifest = artifact.manifest
    assert artifact.facts == {"rows": 4}
    assert (manifest["stage"], manifest["key"], manifest["identity"]) == ("sample", KEY, {"k": 1})
    assert manifest["files"] == {
        "in/rows.txt": {"bytes": 4, "sha256": digest_file(artifact.folder / "in" / "rows.txt")}
    }
    assert manifest["about"]["wall_s"] >= 0


def test_nothing_but_the_artifact_and_its_manifest_is_left(store: Store) -> None:
    publish(store)
    names = {path.relative_to(place_of(store)).as_posix() for path in place_of(store).rglob("*") if path.is_file()}
    assert names == {"manifest.json", f"{found(store).folder.name}/in/rows.txt"}


def test_an_error_discards_the_attempt(store: Store) -> None:
    def work() -> NoReturn:
        with store.attempt("sample", KEY, {}) as attempt:
            (attempt.folder / "rows.txt").write_text("rows")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert store.find("sample", KEY) is None
    assert list(place_of(store).iterdir()) == []


def test_the_second_writer_loses_and_discards_its_attempt(store: Store) -> None:
    with store.attempt("sample", KEY, {}) as slow:
        (slow.folder / "late.txt").write_text("late")
        publish(store, "first")
    assert text_of(found(store)) == "first"
    assert not slow.folder.exists()
    assert len([path for path in place_of(store).iterdir() if path.is_dir()]) == 1


def race(root: str, start: Barrier, name: str) -> None:
    """Write as another process, ending at the same moment as the others."""
    with Store(root).attempt("sample", KEY, {"k": 1}) as attempt:
        (attempt.folder / "in").mkdir()
        (attempt.folder / "in" / "rows.txt").write_text(name * 1000)
        start.wait(30)


def test_two_processes_on_one_key_leave_exactly_one_whole_artifact(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    writers = [context.Process(target=race, args=(str(store.root), start, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert text_of(found(store, verify=True)) in ("a" * 1000, "b" * 1000)
    assert {path.name for path in place_of(store).iterdir()} == {"manifest.json", found(store).folder.name}


# ---------------------------------------------------------------- what killed writers leave


def test_an_attempt_of_a_dead_process_is_swept_by_the_next_writer(store: Store) -> None:
    folder = left_by(store, dead_pid())
    assert store.find("sample", KEY) is None
    publish(store)
    assert not folder.exists()
    assert text_of(found(store)) == "rows"


@pytest.mark.parametrize("host", [None, "another-machine"])
def test_attempts_that_may_be_alive_are_left_alone(store: Store, host: str | None) -> None:
    folder = left_by(store, os.getpid() if host is None else dead_pid(), host)
    publish(store)
    assert folder.exists()


def test_an_owner_file_that_cannot_be_read_is_left_alone(store: Store) -> None:
    folder = left_by(store, 1)
    (folder / ".owner.json").write_text("{")
    publish(store)
    assert folder.exists()


def test_scratch_folders_go_when_the_block_ends_and_when_their_process_is_dead(store: Store) -> None:
    dead = store.root / "scratch" / "dead"
    dead.mkdir(parents=True)
    (dead / ".owner.json").write_text(json.dumps({"host": socket.gethostname(), "pid": dead_pid()}))

    def work() -> NoReturn:
        with store.scratch() as folder:
            assert folder.is_dir()
            assert not dead.exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert list((store.root / "scratch").iterdir()) == []


# ---------------------------------------------------------------- damage


def cut(artifact: Artifact) -> None:
    (artifact.folder / "in" / "rows.txt").write_text("ro")


def remove(artifact: Artifact) -> None:
    (artifact.folder / "in" / "rows.txt").unlink()


def cut_manifest(artifact: Artifact) -> None:
    (artifact.folder.parent / "manifest.json").write_text('{"attempt": ')


def empty_manifest(artifact: Artifact) -> None:
    (artifact.folder.parent / "manifest.json").write_text("[]")


@pytest.mark.parametrize("damage", [cut, remove, cut_manifest, empty_manifest])
def test_a_damaged_artifact_is_not_found_and_is_made_again(store: Store, damage: Any) -> None:
    publish(store, "rows")
    damage(found(store))
    assert store.find("sample", KEY) is None
    publish(store, "again")
    assert text_of(found(store, verify=True)) == "again"


def test_a_changed_file_of_the_same_size_is_found_by_verify(store: Store) -> None:
    publish(store, "rows")
    (found(store).folder / "in" / "rows.txt").write_text("rowz")
    assert store.find("sample", KEY) is not None
    assert store.find("sample", KEY, verify=True) is None


def test_what_is_not_there(store: Store) -> None:
    assert store.find("sample", KEY) is None
    assert store.find("sample", None) is None
    with pytest.raises(UserError, match=f"artifact sample/{KEY} is not under .*: run the same command again"):
        store.need("sample", KEY)
    assert not store.root.exists()


# ---------------------------------------------------------------- storage that cannot be written


def test_a_storage_inside_a_file_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"storage .*file cannot be written \(.*\): give another with storage="):
        publish(Store(tmp_path / "file"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_storage_without_permission_is_the_users_to_mend(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written"):
        publish(Store(tmp_path / "runs"))


@pytest.mark.parametrize(
    ("code", "said"), [(errno.ENOSPC, "is full"), (errno.EDQUOT, "is full"), (errno.EROFS, "cannot be written")]
)
@pytest.mark.parametrize("where", ["mkdir", "fsync", "link"])
def test_a_full_or_read_only_disk_leaves_nothing_that_could_be_read(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int, said: str, where: str
) -> None:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, where, fail)
        with pytest.raises(UserError, match=said) as error:
            publish(store)
    assert "\n" not in str(error.value)
    assert store.find("sample", KEY) is None
    assert [path for path in store.root.rglob("*") if path.is_file()] == []
    publish(store)
    assert text_of(found(store)) == "rows"


def test_other_faults_of_the_machine_keep_their_name(store: Store) -> None:
    with pytest.raises(ConnectionError), store.attempt("sample", KEY, {}):
        raise ConnectionError("worker lost")


def resume(store: Store, names: list[str], cut_off: bool = False) -> list[str]:
    """One resumable attempt at these files; returns the ones it had to make."""
    made = []
    with store.attempt("embed", KEY, {"k": 1}, resumable=True) as attempt:
        for name in names:
            if not (attempt.folder / name).exists():
                write_text(attempt.folder / name, f"rows of {name}")
                made.append(name)
            if cut_off:
                raise KeyboardInterrupt
        attempt.files = set(names)
    return made


def test_a_resumable_attempt_goes_on_from_the_files_of_the_one_before(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        resume(store, ["a", "b"], cut_off=True)
    assert store.find("embed", KEY) is None
    assert resume(store, ["a", "b"]) == ["b"]
    assert resume(store, ["a", "b"]) == []
    artifact = store.find("embed", KEY, verify=True)
    assert artifact is not None
    assert sorted(artifact.manifest["files"]) == ["a", "b"]


def test_files_of_another_cut_and_half_written_ones_are_no_part_of_the_result(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt):
        resume(store, ["1-of-3"], cut_off=True)
    parts = store.root / "artifacts" / "embed" / KEY / "parts"
    half = parts / ".1-of-2.123456"
    half.write_text("ha")
    os.utime(half, (1, 1))
    resume(store, ["1-of-2", "2-of-2"])
    artifact = store.find("embed", KEY, verify=True)
    assert artifact is not None
    assert sorted(artifact.manifest["files"]) == ["1-of-2", "2-of-2"]
    assert not half.exists()


def test_a_damaged_file_of_a_resumable_artifact_alone_is_made_again(store: Store) -> None:
    resume(store, ["a", "b"])
    (store.root / "artifacts" / "embed" / KEY / "parts" / "b").write_text("rows of")
    assert store.find("embed", KEY) is None
    assert resume(store, ["a", "b"]) == ["b"]
    assert store.find("embed", KEY, verify=True) is not None


def test_what_was_counted_on_and_has_gone_meanwhile_is_not_published_without(store: Store) -> None:
    """A collector of garbage that took a part for abandoned, just before somebody went on from it."""

    def go_on() -> None:
        with store.attempt("sample", KEY, {"k": 1}, resumable=True) as attempt:
            write_text(attempt.folder / "a.txt", "a")
            attempt.files = {"a.txt", "b.txt"}

    with pytest.raises(RetriableError, match=r"1 files of sample 000000000000 are gone, b.txt the first"):
        go_on()
    assert store.find("sample", KEY) is None
