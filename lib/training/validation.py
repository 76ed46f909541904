"""Choosing the weights of the step that did best on rows held out of the mix (Pham et al.: 2,000 mixed rows of 20,000).

The rows are benign and safety rows in the mix's own proportion, so a share of the selected rows is never trained on; how
many is recorded. They are not the study's held-out benign rows, which no cell may choose by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lib.errors import UserError
from lib.training.masters import Slot, masters, put

VALIDATION_STREAM = 2
"""Beside the streams of `lib.training.mix`."""


def validation_rows(benign: int, safety: int, count: int, seed: int) -> np.ndarray:
    """Numbers of the mix's rows that are held out, int64 [count], ascending: benign rows first, then safety rows.

    Cells of one seed hold out the same benign rows, but for the few that safety rows take the place of.

    Raises:
        UserError: nothing would be left to train on.
    """
    if count >= benign + safety:
        raise UserError(f"recipe.validation.rows {count} would hold out all {benign + safety} rows: lower it")
    of_safety = round(count * safety / (benign + safety))
    rng = np.random.default_rng([seed, VALIDATION_STREAM])
    benign_out = rng.permutation(benign)[: count - of_safety]
    safety_out = benign + np.random.default_rng([seed, VALIDATION_STREAM, 1]).permutation(safety)[:of_safety]
    return np.sort(np.concatenate([benign_out, safety_out]).astype(np.int64))


class Best:
    """The weights of lowest validation loss so far, kept as a slot: sharded like the weights, in float32."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.slot: Slot = [fragment.clone() for fragment in masters(engine)]
        self.step, self.loss = 0, float("inf")

    def offer(self, step: int, loss: float) -> None:
        """Take what is in the engine now, if it is better; of equals the earlier stays."""
        import torch

        if loss < self.loss:
            self.step, self.loss = step, loss
            torch._foreach_copy_(self.slot, masters(self.engine))

    def finish(self) -> None:
        """Put the best in the weights' place.

        Raises:
            UserError: no loss was ever a number.
        """
        if self.step == 0:
            raise UserError("recipe.validation: the held-out rows have no token to learn, so no step can be chosen")
        put(self.engine, self.slot)

    @property
    def note(self) -> dict[str, Any]:
        """What a checkpoint has to say besides the slot."""
        return {"step": self.step, "loss": self.loss}

    def resume(self, note: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's note; its slot is filled by then."""
        self.step, self.loss = note["step"], note["loss"]
