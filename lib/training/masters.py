"""The float32 weights that the optimizer steps, wherever DeepSpeed keeps them, and whatever is laid out like them.

DeepSpeed keeps its master weights in a place that depends on the ZeRO stage: whole tensors at stage 0, one flat fragment of
each group at 1 and 2, a fragment of every parameter at 3. A write to them does not reach the model by itself. The functions
here are the only ones that know.

Adam's moments, a moving average, the best weights so far: all have the masters' layout on each rank. Such a list of tensors
is called a *slot*. A slot costs no communication while training runs; only to be written down (`gather`) and read back
(`scatter`) it is put in the masters' place for a moment, one whole tensor at a time, so that what is written does not
depend on the ZeRO stage or on how many workers there were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Slot = list[Any]
"""Tensors of the masters' layout on this rank."""


def masters(engine: Any) -> Slot:
    """This rank's master weights, float32; changing them changes training, and the model after `write_through`."""
    return [p.detach() for p in _stepped(engine)]


def _stepped(engine: Any) -> list[Any]:
    """The very tensors that the optimizer steps, which are also the keys of its state."""
    import torch

    optimizer = engine.optimizer
    if hasattr(
        optimizer, "fp32_partitioned_groups_flat"
    ):  # ZeRO 3: this rank's fragments, one tensor for many parameters
        found = list(optimizer.fp32_partitioned_groups_flat)
    elif hasattr(
        optimizer, "single_partition_of_fp32_groups"
    ):  # ZeRO 1 and 2: this rank's fragment of each group, flat
        found = list(optimizer.single_partition_of_fp32_groups)
    else:  # stage 0: whole tensors, the model's own in float32 and copies of them in bf16
        found = [p for group in optimizer.param_groups for p in group["params"]]
    if any(p.dtype != torch.float32 or not p.numel() for p in found):
        raise TypeError(f"{type(optimizer).__name__} keeps its float32 weights where this code does not look")
    return found


def write_through(engine: Any) -> None:
    """Make the model's weights what the masters are, on every rank."""
    optimizer = engine.optimizer
    if hasattr(optimizer, "fp32_partitioned_groups_flat"):  # ZeRO 3: what its own step does after each update
        optimizer._partition_all_parameters()
        for group in range(len(optimizer.fp16_groups)):
            optimizer._reassign_or_swap_out_partitioned_parameters(group)
        if optimizer.persistent_parameters:
            optimizer.persistent_parameters[0].all_gather(optimizer.persistent_parameters)
    elif hasattr(optimizer, "update_lp_params"):  # ZeRO 1 and 2: to this rank's part of the model, then gathered
        optimizer.update_lp_params()
    elif hasattr(optimizer, "fp32_groups"):  # stage 0 in bf16
        for coarse, exact in zip(optimizer.fp16_groups, optimizer.fp32_groups, strict=True):
            for p, master in zip(coarse, exact, strict=True):
                p.data.copy_(master.data)


def put(engine: Any, slot: Slot) -> None:
    """Make the weights, the model's included, what a slot holds."""
    import torch

    torch._foreach_copy_(masters(engine), slot)
    write_through(engine)


def exchange(engine: Any, slot: Slot) -> None:
    """The slot in the weights' place and the weights in the slot's; twice, and all is as it was."""
    live = [p.clone() for p in masters(engine)]
    put(engine, slot)
    for mine, theirs in zip(slot, live, strict=True):
        mine.copy_(theirs)


def moments(engine: Any, name: str) -> Slot:
    """Adam's `exp_avg` or `exp_avg_sq` of the masters, zero before the first step."""
    import torch

    state = _adam(engine).state
    return [state.setdefault(p, {}).setdefault(name, torch.zeros_like(p)) for p in _stepped(engine)]


def set_steps(engine: Any, steps: int) -> None:
    """Tell Adam how many steps it has made (its bias correction depends on it)."""
    import torch

    state = _adam(engine).state
    for p in _stepped(engine):
        state.setdefault(p, {})["step"] = torch.tensor(float(steps))


def _adam(engine: Any) -> Any:
    """torch's optimizer below DeepSpeed's."""
    return getattr(engine.optimizer, "optimizer", engine.optimizer)


def gather(engine: Any, slot: Slot) -> Iterator[tuple[str, Any]]:
    """(parameter's name, whole float32 tensor) of what a slot holds. Every rank has to go through all of it."""
    import torch

    live = [p.clone() for p in masters(engine)]
    torch._foreach_copy_(masters(engine), slot)
    try:
        for name, parameter, master in _trained(engine):
            yield name, _whole(parameter, master)
    finally:
        torch._foreach_copy_(masters(engine), live)


def scatter(engine: Any, slot: Slot, whole: Mapping[str, Any]) -> None:
    """Fill a slot from whole tensors by parameter name, as `gather` gave them. The weights stay as they are.

    Raises:
        KeyError: a trained parameter is not among them.
    """
    import torch

    live = [p.clone() for p in masters(engine)]
    for name, parameter, master in _trained(engine):
        _set_whole(engine, parameter, master, whole[name])
    filled = [p.clone() for p in masters(engine)]
    torch._foreach_copy_(masters(engine), live)
    torch._foreach_copy_(slot, filled)


def _trained(engine: Any) -> Iterator[tuple[str, Any, Any]]:
    """(name, parameter, its master at stage 0 or None) of everything that is trained."""
    named = [(name, p) for name, p in engine.module.named_parameters() if p.requires_grad]
    sharded = hasattr(named[0][1], "ds_id") or hasattr(named[0][1], "_hp_mapping")
    whole = [None] * len(named) if sharded else masters(engine)
    for (name, parameter), master in zip(named, whole, strict=True):
        yield name, parameter, master


def _whole(parameter: Any, master: Any) -> Any:
    from deepspeed.utils import safe_get_full_fp32_param

    return master.clone() if master is not None else safe_get_full_fp32_param(parameter)


def _set_whole(engine: Any, parameter: Any, master: Any, value: Any) -> None:
    from deepspeed.utils import safe_set_full_fp32_param, safe_set_local_fp32_param

    if master is not None:
        master.copy_(value)
    elif hasattr(parameter, "ds_id"):  # DeepSpeed's setter of whole tensors fails where the last rank's part is padded
        mine = value.new_zeros(parameter.ds_tensor.numel())
        begin = mine.numel() * engine.optimizer._get_param_partition_rank(parameter)
        part = value.flatten()[begin : begin + mine.numel()]
        mine[: part.numel()].copy_(part)
        safe_set_local_fp32_param(parameter, mine)
    else:
        safe_set_full_fp32_param(parameter, value)
