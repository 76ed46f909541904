"""Objects under one URL of an object store, `s3://bucket/prefix` or `gs://bucket/prefix`, through fsspec (s3fs, gcsfs).

An object store has no rename and no link; it has two things that do instead. An object appears whole or not at all, however
its upload ends, and `create` writes one only where none is (S3: `If-None-Match: *`; Google: generation 0), which is the one
exclusive step that a store needs. Answers get lost: a `create` that is asked again may find its own object, and tells it from
another's by its content.

Credentials and endpoint come from where the store's tools look for them (environment, instance identity, AWS_ENDPOINT_URL) and
are never in a URL. Every request has a time limit and is tried a bounded number of times, by the client for what is said to
pass (5xx, throttling) and here for what cuts a transfer; after that it is one line that names the bucket and what to do.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from lib.errors import StorageError, UserError
from lib.location import SCHEMES, check_url
from lib.names import is_inside
from lib.store.refusals import is_passing, missing_bucket, refusal, told_exists

T = TypeVar("T")

CONNECT_S, READ_S = 10, 60
"""Seconds until a connection is given up, and until a server that says nothing is."""
REQUEST_TRIES, TRIES = 4, 4
"""Of one request by the client, and of one whole operation here."""
PAUSE_S = 1.0
"""Before the second try; doubled before each further one."""
REQUEST_S = 600
"""Of a whole request to Google, data included: its client knows no limit to silence."""
READ_WHOLE: dict[str, dict[str, Any]] = {"s3": {"max_concurrency": 1}, "gs": {}}
"""Reading a small object is one request: s3fs would ask for its size first, and is not told there why it is refused."""
AT_ONCE = 16
"""Objects that are moved side by side."""


@dataclass(frozen=True)
class Entry:
    """One object as a listing has it."""

    size_bytes: int
    changed_s: float
    """When it was written, seconds since 1970."""
    version: str
    """Changes when the object is written again; "" where the store tells none."""


class Bucket:
    """The objects below one URL. Names are relative to it. Cheap to make; safe to use from several threads.

    Every method raises `StorageError` where the store cannot be reached or refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = check_url(url)
        self.scheme, _, self._base = self.url.partition("://")

    def path(self, name: str) -> str:
        """What the client calls an object: `bucket/prefix/name`."""
        return f"{self._base}/{name}"

    def list(self, folder: str) -> dict[str, Entry]:
        """What lies below a folder, by its name relative to it. Names that lead elsewhere are nobody's, and are left out."""
        under = f"{self.path(folder)}/" if folder else f"{self._base}/"
        found: Mapping[str, Any] = self._tried(lambda fs: fs.find(under, detail=True))
        return {
            name.removeprefix(under): _entry(about)
            for name, about in sorted(found.items())
            if about["type"] == "file" and name.startswith(under) and is_inside(name.removeprefix(under))
        }  # fmt: skip

    def entry(self, name: str) -> Entry | None:
        """One object, or None where there is none."""
        about = self._tried(lambda fs: fs.info(self.path(name)), absent=None)
        return None if about is None or about["type"] != "file" else _entry(about)

    def read(self, name: str) -> bytes | None:
        """The content of an object, or None where there is none."""
        content: bytes | None = self._tried(
            lambda fs: fs.cat_file(self.path(name), **READ_WHOLE[self.scheme]), absent=None
        )
        return content

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """The contents of those objects that are there, read side by side."""
        wanted = list(names)
        return {name: one for name, one in zip(wanted, side_by_side(self.read, wanted), strict=True) if one is not None}

    def get(self, name: str, path: Path) -> bool:
        """Write an object to a file, which its user then checks; False where there is none."""

        def copy(fs: Any) -> bool:
            fs.get_file(self.path(name), str(path))
            return True

        return bool(self._tried(copy, absent=False))

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object, whatever was there."""
        self._write(name, content, "overwrite")

    def create(self, name: str, content: bytes | Path) -> bool:
        """Write an object where none is, in one step. False when another one is there."""
        there = False
        try:
            self._write(name, content, "create")
        except FileExistsError:
            there = True  # asked of below, since an error that is raised in here would count as one of this kind
        return not there or (isinstance(content, bytes) and self.read(name) == content)

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects, those that are not there too."""
        side_by_side(lambda name: self._tried(lambda fs: fs.rm_file(self.path(name)), absent=None), list(names))

    def check(self) -> None:
        """Make sure that objects can be written, created once, read, listed and removed, before anything rests on it.

        Raises:
            UserError: they cannot, or the server does not keep `create` from writing over what is there.
        """
        name = f".probe-{uuid.uuid4().hex[:12]}/probe"
        self.put(name, b"")
        try:
            if self.create(name, b"another"):
                raise UserError(
                    f"{self.url}: this server writes over what is there though asked not to (it ignores If-None-Match), "
                    "so that two writers could mix: use one that knows conditional writes, or a shared folder"
                )
            self.list(name.partition("/")[0])
        finally:
            self.delete([name])

    def filesystem(self) -> Any:
        """A pyarrow file system with the same credentials and limits, for Ray; paths are `bucket/name`."""
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        return PyFileSystem(FSSpecHandler(_client(self.scheme)))

    def _write(self, name: str, content: bytes | Path, mode: str) -> None:
        def write(fs: Any) -> None:
            if isinstance(content, bytes):
                fs.pipe_file(self.path(name), content, mode=mode)
            else:
                fs.put_file(str(content), self.path(name), mode=mode)

        self._tried(write)

    def _tried(self, do: Callable[[Any], T], absent: Any = StorageError) -> Any:
        """What `do` gives, tried again while what it meets may pass.

        Args:
            absent: given where there is no such object (by default that is an error).

        Raises:
            FileExistsError: a condition of it did not hold.
        """
        for number in range(TRIES):
            try:
                return do(_client(self.scheme))
            except UserError:
                raise
            except Exception as error:
                if told_exists(error):
                    raise FileExistsError(self.url) from None
                if isinstance(error, FileNotFoundError) and absent is not StorageError and not missing_bucket(error):
                    return absent
                if not is_passing(error) or number + 1 == TRIES:
                    told = refusal(error, self.url)
                    if told is None:  # neither the store's nor the network's: a full disk, a mistake of ours
                        raise
                    raise StorageError(told) from None
                time.sleep(PAUSE_S * 2**number * random.uniform(0.5, 1.0))
        raise AssertionError


def side_by_side(do: Callable[[str], T], names: list[str]) -> list[T]:
    """`do` of every name, several at once, in their order; the first error is raised."""
    if len(names) < 2:
        return [do(name) for name in names]
    with ThreadPoolExecutor(min(AT_ONCE, len(names))) as pool:
        return list(pool.map(do, names))


def _entry(about: Mapping[str, Any]) -> Entry:
    changed = about.get("LastModified") or about.get("updated") or about.get("mtime") or 0.0
    if isinstance(changed, str):
        changed = datetime.datetime.fromisoformat(changed)
    seconds = changed.timestamp() if isinstance(changed, datetime.datetime) else float(changed)
    version = about.get("ETag") or about.get("generation") or about.get("etag") or ""
    return Entry(int(about["size"] or 0), float(int(seconds)), str(version).strip('"'))


def _client(scheme: str) -> Any:
    """The client of this process. Its connections do not survive a fork."""
    return _make_client(scheme, os.getpid())


@lru_cache
def _make_client(scheme: str, _pid: int) -> Any:
    package = SCHEMES[scheme]
    try:
        if scheme == "s3":
            from s3fs import S3FileSystem

            retries = {"total_max_attempts": REQUEST_TRIES, "mode": "standard"}
            limits = {
                "connect_timeout": CONNECT_S,
                "read_timeout": READ_S,
                "retries": retries,
                "max_pool_connections": 32,
            }
            client = S3FileSystem(use_listings_cache=False, config_kwargs=limits, skip_instance_cache=True)
            client.retries = 1  # the client below tries again by itself, with longer pauses
            return client
        # The plain class: the package's default one asks for a bucket's kind over gRPC first, and says so on stderr.
        from gcsfs.core import GCSFileSystem
    except ImportError:
        raise UserError(
            f"storage {scheme}:// needs the package {package}: pip install {package} (or the extra 'remote')"
        ) from None
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs a traceback for every error that it also raises
    return GCSFileSystem(use_listings_cache=False, requests_timeout=REQUEST_S, skip_instance_cache=True)


@contextlib.contextmanager
def fresh_clients() -> Iterator[None]:
    """Ask the environment again where the stores are, and once more afterwards (for tests)."""
    _make_client.cache_clear()
    try:
        yield
    finally:
        _make_client.cache_clear()
