"""The optimizer and the quantised base of a recipe, and what both need of a machine.

bitsandbytes computes on CUDA. That is said when a study is planned, as far as the study tells, and again where it trains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lib.errors import UserError
from lib.study.recipe import Recipe


def make_optimizer(parameters: Iterable[Any], recipe: Mapping[str, Any], device: Any) -> Any:
    """AdamW over `parameters` (Loshchilov and Hutter 2019), decay decoupled, betas 0.9 and 0.999, epsilon 1e-8.

    With `optim: adamw_bnb_8bit` the two moments are held in 8 bits, in blocks with a scale each (Dettmers et al. 2022);
    tensors of fewer than 4096 elements keep theirs in float32.

    Args:
        recipe: the fields of `lib.study.recipe.Recipe`.
        device: where the parameters are updated.

    Raises:
        UserError: 8-bit moments without CUDA or without bitsandbytes.
    """
    import torch

    chosen = {"lr": recipe["lr"], "weight_decay": recipe["weight_decay"]}
    if recipe["optim"] == "adamw":
        return torch.optim.AdamW(parameters, **chosen)
    _require_bitsandbytes("recipe.optim", recipe["optim"], torch.device(device).type == "cuda")
    import bitsandbytes

    return bitsandbytes.optim.AdamW8bit(parameters, **chosen)


def undo_first_step(optimizer: Any) -> None:
    """Take back the step that DeepSpeed makes before training where nothing is sharded in bf16; elsewhere do nothing.

    To have Adam's states made, `FP16_UnfusedOptimizer` steps once with zero gradients when it is built. That decays the
    weights once too often, and every bias correction 1 - beta^t is then of t + 1: the first update is 0.74 of its size.

    Args:
        optimizer: `engine.optimizer`, right after `deepspeed.initialize`.
    """
    from deepspeed.runtime.fp16.unfused_optimizer import FP16_UnfusedOptimizer

    if isinstance(optimizer, FP16_UnfusedOptimizer):
        for copies, masters in zip(optimizer.fp16_groups, optimizer.fp32_groups, strict=True):
            for copy, master in zip(copies, masters, strict=True):
                master.data.copy_(copy.data)
        optimizer.optimizer.state.clear()


def quantization_config(recipe: Mapping[str, Any]) -> Any:
    """How `from_pretrained` quantises the frozen base; None for `quantize: none`.

    `4bit` is QLoRA's nf4 with its scales quantised once more (Dettmers et al. 2023), computed in the recipe's dtype and
    stored in it too, since ZeRO-3 shards no integers. `8bit` is LLM.int8 (Dettmers et al. 2022).

    Raises:
        UserError: no CUDA, or no bitsandbytes.
    """
    if recipe["quantize"] == "none":
        return None
    import torch
    from transformers import BitsAndBytesConfig

    _require_bitsandbytes("recipe.quantize", recipe["quantize"], torch.cuda.is_available())
    if recipe["quantize"] == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    dtype = torch.bfloat16 if recipe["dtype"] == "bf16" else torch.float32
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype, bnb_4bit_quant_storage=dtype,
    )  # fmt: skip


def check_bitsandbytes(recipe: Recipe, *, gpus: int | str, stage: int, offloads: Mapping[str, str]) -> None:
    """Refuse, before anything runs, what bitsandbytes cannot do.

    Args:
        gpus: `cluster.max_gpus`; only 0 is known to be too few.
        stage: the ZeRO stage.
        offloads: what lies off the GPU (`lib.training.deepspeed_config.offloads`).

    Raises:
        UserError: no GPU, moments off the GPU, or an integer base that would have to be sharded.
    """
    for field, value, neutral in (("optim", recipe.optim, "adamw"), ("quantize", recipe.quantize, "none")):
        if value != neutral and gpus == 0:
            raise UserError(
                f"recipe.{field}: {value} needs CUDA and cluster.max_gpus is 0: use {field}: {neutral}, or give it GPUs"
            )
    if recipe.optim == "adamw_bnb_8bit" and "optimizer" in offloads:
        raise UserError(
            f"recipe.optim: {recipe.optim} updates on the GPU and train.deepspeed keeps the optimizer on "
            f"{offloads['optimizer']}: use optim: adamw, or a preset without offload"
        )
    if recipe.quantize == "8bit" and stage == 3:
        raise UserError(
            "recipe.quantize: 8bit holds the base in integers and ZeRO-3 shards none: use train.deepspeed: zero2, or "
            "quantize: 4bit"
        )


def _require_bitsandbytes(key: str, value: str, cuda: bool) -> None:
    from importlib.util import find_spec

    if not cuda:
        raise UserError(f"{key}: {value} needs CUDA and this worker has none: train on GPUs, or leave {key} out")
    if find_spec("bitsandbytes") is None:
        raise UserError(f"{key}: {value} needs a package that is missing here: pip install bitsandbytes==0.50.2")
