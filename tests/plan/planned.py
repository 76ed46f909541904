"""Plans of studies in a storage of their own, and the one line that refuses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.errors import UserError
from lib.plan import Lookup, Plan, make_plan
from lib.store import Store
from lib.study import Study
from tests.makers import demo


def planned(study: Study) -> Plan:
    """The plan of a study as its storage stands."""
    return make_plan(study, Lookup(Store(study.storage)))


def refused(tmp_path: Path, *overrides: str) -> str:
    """What is said of the demo with these overrides, in one line."""
    with pytest.raises(UserError) as error:
        planned(demo(tmp_path, *overrides))
    assert "\n" not in str(error.value)
    return str(error.value)
