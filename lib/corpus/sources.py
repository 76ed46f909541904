"""A source to what can be read of it, and to an identity that goes into content keys.

The identity is of the content, never of the path: the same rows on another machine have the same keys. Local files are
hashed; an object store tells a version of each object; a hub tells the commit.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lib.corpus.hub import hub_location
from lib.corpus.records import SUFFIXES, has_known_suffix
from lib.corpus.remote import RemoteFile, is_remote, remote_files
from lib.errors import UserError, unknown
from lib.store.digest import digest_file, digest_value
from lib.study.schema import Source

BUILTIN = Path(__file__).parent / "builtin"


@dataclass(frozen=True)
class Located:
    """What a source comes to."""

    locations: tuple[str, ...]
    """What `Reader.read` takes, in order: absolute paths, URLs, or one hub location."""
    size_bytes: int
    """All of it together (0 for a hub: nobody tells before reading)."""
    identity: str | None
    """Changes with the content; None where only the network can tell and was not asked (`locations` is empty then)."""


def locate(source: Source, *, online: bool = True) -> Located:
    """Resolve a source of a study.

    Args:
        online: object stores may be listed and a hub asked what a branch or no revision means.

    Raises:
        UserError: nothing there, or a store or hub that cannot be reached.
    """
    text = source.source
    if text.startswith("hub:"):
        location = hub_location(text, source.split, source.subset, online=online)
        return Located((location,) if location else (), 0, location)
    if is_remote(text):
        if not online:
            return Located((), 0, None)
        files = remote_files(text)
        if not glob.has_magic(text) and [file.url for file in files] != [text]:  # a prefix: what can be read of it
            files = [file for file in files if has_known_suffix(file.url)]
            _some(files, text)
        identity = digest_value([[file.version, file.size_bytes] for file in files])
        return Located(tuple(file.url for file in files), sum(file.size_bytes for file in files), identity)
    paths = source_files(text)
    size = sum(path.stat().st_size for path in paths)
    return Located(tuple(str(path.resolve()) for path in paths), size, source_digest(text))


def is_local(location: str) -> bool:
    """Can this location be read without a network?"""
    return not location.startswith("hub:") and not is_remote(location)


def source_files(source: str) -> list[Path]:
    """The files of a local source, sorted: a file, a folder's files, a glob's matches, or `builtin:NAME`.

    Raises:
        UserError: nothing there, or a folder without a file that can be read.
    """
    if source.startswith("builtin:"):
        return _builtin(source)
    if "://" in source or source.startswith("hub:"):
        raise UserError(f"source {source!r}: only a corpus is read over a network, from s3://, gs:// or hub:org/name")
    if not source.strip():
        raise UserError("a source is empty: name a file, a folder, a glob, or builtin:NAME")
    try:
        path = Path(source).expanduser()
        if path.is_file():
            return [path]
        if path.is_dir():
            return _inside(path, source)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: the home of nobody
        raise UserError(f"source {source!r} cannot be read: {error}") from None
    if glob.has_magic(source):
        matches = sorted(p for p in map(Path, glob.glob(str(path), recursive=True)) if p.is_file())
        if not matches:
            raise UserError(f"source {source!r} matches no file")
        return matches
    raise UserError(f"source {source!r} does not exist (seen from {Path.cwd()})")


def _inside(folder: Path, source: str) -> list[Path]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and has_known_suffix(p))
    _some(files, source)
    return files


def _some(files: list[Path] | list[RemoteFile], source: str) -> None:
    if not files:
        raise UserError(f"source {source!r} is a folder without a file ending in {', '.join(SUFFIXES)}")


def _builtin(source: str) -> list[Path]:
    name = source.removeprefix("builtin:")
    known = {p.name: p for p in BUILTIN.iterdir() if p.is_dir() and p.name != "prompts"}
    known |= {p.stem: p for p in (BUILTIN / "prompts").glob("*.jsonl")}
    if name not in known:
        raise unknown("built-in source", name, known)
    return [known[name]] if known[name].is_file() else _inside(known[name], source)


def source_digest(source: str) -> str:
    """Content digest over all files of a local source, in order. Changes when a file's content or the order does."""
    return digest_value([_digest(str(path), *_stamp(path)) for path in source_files(source)])


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4096)
def _digest(path: str, size: int, mtime_ns: int) -> str:
    """Digest of a file, computed once per process while the file does not change."""
    try:
        return digest_file(Path(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
