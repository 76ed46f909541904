"""What a strategy may look at besides the pool: vectors of its rows, and vectors of labelled references.

Many rows share a text, and a million vectors are gigabytes. So there is one matrix with a row per unique text, and a pool
has an index into it; a part of the pool (a type, a stratum) is another index into the same matrix, and whatever needs unit
vectors makes them a few hundred rows at a time, in the processor's cache.

Scores that are compared are computed in float64 and rounded to 1e-6. The rounding is the papers' tie rule; it also hides
what BLAS does differently on another machine, since float64 errs by 1e-15 and a float32 product by 1e-7, which is near
enough to the step of the rounding to change an order now and then. The passes of greedy strategies, which go over the whole
matrix for every pick, stay in float32 (`along`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lib.embedding.rows import Faults, chunks, row_lengths
from lib.errors import UserError

DIGITS = 6
"""Scores are rounded to 1e-6; what is equal then is a tie."""
STEP_ROWS = 128
"""Rows turned to float64 at once, so that they stay in the cache."""
ONE_THREAD = 2**18
"""Products with at most so many multiplications stay on one thread in OpenBLAS. On cores that others use too, every small
product that it shares out waits for a time slice: 30 s instead of 1 for a million rows of 384 and 14 directions."""


@dataclass(frozen=True)
class Vectors:
    """A vector for each of N rows, held once per unique text. Made by `make_vectors`."""

    unique: np.ndarray
    """float32 [U, D]."""
    index: np.ndarray
    """int32 [N]: the row's place in `unique`."""
    lengths: np.ndarray
    """float32 [U]: L2 lengths, 1 for a zero vector, so that its cosine to anything is 0."""

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: np.ndarray) -> Vectors:
        """The vectors of some rows. Copied when they use less than half of the texts, so that passes are short."""
        index = self.index[rows]
        used = np.unique(index)
        if 2 * len(used) > len(self.unique):
            return Vectors(self.unique, index, self.lengths)
        return Vectors(self.unique[used], np.searchsorted(used, index).astype(np.int32), self.lengths[used])

    def raw(self, rows: np.ndarray) -> np.ndarray:
        """float32 [n, D]: a copy of some rows as the encoder gave them."""
        found: np.ndarray = self.unique[self.index[rows]]
        return found

    def unit(self, rows: np.ndarray) -> np.ndarray:
        """float32 [n, D]: a copy of some rows, of length 1."""
        found: np.ndarray = self.raw(rows) / self.lengths[self.index[rows], None]
        return found

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """float64 [D]: the mean of some rows as the encoder gave them."""
        total = np.zeros(self.unique.shape[1])
        for part in chunks(len(rows), STEP_ROWS):
            total += self.raw(rows[part]).sum(axis=0, dtype=np.float64)
        return total / len(rows)

    def unit_mean(self) -> np.ndarray:
        """float64 [D]: the mean of all rows' unit vectors."""
        return unit_sum(self.unique, np.bincount(self.index, minlength=len(self.unique))) / len(self)

    def project(self, directions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Unit vectors of some rows times some directions.

        Args:
            directions: float64 [C, D]; of length 1 for cosines.
            rows: int [n].

        Returns:
            float32 [n, C], rounded to `DIGITS` in float64 first.
        """
        found = np.empty((len(rows), len(directions)), dtype=np.float32)
        width = max(1, ONE_THREAD // (STEP_ROWS * self.unique.shape[1]))
        columns = [(part, np.ascontiguousarray(directions[part].T)) for part in chunks(len(directions), width)]
        for part in chunks(len(rows), STEP_ROWS):
            block = self.raw(rows[part]).astype(np.float64)
            lengths = _lengths(block)[:, None]
            for places, few in columns:
                found[part, places] = np.round((block @ few) / lengths, DIGITS)
        return found

    def along(self, direction: np.ndarray) -> np.ndarray:
        """float32 [N]: the unit vector of each row times one direction [D]. One pass over the texts."""
        dots: np.ndarray = self.unique @ direction.astype(np.float32)
        dots /= self.lengths
        found: np.ndarray = dots[self.index]
        return found

    def nearest(self, others: np.ndarray) -> np.ndarray:
        """float32 [N]: the highest product of each row's unit vector with the float32 rows of `others`, [m, D]."""
        dots = np.empty(len(self.unique), dtype=np.float32)
        for part in chunks(len(self.unique)):
            dots[part] = (self.unique[part] @ others.T).max(axis=1)
        dots /= self.lengths
        found: np.ndarray = dots[self.index]
        return found


def make_vectors(unique: np.ndarray, index: np.ndarray | None = None) -> Vectors:
    """Vectors from float32 [U, D], which is not copied, and the place of each row in it (None: one row per text).

    Raises:
        UserError: some vector has NaN or infinity in it.
    """
    lengths = row_lengths(unique)
    Faults(len(unique), int((~np.isfinite(lengths)).sum()), 0).refuse()
    index = np.arange(len(unique)) if index is None else index
    return Vectors(unique, index.astype(np.int32), np.where(lengths == 0, np.float32(1), lengths))


def gather(ids: np.ndarray, parts: Iterable[tuple[pa.Array | Sequence[str], np.ndarray]]) -> Vectors:
    """The vectors of a pool's rows, part by part, so that no second copy of them is ever in memory.

    Args:
        ids: bytes [N], how each row's vector is called: `pool.text_ids`, or `pool.vector_ids` for pairs.
        parts: text ids and float32 [n, D] of them; may hold texts that no row has.

    Raises:
        KeyError: a row has no vector.
        UserError: vectors differ in dimension, or are not finite.
    """
    names, index = np.unique(ids, return_inverse=True)
    unique: np.ndarray | None = None
    seen = np.zeros(len(names), dtype=bool)
    for part_ids, matrix in parts:
        if not len(part_ids):
            continue
        unique = np.empty((len(names), matrix.shape[1]), np.float32) if unique is None else unique
        if matrix.shape[1] != unique.shape[1]:
            raise UserError(f"vectors of {unique.shape[1]} and of {matrix.shape[1]} dimensions: remove the embeddings")
        own = np.asarray(part_ids.to_pylist() if isinstance(part_ids, pa.Array) else part_ids, dtype="S32")
        place = np.searchsorted(names, own)
        hit = place < len(names)
        hit[hit] = names[place[hit]] == own[hit]
        unique[place[hit]] = matrix[hit]
        seen[place[hit]] = True
    if not seen.all():
        raise KeyError(f"{int((~seen).sum())} of {len(names)} texts have no vector")
    return make_vectors(np.empty((0, 0), np.float32) if unique is None else unique, index)


NO_VECTORS = make_vectors(np.empty((0, 0), np.float32))


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a strategy asked for by `needs_vectors` and `needs_references`; the rest is empty."""

    vectors: Vectors = NO_VECTORS
    """By row of the pool."""
    references: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Category -> float32 [M, D] of the references that have this category alone, in order of first appearance."""

    def take(self, rows: np.ndarray) -> Evidence:
        """The evidence for some rows of the pool."""
        vectors = self.vectors.take(rows) if len(self.vectors) else self.vectors
        return Evidence(vectors=vectors, references=self.references)


def single_category(categories: Sequence[Sequence[str]], vectors: np.ndarray) -> dict[str, np.ndarray]:
    """References by category: rows with exactly one, categories in order of first appearance (Pham et al., `cossim`).

    Args:
        categories: of each reference, in the order in which the references stand.
        vectors: float32 [M, D] in the same order.
    """
    rows: dict[str, list[int]] = {}
    for row, names in enumerate(categories):
        if len(names) == 1:
            rows.setdefault(names[0], []).append(row)
    return {name: vectors[own] for name, own in rows.items()}


def unit_sum(rows: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """float64 [D]: the sum of unit vectors of float32 [M, D], each counted as often as `counts` [M] says (None: once)."""
    total, space = np.zeros(rows.shape[1]), np.empty((STEP_ROWS, rows.shape[1]))
    for part in chunks(len(rows), STEP_ROWS):
        block = space[: part.stop - part.start]
        np.copyto(block, rows[part])  # into the same memory each time: new pages cost as much as the arithmetic
        total += ((1 if counts is None else counts[part]) / _lengths(block)) @ block
    return total


def _lengths(block: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(np.linalg.vecdot(block, block))  # three times as fast as einsum, which has no float64 kernel
    found: np.ndarray = np.where(lengths == 0, 1, lengths)
    return found
