"""Which test runs in which process where tests run in two (`make test`).

All files with a test that starts Ray or an engine run in one process, one after the other: one cluster and one undisturbed run
serve them all, and two engines at once would only slow each other. They take longest, and so they begin. The other files go
one by one to whichever process is free. What a file holds is told by its text, since the process that shares tests out
collects none. (pytest-xdist's own groups are lost under pytest 9.2, which keeps names elsewhere.)
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]
MARKS = ("mark.ray", "mark.engine")


@lru_cache
def starts_engines(file: str) -> bool:
    """Is there a test in this file (a path from the repository's root) that starts Ray or an engine?"""
    text = (ROOT / file).read_text(encoding="utf-8")
    return any(mark in text for mark in MARKS)


def file_of(nodeid: str) -> str:
    """The file of a test."""
    return nodeid.partition("::")[0]


class OneForEngines(LoadScopeScheduling):  # type: ignore[misc]
    """Files by themselves, and those that start engines together."""

    def _split_scope(self, nodeid: str) -> str:
        file = file_of(nodeid)
        return "engines" if starts_engines(file) else file
