"""The four ways a run can end badly, told apart by what the reader should do next.

`UserError` is the user's to mend: one sentence that names what is wrong and the fix, no traceback, exit code 2.
`GoalMissed` is a result, not a fault: the study ran and its `goal` was not met, exit code 3.
`RetriableError` is the machine's: a worker died, a node was preempted. It is retried a bounded number of times.
Everything else is ours: a traceback, exit code 1, finished artifacts kept.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_OK, EXIT_FATAL, EXIT_USER, EXIT_GOAL = 0, 1, 2, 3


class UserError(Exception):
    """Bad study, bad data or a missing dependency. The message is one sentence with the fix."""


class StorageError(UserError):
    """The storage is full, cannot be written, or holds what cannot be read: what is finished there is kept."""


class GoalMissed(Exception):
    """The study finished and its `goal` was not reached."""


class RetriableError(Exception):
    """A fault of the machine (worker died, preempted, object lost): the same work may be tried again."""


def unknown(kind: str, given: object, allowed: Iterable[str]) -> UserError:
    """An error for a name that is not in a closed set: what was given, the nearest match, all choices.

    Args:
        kind: what the name stands for, e.g. "strategy".
        given: the value that was refused.
        allowed: every accepted name.
    """
    choices = sorted(allowed)
    near = difflib.get_close_matches(str(given), choices, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return UserError(f"unknown {kind} {given!r}{hint} (choose from: {', '.join(choices)})")
