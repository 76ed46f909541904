"""Full fine-tuning: every weight of the base trains, and the model that comes out is an ordinary model folder.

The base is spoiled by it: the next cell of a warm group loads its own. The functions are those of `lib.training.adapter`,
so that the loop need not know which of the two it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.training.sharding import gathered
from lib.training.stored import Stored

FOLDER = "weights"
"""Where the model lies in a cell's artifact."""


def attach(base: Any, recipe: Mapping[str, Any], seed: int) -> Any:
    """The base with every weight trained."""
    for parameter in base.parameters():
        parameter.requires_grad_(True)
    return base


def save(model: Any, folder: Path | None, base: Path) -> None:
    """Write the model folder: consolidated safetensors in the precision of training, config, tokenizer.

    Every rank calls it, since a sharded model has to be put together; the ones whose `folder` is None write nothing.

    Args:
        base: the model folder that training began from; its tokenizer goes along.
    """
    weights = {}
    for name, parameter in model.named_parameters():
        with gathered([parameter]):
            if folder is not None:
                weights[name] = parameter.detach().to("cpu", copy=True).contiguous()
    if folder is not None:
        from lib.models.prompt import load_tokenizer

        target = folder / FOLDER
        model.config._name_or_path = ""  # a path of one machine is no part of a model
        model.save_pretrained(target, state_dict=weights)
        load_tokenizer(base).save_pretrained(target)


def detach(model: Any) -> None:
    """Nothing can be taken off again."""


def rounding_error(model: Any, base: Path) -> float:
    """What serving in bf16 would lose: ||bf16(W) - W|| / ||W - W0|| over all weights, W0 those that training began from.

    0 for weights that were trained in bf16. Weights that the base's files call otherwise (fused ones) are left out. Every rank
    calls it and gets the same number.
    """
    import torch

    first = next(model.parameters())
    if first.dtype == torch.bfloat16:
        return 0.0
    started = Stored(base)
    lost = moved = 0.0
    for name, parameter in model.named_parameters():
        if name not in started:
            continue
        with gathered([parameter]), torch.no_grad():
            now = parameter.detach().float().cpu()
            lost += float((now.bfloat16().float() - now).double().square().sum())
            moved += float((now - started[name].float()).double().square().sum())
    return (lost / moved) ** 0.5 if moved > 0 else 0.0
