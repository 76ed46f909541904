"""Exponential moving average of the trained parameters (Kim et al., arXiv 2508.12531, who leave its details open).

    average <- decay * average + (1 - decay) * live        after every n-th step past `start_step`

The average begins as the start weights. As a *shadow* it leaves training alone and takes the place of the live weights at
the end; *in the loop* the live weights are set to it at every update and training goes on from there, which for n > 1 is
Lookahead (Zhang et al. 2019) with alpha = 1 - decay. The optimizer's moments are not averaged.

It is kept in float32 on each rank's own fragment of the optimizer's master weights, so that it is sharded as they are and
needs no communication. DeepSpeed holds those fragments in a place that depends on the ZeRO stage, and a write to them does
not reach the model by itself: `masters` and `write_through` are the only two functions that know.

For LoRA it is the factors A and B that are averaged. That is not the average of their product B A.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.errors import UserError


def masters(engine: Any) -> list[Any]:
    """The float32 weights that this rank's optimizer steps, as flat or whole tensors; changing them changes training.

    Args:
        engine: a DeepSpeed engine, ZeRO stage 0 to 2.
    """
    import torch

    optimizer = engine.optimizer
    if hasattr(optimizer, "single_partition_of_fp32_groups"):  # ZeRO 1 and 2: this rank's fragment of each group, flat
        found = list(optimizer.single_partition_of_fp32_groups)
    else:  # stage 0: whole tensors, the model's own in float32 and copies of them in bf16
        found = [p for group in optimizer.param_groups for p in group["params"]]
    if any(p.dtype != torch.float32 for p in found):
        raise TypeError(f"{type(optimizer).__name__} keeps its float32 weights where this code does not look")
    return [p.detach() for p in found]


def write_through(engine: Any) -> None:
    """Make the model's weights what the masters are, on every rank."""
    optimizer = engine.optimizer
    if hasattr(optimizer, "update_lp_params"):  # ZeRO: to this rank's part of the model, then gathered
        optimizer.update_lp_params()
    elif hasattr(optimizer, "fp32_groups"):  # stage 0 in bf16
        for coarse, exact in zip(optimizer.fp16_groups, optimizer.fp32_groups, strict=True):
            for p, master in zip(coarse, exact, strict=True):
                p.data.copy_(master.data)


class Ema:
    """The average of one cell."""

    def __init__(self, engine: Any, settings: Mapping[str, Any], total: int) -> None:
        """
        Args:
            settings: the fields of `lib.study.recipe.Ema`.
            total: optimizer steps of the cell.

        Raises:
            UserError: there would be no update within `total` steps.
        """
        self.engine, self.settings = engine, settings
        first = settings["start_step"] + settings["every_n_steps"]
        if first > total:
            raise UserError(
                f"recipe.ema: its first update comes at step {first} and there are {total} steps: lower start_step or "
                "every_n_steps"
            )
        self.average = [fragment.clone() for fragment in masters(engine)]
        self.updates = 0

    def after_step(self, step: int) -> None:
        """Take the weights in after `step` optimizer steps, where an update is due."""
        import torch

        past = step - self.settings["start_step"]
        if past <= 0 or past % self.settings["every_n_steps"]:
            return
        torch._foreach_lerp_(self.average, masters(self.engine), 1 - self.settings["decay"])
        self.updates += 1
        if self.settings["mode"] == "in_loop":
            self._put_in_place()

    def finish(self) -> None:
        """Put the average in the place of the live weights, if that is what counts."""
        if self.settings["evaluate"] == "ema":
            self._put_in_place()

    def _put_in_place(self) -> None:
        import torch

        torch._foreach_copy_(masters(self.engine), self.average)
        write_through(self.engine)
