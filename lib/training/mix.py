"""The training mix: which example is seen at which step.

Cells of one seed must differ in what is compared and in nothing else. So the benign order depends on the seed and the
number of benign rows only (those that a cell holds out among them); safety rows are slotted in between at random places from
a generator of their own. Taking the safety rows out of any cell's order leaves the same benign order.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa

TOKENS = pa.schema(
    [("id", pa.string()), ("ids", pa.list_(pa.int32())), ("prompt_tokens", pa.int32()), ("cut", pa.bool_())]
)
"""Tokenised examples. Benign ones are sorted by id, selected ones by rank."""


def tokens_digest(table: pa.Table) -> str:
    """Identity of a `TOKENS` table: its sequences, where their prompts end, and their order; no ids, no file format."""
    digest = hashlib.sha256()
    for ids, prompt_tokens in zip(table["ids"], table["prompt_tokens"], strict=True):
        digest.update(np.asarray(ids.values, dtype="<i4").tobytes() + b"|%d;" % prompt_tokens.as_py())
    return digest.hexdigest()[:32]


BENIGN_STREAM, SAFETY_STREAM = 0, 1


def mix_order(benign: int, safety: int, seed: int, epoch: int, held_out: Collection[int] = ()) -> np.ndarray:
    """The order of one epoch, int64 [benign + safety]: values under `benign` are benign rows, the rest safety rows.

    Args:
        benign: rows that are trained on.
        held_out: numbers of benign rows, among all of them, that are not: the others are numbered without them and come in the
            order that they have with them, so that cells which hold out a few others still share it.
    """
    order = np.random.default_rng([seed, epoch, BENIGN_STREAM]).permutation(benign + len(held_out))
    if held_out:
        out = np.zeros(len(order), dtype=bool)
        out[list(held_out)] = True
        order = (np.cumsum(~out) - 1)[order[~out[order]]]
    rng = np.random.default_rng([seed, epoch, SAFETY_STREAM])
    slots = np.sort(rng.choice(benign + safety, size=safety, replace=False))
    mixed = np.empty(benign + safety, dtype=np.int64)
    is_safety = np.zeros(benign + safety, dtype=bool)
    is_safety[slots] = True
    mixed[is_safety] = benign + rng.permutation(safety)
    mixed[~is_safety] = order
    return mixed


@dataclass(frozen=True)
class Schedule:
    """All optimizer steps of a run as lists of row numbers."""

    steps: list[np.ndarray]
    rows: int
    """Rows of the mix."""

    @property
    def shown(self) -> float:
        """Share of the mix's rows that are seen at least once."""
        seen = np.unique(np.concatenate(self.steps)) if self.steps else np.empty(0)
        return len(seen) / self.rows

    def unseen(self, first: int) -> int:
        """How many rows numbered `first` or higher (the safety rows) are never seen."""
        seen = np.unique(np.concatenate(self.steps))
        return int((self.rows - first) - (seen >= first).sum())


def make_schedule(
    benign: int,
    safety: int,
    *,
    seed: int,
    batch: int,
    epochs: float | None,
    steps: int | None,
    held_out: Collection[int] = (),
) -> Schedule:
    """The steps of a run: epochs one after the other, cut into batches of `batch` rows.

    Batches run across epoch ends, so every step but the last has exactly `batch` rows. With `steps` the stream stops
    there; with a fractional number of epochs it stops inside an epoch.

    Args:
        held_out: as in `mix_order`.
    """
    rows = benign + safety
    total = steps * batch if steps is not None else math.ceil(rows * Fraction(str(epochs or 0)))
    passes = math.ceil(total / rows)
    stream = np.concatenate([mix_order(benign, safety, seed, epoch, held_out) for epoch in range(passes)])[:total]
    return Schedule([stream[start : start + batch] for start in range(0, total, batch)], rows)
