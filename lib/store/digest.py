"""Digests: of values (canonical JSON), of files, of folders.

A key must be the same on every machine and in every Python: floats are written by `repr` (shortest round trip), mappings
are sorted, and nothing that is not plain JSON is accepted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

KEY_CHARS = 32
"""Hex characters of a content key: 128 bits, no accidental collision in any store that will ever exist."""


def digest_value(value: Any) -> str:
    """SHA-256 (first 128 bits, hex) of a plain JSON value.

    Raises:
        TypeError: the value holds something that is not plain JSON, or a NaN.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise TypeError(f"no content key for {value!r}: {error}") from None
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_CHARS]


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_files(paths: Iterable[Path], root: Path) -> str:
    """One digest over several files: their paths below `root` and their contents, in sorted order."""
    return digest_value(sorted((path.relative_to(root).as_posix(), digest_file(path)) for path in paths))
