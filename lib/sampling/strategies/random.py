"""Uniform sampling, paper A's baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lib.sampling.strategy import Candidate, Pick, Strategy, sample


class Random(Strategy):
    """`budget` rows uniformly without replacement from the whole pool (Pham et al., `random`)."""

    name = "random"

    def pick(
        self, pool: Sequence[Candidate], vectors: Mapping[str, np.ndarray], budget: int, rng: np.random.Generator
    ) -> list[Pick]:
        return [Pick(row.id, "random") for row in sample(rng, pool, budget)]
