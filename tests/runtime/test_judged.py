"""What the thread of a search does of a cell that cannot be looked at: its trial ends, and its group is free."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lib.errors import RetriableError, UserError
from lib.runtime.look import NotServed
from lib.runtime.search import Judged

LOOK = {"kind": "look", "key": "a", "time": 1, "step": 3}


class State:
    """Takes down what it is told."""

    def __init__(self) -> None:
        self.study = self.looker = SimpleNamespace(model="m", objective=None)
        self.found = SimpleNamespace(over=False)
        self.told: list[Any] = []

    def tell_end(self, trial: Any) -> None:
        self.told.append(("end", trial.key))

    def give_back(self, key: str, time: int) -> None:
        self.told.append(("goes on no more", key, time))


@pytest.mark.parametrize(
    ("error", "user", "over"),
    [
        (UserError("no answer has a verdict"), True, False),
        (NotServed("the engine does not serve the trained weights"), False, False),
        (RetriableError("the engine was lost"), False, True),
    ],
)
def test_a_look_that_fails_ends_its_cell_and_frees_its_group(
    monkeypatch: pytest.MonkeyPatch, error: Exception, user: bool, over: bool
) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr("lib.runtime.search.Looker", lambda *_: None)
    state: Any = State()
    judged = Judged(state, SimpleNamespace())  # type: ignore[arg-type]
    monkeypatch.setattr(judged, "_look", fails)
    trial = SimpleNamespace(key="a", failed=None)
    judged._judge(LOOK, trial)  # type: ignore[arg-type]
    assert trial.failed == {"error": str(error), "user": user}
    assert state.told == [("end", "a"), ("goes on no more", "a", 1)]
    assert (state.found.over, judged.broken) == (over, error if over else None)
