"""A model from the hub into a folder: each file whole or not there, a cut one continued where it stopped.

The hub's own client resumes inside one call and throws away what a killed one had; a shard of a large model is minutes of
network, and spot machines are taken away. So the bytes that have come lie in a part beside the file's place, in a folder
that later attempts share, and whoever comes next takes the part over by renaming it, which one process can do. A part that
is growing belongs to somebody who is at work: it is waited for, and so a model is fetched once however many drivers want
it. What is complete is compared with the digest that the hub names and only then put in its place.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

from lib.errors import UserError
from lib.store.store import alive

Tell = Callable[[str, int, int], None]
"""Called with what is being done, bytes done, and bytes in all."""

PATTERNS = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]
"""No pickles, no code."""
AT_ONCE = 4
"""Files fetched side by side."""
STALE_S = 60.0
"""A part of another machine that nobody worked on for so long is nobody's: longer than any time-out and retry of a fetch."""
POLL_S = 1.0
LARGEST_BYTES = 50_000_000_000
"""The hub's own limit for one plain request."""
BLOCK_BYTES = 64 << 20
TRIES = 5
"""In a row without a byte."""


@dataclass(frozen=True)
class HubFile:
    """A file of a model."""

    path: str
    size_bytes: int
    git_sha1: str
    """Of the content as git names it; of a large file, which git knows by reference, not used."""
    sha256: str | None
    """Of a large file."""

    def is_whole(self, path: Path) -> bool:
        """Does a file hold what the hub names?"""
        digest = hashlib.sha256() if self.sha256 else hashlib.sha1(b"blob %d\0" % self.size_bytes)
        with path.open("rb") as content:
            while block := content.read(BLOCK_BYTES):
                digest.update(block)
                os.utime(path)  # somebody is at work on it
        return digest.hexdigest() == (self.sha256 or self.git_sha1)


def download(repo: str, commit: str, folder: Path, tell: Tell) -> dict[str, Any]:
    """Fetch a model's files into a folder, going on from what is there.

    Args:
        folder: shared by all attempts at this model; what lies in it under a file's own name is that file.

    Returns:
        how many files of how many bytes there are.

    Raises:
        UserError: the hub sends other bytes than it names.
        huggingface_hub.errors.HfHubHTTPError, httpx2.HTTPError: the hub refuses, or cannot be reached (`lib.hub` says it).
    """
    files = hub_files(repo, commit)
    total = sum(file.size_bytes for file in files)
    done, lock = 0, Lock()

    def more(count: int) -> None:
        nonlocal done
        with lock:
            done += count
            tell("fetched", done, total)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        waiting = [threads.submit(_fetch, repo, commit, file, folder, more) for file in files]
        try:
            for one in waiting:
                one.result()
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    return {"files": len(files), "bytes": total}


def hub_files(repo: str, commit: str) -> list[HubFile]:
    """The files of a model that are wanted, largest first.

    Raises:
        UserError: a file's name leads out of the model's folder.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile
    from huggingface_hub.utils import filter_repo_objects

    found = {
        one.path: HubFile(one.path, one.size, one.blob_id, one.lfs.sha256 if one.lfs else None)
        for one in HfApi().list_repo_tree(repo, recursive=True, revision=commit)
        if isinstance(one, RepoFile)
    }
    wanted = [found[path] for path in filter_repo_objects(found, allow_patterns=PATTERNS) if not _is_hidden(path)]
    for file in wanted:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts:
            raise UserError(f"model {repo}: its file {file.path!r} would not lie in its folder: take another model")
        if file.size_bytes > LARGEST_BYTES:
            raise UserError(
                f"model {repo}: its file {file.path} has {file.size_bytes / 1e9:.0f} GB, more than the hub sends in one piece: "
                "download it with the hub's own tool and name its folder as the source"
            )
    return sorted(wanted, key=lambda file: (-file.size_bytes, file.path))


def _is_hidden(path: str) -> bool:
    """Does it lie under a name with a dot in front? Such are the hub's own notes and no part of a model."""
    return any(part.startswith(".") and part != ".." for part in PurePosixPath(path).parts)


def _fetch(repo: str, commit: str, file: HubFile, folder: Path, more: Callable[[int], None]) -> None:
    """One file, from where somebody left it."""
    from huggingface_hub import hf_hub_url

    target, url = folder / file.path, hf_hub_url(repo, file.path, revision=commit)
    target.parent.mkdir(parents=True, exist_ok=True)
    wrong = 0
    while wrong < 2:
        part = _claim(target)
        if part is None:
            _drop_parts(target)
            more(file.size_bytes)
            return
        counted = 0

        def count(bytes_: int) -> None:
            nonlocal counted
            counted += bytes_
            more(bytes_)

        try:
            if part.stat().st_size > file.size_bytes:
                os.truncate(part, 0)
            count(part.stat().st_size)
            _fill(part, file, url, count)
            if file.is_whole(part):
                os.replace(part, target)
                _drop_parts(target)
                return
            part.unlink()
            wrong += 1
        except FileNotFoundError:  # taken over, by somebody who held us for dead: theirs it is
            pass
        more(-counted)
    raise UserError(
        f"model {repo}: what the hub sends as {file.path} is not what it names by its digest: run the same command again, or "
        "download it elsewhere and name its folder as the source"
    )


def _fill(part: Path, file: HubFile, url: str, more: Callable[[int], None]) -> None:
    """Append to a part until it has the file's size."""
    import httpx2
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    tries = 0
    with part.open("r+b", buffering=0) as raw:
        while (there := raw.seek(0, os.SEEK_END)) < file.size_bytes:
            try:
                http_get(
                    url,
                    _Counted(raw, more),
                    resume_size=there,
                    headers=build_hf_headers(),
                    expected_size=file.size_bytes,
                )
            except httpx2.TransportError:  # what its own retries leave out: a connection that is reset
                tries = 0 if raw.seek(0, os.SEEK_END) > there else tries + 1
                if tries >= TRIES:
                    raise
                time.sleep(POLL_S)


class _Counted:
    """A file that tells of what is written to it."""

    def __init__(self, raw: Any, more: Callable[[int], None]) -> None:
        self.raw, self.more = raw, more

    def write(self, content: bytes) -> int:
        left = memoryview(content)
        while left:
            left = left[self.raw.write(left) :]
        self.more(len(content))
        return len(content)

    def seek(self, place: int) -> int:
        return int(self.raw.seek(place))

    def tell(self) -> int:
        return int(self.raw.tell())

    def truncate(self) -> int:
        """Throw away what lies behind the place that was sought: the server begins again."""
        self.more(self.raw.tell() - os.fstat(self.raw.fileno()).st_size)
        return int(self.raw.truncate())


def _claim(target: Path) -> Path | None:
    """This process's part of a file, new or taken over; None when the file is there."""
    own = target.with_name(f".{target.name}.{_host()}-{os.getpid()}.part")
    seen: dict[Path, tuple[tuple[int, int], float]] = {}
    while not target.exists():
        others = sorted(_parts(target), key=_state, reverse=True)
        if not others or own in others:
            own.touch()
            return own
        for part in others:
            state = _state(part)
            if part not in seen or seen[part][0] != state:
                seen[part] = state, time.monotonic()
            if _is_left(part) or time.monotonic() - seen[part][1] > STALE_S:
                with contextlib.suppress(FileNotFoundError):
                    part.rename(own)
                    return own
        time.sleep(POLL_S)
    return None


def _parts(target: Path) -> list[Path]:
    return list(target.parent.glob(f".{glob.escape(target.name)}.*.part"))


def _drop_parts(target: Path) -> None:
    """Remove what was left of a file that is there; a living owner finds the file instead."""
    for part in _parts(target):
        part.unlink(missing_ok=True)


def _state(part: Path) -> tuple[int, int]:
    """Its size, and when it was last worked on."""
    try:
        told = part.stat()
    except FileNotFoundError:
        return -1, 0
    return told.st_size, told.st_mtime_ns


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _is_left(part: Path) -> bool:
    """Is this the part of a dead process of this machine?"""
    host, _, pid = part.name.removesuffix(".part").rpartition(".")[2].partition("-")
    if host != _host() or not pid.isdecimal():
        return False
    return not alive(int(pid))
