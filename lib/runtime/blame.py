"""What Ray Train sees of a lost worker, told to the queue that its cell came from.

A worker that is killed says nothing itself. The controller of its group learns of it from Ray, with the cause, before it starts
the group again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.train import UserCallback

from lib.runtime.causes import cause_of, named_cause


class Blame(UserCallback):  # type: ignore[misc]  # ray has no types
    """Tells the queue what ended the workers of a group. Called in the group's controller."""

    def __init__(self, queue: Any, group: str) -> None:
        self.queue, self.group = queue, group

    def after_exception(self, run_context: Any, worker_exceptions: Mapping[int, Exception]) -> None:
        """Of several, the one with a named cause: the others lost their peer."""
        del run_context
        errors = list(worker_exceptions.values())
        cause = next((told for error in errors if (told := named_cause(error))), None) or cause_of(errors[0])
        self.queue.blame.remote(self.group, cause)
