"""What a storage is called: the path of a folder, or the URL of a bucket."""

from __future__ import annotations

import re
from pathlib import Path

from lib.names import is_inside

SCHEMES = {"s3": "s3fs", "gs": "gcsfs"}
"""What a URL begins with, and the package that it needs."""
URL = re.compile(r"(?P<scheme>[a-z0-9]+)://(?P<bucket>[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:/(?P<prefix>.*))?")


def is_bucket(storage: str) -> bool:
    """Is this storage the URL of an object store (and no path)?"""
    return "://" in storage


def is_anywhere(storage: str) -> bool:
    """Does this storage mean the same whichever folder a process works in?"""
    return is_bucket(storage) or Path(storage).is_absolute()


def check_url(storage: str) -> str:
    """The URL of a storage in its one form, without a slash at the end.

    Raises:
        ValueError: it is none; said without repeating what may be a secret.
    """
    scheme, _, rest = storage.partition("://")
    if "@" in rest.partition("/")[0]:
        raise ValueError(
            f"storage {scheme}://...@...: credentials are never part of a URL: leave them out, and set them in the "
            "environment of every machine (or give the machines an identity)"
        )
    if scheme not in SCHEMES:
        raise ValueError(f"storage {storage!r}: a path, {' or '.join(f'{one}://bucket/prefix' for one in SCHEMES)}")
    match = URL.fullmatch(storage.rstrip("/"))
    prefix = (match and match["prefix"]) or ""
    if (
        match is None
        or re.search(r"[?#\\\x00-\x1f\x7f]", prefix)
        or (prefix and not is_inside(prefix))
        or "//" in prefix
    ):
        raise ValueError(
            f"storage {storage!r}: write it as {scheme}://bucket/prefix, with letters, digits, -, _, . and /"
        )
    return f"{scheme}://{match['bucket']}" + (f"/{prefix}" if prefix else "")
