"""The LoRA adapter of a cell: put on a resident base model, saved as PEFT safetensors, taken off again.

Taking it off must leave the base exactly as it was, since the next cell of a warm group starts from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.errors import UserError


def attach(base: Any, *, r: int, alpha: float, dropout: float, targets: Sequence[str], seed: int) -> Any:
    """The base with a fresh adapter; only the adapter trains. Initialised from `seed` alone.

    Raises:
        UserError: a target is not a linear layer of this model.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    linear = {name.rsplit(".", 1)[-1] for name, module in base.named_modules() if isinstance(module, torch.nn.Linear)}
    missing = sorted(set(targets) - linear)
    if missing:
        raise UserError(
            f"recipe.lora.targets: this model has no linear layer {missing[0]!r} (it has: {', '.join(sorted(linear))})"
        )
    torch.manual_seed(seed)
    config = LoraConfig(
        r=r, lora_alpha=alpha, lora_dropout=dropout, target_modules=sorted(targets), task_type="CAUSAL_LM", bias="none"
    )  # fmt: skip
    return get_peft_model(base, config)


def save(adapted: Any, folder: Path) -> None:
    """Write the adapter (`adapter_model.safetensors`, `adapter_config.json`)."""
    adapted.peft_config["default"].base_model_name_or_path = ""  # a path of one machine is no part of an adapter
    adapted.save_pretrained(folder, safe_serialization=True)
    for note in folder.glob("README.md"):  # PEFT's empty card
        note.unlink()


def detach(adapted: Any) -> Any:
    """Take the adapter off without merging; the base comes back as it was."""
    base = adapted.unload()
    if hasattr(base, "peft_config"):
        del base.peft_config
    return base


def rounding_error(adapted: Any) -> float:
    """What merging into bf16 would lose: ||bf16(W + D) - (W + D)|| / ||D|| over all adapted layers, D = alpha/r B A."""
    import torch
    from peft.tuners.lora import LoraLayer

    lost = update = 0.0
    with torch.no_grad():
        for module in adapted.modules():
            if isinstance(module, LoraLayer):
                weight = module.get_base_layer().weight.float()
                delta = module.get_delta_weight("default").float()
                merged = weight + delta
                lost += float((merged.bfloat16().float() - merged).double().square().sum())
                update += float(delta.double().square().sum())
    return (lost / update) ** 0.5 if update > 0 else 0.0


def merge_to_folder(base_folder: Path, adapter_folder: Path, out: Path, dtype: str) -> None:
    """Write base + adapter as an ordinary model folder. The sum is made in float32 and rounded once."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32, local_files_only=True)
    merged = PeftModel.from_pretrained(base, adapter_folder).merge_and_unload()
    merged.to(torch.bfloat16 if dtype == "bf16" else torch.float32).save_pretrained(out)
