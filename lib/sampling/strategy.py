"""The contract of a sampling strategy. One file each in `strategies/`; nothing else is edited.

    (pool, vectors, budget, seed) -> ordered picks, each with its score and the reason it was taken

The pool is sorted by id before a strategy sees it and every random number comes from the generator it is handed, so a
selection depends on the corpus' content alone and never on the number of blocks, workers or the order of rows.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lib.registry import Plugin


@dataclass(frozen=True)
class Candidate:
    """A row that may be picked."""

    id: str
    text_id: str
    categories: tuple[str, ...]
    type: str


@dataclass(frozen=True)
class Pick:
    """A picked row: its id, why, and the score it was picked by (None where the strategy has none)."""

    id: str
    reason: str
    score: float | None = None


class Strategy(Plugin):
    """Picks `budget` rows of a pool.

    A strategy sets `name`, says what it needs, and defines `pick`.
    """

    kind = "strategy"
    package = "lib.sampling.strategies"

    needs_categories: ClassVar[bool] = False
    """Refused, never replaced by random, when the pool has no categories."""
    needs_vectors: ClassVar[bool] = False
    """Embeddings are loaded only when a strategy asks for them."""
    seeded: ClassVar[bool] = True
    """False: the selection is the same for every draw, and is trained once."""
    uses_budget: ClassVar[bool] = True
    """False: the selection is the same for every budget (`none`)."""

    @abstractmethod
    def pick(
        self, pool: Sequence[Candidate], vectors: Mapping[str, np.ndarray], budget: int, rng: np.random.Generator
    ) -> list[Pick]:
        """`budget` distinct picks in the order they were made.

        Args:
            pool: candidates sorted by id, at least `budget` of them.
            vectors: text_id -> float32 [D]; empty unless `needs_vectors`.
            budget: how many rows to pick.
            rng: seeded by draw; the only source of randomness.
        """


def sample(rng: np.random.Generator, rows: Sequence[Candidate], count: int) -> list[Candidate]:
    """`count` of `rows` uniformly without replacement (all of them, shuffled, if there are no more)."""
    order = rng.permutation(len(rows))[:count]
    return [rows[i] for i in order]
