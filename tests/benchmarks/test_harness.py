"""The arithmetic of a comparison. What was measured is no test's business."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import harness
from tests.benchmarks.harness import exponent, growth, measured, save, table


@pytest.mark.parametrize(("power", "factor"), [(0.0, 2.0), (1.0, 0.5), (2.0, 3.0)])
def test_the_exponent_is_that_of_the_power(power: float, factor: float) -> None:
    assert exponent({size: factor * size**power for size in (20, 200, 2000)}) == pytest.approx(power)


def test_growth_is_the_exponent_of_the_medians_with_every_step_in_its_note() -> None:
    told = {10: [1.0, 9.0, 1.0], 100: [10.0, 10.0, 90.0], 1000: [1000.0, 1000.0, 1000.0]}
    found = growth("work", told, what="rows")
    assert (found.ours, found.n, found.met) == (1.5, 3, False)
    assert found.ratio == pytest.approx(1.1 / 1.5, abs=1e-3)
    assert found.spread[0] <= found.ratio <= found.spread[1]
    assert found.note == "1, 10, 1e+03 s; from step to step 1.00, 2.00"
    assert found.size == "10, 100, 1,000 rows"


@pytest.mark.parametrize(("unit", "ratio", "spread"), [("s", 0.5, (0.5, 1.0)), ("rows/s", 2.0, (1.0, 2.0))])
def test_more_is_better_whatever_the_unit(unit: str, ratio: float, spread: tuple[float, float]) -> None:
    told = [{"a": 4.0, "b": 2.0}, {"a": 4.0, "b": 2.0}, {"a": 3.0, "b": 3.0}]
    found = measured("x", told, ours="a", other="b", unit=unit, target=1, size="", against="")
    assert (found.ratio, found.spread, found.n, found.met) == (ratio, spread, 3, ratio >= 1)


def test_results_are_kept_beside_others_and_a_whole_run_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "results.json")
    one, two = (
        measured(name, [{"a": 1, "b": 2}], ours="a", other="b", unit="s", target=None, size="s", against="o")
        for name in ("one", "two")
    )
    save([one])
    save([two])
    assert list(json.loads(harness.RESULTS.read_text())) == ["one", "two"]
    save([two], alone=True)
    [(name, row)] = json.loads(harness.RESULTS.read_text()).items()
    assert {"ours", "other", "ratio", "target", "met", "unit", "n", "spread"} <= row.keys()
    assert (name, row["ratio"], row["met"]) == ("two", 2.0, None)
    assert table([two]).splitlines()[-1] == "| two | s | 1 s | 2 s | o | 2 (2 to 2, n 1) |  |"
