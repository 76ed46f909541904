"""The record of a study's cells: what is written is read back, and what is damaged is no record."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.plan import Lookup, make_plan
from lib.status.record import RECORD_FILE, Expected, expected, make_record, read_record, write_record
from lib.store import Store
from tests.makers import demo, finished


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    study = demo(tmp_path)
    early = make_record(make_plan(study, Lookup(Store(study.storage))), None)
    assert None in early.keys("train"), "cells have no key before rows are picked"
    plan, lookup = finished(study)
    record = make_record(plan, expected(plan, lookup))
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record
    assert {cell.label for cell in record.cells if cell.base} == {"smollm2-135m base"}
    for stage in ("sample", "train", "generate", "judge"):
        assert set(record.keys(stage)) == {node.key for node in plan.nodes(stage)}


def test_what_the_cost_model_says_is_of_what_is_missing(tmp_path: Path) -> None:
    study = demo(tmp_path)
    told = expected(make_plan(study, lookup := Lookup(Store(study.storage))), lookup)
    assert told.stages["train"][0] == 3
    assert told.devices == 1
    assert not told.assumed
    plan, lookup = finished(study)
    assert expected(plan, lookup) == Expected(device=told.device, assumed=False, devices=1, stages={})


@pytest.mark.parametrize(
    "content", [None, "", "{}", "[]", '{"study": "a", "cells": [{}], "shared": {}, "expected": null}']
)
def test_what_is_no_record_is_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / RECORD_FILE).write_text(content)
    assert read_record(tmp_path) is None
