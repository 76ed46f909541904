"""Experiment trackers are asked for by the study, and missing ones refused before anything runs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from lib.errors import UserError
from lib.runtime.trackers import PACKAGES, callbacks, check_trackers
from lib.study.schema import Track
from tests.studies import run_job, write_study


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


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.engine
def test_weights_and_biases_gets_every_step_of_every_cell(tiny_llama: Path, tmp_path: Path) -> None:
    """The real package, offline: what it would send is a file that its own reader reads."""
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage=tmp_path / "runs")
    cells = ("sweep.strategy=[none,random]", "recipe.steps=12", "track.wandb=ballast-test")
    offline = {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}
    code, output = run_job("train", study, *cells, **offline)
    assert code == 0, output[-6000:]
    files = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 2, output[-3000:]
    names = set()
    for file in files:
        run, steps = read_offline(file)
        assert steps == list(range(1, 13))
        names.add(run.rpartition("-")[0])  # study and cell, and eight characters of its key
    assert names == {"tiny-tiny-none", "tiny-tiny-random-8"}


def read_offline(file: Path) -> tuple[str, list[int]]:
    """(name of the run, its steps) of a file that W&B's client wrote: records in the log format of LevelDB."""
    from wandb.proto.wandb_internal_pb2 import Record

    name, steps = "", list[int]()
    for data in log_records(file.read_bytes()):
        record = Record.FromString(data)
        name = record.run.display_name or name
        told = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
        if "step" in told:
            steps.append(int(told["step"]))
    return name, steps


def log_records(content: bytes) -> Iterator[bytes]:
    """Records of 32 KiB blocks after a header of 7 bytes; each piece is headed by checksum, length and kind (1: whole, 2: the
    first of several, 3, 4: the last)."""
    at, record = 7, b""
    while at + 7 <= len(content):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield record
            record = b""
