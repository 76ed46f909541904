"""What in a store nobody asks for any more: found by age and by the keys that are wanted, freed so that a kill does no harm.

An artifact is freed in the order opposite to how it was published: first its manifest, and with it the artifact, in one
step; then its files, under a name that a writer who comes for the same key does not use. Killed in between, this leaves
files without a manifest, which nobody reads and which the next collection finds. There is no lock: a writer who begins on
a key that is being freed makes the artifact anew.

In a bucket it is the same, object by object (`collect_bucket`).

Only what has this store's own layout is looked at: a folder whose manifest says its stage and key, or which has none and
a key for a name. A folder in which any process, here or on another machine, has an attempt open is left alone, and so are
checkpoints, scratch and everything beside `artifacts`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.files import storage_errors
from lib.store.collect_bucket import bucket_places, free_objects, mark_dropped
from lib.store.digest import KEY_CHARS
from lib.store.mirror import Mirror
from lib.store.place import MANIFEST
from lib.store.store import OWNER, Store, alive, write_owner

KEY = re.compile(rf"[0-9a-f]{{{KEY_CHARS}}}")
REMAINS_S = 3600
"""What a killed writer left is left alone for so long, whatever the grace period: a writer of shared parts has no mark."""


@dataclass(frozen=True, kw_only=True)
class Unwanted:
    """One folder of the store that no plan uses."""

    stage: str
    key: str
    folder: Path
    size_bytes: int
    age_s: float
    """Since it was published, last written to, or dropped from a plan."""
    whole: bool
    """It is an artifact; otherwise what a killed writer left."""


def unwanted(
    store: Store, stages: Sequence[str], wanted: Mapping[str, Collection[str]], grace_s: float
) -> list[Unwanted]:
    """What no plan uses and is older than a grace period, in the order of the stages.

    Args:
        stages: of the artifacts to look at.
        wanted: stage -> keys that are to stay.
    """
    found = []
    for stage in stages:
        kept = set(wanted.get(stage, ()))
        for one in _looked(store, stage, kept):
            if one is not None and one.age_s > (grace_s if one.whole else max(grace_s, REMAINS_S)):
                found.append(one)
    return found


def _looked(store: Store, stage: str, kept: Collection[str]) -> Iterator[Unwanted | None]:
    """What lies under the keys of a stage that are not kept."""
    folder = store.root / "artifacts" / stage
    if isinstance(store.shared, Mirror):
        for one in bucket_places(store.shared, stage):
            if KEY.fullmatch(one.key) and one.key not in kept and one.is_ours:
                yield Unwanted(
                    stage=stage, key=one.key, folder=folder / one.key, size_bytes=one.size_bytes,
                    age_s=time.time() - one.changed_s, whole=one.whole,
                )  # fmt: skip
        return
    for place in sorted(_places(folder)):
        if place.name not in kept:
            yield _look(place, stage)


def free(store: Store, one: Unwanted) -> bool:
    """Free one folder; False where it has changed since it was found and is left as it is.

    Raises:
        StorageError: the storage cannot be written.
    """
    if isinstance(store.shared, Mirror):
        return free_objects(store.shared, one.stage, one.key, whole=one.whole, unchanged_s=one.age_s)
    now = _look(one.folder, one.stage)
    if now is None or now.whole != one.whole or now.age_s < one.age_s:
        return False
    place = one.folder
    with storage_errors(place):
        there = [path for path in place.iterdir() if path.name != MANIFEST]  # and nothing that is made from now on
        (place / MANIFEST).unlink(missing_ok=True)
        for path in there:
            if path.is_dir() and not path.is_symlink():
                gone = path.with_name(uuid.uuid4().hex[:12])
                path.rename(gone)
                write_owner(gone)  # cut off here, the next writer of this key removes it
                shutil.rmtree(gone, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody has begun on the key
            place.rmdir()
    return True


def _places(folder: Path) -> Iterator[Path]:
    """Folders of keys; links and whatever else lies there are not ours."""
    if not folder.is_dir() or folder.is_symlink():
        return
    for place in folder.iterdir():
        if KEY.fullmatch(place.name) and place.is_dir() and not place.is_symlink():
            yield place


def _look(place: Path, stage: str) -> Unwanted | None:
    """What lies in a folder, or None where it is not to be touched."""
    whole = False
    try:
        text = (place / MANIFEST).read_text()
    except FileNotFoundError:
        pass
    except OSError:
        return None
    else:
        try:
            manifest = json.loads(text)
            if (manifest["stage"], manifest["key"]) != (stage, place.name):
                return None
        except (ValueError, KeyError, TypeError):
            return None
        whole = True
    size, newest = 0, 0.0
    try:
        if any(_is_open(path) for path in place.iterdir()):
            return None
        newest = (place / MANIFEST).stat().st_mtime if whole else place.stat().st_mtime
        for path in place.rglob("*"):
            told = path.lstat()
            if not path.is_dir():
                size += told.st_size
            newest = max(newest, told.st_mtime)
    except OSError:  # it is changing under our eyes
        return None
    age_s = time.time() - newest
    return Unwanted(stage=stage, key=place.name, folder=place, size_bytes=size, age_s=age_s, whole=whole)


def _is_open(folder: Path) -> bool:
    """Is this an attempt of a living process, or of one that cannot be asked from here?"""
    try:
        who = json.loads((folder / OWNER).read_text())
        return who["host"] != socket.gethostname() or alive(int(who["pid"]))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError, KeyError, TypeError):
        return True


def touch(store: Store, stage: str, key: str) -> None:
    """Let the grace period of an artifact begin now. Its content stays as it is."""
    if isinstance(store.shared, Mirror):
        mark_dropped(store.shared, stage, key)
        return
    with contextlib.suppress(OSError):
        os.utime(store.root / "artifacts" / stage / key / MANIFEST)
