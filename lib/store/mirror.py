"""A bucket as a storage: every machine has a folder of its own, the mirror, in which files are read and written.

The bucket is what counts. A mirror holds copies of what was needed here and of what was written here, and can be removed
whenever nothing runs. A copy of a published artifact is used only once its digests are those of the manifest, and its sizes
are looked at each time; other copies are used while the bucket has no newer object of that name. Names of objects are joined
to the mirror only where they lead nowhere else. A file appears in the mirror whole, so any number of processes may fetch it.

    $BALLAST_CACHE (~/.cache/ballast)/<bucket>-<digest of the URL>/artifacts/<stage>/<key>/<attempt>/...
                                                                                          .whole-<attempt>   all of it was checked
"""

from __future__ import annotations

import contextlib
import fcntl
import fnmatch
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.errors import StorageError, UserError
from lib.files import storage_errors, write_text
from lib.store.bucket import Bucket, Entry, side_by_side
from lib.store.digest import digest_file, digest_value
from lib.store.shared import Files, Seen, Shared

CACHE = "BALLAST_CACHE"
FETCHES = 3
"""Downloads of one object whose bytes are not what its manifest says."""
WHOLE = ".whole-"
LOCKS, LOCK_FILES = "locks", 64
Listed = dict[str, dict[str, Entry]]
"""First part of a name -> the rest of it -> object."""


def cache_folder() -> Path:
    """Where the mirrors of this machine lie.

    Raises:
        UserError: it cannot be made, or others may write to it.
    """
    given = os.environ.get(CACHE)
    folder = Path(given) if given else Path.home() / ".cache" / "ballast"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = folder.stat()
    except OSError as error:
        raise UserError(
            f"{folder} cannot be made ({error.strerror}): set {CACHE} to a folder on a local disk"
        ) from None
    if told.st_uid != os.getuid() or told.st_mode & 0o022:
        raise UserError(
            f"{folder} is written to by others, who could change what is read there: chmod 700 it, or set {CACHE} to another"
        )
    return folder


class Mirror(Shared):
    """A storage that is a bucket."""

    sends = True

    def __init__(self, storage: str) -> None:
        self.bucket = Bucket(storage)
        self.storage = self.bucket.url
        name = self.storage.partition("://")[2].partition("/")[0]
        self.root = cache_folder() / f"{name}-{hashlib.sha256(self.storage.encode()).hexdigest()[:16]}"
        self._glance: dict[str, Listed] | None = None
        self._read: dict[tuple[str, str], bytes] = {}
        """(name, version) -> content of a manifest."""

    @property
    def words(self) -> str:
        return self.storage

    def find_words(self, name: str) -> str:
        return f"{self.storage}/{name} (here: {self.root / name})"

    def address(self, name: str) -> str:
        return f"{self.storage}#{name}"

    def check(self) -> None:
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        self.bucket.check()

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        if self._glance is not None:
            yield
            return
        self._glance = {}
        try:
            yield
        finally:
            self._glance = None

    def seen(self, folder: str, manifest: str) -> Seen | None:
        stage, _, key = folder.rpartition("/")
        if self._glance is None:
            found = self.bucket.list(folder)
        else:
            if stage not in self._glance:
                self._glance[stage] = self._listed(stage, manifest)
            found = self._glance[stage].get(key, {})
        if manifest not in found:
            return None
        text = self._manifest(f"{folder}/{manifest}", found[manifest])
        return None if text is None else Seen(text, lambda name: found[name].size_bytes if name in found else None)

    def _listed(self, stage: str, manifest: str) -> Listed:
        """All of a stage in one listing, and its manifests, those that are not known yet side by side."""
        listed: Listed = {}
        for name, entry in self.bucket.list(stage).items():
            key, _, rest = name.partition("/")
            listed.setdefault(key, {})[rest] = entry
        new = {
            f"{stage}/{key}/{manifest}": found[manifest].version for key, found in listed.items() if manifest in found
        }  # fmt: skip
        new = {name: version for name, version in new.items() if (name, version) not in self._read}
        self._read |= {(name, new[name]): text for name, text in self.bucket.read_all(new).items()}
        return listed

    def _manifest(self, name: str, entry: Entry) -> bytes | None:
        known = (name, entry.version)
        if known not in self._read or not entry.version:
            text = self.bucket.read(name)
            if text is None:
                return None
            self._read[known] = text
        return self._read[known]

    def read(self, name: str) -> bytes | None:
        return self.bucket.read(name)

    def write(self, name: str, content: bytes) -> None:
        self.bucket.put(name, content)

    def create(self, name: str, content: bytes) -> bool:
        return self.bucket.create(name, content)

    def delete(self, name: str) -> None:
        self.bucket.delete([name])

    def retire(self, name: str) -> None:
        self.bucket.delete([name])

    def size_bytes(self, name: str) -> int | None:
        entry = self.bucket.entry(name)
        return None if entry is None else entry.size_bytes

    def names(self, folder: str) -> list[str]:
        return [name for name in self.bucket.list(folder) if "/" not in name]

    def bring(self, folder: str, files: Files | None = None, only: tuple[str, ...] = ()) -> None:
        if files is None:
            there = self.bucket.list(folder)
            side_by_side(lambda name: self._refresh(folder, name, there[name]), [n for n in there if _wanted(n, only)])
            return
        mark, digest = self._mark(folder, files)
        checked = mark.exists() and mark.read_text() == digest
        names = [name for name in files if _wanted(name, only)]
        side_by_side(lambda name: self._verified(folder, name, files[name], checked), names)
        if not checked and len(names) == len(files):
            write_text(mark, digest)

    def checked(self, folder: str, files: Files) -> None:
        write_text(*self._mark(folder, files))

    def _mark(self, folder: str, files: Files) -> tuple[Path, str]:
        """The file that says that a folder was checked, and what stands in it then."""
        place = self.root / folder
        return place.with_name(f"{WHOLE}{place.name}"), digest_value({name: dict(one) for name, one in files.items()})

    def _refresh(self, folder: str, name: str, entry: Entry) -> None:
        """A copy of what the bucket has now."""
        path = self.root / folder / name
        if _is_copy(path, entry):
            return
        with self._alone(path), _beside(path) as temporary:
            if _is_copy(path, entry):  # another process has fetched it meanwhile
                return
            if not self.bucket.get(f"{folder}/{name}", temporary):
                path.unlink(missing_ok=True)  # it has gone since it was listed
                return
            if temporary.stat().st_size != entry.size_bytes:
                raise StorageError(
                    f"{self.storage}/{folder}/{name} changed while it was read: run the same command again"
                )
            os.utime(temporary, (entry.changed_s, entry.changed_s))
            os.replace(temporary, path)

    def _verified(self, folder: str, name: str, entry: Mapping[str, Any], checked: bool) -> None:
        """A copy that is what the manifest says.

        Raises:
            StorageError: the bucket has none.
        """
        path = self.root / folder / name
        if _is_right(path, entry, checked):
            return
        told = "is not what its manifest says (size or SHA-256)"
        with self._alone(path):
            if _is_right(path, entry, checked):  # another process has fetched it meanwhile
                return
            for _ in range(FETCHES):
                with _beside(path) as temporary:
                    if not self.bucket.get(f"{folder}/{name}", temporary):
                        told = "is not there"
                        break
                    if _is_right(temporary, entry, False):
                        os.replace(temporary, path)
                        return
        raise StorageError(
            f"{self.storage}/{folder}/{name} {told}: remove {self.storage}/{folder.rpartition('/')[0]}/, and the same command "
            "makes it again"
        )

    @contextlib.contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        """One process of a machine fetches a file, and the others find it: all workers of a node want one model at once."""
        place = self.root / LOCKS
        with storage_errors(self.root):
            place.mkdir(parents=True, exist_ok=True)
            number = int(hashlib.sha256(str(path).encode()).hexdigest()[:8], 16) % LOCK_FILES
            with (place / str(number)).open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield

    def deliver(self, folder: str, names: list[str]) -> None:
        there = self.bucket.list(folder) if len(names) > 1 else self._entries(folder, names)

        def give(name: str) -> None:
            path, whole, known = self.root / folder / name, f"{folder}/{name}", name in there
            for _ in range(FETCHES):
                try:
                    ours = not known and self.bucket.create(whole, path)
                    entry = self.bucket.entry(whole)
                    if entry and ours:
                        os.utime(path, (entry.changed_s, entry.changed_s))
                    elif entry:
                        self._refresh(folder, name, entry)
                except (StorageError, FileNotFoundError):
                    if path.exists():
                        raise
                    return  # another driver has published all of it meanwhile, and cleared the parts away
                if entry:
                    return
                known = False  # cleared away in the bucket alone: it is given once more, and does no harm
            raise StorageError(f"{self.storage}/{whole} was removed while it was written: run the same command again")

        side_by_side(give, names)

    def _entries(self, folder: str, names: list[str]) -> dict[str, Entry]:
        """Those objects that are there, asked of one by one."""
        found = ((name, self.bucket.entry(f"{folder}/{name}")) for name in names)
        return {name: entry for name, entry in found if entry is not None}

    def settle(self, folder: str, names: list[str]) -> None:
        there, place = self.bucket.list(folder), self.root / folder
        missing = [
            name for name in names if name not in there or there[name].size_bytes != (place / name).stat().st_size
        ]
        side_by_side(lambda name: self.bucket.put(f"{folder}/{name}", place / name), missing)
        self.bucket.delete(f"{folder}/{name}" for name in there if name not in names)

    def send(self, folder: str, names: list[str] | None = None) -> None:
        place = self.root / folder
        whole = names is None
        if names is None:
            names = [path.relative_to(place).as_posix() for path in sorted(place.rglob("*")) if path.is_file()]
            names = [name for name in names if not name.rpartition("/")[2].startswith(".")]
        side_by_side(lambda name: self.bucket.put(f"{folder}/{name}", place / name), names)
        if whole:
            self.keep(folder, set(names))

    def keep(self, folder: str, names: set[str]) -> None:
        self.bucket.delete(f"{folder}/{name}" for name in self.bucket.list(folder) if name not in names)

    def forget(self, folder: str) -> None:
        shutil.rmtree(self.root / folder, ignore_errors=True)

    def drop(self, folder: str) -> None:
        self.forget(folder)
        self.keep(folder, set())


def _is_copy(path: Path, entry: Entry) -> bool:
    """Is this file what the bucket has now?"""
    try:
        told = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return told.st_size == entry.size_bytes and told.st_mtime == entry.changed_s


def _is_right(path: Path, entry: Mapping[str, Any], checked: bool) -> bool:
    """Is this file what a manifest says? Of one that was checked before, the size is enough."""
    try:
        return path.stat().st_size == entry["bytes"] and (checked or digest_file(path) == entry["sha256"])
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A temporary in the folder of a file, which is made; it is gone afterwards if nobody has moved it."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


def _wanted(name: str, only: tuple[str, ...]) -> bool:
    """Do the patterns ask for this name? Without any, all are; where all of them leave out, all others are."""
    if not only:
        return True
    out = [pattern[1:] for pattern in only if pattern.startswith("!")]
    wanted = [pattern for pattern in only if not pattern.startswith("!")] or ["*"]
    return any(fnmatch.fnmatch(name, one) for one in wanted) and not any(fnmatch.fnmatch(name, one) for one in out)
