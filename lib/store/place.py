"""Folders of a storage as they are handed to another machine, and resolved there.

A task or actor is given addresses, which are plain text: of a storage that is a folder the path itself, of a bucket
`s3://bucket/prefix#artifacts/embed/<key>/<attempt>`. It resolves each where it begins (`here` what it reads, `at` what it
writes into), computes on paths, and says of what it wrote that it is there (`deliver`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.location import is_bucket
from lib.names import is_inside
from lib.store.shared import Files, Shared

MANIFEST = "manifest.json"
NO_WEIGHTS = ("!*.safetensors",)
"""Of a model's folder: what its shape and tokenizer are read from."""
Address = str | Path
"""A path is its own address."""


def shared_of(storage: str | Path) -> Shared:
    """A storage by its path or URL."""
    if is_bucket(str(storage)):
        from lib.store.mirror import Mirror  # its packages are wanted for buckets alone

        return Mirror(str(storage))
    return Shared(str(storage))


def here(address: Address, *only: str) -> Path:
    """The files of a folder of a storage on this machine; of an artifact exactly its own, with their digests checked.

    Args:
        only: patterns of the names that are needed; `!pattern` leaves names out.

    Raises:
        StorageError: they cannot be had, or are damaged.
    """
    shared, name = split_address(address)
    if shared is None:
        return Path(address)
    shared.bring(name, _files(shared, name), only)
    return at(address)


def resolved(addresses: Mapping[str, Address]) -> dict[str, Path]:
    """`here` of the inputs of a task, by role."""
    return {role: here(address) for role, address in addresses.items()}


def at(address: Address) -> Path:
    """Where files of a folder of a storage are written on this machine."""
    shared, name = split_address(address)
    if shared is None:
        return Path(address)
    (shared.root / name).mkdir(parents=True, exist_ok=True)
    return shared.root / name


def deliver(address: Address, *names: str) -> None:
    """Give files that were written `at` an address to all, each whole; where another has delivered one, that one is here then.

    Raises:
        StorageError: they cannot be.
    """
    shared, name = split_address(address)
    if shared is not None:
        shared.deliver(name, list(names))


def send(address: Address, *names: str) -> None:
    """Give files that lie `at` an address to all in the place of what was there (no names: all, and nothing else stays).

    Raises:
        StorageError: they cannot be.
    """
    shared, name = split_address(address)
    if shared is not None:
        shared.send(name, list(names) or None)


def forget(address: Address) -> None:
    """Give up this machine's copies of a folder that is too large to keep for the next who may want it here."""
    shared, name = split_address(address)
    if shared is not None:
        shared.forget(name)


def split_address(address: Address) -> tuple[Shared | None, str]:
    """The storage of an address and the folder's name in it; (None, "") of a path."""
    storage, _, name = str(address).partition("#")
    if not is_bucket(storage):
        return None, ""
    assert is_inside(name), address
    return shared_of(storage), name


def _files(shared: Shared, name: str) -> Files | None:
    """Of an artifact's folder, what its manifest says is in it; None for a folder that is being written."""
    folder, _, attempt = name.rpartition("/")
    manifest: Any = json.loads(shared.read(f"{folder}/{MANIFEST}") or b"null")
    if isinstance(manifest, dict) and manifest.get("attempt") == attempt and all(map(is_inside, manifest["files"])):
        files: Files = manifest["files"]
        return files
    return None
