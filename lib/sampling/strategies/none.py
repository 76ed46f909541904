"""No safety rows: what benign fine-tuning does by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lib.sampling.strategy import Candidate, Pick, Strategy


class NoRows(Strategy):
    """Picks nothing, whatever the budget: the baseline of benign data alone."""

    name = "none"
    seeded = False
    uses_budget = False

    def pick(
        self, pool: Sequence[Candidate], vectors: Mapping[str, np.ndarray], budget: int, rng: np.random.Generator
    ) -> list[Pick]:
        return []
