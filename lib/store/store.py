"""The artifact store: write to a private attempt, publish by one atomic step, never show anything half-written.

    <root>/artifacts/<stage>/<key>/<attempt>/...      files of one attempt
    <root>/artifacts/<stage>/<key>/manifest.json      names the winning attempt, created only if absent

Correctness rests on one fact alone: `manifest.json` appears in one exclusive step (a hard link, which fails when the name
exists; in a bucket a conditional write), after every file of the attempt is there. Two drivers on one key both work; the
second to finish finds the manifest there and discards its own attempt. A killed writer leaves an attempt without a manifest,
which nobody reads and the next writer of that key on the same machine removes once its owner is gone.

Stages whose files each stand alone (partitions, blocks of answers) write into a folder that attempts of one key share,
`parts`: each file is written whole or not at all, any of them is as good as another's, and who comes after a kill makes
the missing ones only.

Files are read and written as paths below `root` on every kind of storage; what makes others see them is `lib/store/shared`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib.errors import RetriableError, StorageError, UserError
from lib.files import storage_errors, sync
from lib.names import is_inside
from lib.store.digest import digest_file
from lib.store.place import MANIFEST, shared_of
from lib.store.shared import Files, Shared

OWNER = ".owner.json"
PARTS = "parts"
"""The shared folder of resumable attempts."""


@dataclass(frozen=True)
class Artifact:
    """A published artifact: the folder of the winning attempt and its manifest."""

    shared: Shared
    name: str
    """Of the folder, in the storage."""
    manifest: dict[str, Any]

    @property
    def folder(self) -> Path:
        """The folder, with all of its files on this machine.

        Raises:
            StorageError: they cannot be had, or are damaged.
        """
        return self.here()

    def here(self, *only: str) -> Path:
        """The folder, with those of its files on this machine that patterns ask for (`!pattern`: that they do not)."""
        files: Files = self.manifest["files"]
        self.shared.bring(self.name, files, only)
        return self.shared.root / self.name

    @property
    def address(self) -> str:
        """Where another machine finds it (`lib.store.place.here`)."""
        return self.shared.address(self.name)

    @property
    def words(self) -> str:
        """Where people find it."""
        return f"{self.shared.words}/{self.name}"

    @property
    def facts(self) -> dict[str, Any]:
        """What the stage said about its result: counts, metrics, content digests."""
        facts: dict[str, Any] = self.manifest["facts"]
        return facts


@dataclass
class Attempt:
    """A private folder to write into, and the facts to publish with it."""

    folder: Path
    address: str
    """Where a worker finds the folder (`lib.store.place`)."""
    facts: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    """Recorded but never identity: versions, device, workers, wall time."""
    files: set[str] | None = None
    """Names of the files that make up the result (None: all that are there)."""


class Store:
    """Artifacts of one storage: a folder (local or of a shared file system), or a bucket. Cheap to make, safe to send to a
    worker."""

    def __init__(self, storage: str | Path) -> None:
        self.shared = shared_of(storage)
        self.root = self.shared.root

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return Store, (self.storage,)

    @property
    def storage(self) -> str:
        """Its path or URL, from which another machine makes the same store."""
        return self.shared.storage

    def find(self, stage: str, key: str | None, *, verify: bool = False) -> Artifact | None:
        """The artifact under this key, or None when it is absent or its files disagree with its manifest.

        Args:
            verify: check the files' digests too, not only their sizes.

        Raises:
            StorageError: a bucket cannot be asked.
        """
        if key is None:
            return None
        place = f"artifacts/{stage}/{key}"
        try:
            seen = self.shared.seen(place, MANIFEST)
            if seen is None:
                return None
            manifest = json.loads(seen.text)
            if not all(map(is_inside, (manifest["attempt"], *manifest["files"]))):
                return None
            for name, entry in manifest["files"].items():
                if seen.size_of(f"{manifest['attempt']}/{name}") != entry["bytes"]:
                    return None
            found = Artifact(self.shared, f"{place}/{manifest['attempt']}", manifest)
            if verify and any(digest_file(found.folder / n) != e["sha256"] for n, e in manifest["files"].items()):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found

    def at_once(self) -> contextlib.AbstractContextManager[None]:
        """While it lasts, `find` may tell what is there from one look at each stage, taken when it is first asked of.

        A bucket is asked over a network: a plan of a thousand cells is one listing of each stage, and not a request each.
        """
        return self.shared.at_once()

    def need(self, stage: str, key: str) -> Artifact:
        """The artifact under this key.

        Raises:
            UserError: it is not there (removed by hand while the study ran, or a storage that is not shared).
        """
        artifact = self.find(stage, key)
        if artifact is None:
            raise UserError(
                f"artifact {stage}/{key} is not under {self.shared.words}: run the same command again "
                "(on several machines the storage must be a shared folder or a bucket)"
            )
        return artifact

    @contextlib.contextmanager
    def attempt(self, stage: str, key: str, identity: dict[str, Any], *, resumable: bool = False) -> Iterator[Attempt]:
        """Write one artifact: yields an attempt; publishes it when the block ends, discards it when it raises.

        Args:
            identity: what the key was made of, recorded so that a person can read a key back.
            resumable: keep the files of an attempt that was cut off, for the next one to go on from. Every file must
                then be written atomically and be valid by itself, and `attempt.files` must name those that count.

        Raises:
            UserError: the storage is full or cannot be written.
        """
        place = f"artifacts/{stage}/{key}"
        started, begun = time.monotonic(), time.time()
        with storage_errors(self.root):
            (self.root / place).mkdir(parents=True, exist_ok=True)
            self._sweep(place)
            name = f"{place}/{PARTS if resumable else uuid.uuid4().hex[:12]}"
            folder = self.root / name
            folder.mkdir(exist_ok=resumable)
            if resumable:
                os.utime(self.root / place)  # somebody is at it: nothing to free
                self.shared.bring(name)
                self._remove_damaged(place, folder)
                self._retire_damaged(stage, key)
            else:
                write_owner(folder)
        attempt, asked = Attempt(folder, self.shared.address(name)), False
        try:
            with storage_errors(self.root):
                yield attempt
                files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != OWNER)
                if attempt.files is not None:
                    files = [p for p in files if p.relative_to(folder).as_posix() in attempt.files]
                names = [p.relative_to(folder).as_posix() for p in files]
                if lost := sorted(set(attempt.files or ()) - set(names)):
                    raise RetriableError(f"{len(lost)} files of {stage} {key[:12]} are gone, {lost[0]} the first")
                if resumable:
                    self.shared.deliver(name, names)  # another's may have been first, and count then
                else:
                    self.shared.settle(name, names)
                manifest: dict[str, Any] = {
                    "stage": stage,
                    "key": key,
                    "attempt": folder.name,
                    "identity": identity,
                    "facts": attempt.facts,
                    "about": {**attempt.about, "wall_s": round(time.monotonic() - started, 3)},
                    "files": {
                        one: {"bytes": p.stat().st_size, "sha256": digest_file(p)}
                        for one, p in zip(names, files, strict=True)
                    },
                }
                for path in files:
                    sync(path)
                asked = True
                if self._publish(place, manifest):
                    self.shared.checked(name, manifest["files"])
                else:
                    self._yield_to_winner(stage, key, folder, manifest)
                (folder / OWNER).unlink(missing_ok=True)
                if resumable:
                    _remove_temporaries(folder, older_than=begun)
                    if attempt.files is not None:  # parts of another cut are part of nothing
                        for path in set(folder.glob("[!.]*")) - {folder / one for one in attempt.files}:
                            path.unlink(missing_ok=True)
                    self.shared.keep(name, set(names))
        except BaseException:
            if not resumable and not (asked and self._may_have_won(place, folder.name)):
                with contextlib.suppress(StorageError):
                    self.shared.drop(name)
            raise

    def _may_have_won(self, place: str, attempt: str) -> bool:
        """Does the manifest name this attempt, or can nobody tell? An answer that was lost is no refusal."""
        try:
            text = self.shared.read(f"{place}/{MANIFEST}")
            return text is not None and json.loads(text)["attempt"] == attempt
        except (StorageError, OSError):
            return True
        except (ValueError, KeyError, TypeError):
            return False

    def _retire_damaged(self, stage: str, key: str) -> None:
        """Where parts are sent, take away a manifest whose files are not whole: it would say what is right in them, while they
        are made again."""
        name = f"artifacts/{stage}/{key}/{MANIFEST}"
        if self.shared.sends and self.shared.read(name) is not None and self.find(stage, key) is None:
            self.shared.retire(name)

    def _publish(self, place: str, manifest: dict[str, Any]) -> bool:
        return self.shared.create(f"{place}/{MANIFEST}", json.dumps(manifest, indent=1, sort_keys=True).encode())

    def prepare(self) -> None:
        """Make the root, and make sure that it can be written, before anything is started.

        Raises:
            UserError: it cannot.
        """
        self.shared.check()

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for what nobody reads later, of this machine or on the shared file system that is the storage; those of
        dead processes of this machine are removed."""
        with storage_errors(self.root):
            (self.root / "scratch").mkdir(parents=True, exist_ok=True)
            self._sweep("scratch")
            folder = self.root / "scratch" / uuid.uuid4().hex[:12]
            folder.mkdir()
            write_owner(folder)
        try:
            yield folder
        finally:
            self.remove(folder)

    def checkpoints(self, key: str) -> Path:
        """Where a cell that is being trained is written down on the way. It is gone when the cell has ended."""
        return self.root / "checkpoints" / key

    def address(self, folder: Path) -> str:
        """Where another machine finds a folder below the root (`lib.store.place`)."""
        return self.shared.address(self.name(folder))

    def name(self, path: Path) -> str:
        """What a path below the root is called in the storage."""
        return path.relative_to(self.root).as_posix()

    def remove(self, folder: Path) -> None:
        """Remove a folder below the root, for all. What cannot be removed stays."""
        with contextlib.suppress(StorageError):
            self.shared.drop(self.name(folder))

    def _yield_to_winner(self, stage: str, key: str, folder: Path, manifest: dict[str, Any]) -> None:
        """Another attempt has a manifest: keep it if it is whole, take its place if it is damaged."""
        place = f"artifacts/{stage}/{key}"
        winner = self.find(stage, key)
        if winner is not None:
            if folder.name not in (PARTS, winner.manifest["attempt"]):
                self.remove(folder)
            return
        self.shared.retire(f"{place}/{MANIFEST}")
        if not self._publish(place, manifest) and folder.name != PARTS:
            self.remove(folder)

    def _sweep(self, place: str) -> None:
        """Remove attempts of dead processes of this machine. Others are left alone: they may be alive elsewhere."""
        dead = []
        for owner in (self.root / place).glob(f"*/{OWNER}"):
            try:
                who = json.loads(owner.read_text())
                if who["host"] == socket.gethostname() and not alive(int(who["pid"])):
                    dead.append(owner.parent)
            except (OSError, ValueError, KeyError, TypeError):
                continue
        winner = None
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a damaged manifest names no winner
            winner = json.loads((dead and self.shared.read(f"{place}/{MANIFEST}")) or b"{}").get("attempt")
        for folder in dead:
            if folder.name != winner:
                self.remove(folder)

    def _remove_damaged(self, place: str, folder: Path) -> None:
        """Remove the shared files that disagree with a manifest, so that they are made again."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            manifest = json.loads(self.shared.read(f"{place}/{MANIFEST}") or b"{}")
            damaged = set()
            for name, entry in manifest["files"].items() if manifest["attempt"] == folder.name else ():
                path = folder / name
                if is_inside(name) and path.exists() and digest_file(path) != entry["sha256"]:
                    path.unlink()
                    damaged.add(name)
            if damaged:
                left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
                self.shared.keep(f"{place}/{folder.name}", left - damaged)


def _remove_temporaries(folder: Path, older_than: float) -> None:
    """Remove what killed writers left half-written; the temporaries of living ones are younger than this attempt."""
    for path in folder.glob(".*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < older_than:
                path.unlink()


def write_owner(folder: Path) -> None:
    """Mark a folder as this process's own."""
    (folder / OWNER).write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))


def alive(pid: int) -> bool:
    """Is there such a process on this machine?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
