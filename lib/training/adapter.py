"""The LoRA adapter of a cell: put on a resident base model, saved as PEFT safetensors, taken off again.

Taking it off must leave the base exactly as it was, since the next cell of a warm group starts from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import UserError
from lib.models.family import find_family, lora_targets
from lib.training.sharding import gathered
from lib.training.stored import Stored

PREFIX = "base_model.model."
"""What PEFT puts before the names of the base's modules."""
FOLDER = "adapter"
"""Where the adapter lies in a cell's artifact."""
WEIGHTS = "adapter_model.safetensors"


def attach(base: Any, recipe: Mapping[str, Any], seed: int) -> Any:
    """The base with a fresh adapter; only the adapter trains. Initialised from `seed` alone.

    Args:
        recipe: the fields of `lib.study.recipe.Recipe`; its `lora` is what counts here.

    Raises:
        UserError: a target is not a linear layer of this model.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    linear = {name.rsplit(".", 1)[-1] for name, module in base.named_modules() if isinstance(module, torch.nn.Linear)}
    lora = recipe["lora"]
    targets = lora_targets(lora["targets"], find_family(base.config.to_dict()))
    missing = sorted(set(targets) - linear)
    if missing:
        raise UserError(
            f"recipe.lora.targets: this model has no linear layer {missing[0]!r} (it has: {', '.join(sorted(linear))})"
        )
    torch.manual_seed(seed)
    config = LoraConfig(
        r=lora["r"], lora_alpha=lora["alpha"], lora_dropout=lora["dropout"], target_modules=sorted(targets),
        task_type="CAUSAL_LM", bias="none",
    )  # fmt: skip
    return get_peft_model(base, config)


def save(adapted: Any, folder: Path | None, base: Path) -> None:
    """Write the adapter (`adapter_model.safetensors`, `adapter_config.json`).

    Every rank calls it, since a sharded adapter has to be put together; the ones whose `folder` is None write nothing.
    """
    with gathered([p for p in adapted.parameters() if p.requires_grad]):
        if folder is not None:
            adapted.peft_config[
                "default"
            ].base_model_name_or_path = ""  # a path of one machine is no part of an adapter
            adapted.save_pretrained(folder / FOLDER, safe_serialization=True)
            (folder / FOLDER / "README.md").unlink(missing_ok=True)  # PEFT's empty card


def detach(adapted: Any) -> Any:
    """Take the adapter off without merging; the base comes back as it was."""
    base = adapted.unload()
    if hasattr(base, "peft_config"):
        del base.peft_config
    return base


def rounding_error(adapted: Any, base: Path) -> float:
    """What merging into bf16 would lose: ||bf16(W + D) - (W + D)|| / ||D|| over all adapted layers, D = alpha/r B A.

    Every rank calls it and gets the same number.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    lost = update = 0.0
    stored = Stored(base)
    for name, module in adapted.named_modules():
        if isinstance(module, LoraLayer):
            with gathered(list(module.parameters())), torch.no_grad():
                delta = module.get_delta_weight("default").float()
                weight = module.get_base_layer().weight
                if (
                    weight.shape != delta.shape or not weight.is_floating_point()
                ):  # quantised: it is merged into what is stored
                    weight = stored[f"{name.removeprefix(PREFIX)}.weight"].to(delta.device)
                weight = weight.float()
                merged = weight + delta
                lost += float((merged.bfloat16().float() - merged).double().square().sum())
                update += float(delta.double().square().sum())
    return (lost / update) ** 0.5 if update > 0 else 0.0


def merge_to_folder(base_folder: Path, adapter_folder: Path, out: Path, dtype: str) -> None:
    """Write base + adapter as an ordinary model folder. The sum is made in float32 and rounded once."""
    if not (adapter_folder / WEIGHTS).is_file():  # PEFT would look for a pickle
        raise UserError(f"{adapter_folder} holds no {WEIGHTS}: remove that artifact, and the cell is trained again")
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(
        base_folder, dtype=torch.float32, local_files_only=True, trust_remote_code=False, use_safetensors=True
    )
    merged = PeftModel.from_pretrained(base, adapter_folder).merge_and_unload()
    merged.to(torch.bfloat16 if dtype == "bf16" else torch.float32).save_pretrained(out)
