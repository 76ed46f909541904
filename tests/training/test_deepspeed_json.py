"""What a user's own JSON may say, worked by hand: 2 workers x 4 rows x 3 = a batch of 24, clipped at 1.0, in bf16."""

import json
from pathlib import Path
from typing import Any

import pytest

from lib.errors import UserError
from lib.training.deepspeed_config import deepspeed_config
from lib.training.deepspeed_json import read_json

AGREES = {
    "train_batch_size": 24,
    "train_micro_batch_size_per_gpu": 4,
    "gradient_accumulation_steps": 3,
    "gradient_clipping": 1,
    "bf16": {"enabled": True},
}


def config(tree: Any, dtype: str = "bf16", clip: float | None = 1.0) -> dict[str, Any]:
    return deepspeed_config(preset=json.dumps(tree), workers=2, micro_batch=4, accumulation=3, dtype=dtype, clip=clip)


def test_an_empty_file_one_that_agrees_and_one_that_says_auto_are_the_same() -> None:
    auto = dict.fromkeys(AGREES, "auto") | {"bf16": {"enabled": "auto"}, "fp16": {"enabled": "auto"}}
    auto |= {"optimizer": "auto", "scheduler": "auto"}
    assert config({}) == config(AGREES) == config(auto) == config({"bfloat16": {"enabled": True}})
    for key, value in AGREES.items():
        assert config({})[key] == value


def test_other_blocks_pass_as_they_are() -> None:
    blocks = {
        "zero_optimization": {"stage": 2, "reduce_bucket_size": 5000000},
        "comms_logger": {"enabled": True},
        "activation_checkpointing": {"partition_activations": True},
        "aio": {"block_size": 1048576},
        "steps_per_print": 7,
    }
    found = config(blocks)
    assert {key: found[key] for key in blocks} == blocks
    assert found["zero_force_ds_cpu_optimizer"] is False
    assert config({"bf16": {"immediate_grad_update": True}})["bf16"] == {"enabled": True, "immediate_grad_update": True}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"train_batch_size": 32}, "train_batch_size is 32 in the JSON, and the study has recipe.batch: 24: change one"),
        (
            {"train_micro_batch_size_per_gpu": 8},
            "train_micro_batch_size_per_gpu is 8 in the JSON, and the study has train.micro_batch: 4",
        ),
        (
            {"gradient_accumulation_steps": 1},
            "gradient_accumulation_steps is 1 in the JSON, and the study has recipe.batch: 24 = train.workers: 2 x "
            "train.micro_batch: 4 x 3",
        ),
        ({"gradient_clipping": 0.5}, "gradient_clipping is 0.5 in the JSON, and the study has recipe.clip: 1.0"),
        ({"gradient_clipping": True}, "gradient_clipping is true in the JSON, and the study has recipe.clip: 1.0"),
        ({"bf16": {"enabled": False}}, "bf16.enabled is false in the JSON, and the study has recipe.dtype: bf16"),
        ({"bfloat16": {"enabled": False}}, "bfloat16.enabled is false in the JSON, and the study has recipe.dtype: bf16"),
        ({"fp16": {"enabled": True}}, "the JSON has 'fp16', and recipe.dtype is bf16 or fp32"),
        (
            {"optimizer": {"type": "AdamW", "params": {"lr": "auto"}}},
            "the JSON has 'optimizer', and recipe.optim, recipe.lr and recipe.weight_decay make the optimizer: take",
        ),
        ({"scheduler": {"type": "WarmupLR"}}, "the JSON has 'scheduler', and recipe.schedule and recipe.warmup_steps make"),
        ({"zero_force_ds_cpu_optimizer": True}, "zero_force_ds_cpu_optimizer is true in the JSON, which changes what is"),
        ({"gradient_allreduce_op": "sum"}, 'not where: leave it out (a study trains with "mean")'),
        ({"zero_optimization": {"zero_quantized_gradients": True}}, "zero_optimization.zero_quantized_gradients is true in"),
        ({"zero_optimization": {"zenflow": {"topk_ratio": 0.1}}}, "zero_optimization.zenflow is "),
        ({"zero_optimisation": {"stage": 3}}, "that a study trains; did you mean 'zero_optimization'?"),
        ({"data_types": {"param_dtype": "fp32"}}, "the JSON has 'data_types', which places nothing"),
    ],
)  # fmt: skip
def test_a_contradiction_names_both_sides(tree: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        config(tree)
    assert said in str(error.value)
    assert str(error.value).startswith("train.deepspeed: ")
    assert "\n" not in str(error.value)


def test_a_study_without_clipping_and_in_float32_says_so() -> None:
    assert config({"gradient_clipping": 0, "bf16": {"enabled": False}}, "fp32", None)["gradient_clipping"] == 0.0
    with pytest.raises(UserError, match=r"gradient_clipping is 1.0 in the JSON, and the study has recipe.clip: null"):
        config({"gradient_clipping": 1.0}, "fp32", None)
    with pytest.raises(UserError, match=r"bf16.enabled is true in the JSON, and the study has recipe.dtype: fp32"):
        config({"bf16": {"enabled": True}}, "fp32", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not valid JSON: "),
        ("[]", "holds no JSON object"),
        ('{"aio": {}, "aio": {}}', "is not valid JSON: the key 'aio' is there twice"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "ds.json").write_text(text)
    with pytest.raises(UserError) as error:
        read_json(str(tmp_path / "ds.json"))
    assert said in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read '.*gone.json' \(No such file or directory\): give a preset or a"):
        read_json(str(tmp_path / "gone.json"))
