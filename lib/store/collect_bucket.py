"""What lies in a bucket under the keys of a stage, and how one of them is freed (`lib/store/collect`).

A bucket has no folders that could be renamed and no processes that could be asked whether they live. An artifact is freed by
removing its manifest and then the objects that were listed before; files that a writer delivers meanwhile stay, and one that
is lost with them is missed at the next look at sizes and made again. What is being written is told by its age alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lib.store.bucket import Entry
from lib.store.mirror import Mirror
from lib.store.place import MANIFEST

DROPPED = ".dropped"
"""An empty object whose time says when the last plan that used the artifact let it go."""


@dataclass(frozen=True)
class BucketPlace:
    """The objects under one key."""

    key: str
    objects: Mapping[str, Entry]
    is_ours: bool
    """Its manifest, where it has one, says this stage and key."""

    @property
    def whole(self) -> bool:
        """Is it an artifact (or what a killed writer left)?"""
        return MANIFEST in self.objects

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.objects.values())

    @property
    def changed_s(self) -> float:
        """When the newest of it was written, seconds since 1970."""
        return max(entry.changed_s for entry in self.objects.values())


def bucket_places(mirror: Mirror, stage: str) -> Iterator[BucketPlace]:
    """What lies under each key of a stage, in one listing."""
    folder = f"artifacts/{stage}"
    found: dict[str, dict[str, Entry]] = {}
    for name, entry in mirror.bucket.list(folder).items():
        key, _, rest = name.partition("/")
        if rest:
            found.setdefault(key, {})[rest] = entry
    texts = mirror.bucket.read_all(
        f"{folder}/{key}/{MANIFEST}" for key, objects in found.items() if MANIFEST in objects
    )
    for key, objects in sorted(found.items()):
        text = texts.get(f"{folder}/{key}/{MANIFEST}")
        yield BucketPlace(key, objects, MANIFEST not in objects or _says(text, stage, key))


def _says(text: bytes | None, stage: str, key: str) -> bool:
    try:
        manifest = json.loads(text or b"")
        return bool((manifest["stage"], manifest["key"]) == (stage, key))
    except (ValueError, KeyError, TypeError):
        return False


def free_objects(mirror: Mirror, stage: str, key: str, *, whole: bool, unchanged_s: float) -> bool:
    """Remove what lies under a key, here and in the bucket; False where it has changed since and stays.

    Args:
        whole: it was an artifact when it was found.
        unchanged_s: how long ago its newest object had been written then.

    Raises:
        StorageError: the bucket cannot be written.
    """
    folder = f"artifacts/{stage}/{key}"
    objects = mirror.bucket.list(folder)
    place = BucketPlace(key, objects, True)
    if not objects or place.whole != whole or time.time() - place.changed_s < unchanged_s:
        return False
    mirror.bucket.delete([f"{folder}/{MANIFEST}"])
    mirror.bucket.delete(f"{folder}/{name}" for name in objects if name != MANIFEST)
    mirror.forget(folder)
    return True


def mark_dropped(mirror: Mirror, stage: str, key: str) -> None:
    """Let the grace period of an artifact begin now."""
    if mirror.bucket.entry(f"artifacts/{stage}/{key}/{MANIFEST}") is not None:
        mirror.write(f"artifacts/{stage}/{key}/{DROPPED}", b"")
