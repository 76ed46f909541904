"""Near-duplicate texts: pairs whose cosine is at least a threshold.

Up to `EXACT_ROWS` texts the search is exact: every pair is looked at. Above, the cost of N^2 / 2 dot products is not
worth paying, and rows are looked for in a few of the lists of an inverted file (`lib/embedding/near_lists.py`), which is
told to look into as many lists as a recall above 0.99 needs. Either way it goes block by block
(`lib/embedding/near_block.py`), so that no machine holds all vectors or all pairs.

A search finds candidates a little below the threshold. What counts is their cosine computed again in float64, rounded
to 1e-6 and compared with >=: pairs at the threshold do not come and go with the tile a BLAS put them in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib.embedding.near_block import MOST, PAIRS, NearBlock, pairs_before, taken
from lib.embedding.near_lists import Lists

EXACT_ROWS = 100_000
"""Up to this many rows every pair is looked at."""
SMALL_BLOCK, LARGE_BLOCK, BLOCKS = 64 << 20, 1 << 30, 64
"""Bytes of vectors in a block. A block is read once for each one after it: from 64 blocks on, blocks grow with the corpus
in place of their number, up to 1 GiB (a search holds about five times that)."""


def block_count(texts: int, dimensions: int) -> int:
    """How many blocks a corpus is searched in: told by its size alone, so that any machine cuts it alike."""
    if texts <= EXACT_ROWS:
        return 1
    size = 4 * texts * dimensions
    return -(-size // min(max(SMALL_BLOCK, size // BLOCKS), LARGE_BLOCK))


def pairs_of(later: NearBlock, blocks: Iterable[NearBlock], threshold: float) -> pa.Table:
    """The pairs of a block: of each of its rows, the first `MOST` rows before it that are near.

    Args:
        blocks: those before it in order, and itself at the end.
        threshold: a cosine, in (0, 1].

    Returns:
        A table of schema `PAIRS`.
    """
    room = np.full(len(later), MOST)
    tables = [PAIRS.empty_table()]
    for earlier in blocks:
        tables.append(pairs_before(later, earlier, threshold, room))
        room = room - taken(later, tables[-1])
    return pa.concat_tables(tables).sort_by([("b", "ascending"), ("a", "ascending")])


def near_pairs(
    ids: Sequence[str] | pa.Array, vectors: np.ndarray, threshold: float, lists: Lists | None = None, blocks: int = 1
) -> pa.Table:
    """The same for rows that are all in memory.

    Args:
        ids: distinct text ids.
        vectors: float32 [N, D] in the order of `ids`, of any length.
        lists: of an inverted file (None: exact).

    Returns:
        A table of schema `PAIRS`.

    Raises:
        UserError: vectors that are not finite or zero.
    """
    order = np.argsort(np.asarray(ids, dtype=object), kind="stable")
    names = np.asarray(ids, dtype=object)[order]
    cut = [
        NearBlock(pa.array(names[part], pa.string()), vectors[order[part]], lists)
        for part in np.array_split(np.arange(len(order)), blocks)
    ]
    return pa.concat_tables([pairs_of(later, cut[: n + 1], threshold) for n, later in enumerate(cut)])


def near_between(
    ids: Sequence[str] | pa.Array,
    vectors: np.ndarray,
    pool: Iterable[tuple[Sequence[str] | pa.Array, np.ndarray]],
    threshold: float,
) -> pa.Table:
    """Pairs of one of a few texts (evaluation prompts) and one of a large pool, exact.

    Args:
        ids, vectors: the few, float32 [M, D]. They are what is indexed.
        pool: ids and vectors, float32 [N, D], block by block; one block is in memory at a time.
        threshold: a cosine, in (0, 1].

    Returns:
        `a` of the few, `b` of the pool, `cosine`; in order of (a, b).

    Raises:
        UserError: vectors that are not finite or zero.
    """
    few = NearBlock(ids, vectors, None)
    tables = [PAIRS.empty_table()]
    for block_ids, block_vectors in pool:
        block = NearBlock(block_ids, block_vectors, None)
        tables.append(pairs_before(block, few, threshold, np.full(len(block), len(few))))
    return pa.concat_tables(tables).sort_by([("a", "ascending"), ("b", "ascending")])


def drop_near(tables: Iterable[pa.Table], among: pa.Array | None = None) -> set[str]:
    """The ids to leave out so that no pair is left: in the order of ids, a row goes when a kept row before it is near.

        a ~ b ~ c, and a is not near c:   b goes (a is kept), c stays (b is gone)

    SemDeDup (Abbas et al. 2023, arXiv:2303.09540) has the same aim, a cosine threshold on embeddings, and differs in
    three ways. It looks for pairs within k-means clusters only; pairs across clusters are found here as well. It orders a
    cluster's rows by their distance to the centroid and prefers to keep the far ones; here ids decide, so that what stays
    does not depend on a clustering. And it drops a row that is near any row before it, kept or not, so that in the
    drawing c would go too; here every dropped row has a kept near-duplicate.

    Args:
        tables: schema `PAIRS`, each in order of b, and no b of one before any of the last.
        among: the texts that count (None: all).
    """
    dropped: set[str] = set()
    for table in tables:
        left = table
        if among is not None:
            left = table.filter(pc.and_(pc.is_in(table["a"], among), pc.is_in(table["b"], among)))
        for a, b in zip(left["a"].to_pylist(), left["b"].to_pylist(), strict=True):
            if a not in dropped:  # a < b, and every pair that could drop a has been seen
                dropped.add(b)
    return dropped


def unjudged(tables: Iterable[pa.Table], among: pa.Array) -> int:
    """Of how many of these texts it is not known whether they repeat another: `MOST` pairs were written down of each, all with
    texts that do not count (in a group of more than that many, most of them unsafe, say), and further ones were not.

    Args:
        tables: as `drop_near` takes them.
    """
    found = 0
    for table in tables:
        own = table.filter(pc.is_in(table["b"], among))
        both = own.append_column("counts", pc.cast(pc.is_in(own["a"], among), pa.int32()))
        told = both.group_by("b").aggregate([("a", "count"), ("counts", "max")])
        found += pc.sum(pc.and_(pc.equal(told["a_count"], MOST), pc.equal(told["counts_max"], 0))).as_py() or 0
    return found
