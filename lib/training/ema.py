"""Exponential moving average of the trained parameters (Kim et al., arXiv 2508.12531, who leave its details open).

    average <- decay * average + (1 - decay) * live        after every n-th step past `start_step`

The average begins as the start weights. As a *shadow* it leaves training alone and takes the place of the live weights at
the end; *in the loop* the live weights are set to it at every update and training goes on from there, which for n > 1 is
Lookahead (Zhang et al. 2019) with alpha = 1 - decay. The optimizer's moments are not averaged.

It is kept in float32 on each rank's own fragment of the optimizer's master weights (`lib.training.masters`), so that it is
sharded as they are and needs no communication.

For LoRA it is the factors A and B that are averaged. That is not the average of their product B A (`lib.training.delta`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from lib.errors import UserError
from lib.training.masters import exchange, masters, put


def refuse_idle(settings: Mapping[str, Any], total: int) -> None:
    """Raises:
    UserError: there would be no update within `total` steps.
    """
    first = settings["start_step"] + settings["every_n_steps"]
    if first > total:
        raise UserError(
            f"recipe.ema: its first update comes at step {first} and there are {total} steps: lower start_step or "
            "every_n_steps"
        )


def due(settings: Mapping[str, Any], step: int) -> bool:
    """Whether an update comes after `step` optimizer steps."""
    past: int = step - settings["start_step"]
    return past > 0 and past % settings["every_n_steps"] == 0


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
        refuse_idle(settings, total)
        self.average = [fragment.clone() for fragment in masters(engine)]

    def after_step(self, step: int) -> None:
        """Take the weights in after `step` optimizer steps, where an update is due."""
        import torch

        if not due(self.settings, step):
            return
        torch._foreach_lerp_(self.average, masters(self.engine), 1 - self.settings["decay"])
        if self.settings["mode"] == "in_loop":
            put(self.engine, self.average)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The weights that count, for a look at them in between: the average, if it is what is evaluated."""
        shown = self.settings["evaluate"] == "ema"
        if shown:
            exchange(self.engine, self.average)
        try:
            yield
        finally:
            if shown:
                exchange(self.engine, self.average)

    def finish(self) -> None:
        """Put the average in the place of the live weights, if that is what counts."""
        if self.settings["evaluate"] == "ema":
            put(self.engine, self.average)
