"""What all machines see of a storage: of a folder on a shared file system, the folder itself.

Whoever computes reads and writes files below `root`, on every kind of storage. What a storage has to do beside that, so that
others see it, stands here: for a folder it is next to nothing, and `lib/store/mirror` does the same for a bucket. Names are
relative to the storage, with slashes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.files import storage_errors, sync, write_bytes

Files = Mapping[str, Mapping[str, Any]]
"""Of a manifest: name -> `bytes` and `sha256`."""


@dataclass(frozen=True)
class Seen:
    """A manifest, and the files beside it."""

    text: bytes
    size_of: Callable[[str], int | None]
    """Bytes of a file, by its name relative to the manifest's folder; None where it is not there."""


class Shared:
    """A storage that is a folder. Nothing has to be sent anywhere: what is there is seen."""

    sends = False
    """Is what is written on a machine seen by others only once it is sent?"""

    def __init__(self, storage: str) -> None:
        self.storage, self.root = storage, Path(storage)

    @property
    def words(self) -> str:
        """What people call it."""
        return str(self.root)

    def find_words(self, name: str) -> str:
        """Where people find a file."""
        return str((self.root / name).resolve())

    def address(self, name: str) -> str:
        """Where another machine finds a folder (`lib.store.place.here`)."""
        return str(self.root / name)

    def check(self) -> None:
        """Make the root, and make sure that it can be written, before anything is started.

        Raises:
            StorageError: it cannot.
        """
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe-{uuid.uuid4().hex[:12]}"
            probe.write_text("")
            probe.unlink()

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """While it lasts, what is there may be told from one look at each stage, taken when it is first asked of."""
        yield

    def seen(self, folder: str, manifest: str) -> Seen | None:
        """A manifest and the files beside it, or None where it is not there.

        Raises:
            OSError: it cannot be read.
        """
        place = self.root / folder

        def size_of(name: str) -> int | None:
            try:
                return (place / name).stat().st_size
            except OSError:
                return None

        text = self.read(f"{folder}/{manifest}")
        return None if text is None else Seen(text, size_of)

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None where it is not there."""
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        write_bytes(self.root / name, content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file where none is, in one exclusive step. False when there is another."""
        path = self.root / name
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
        temporary.write_bytes(content)
        sync(temporary)
        try:
            os.link(temporary, path)
        except FileExistsError:
            # A network file system may have made the link, lost its answer, and been asked again.
            return temporary.stat().st_nlink > 1
        finally:
            temporary.unlink()
        sync(path.parent)
        return True

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.root / name).unlink(missing_ok=True)

    def retire(self, name: str) -> None:
        """Take a file out of the place of which it is not worthy, so that another can be created there."""
        path = self.root / name
        with contextlib.suppress(FileNotFoundError):
            path.rename(path.with_name(f"{path.name}.refused-{uuid.uuid4().hex[:12]}"))

    def size_bytes(self, name: str) -> int | None:
        """The size of a file, or None where it is not there."""
        path = self.root / name
        return path.stat().st_size if path.is_file() else None

    def names(self, folder: str) -> list[str]:
        """The files that lie in a folder, without those of its subfolders."""
        place = self.root / folder
        return sorted(path.name for path in place.iterdir() if path.is_file()) if place.is_dir() else []

    def bring(self, folder: str, files: Files | None = None, only: tuple[str, ...] = ()) -> None:
        """Have the files of a folder on this machine.

        Args:
            files: exactly these, as their manifest has them (None: whatever is there by now).
            only: patterns of names, `!pattern` leaves names out (none: all of them).
        """

    def deliver(self, folder: str, names: list[str]) -> None:
        """Give files of a folder, written here, to all; of two that were written under one name the first stays, also here."""

    def settle(self, folder: str, names: list[str]) -> None:
        """Give all files of a folder that is one writer's own, those that its workers have not delivered yet, and no others."""

    def checked(self, folder: str, files: Files) -> None:
        """The files of a folder of this machine are what its manifest says: they were just digested for it."""

    def send(self, folder: str, names: list[str] | None = None) -> None:
        """Give files of a folder to all in the place of what was there (None: the folder as it is now, and nothing else)."""

    def keep(self, folder: str, names: set[str]) -> None:
        """Nothing else is to lie in a folder on the storage; what lies here is its writer's own business."""

    def forget(self, folder: str) -> None:
        """Give up the copies that this machine has of a folder which others see."""

    def drop(self, folder: str) -> None:
        """Remove a folder."""
        shutil.rmtree(self.root / folder, ignore_errors=True)
