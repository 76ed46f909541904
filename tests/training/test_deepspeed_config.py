import json

import pytest

from lib.study.recipe import Train
from lib.training.deepspeed_config import deepspeed_config


@pytest.mark.parametrize(("preset", "stage"), [("zero0", 0), ("zero1", 1), ("zero2", 2)])
def test_presets_differ_in_where_things_lie_and_in_nothing_else(preset: str, stage: int) -> None:
    given = {"workers": 2, "micro_batch": 4, "accumulation": 3, "dtype": "bf16", "clip": 1.0}
    config = deepspeed_config(preset=preset, **given)
    assert config["zero_optimization"]["stage"] == stage
    other = deepspeed_config(preset="zero0", **given)
    assert {**config, "zero_optimization": None} == {**other, "zero_optimization": None}
    assert json.loads(json.dumps(config)) == config


def test_the_global_batch_is_the_product_of_its_parts() -> None:
    config = deepspeed_config(preset="zero2", workers=2, micro_batch=4, accumulation=3, dtype="fp32", clip=None)
    assert config["train_batch_size"] == 24
    assert (config["train_micro_batch_size_per_gpu"], config["gradient_accumulation_steps"]) == (4, 3)
    assert (config["bf16"]["enabled"], config["gradient_clipping"]) == (False, 0.0)


def test_every_preset_of_the_schema_exists() -> None:
    for preset in Train.model_json_schema()["properties"]["deepspeed"]["enum"]:
        deepspeed_config(preset=preset, workers=1, micro_batch=1, accumulation=1, dtype="bf16", clip=0.5)
