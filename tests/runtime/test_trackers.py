"""Experiment trackers are asked for by the study, and missing ones refused before anything runs."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from lib.errors import UserError
from lib.runtime.trackers import PACKAGES, callbacks, check_trackers
from lib.study.schema import Track


def test_none_is_asked_for_by_default() -> None:
    check_trackers(Track())
    assert callbacks(Track(), "study") == []


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_package_is_named(name: str) -> None:
    if find_spec(PACKAGES[name]) is not None:
        pytest.skip(f"{name} is installed here")
    with pytest.raises(
        UserError, match=f"track.{name} needs a package that is not installed: pip install {PACKAGES[name]}"
    ):
        check_trackers(Track.model_validate({name: "somewhere"}))
