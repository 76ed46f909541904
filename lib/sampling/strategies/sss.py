"""Stratified safety sampling."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from lib.sampling.strategy import Candidate, Pick, Strategy, sample


class Stratified(Strategy):
    """Equal shares by harm category (Pham et al., `sss`).

    With C categories in the pool and k = budget // C: categories from the smallest to the largest, k uniformly from the
    members that are not taken yet (all of them if fewer); then top up uniformly from the rest of the pool, whatever the
    category. Equal sizes go by name. With k = 0 everything is topped up.
    """

    name = "sss"
    needs_categories = True

    def pick(
        self, pool: Sequence[Candidate], vectors: Mapping[str, np.ndarray], budget: int, rng: np.random.Generator
    ) -> list[Pick]:
        members: dict[str, list[Candidate]] = defaultdict(list)
        for row in pool:
            for category in row.categories:
                members[category].append(row)
        share = budget // max(1, len(members))
        picks: list[Pick] = []
        taken: set[str] = set()
        for category in sorted(members, key=lambda name: (len(members[name]), name)):
            free = [row for row in members[category] if row.id not in taken]
            for row in sample(rng, free, share):
                picks.append(Pick(row.id, f"category {category}"))
                taken.add(row.id)
        rest = [row for row in pool if row.id not in taken]
        picks += [Pick(row.id, "top-up") for row in sample(rng, rest, budget - len(picks))]
        return picks
