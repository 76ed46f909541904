"""The table of arms at equal usefulness."""

from __future__ import annotations

import pytest

from lib.statistics.equal import AS_USEFUL, BOTH, LESS_USEFUL, SELECTION
from lib.statistics.equal_table import EQUAL, table_of
from tests.statistics.test_equal import NONE, ROWS, SAFETY, SLOW, made, use


def test_the_table_has_a_row_for_every_arm_and_prompt_set() -> None:
    table = table_of([use(NONE, ROWS, made("sss_b", SLOW, [0.1] * 3, [0.3, 0.31, 0.3]))], SAFETY)
    assert table.schema == EQUAL
    rows = table.to_pylist()
    assert [(row["kind"], row["usefulness"]) for row in rows] == [
        ("reference", AS_USEFUL), (SELECTION, AS_USEFUL), (BOTH, LESS_USEFUL)
    ]  # fmt: skip
    assert rows[1]["difference"] == pytest.approx(0.5233 - 0.96, abs=1e-3)
    assert rows[2]["difference"] is None
