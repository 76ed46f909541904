"""What "the same text" means. One place, since ids, duplicates, leakage and embeddings all rest on it.

`normalise` keeps what a reader sees (NFC, one kind of line end, no control characters). `fold` drops what a reader
would not call a difference (case, spacing) and is only ever hashed, never shown or trained on.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff\ud800-\udfff]")


def normalise(text: str) -> str:
    """NFC, `\\n` line ends, no control or zero-width characters, no space at the ends."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", _CONTROL.sub("", text)).strip()


def fold(text: str) -> str:
    """Case and spacing removed: two texts with equal folds are the same question."""
    return " ".join(normalise(text).casefold().split())


def text_id(text: str) -> str:
    """128-bit hash (32 hex characters) of a text as it stands."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def fold_id(text: str) -> str:
    """128-bit hash of a text's fold."""
    return text_id(fold(text))


def example_id(instruction: str, response: str) -> str:
    """128-bit hash of a pair's folds: equal ids are exact duplicates (case and space folded)."""
    return text_id(fold(instruction) + "\x1f" + fold(response))
