"""A user's own DeepSpeed configuration: where things lie is theirs, what is computed stays the study's.

The file is placement and enters no content key, so nothing in it may change a number. What it says of the batch, the
clipping and the precision must equal the study (or be left out, or be "auto"); what the recipe owns altogether is refused
with its place in the study; a key that DeepSpeed itself would pass over in silence is refused too.
"""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from lib.errors import UserError

OWNED = {
    "optimizer": "recipe.optim, recipe.lr and recipe.weight_decay make the optimizer",
    "scheduler": "recipe.schedule and recipe.warmup_steps make the learning rate",
    "fp16": "recipe.dtype is bf16 or fp32, and neither scales its loss",
}
"""Blocks that the recipe stands for."""

INERT: dict[str, Any] = {
    "zero_force_ds_cpu_optimizer": False,
    "zero_allow_untested_optimizer": True,
    "gradient_allreduce_op": "mean",
    "bf16.bf16_master_weights_and_grads": False,
    "bf16.bf16_optimizer_states": False,
    "torch_autocast.enabled": False,
    "zero_optimization.compute_grad_norm": True,
    "zero_optimization.zero_quantized_weights": False,
    "zero_optimization.zero_quantized_nontrainable_weights": False,
    "zero_optimization.zero_quantized_gradients": False,
    "zero_optimization.zenflow": None,
}
"""Keys that may only have this value: with any other they train with other numbers, or with another optimizer."""

PLACEMENT = (
    "activation_checkpointing", "aio", "bf16", "bfloat16", "checkpoint", "comet", "comms_logger",
    "communication_data_type", "compile", "csv_monitor", "disable_allgather", "disable_python_gc", "dump_state",
    "flops_profiler", "gradient_accumulation_steps", "gradient_allreduce_op", "gradient_clipping",
    "gradient_predivide_factor", "log_level", "memory_breakdown", "prescale_gradients", "steps_per_print", "tensorboard",
    "timers", "torch_autocast", "train_batch_size", "train_micro_batch_size_per_gpu", "wall_clock_breakdown", "wandb",
    "zero_allow_untested_optimizer", "zero_force_ds_cpu_optimizer", "zero_optimization",
)  # fmt: skip
"""Every other top-level key a file may have."""


def read_json(path: str) -> str:
    """The text of a file, as compact JSON: a worker on another machine does not see the file.

    Raises:
        UserError: it is not there, or is no JSON object, or names a key twice.
    """
    try:
        tree = json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=_no_key_twice)
    except OSError as error:
        raise UserError(f"train.deepspeed: cannot read {path!r} ({error.strerror}): give a preset or a file") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"train.deepspeed: {path!r} is not valid JSON: {error}") from None
    if not isinstance(tree, dict):
        raise UserError(f"train.deepspeed: {path!r} holds no JSON object: it starts with {{")
    return json.dumps(tree)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return tree


def merged(own: dict[str, Any], study: Mapping[str, Any], stands_for: Mapping[str, tuple[Any, str]]) -> dict[str, Any]:
    """The user's configuration with what the study fixes filled in.

    Args:
        own: the user's tree.
        study: what the study gives DeepSpeed, as DeepSpeed's tree.
        stands_for: dotted DeepSpeed key -> (the value it must have, the study's key and value in words).

    Raises:
        UserError: a contradiction, a block that the recipe owns, or a key that is none.
    """
    for key, reason in OWNED.items():
        block = own.get(key, "auto")
        off = key == "fp16" and isinstance(block, dict) and block.get("enabled", False) in (False, "auto")
        if block != "auto" and not off:
            raise UserError(f"train.deepspeed: the JSON has {key!r}, and {reason}: take {key!r} out of the JSON")
    for key in own:
        if key not in PLACEMENT and key not in OWNED:
            near = difflib.get_close_matches(key, PLACEMENT, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UserError(
                f"train.deepspeed: the JSON has {key!r}, which places nothing that a study trains{hint} "
                f"(a study takes: {', '.join(PLACEMENT)})"
            )
    for key in ("bf16", "bfloat16", "zero_optimization"):
        if not isinstance(own.get(key, {}), dict) and own[key] != "auto":
            raise UserError(f"train.deepspeed: {key} is {json.dumps(own[key])} in the JSON and must be an object")
    for key, value in _leaves(own):
        if key in stands_for and not _same(value, stands_for[key][0]):
            raise UserError(
                f"train.deepspeed: {key} is {json.dumps(value)} in the JSON, and the study has {stands_for[key][1]}: "
                f"change one of them, or leave {key} out of the JSON"
            )
        if key in INERT and not _same(value, INERT[key]):
            raise UserError(
                f"train.deepspeed: {key} is {json.dumps(value)} in the JSON, which changes what is trained and not where: "
                f"leave it out (a study trains with {json.dumps(INERT[key])})"
            )
    kept = {key: value for key, value in own.items() if value != "auto" and key not in OWNED}
    bf16 = {**kept.pop("bfloat16", {}), **kept.get("bf16", {}), **study["bf16"]}
    fixed = {key: study[key] for key in study if key in stands_for or key in INERT}
    return {**study, **kept, **fixed, "bf16": bf16}


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of everything that is said outright, blocks included; "auto" says nothing."""
    for key, value in tree.items():
        if value != "auto":
            yield prefix + key, value
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")


def _same(given: Any, wanted: Any) -> bool:
    """Equal, and `true` is not 1."""
    return isinstance(given, bool) == isinstance(wanted, bool) and bool(given == wanted)


@lru_cache(maxsize=64)
def ask_deepspeed(text: str) -> None:
    """Have DeepSpeed read a configuration (JSON text, for one worker) and refuse what it refuses.

    Raises:
        UserError: with DeepSpeed's own words.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # on import it warns of accelerators that this machine lacks and workers may have
    try:
        from deepspeed.runtime.config import DeepSpeedConfig

        DeepSpeedConfig(json.loads(text))
    except Exception as error:  # DeepSpeed raises its own, pydantic's, assertions and bare ones
        said = "; ".join(" ".join(line.split()) for line in str(error).splitlines()[:3]) or type(error).__name__
        raise UserError(f"train.deepspeed: DeepSpeed refuses the JSON: {said}") from None
    finally:
        logging.disable(before)
