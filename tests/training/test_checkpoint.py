"""A cell that was cut off goes on as if nothing had been: in one process, in two, and in another number than before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.cells import distance, result, train, weights

STEPS = 8
RECIPE: dict[str, Any] = {
    "steps": STEPS, "ema": {"decay": 0.7}, "validation": {"rows": 6, "every_n_steps": 2}, "lora": {"dropout": 0.3},
}  # fmt: skip
STILL = {**RECIPE, "lora": {"dropout": 0.0}}
"""Without dropout, whose numbers are drawn by worker, so that another number of workers computes the same."""
FULL = {"steps": STEPS, "method": "full", "lr": 4e-3, "ema": {"decay": 0.7}}
DELTA = {"steps": 24, "ema": {"decay": 0.7, "every_n_steps": 10, "space": "delta"}, "lora": {"dropout": 0.0}}
PRESETS = ("zero0", "zero2", "zero3")
MOVED = {
    **{f"lora-{preset}": (preset, STILL) for preset in PRESETS},
    "full-zero2": ("zero2", FULL), "full-zero3": ("zero3", FULL), "delta-zero2": ("zero2", DELTA),
}  # fmt: skip
WHOLE = {"lora": STILL, "full": FULL, "delta": DELTA}


def cut(name: str, preset: str, recipe: dict[str, Any], stops: list[int | None]) -> list[dict[str, Any]]:
    """The tries of one cell: each goes on from the one before and ends after its step (None: at the end)."""
    return [
        {
            "name": name, "recipe": recipe, "preset": preset, "checkpoints": f"{name}-checkpoints", "stop_after": stop,
            "placement": {"checkpoint_steps": 2},
        }
        for stop in stops
    ]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    job = {"model": str(tiny_llama), "out": str(folder)}
    one_alone: list[dict[str, Any]] = []
    for preset in PRESETS:
        one_alone.append({"name": f"whole-1-{preset}", "recipe": RECIPE, "preset": preset})
        one_alone += cut(f"cut-1-{preset}", preset, RECIPE, [3, 7, None])
    whole = {"name": "whole-2-zero2", "recipe": RECIPE, "preset": "zero2"}
    alone = [{"name": f"whole-{name}", "recipe": recipe, "preset": "zero2"} for name, recipe in WHOLE.items()]
    first, second, third = [], [], []
    for name, (preset, recipe) in MOVED.items():
        far = recipe["steps"] // 2
        tries = cut(f"moved-{name}", preset, recipe, [far - 1, far + 1, None])
        for group, one in zip((first, second, third), tries, strict=True):
            group.append(one)
    train({**job, "cells": [whole, *alone, *cut("cut-2-zero2", "zero2", RECIPE, [5, None]), *first]}, folder, 2)
    notice = [
        {"name": "told", "recipe": STILL, "preset": "zero2", "checkpoints": "told-checkpoints", **more}
        for more in ({"preempted_at": 3, "stop_after": 6}, {})
    ]
    wrong = {**cut("moved-lora-zero2", "zero2", STILL, [None])[0], "name": "wrong", "key": "another cell"}
    train({**job, "cells": [*one_alone, *notice, wrong, *second]}, folder, 1)
    train({**job, "cells": third}, folder, 2)
    return folder


@pytest.mark.parametrize("name", ["1-zero0", "1-zero2", "1-zero3", "2-zero2"])
def test_a_cut_cell_ends_as_an_undisturbed_one(trained: Path, name: str) -> None:
    assert distance(weights(trained, f"cut-{name}"), weights(trained, f"whole-{name}")) < 1e-6
    found, wanted = result(trained, f"cut-{name}"), result(trained, f"whole-{name}")
    assert found["said"] == [f"goes on from step {6 if name[0] == '1' else 4} of {STEPS}"]
    for one in ("losses", "validation", "holdout_loss"):
        assert found[one] == pytest.approx(wanted[one], rel=1e-6), one
    measured = [[v for v in one["validation_losses"] if v is not None] for one in (found, wanted)]
    assert measured[0] == pytest.approx(measured[1], rel=1e-6)
    assert len(measured[0]) == STEPS // 2
    assert found["steps"] == list(range(1, STEPS + 1))


@pytest.mark.parametrize("name", MOVED)
def test_it_goes_on_with_another_number_of_workers(trained: Path, name: str) -> None:
    whole, steps = f"whole-{name.split('-', maxsplit=1)[0]}", MOVED[name][1]["steps"]
    assert distance(weights(trained, f"moved-{name}"), weights(trained, whole)) < 1e-4
    found, wanted = result(trained, f"moved-{name}"), result(trained, whole)
    assert found["losses"] == pytest.approx(wanted["losses"], abs=1e-4)
    assert found["holdout_loss"] == pytest.approx(wanted["holdout_loss"], abs=1e-4)
    assert found["steps"] == list(range(1, steps + 1))
    assert found["said"] == [f"goes on from step {steps // 2} of {steps}"]


def test_a_notice_is_answered_by_one_checkpoint(trained: Path) -> None:
    assert result(trained, "told")["said"] == [f"goes on from step 3 of {STEPS}"]
    assert distance(weights(trained, "told"), weights(trained, "whole-lora")) < 1e-4


def test_the_checkpoint_of_another_cell_is_refused(trained: Path) -> None:
    said = result(trained, "wrong")["error"]
    assert "belongs to cell moved-lora-zero2-checkpoints and not to another cell: remove it" in said


def test_one_checkpoint_is_kept(trained: Path) -> None:
    for folder in trained.glob("*-checkpoints"):
        assert len(list(folder.iterdir())) == 1


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    from lib.errors import UserError
    from lib.training.checkpoint import Checkpoints

    def said() -> str:
        with pytest.raises(UserError, match=r"step-00000004 is damaged .*: remove it") as error:
            Checkpoints(tmp_path, "key").restore(None, {})
        return str(error.value)

    folder = tmp_path / "step-00000004"
    folder.mkdir()
    assert "state.json" in said()
    (folder / "state.json").write_text('{"key": "key", "step": 4, "note": {}}')
    assert "0 of 1 parts are there" in said()
    (folder / "part-0-of-2.safetensors").write_bytes(b"no tensors")
    assert "1 of 2 parts are there" in said()
    (folder / "part-1-of-2.safetensors").write_bytes(b"no tensors")
    assert "part-0-of-2.safetensors" in said()


def test_what_was_being_written_is_no_checkpoint(tmp_path: Path) -> None:
    from lib.training.checkpoint import Checkpoints

    (tmp_path / ".writing").mkdir()
    assert Checkpoints(tmp_path, "key").restore(None, {}) is None


def test_the_best_step_was_chosen(trained: Path) -> None:
    found = result(trained, "whole-1-zero2")
    measured = {s: v for s, v in zip(found["steps"], found["validation_losses"], strict=True) if v is not None}
    assert list(measured) == [2, 4, 6, 8]
    assert found["validation"] == {"step": min(measured, key=lambda s: measured[s]), "loss": min(measured.values())}
    assert (found["benign"], found["safety"]) == (16, 5)
