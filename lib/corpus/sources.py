"""A source string to the files behind it, and to an identity that goes into content keys.

The identity is of the content, never of the path: the same rows on another machine have the same keys.
"""

from __future__ import annotations

import glob
from functools import lru_cache
from pathlib import Path

from lib.corpus.records import SUFFIXES, has_known_suffix
from lib.errors import UserError
from lib.store.digest import digest_file, digest_value

BUILTIN = Path(__file__).parent / "builtin"


def source_files(source: str) -> list[Path]:
    """The files of a source, sorted: a file, a folder's files, a glob's matches, or `builtin:NAME`.

    Raises:
        UserError: nothing there, or a folder without a file that can be read.
    """
    if source.startswith("builtin:"):
        return _builtin(source)
    if "://" in source:
        raise UserError(f"source {source!r}: only local files so far; copy them to a folder and name that")
    if not source.strip():
        raise UserError("a source is empty: name a file, a folder, a glob, or builtin:NAME")
    path = Path(source).expanduser()
    try:
        if path.is_file():
            return [path]
        if path.is_dir():
            return _inside(path, source)
    except (OSError, ValueError) as error:
        raise UserError(f"source {source!r} cannot be read: {error}") from None
    if glob.has_magic(source):
        matches = sorted(p for p in map(Path, glob.glob(str(path), recursive=True)) if p.is_file())
        if not matches:
            raise UserError(f"source {source!r} matches no file")
        return matches
    raise UserError(f"source {source!r} does not exist (seen from {Path.cwd()})")


def _inside(folder: Path, source: str) -> list[Path]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and has_known_suffix(p))
    if not files:
        raise UserError(f"source {source!r} is a folder without a file ending in {', '.join(SUFFIXES)}")
    return files


def _builtin(source: str) -> list[Path]:
    name = source.removeprefix("builtin:")
    known = {p.name: p for p in BUILTIN.iterdir() if p.is_dir() and p.name != "prompts"}
    known |= {p.stem: p for p in (BUILTIN / "prompts").glob("*.jsonl")}
    if name not in known:
        from lib.errors import unknown

        raise unknown("built-in source", name, known)
    return [known[name]] if known[name].is_file() else _inside(known[name], source)


def source_digest(source: str) -> str:
    """Content digest over all files of a source, in order. Changes when a file's content or the order does."""
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
