"""DeepSpeed configurations. One places the work and changes no number of the recipe but rounding.

A preset is a ZeRO stage (Rajbhandari et al. 2020) and where its shards lie:

    zero0           nothing is sharded
    zero1           optimizer states
    zero2           and gradients
    zero3           and parameters
    zero2_offload   zero2, optimizer states in the memory of the CPU (Ren et al. 2021)
    zero3_offload   zero3, optimizer states and parameters in the memory of the CPU
    zero3_nvme      zero3, optimizer states and parameters on a local NVMe disk (Rajbhandari et al. 2021)

In place of a preset a user may give a DeepSpeed JSON; `lib/training/deepspeed_json` says what it may hold.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from lib.errors import UserError, unknown
from lib.study.recipe import PRESETS, Recipe, Train
from lib.training.deepspeed_json import ask_deepspeed, merged, read_json
from lib.training.optimizer import check_bitsandbytes


def deepspeed_config(
    *,
    preset: str,
    workers: int,
    micro_batch: int,
    accumulation: int,
    dtype: str,
    clip: float | None,
    nvme_path: str | None = None,
) -> dict[str, Any]:
    """The DeepSpeed configuration of a preset or of a user's own JSON, for this process on this machine.

    Args:
        preset: a name of `PRESETS`, the path of a DeepSpeed JSON, or its text as `check_deepspeed` returns it.
        accumulation: micro batches per optimizer step and worker.
        dtype: `bf16` or `fp32`.
        clip: gradient norm limit, None for no clipping.
        nvme_path: folder on a local NVMe disk, for `zero3_nvme`.

    Raises:
        UserError: the JSON contradicts the study, or this machine cannot swap to a disk.
    """
    config = _placed(
        preset, workers=workers, micro_batch=micro_batch, accumulation=accumulation, dtype=dtype, clip=clip,
        nvme_path=nvme_path,
    )  # fmt: skip
    if "nvme" in offloads(config).values():
        _can_swap(config["zero_optimization"])
    return config


def check_deepspeed(train: Train, recipe: Recipe, *, micro_batch: int, gpus: int | str) -> str:
    """What `train.deepspeed` says, checked against the recipe before anything runs.

    Args:
        micro_batch: examples per forward pass of one worker; `recipe.batch` is a multiple of it times the workers.
        gpus: `cluster.max_gpus`.

    Returns:
        The preset for `deepspeed_config` in a worker: its name, or the text of the JSON.

    Raises:
        UserError: the JSON cannot be read, contradicts the study, or is refused by DeepSpeed; or the recipe asks
            bitsandbytes for what it cannot do there.
    """
    preset = _read(train.deepspeed)
    accumulation = recipe.batch // (micro_batch * train.workers)
    settings: dict[str, Any] = {"micro_batch": micro_batch, "accumulation": accumulation, "clip": recipe.clip}
    settings |= {"dtype": recipe.dtype, "nvme_path": train.nvme_path}
    config = _placed(preset, workers=train.workers, **settings)
    if preset not in PRESETS:
        # The planner is no group of workers: DeepSpeed would find its product of batches wrong for any number but one.
        ask_deepspeed(json.dumps(_placed(_drop_batch(preset), workers=1, **settings)))
    if masters_on_disk(preset) and (recipe.ema is not None or recipe.validation is not None):
        what = "ema" if recipe.ema is not None else "validation"
        raise UserError(
            f"recipe.{what} keeps a copy of the optimizer's weights and train.deepspeed has those on a disk: use "
            f"zero3_offload, or leave {what} out"
        )
    if recipe.ema is not None and recipe.ema.space == "delta" and zero_stage(preset) == 3:
        raise UserError(
            "recipe.ema.space: delta needs whole weights on every worker: use train.deepspeed zero0, zero1 or zero2, or "
            "space: factors"
        )
    check_bitsandbytes(recipe, gpus=gpus, stage=zero_stage(preset), offloads=offloads(config))
    return preset


def zero_stage(preset: str) -> int:
    """The ZeRO stage (0 to 3) of a preset, of a JSON's path, or of its text."""
    preset = _read(preset)
    if preset in PRESETS:
        return int(preset.removeprefix("zero")[0])
    zero = json.loads(preset).get("zero_optimization")
    stage = zero.get("stage", 0) if isinstance(zero, dict) else 0
    return 0 if stage == "auto" else int(stage)


def masters_on_disk(preset: str) -> bool:
    """Does the optimizer keep its float32 weights on a local disk, where averages and checkpoints cannot reach them?"""
    preset = _read(preset)
    zero = _zero(preset, "") if preset in PRESETS else json.loads(preset).get("zero_optimization") or {}
    return offloads({"zero_optimization": zero if isinstance(zero, dict) else {}}).get("optimizer") == "nvme"


def offloads(config: dict[str, Any]) -> dict[str, str]:
    """What a configuration keeps off the GPU: `optimizer` and `param` -> `cpu` or `nvme`."""
    zero = config["zero_optimization"]
    blocks = {part: zero.get(f"offload_{part}") for part in ("optimizer", "param")}
    devices = {part: block.get("device") for part, block in blocks.items() if isinstance(block, dict)}
    return {part: device for part, device in devices.items() if device in ("cpu", "nvme")}


def _placed(
    preset: str,
    *,
    workers: int,
    micro_batch: int,
    accumulation: int,
    dtype: str,
    clip: float | None,
    nvme_path: str | None,
) -> dict[str, Any]:
    """`deepspeed_config` without a look at this machine."""
    preset = _read(preset)
    batch = workers * micro_batch * accumulation
    config = {
        "train_batch_size": batch,
        "train_micro_batch_size_per_gpu": micro_batch,
        "gradient_accumulation_steps": accumulation,
        "gradient_clipping": clip or 0.0,
        "bf16": {"enabled": dtype == "bf16"},
        "zero_optimization": _zero(preset, nvme_path) if preset in PRESETS else {"stage": 0},
        # The optimizer is torch's own AdamW on every device: DeepSpeed's fused CPU Adam would be compiled on first use.
        "zero_force_ds_cpu_optimizer": False,
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
        "wall_clock_breakdown": False,
    }
    if preset in PRESETS:
        return config
    precision = (dtype == "bf16", f"recipe.dtype: {dtype}")
    stands_for = {
        "train_batch_size": (batch, f"recipe.batch: {batch}"),
        "train_micro_batch_size_per_gpu": (micro_batch, f"train.micro_batch: {micro_batch}"),
        "gradient_accumulation_steps": (
            accumulation,
            f"recipe.batch: {batch} = train.workers: {workers} x train.micro_batch: {micro_batch} x {accumulation}",
        ),
        "gradient_clipping": (clip or 0.0, f"recipe.clip: {'null' if clip is None else clip}"),
        "bf16.enabled": precision,
        "bfloat16.enabled": precision,
    }
    return merged(json.loads(preset), config, stands_for)


def _zero(preset: str, nvme_path: str | None) -> dict[str, Any]:
    name, _, place = preset.partition("_")
    stage = int(name.removeprefix("zero"))
    zero: dict[str, Any] = {"stage": stage, "overlap_comm": False}
    where: dict[str, Any] = {"device": "cpu"}
    if place == "nvme":
        # DeepSpeed empties its folder, named by rank alone, when it starts: groups that share a disk differ by GPU.
        devices = os.environ.get("CUDA_VISIBLE_DEVICES", "").replace(",", "-")
        where = {"device": "nvme", "nvme_path": str(Path(nvme_path or "") / f"gpu{devices}")}
    if place:
        zero["offload_optimizer"] = where
    if place and stage == 3:
        zero["offload_param"] = dict(where)
    return zero


def _read(preset: str) -> str:
    if preset.startswith("{") or preset in PRESETS:
        return preset
    if not preset.endswith(".json"):
        raise unknown("DeepSpeed preset", preset, PRESETS)
    return read_json(preset)


def _drop_batch(text: str) -> str:
    return json.dumps({key: value for key, value in json.loads(text).items() if key != "train_batch_size"})


def _can_swap(zero: dict[str, Any]) -> None:
    """Refuse a disk that this machine cannot swap to, before DeepSpeed compiles anything."""
    from deepspeed.ops.op_builder import AsyncIOBuilder

    if not AsyncIOBuilder().is_compatible():
        raise UserError(
            "train.deepspeed swaps to a disk through libaio, which this machine lacks: install libaio-dev (libaio-devel), or "
            "use zero3_offload"
        )
    for part in ("offload_optimizer", "offload_param"):
        block = zero.get(part) or {}
        if block.get("device") == "nvme" and not _writable(block.get("nvme_path")):
            raise UserError(
                f"train.deepspeed: {part} swaps to nvme_path {block.get('nvme_path')!r}, which cannot be written here: "
                "name a folder on a local disk"
            )


def _writable(folder: str | None) -> bool:
    if not folder:
        return False
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
