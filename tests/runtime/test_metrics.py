"""Ballast's table of metrics and the meter that records them; a made-up `ray.util.metrics`, no Ray."""

from __future__ import annotations

import re
import sys
import types
from typing import Any

import pytest

from lib.runtime import metrics
from lib.runtime.metrics import LAST_PROGRESS, METRICS, STATES, Meter

TAGS = {
    "ballast_cells": ("state",), "ballast_asr": ("cell", "prompts", "judge"), "ballast_stage_seconds": ("stage",),
}  # fmt: skip


class Instrument:
    """Remembers what is recorded, and refuses what Ray refuses."""

    def __init__(self, name: str, *, description: str, tag_keys: tuple[str, ...]) -> None:
        assert description
        self.name, self.tag_keys = name, tag_keys
        self.told = list[tuple[float, dict[str, str]]]()

    def inc(self, value: float, tags: dict[str, str]) -> None:
        if value <= 0 or set(tags) != set(self.tag_keys):
            raise ValueError(self.name)
        self.told.append((value, tags))

    set = inc


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A Ray that is started, with empty instruments."""
    fake, util = types.ModuleType("ray"), types.ModuleType("ray.util")
    found = types.ModuleType("ray.util.metrics")
    fake.up = True  # type: ignore[attr-defined]
    fake.is_initialized = lambda: fake.up  # type: ignore[attr-defined]
    fake.util, util.metrics = util, found  # type: ignore[attr-defined]
    found.Counter = found.Gauge = Instrument  # type: ignore[attr-defined]
    for name, module in (("ray", fake), ("ray.util", util), ("ray.util.metrics", found)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(metrics, "_instruments", {})
    return fake


def told(name: str) -> list[tuple[float, dict[str, str]]]:
    instrument = metrics._instruments.get(name)
    return [] if instrument is None else instrument.told


def test_the_table_is_what_dashboards_are_written_against() -> None:
    counters = {one.name for one in METRICS.values() if one.kind == "counter"}
    assert counters == {
        "ballast_rows_embedded", "ballast_tokens_trained", "ballast_tokens_generated", "ballast_error_rows",
        "ballast_engine_restarts",
    }  # fmt: skip
    for one in METRICS.values():
        assert re.fullmatch(r"ballast_[a-z_]+", one.name)
        assert one.tags == TAGS.get(one.name, ("cell",) if one.name.startswith("ballast_train_") else ())
        assert one.tag_keys[0] == "study"
        assert one.exported == f"ray_{one.name}" + ("_total" if one.name in counters else "")


@pytest.mark.parametrize("name", METRICS)
def test_each_is_recorded_with_its_study_and_tags(ray: Any, name: str) -> None:
    metric, meter = METRICS[name], Meter("demo")
    tags = dict.fromkeys(metric.tags, STATES[0])
    (meter.add if metric.kind == "counter" else meter.set)(name, 3, **tags)
    assert told(name)[0] == (3, {"study": "demo", **tags})
    assert len(told(LAST_PROGRESS)) == (metric.work or name == LAST_PROGRESS), "work, and work alone, is progress"


def test_nothing_is_recorded_without_ray_without_a_study_or_of_nothing(ray: Any) -> None:
    ray.up = False
    Meter("demo").add("ballast_tokens_trained", 5)
    ray.up = True
    Meter("").add("ballast_tokens_trained", 5)
    Meter("demo").add("ballast_error_rows", 0)
    assert metrics._instruments == {}


def test_without_ray_not_even_ray_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    Meter("demo").set("ballast_cells", 1, state="done")


def test_what_cannot_be_recorded_stops_nobody(ray: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Meter("demo").set("ballast_cells", 1, no_such_tag="x")
    monkeypatch.setattr(ray.util.metrics, "Counter", None)
    Meter("demo").add("ballast_tokens_trained", 1)
    assert not told("ballast_cells")
