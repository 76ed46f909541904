"""Folders that several processes write together, each of them whole or absent, of which the newest counts: checkpoints.

On a file system a folder is written under a name that nobody looks for and gets its own by one rename. A bucket has no rename:
there a folder is whole once its last file is there, which its first writer writes when all the others have written theirs.
Names sort by age.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from lib.errors import StorageError
from lib.files import sync
from lib.store.mirror import Mirror
from lib.store.place import Address, split_address

UNFINISHED = ".writing-"
"""Begins the name of what is being written on a file system, until it gets its own."""


class Shelf:
    """A folder of such folders on a file system that all writers see.

    Args:
        last: the name of the file that is written last.
    """

    def __init__(self, folder: Path, last: str) -> None:
        self.folder, self.last = folder, last

    def writing(self, name: str, token: str) -> Path:
        """Where all write what is to be called `name`.

        Args:
            token: the same for all of them, and for nobody else.
        """
        return self.folder / f"{UNFINISHED}{token}"

    def written(self, path: Path) -> None:
        """A file of it is written."""
        sync(path)

    def finish(self, writing: Path, name: str) -> None:
        """Called by one, when the last file is written: it is whole from now on, and older ones are removed."""
        target = self.folder / name
        if target.exists():  # made by another driver, and as good as this one
            shutil.rmtree(writing, ignore_errors=True)
        else:
            writing.rename(target)
            sync(self.folder)
        for older in self.folder.glob("[!.]*"):
            if older.name < name:
                shutil.rmtree(older, ignore_errors=True)

    def leave(self, writing: Path) -> None:
        """Called by each, when it is whole: what this machine does not need any more."""

    def newest(self) -> str | None:
        """The name of the newest."""
        return max((path.name for path in self.folder.glob("[!.]*")), default=None)

    def open(self, name: str) -> Path:
        """The folder, with all of its files on this machine."""
        return self.folder / name

    def words(self, name: str) -> str:
        """Where people find it."""
        return str(self.folder / name)

    def clear(self) -> None:
        """Remove all."""
        shutil.rmtree(self.folder, ignore_errors=True)


class BucketShelf(Shelf):
    """The same in a bucket."""

    def __init__(self, mirror: Mirror, name: str, last: str) -> None:
        super().__init__(mirror.root / name, last)
        self.mirror, self.name = mirror, name

    def writing(self, name: str, token: str) -> Path:
        return self.folder / f"{name}.{token}"

    def written(self, path: Path) -> None:
        if path.name != self.last:
            self.mirror.send(f"{self.name}/{path.parent.name}", [path.name])

    def finish(self, writing: Path, name: str) -> None:
        self.mirror.send(f"{self.name}/{writing.name}", [self.last])
        with suppress(StorageError):  # it is whole; what is left of older ones is removed by the next
            for one in {one.partition("/")[0] for one in self.mirror.bucket.list(self.name)}:
                if one.partition(".")[0] < name:
                    self.mirror.drop(f"{self.name}/{one}")

    def leave(self, writing: Path) -> None:
        shutil.rmtree(writing, ignore_errors=True)

    def newest(self) -> str | None:
        found = (name.rpartition("/") for name in self.mirror.bucket.list(self.name))
        return max((folder for folder, _, file in found if file == self.last), default=None)

    def open(self, name: str) -> Path:
        self.mirror.bring(f"{self.name}/{name}")
        return self.folder / name

    def words(self, name: str) -> str:
        return f"{self.mirror.words}/{self.name}/{name}"

    def clear(self) -> None:
        self.mirror.drop(self.name)


def shelf_at(address: Address, last: str) -> Shelf:
    """The shelf at an address of a storage."""
    shared, name = split_address(address)
    return BucketShelf(shared, name, last) if isinstance(shared, Mirror) else Shelf(Path(address), last)
