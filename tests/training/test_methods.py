"""Adapters and full training are their definition wherever DeepSpeed puts them: every ZeRO stage, one process and two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.cells import assert_equal_training, distance, result, train, weights

STEPS = 7
RECIPES: dict[str, dict[str, Any]] = {
    "lora": {"steps": STEPS},
    "full": {"steps": STEPS, "method": "full", "lr": 4e-3},
    "full-shadow": {"steps": STEPS, "method": "full", "lr": 4e-3, "ema": {"decay": 0.6}},
    "full-in-loop": {
        "steps": STEPS, "method": "full", "lr": 4e-3, "ema": {"decay": 0.5, "every_n_steps": 3, "mode": "in_loop"},
    },
}  # fmt: skip
PRESETS = ("zero0", "zero2", "zero3", "zero2_offload", "zero3_offload")
LAYOUTS: dict[str, dict[str, Any]] = {
    "packed": {"packing": True},
    "recomputed": {"gradient_checkpointing": True},
    "both": {"packing": True, "gradient_checkpointing": True},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    folder = tmp_path_factory.mktemp("methods")
    wanted = [{"name": f"definition-{name}", "recipe": recipe, "definition": True} for name, recipe in RECIPES.items()]
    alone = [
        {"name": f"{preset}-1-{name}", "recipe": recipe, "preset": preset}
        for preset in PRESETS
        for name, recipe in RECIPES.items()
    ]
    alone += [
        {"name": f"zero2-1-{name}-{layout}", "recipe": RECIPES[name], "preset": preset, "placement": placement}
        for layout, placement in LAYOUTS.items()
        for name, preset in (("lora", "zero2"), ("full", "zero2"))
    ]
    together = [{**cell, "name": cell["name"].replace("-1-", "-2-")} for cell in alone]
    coarse = {"name": "bf16", "recipe": {**RECIPES["full"], "dtype": "bf16"}, "preset": "zero3"}
    job = {"model": str(tiny_llama), "out": str(folder)}
    train({**job, "cells": [*wanted, *alone, coarse]}, folder, 1)
    train({**job, "cells": together}, folder, 2)
    return folder


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("preset", PRESETS)
def test_it_is_its_definition(trained: Path, preset: str, world: int, name: str) -> None:
    assert_equal_training(trained, f"{preset}-{world}-{name}", f"definition-{name}")


@pytest.mark.parametrize("name", ["lora", "full"])
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_how_a_step_is_laid_out_changes_nothing(trained: Path, layout: str, world: int, name: str) -> None:
    assert_equal_training(trained, f"zero2-{world}-{name}-{layout}", f"definition-{name}")


def test_the_differences_between_recipes_are_far_over_the_tolerance(trained: Path) -> None:
    found = {name: weights(trained, f"definition-{name}") for name in RECIPES if name != "lora"}
    assert min(distance(found[a], found[b]) for a in found for b in found if a != b) > 0.01


def test_full_training_writes_an_ordinary_model_folder(trained: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = trained / "zero3-2-full" / "weights"
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.float32
    assert AutoTokenizer.from_pretrained(folder).chat_template
    assert "/" not in json.loads((folder / "config.json").read_text()).get("_name_or_path", "")
    assert AutoModelForCausalLM.from_pretrained(trained / "bf16" / "weights").dtype == torch.bfloat16


def test_the_loss_of_serving_in_bf16_is_told(trained: Path) -> None:
    assert 0 < result(trained, "zero3-2-full")["merge_error"] < 1
    assert result(trained, "zero3-2-full")["merge_error"] == pytest.approx(
        result(trained, "zero0-1-full")["merge_error"], rel=0.01
    )
    assert result(trained, "bf16")["merge_error"] == 0


@pytest.mark.parametrize("world", [1, 2])
def test_a_group_that_stays_up_holds_nothing_of_the_cells_before(trained: Path, world: int) -> None:
    model = (trained / "zero3-2-full" / "weights" / "model.safetensors").stat().st_size
    for rank in range(world):
        left = json.loads((trained / f"job-{world}.json.left-{rank}").read_text())
        assert len(left) > 20
        assert {name: held for name, held in left.items() if held > model / 2} == {}


@pytest.mark.slow
@pytest.mark.parametrize("world", [1, 2])
def test_on_a_disk_it_is_its_definition_too(tmp_path: Path, tiny_llama: Path, world: int) -> None:
    from deepspeed.ops.op_builder import AsyncIOBuilder

    if not AsyncIOBuilder().is_compatible():
        pytest.skip("libaio, through which DeepSpeed swaps to a disk, is not installed here")
    disk = {"nvme_path": str(tmp_path / "disk")}
    job, names = {"model": str(tiny_llama), "out": str(tmp_path)}, ("lora", "full")
    wanted = [{"name": f"definition-{name}", "recipe": RECIPES[name], "definition": True} for name in names]
    found = [{"name": name, "recipe": RECIPES[name], "preset": "zero3_nvme", "placement": disk} for name in names]
    train({**job, "cells": wanted}, tmp_path, 1)
    train({**job, "cells": found}, tmp_path, world)
    for name in names:
        assert_equal_training(tmp_path, name, f"definition-{name}")
