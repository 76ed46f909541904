"""Which test runs in which process where tests run in two (`make test`).

Two groups stay together, each in one process. Tests of whole clusters share a head and one undisturbed run. Other tests that
start Ray or an engine share one local Ray. They take longest, and so they begin. The other files go one by one to whichever
process is free. What a file holds is told by its text, since the process that shares tests out collects none.
(pytest-xdist's own groups are lost under pytest 9.2, which keeps names elsewhere.)
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]
GROUPS = {"clusters": r"\bundisturbed\b|\bRaylets\b", "engines": r"mark\.ray|mark\.engine"}
"""Group -> what the text of its files holds; the first that fits. In the order in which they begin."""


@lru_cache
def group_of(file: str) -> str:
    """The group of a file (a path from the repository's root); "" where it goes by itself."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return next((group for group, sign in GROUPS.items() if re.search(sign, text)), "")


def place(nodeid: str) -> int:
    """Where a test stands in the order of groups; files by themselves come last."""
    group = group_of(file_of(nodeid))
    return list(GROUPS).index(group) if group else len(GROUPS)


def file_of(nodeid: str) -> str:
    """The file of a test."""
    return nodeid.partition("::")[0]


class ByGroup(LoadScopeScheduling):  # type: ignore[misc]
    """Files by themselves, and those of a group together."""

    def _split_scope(self, nodeid: str) -> str:
        file = file_of(nodeid)
        return group_of(file) or file
