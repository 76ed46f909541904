"""Names of studies, cells and data as parts of paths, and names that were read as parts of paths.

What a study calls a thing stands in a file's name only through `file_name`: no slash, no dot to begin with, no control
character, short enough for every file system. What a manifest on a shared storage says a file is called is joined to a
folder only if `is_inside` says so.
"""

from __future__ import annotations

from pathlib import PurePosixPath

LONGEST = 120
"""Bytes. File systems take 255, and something is put before and behind a name."""
KEPT = 96


def file_name(title: str, key: str, *, also: str = "") -> str:
    """A title as part of a path: letters, digits, `-`, `.`, `_`; anything else is a dash. A long one is cut, and ends with a
    part of the key, so that two of them stay apart.

    Args:
        also: further characters that are kept.
    """
    name = "".join(c if c.isalnum() or c in "-._" or c in also else "-" for c in title)
    name = f"-{name[1:]}" if name.startswith(".") else name or "-"
    if len(name.encode()) <= LONGEST:
        return name
    return f"{name.encode()[:KEPT].decode(errors='ignore')}-{key[:12]}"


def is_inside(name: object) -> bool:
    """Is this a relative path that leads nowhere but down?"""
    if not isinstance(name, str) or not name or "\0" in name or "\\" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and bool(path.parts)
