"""Text on its way out: to a terminal, a log, a report, the words of an error.

Two things are taken out of it, here and nowhere else. *Secrets*: nothing here ever needs one in a text, but a library's error
may quote the URL it asked, and a command line is recorded. They are struck out by their form (a password in a URL, the
prefixes that hubs and clouds give their tokens, a value that is called a secret) and by their value, where it is that of an
environment variable whose name says that it holds one. *Control characters*: a prompt, an answer or a file name may hold an
escape sequence that moves the cursor, renames the window or writes over what stands there, or turn the direction of the line.

What has neither a known form nor a name, such as the bare secret half of an AWS key that is in no variable, cannot be told
from any other text.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

STRUCK = "***"
LEAST = 8
"""Characters of a secret: shorter values of variables are words like `true`, and striking them would tear up every text."""

FORMS = re.compile(
    r"(?<=://)[^/\s'\"<>]*(?=@)"  # user:password@ of a URL
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<![A-Za-z0-9_-])(?:"
    r"hf_[A-Za-z0-9]{20,}|api_org_[A-Za-z0-9]{20,}"  # Hugging Face
    r"|sk-[A-Za-z0-9_-]{20,}"  # OpenAI and those who took its form
    r"|gh[oprsu]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS access key ids
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,}"  # Google
    r"|xox[abprs]-[\w-]{10,}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"  # JSON web tokens
    r")(?![A-Za-z0-9_])",
    re.DOTALL,
)
NAMED = re.compile(
    r"(?P<name>(?:secret|token|password|passwd|api[_-]?key|access[_-]?key|secret[_-]?key|signature|credential)[\"']?\s*=\s*[\"']?"
    r"|authorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|token)\s+)?)"
    rf"(?P<value>[^\s\"'&,;/][^\s\"'&,;]{{{LEAST - 1},}})",
    re.IGNORECASE,
)
"""`X-Amz-Signature=...`, `aws_secret_access_key = ...`, `Authorization: Bearer ...`. What begins with a slash is a path."""
VARIABLES = re.compile(r"(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY)$", re.IGNORECASE)

_UNSHOWABLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0d\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def holds_secret(text: str) -> bool:
    """Is there something in this text that has the form of a secret?"""
    return FORMS.search(text) is not None


def redacted(text: str) -> str:
    """The text with every secret struck out that can be told.

    >>> redacted("no answer from https://ann:hunter22@hub.example/v1?X-Amz-Signature=0123456789")
    'no answer from https://***@hub.example/v1?X-Amz-Signature=***'
    """
    for value in _values():
        text = text.replace(value, STRUCK)
    text = FORMS.sub(STRUCK, text)
    return NAMED.sub(lambda found: found["name"] + STRUCK, text)


def redacted_tree(tree: Any) -> Any:
    """A JSON value with every text in it redacted, those of keys too."""
    if isinstance(tree, str):
        return redacted(tree)
    if isinstance(tree, Mapping):
        return {redacted_tree(key): redacted_tree(value) for key, value in tree.items()}
    return [redacted_tree(one) for one in tree] if isinstance(tree, list | tuple) else tree


def clean(text: str) -> str:
    """Replace what has no place in a page or terminal: control characters, direction overrides, lone surrogates."""
    return _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def shown(text: str) -> str:
    """`redacted` and `clean`: what a terminal or a log may be given."""
    return clean(redacted(text))


def tell(text: str, file: TextIO | None = None) -> None:
    """Print a text as `shown` (to standard output, if nothing else is named)."""
    print(shown(text), file=file or sys.stdout, flush=True)


def _values() -> list[str]:
    """Values of the variables that hold secrets, longest first, so that none is left in part."""
    held = {value.strip() for name, value in os.environ.items() if VARIABLES.search(name)}
    return sorted((value for value in held if len(value) >= LEAST and not value.startswith("/")), key=len, reverse=True)
