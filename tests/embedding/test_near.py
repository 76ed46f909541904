"""Near-duplicate pairs against all pairs."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from lib.embedding.block import Block
from lib.embedding.near import (
    BLOCKS,
    LARGE_BLOCK,
    SMALL_BLOCK,
    block_count,
    drop_near,
    near_between,
    near_pairs,
    unjudged,
)
from lib.embedding.near_block import MOST, PAIRS
from lib.embedding.near_lists import Lists, fit_lists, list_count, training_rows
from lib.embedding.rows import unit
from lib.errors import UserError


def planted(rows: int = 2000, size: int = 32, copies: int = 200) -> tuple[list[str], np.ndarray]:
    """Rows around 60 centres, the last `copies` of them close to an earlier row: cosine 0.9 to 1."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, size))[rng.integers(0, 60, rows)] + 0.7 * rng.normal(size=(rows, size))
    near = unit(vectors[rng.choice(rows - copies, copies, replace=False)].astype(np.float32))
    angle = rng.uniform(0, 0.45, size=(copies, 1))
    vectors[-copies:] = np.cos(angle) * near + np.sin(angle) * unit(rng.normal(size=(copies, size)))
    scale = rng.uniform(0.1, 30, size=(rows, 1))
    return [f"{n:05d}" for n in rng.permutation(rows)], (vectors * scale).astype(np.float32)


def all_pairs(ids: list[str], vectors: np.ndarray, threshold: float) -> dict[tuple[str, str], float]:
    rows = unit(vectors).astype(np.float64)
    cosines = np.round(rows @ rows.T, 6)
    places = zip(*np.nonzero(np.triu(cosines >= threshold, 1)), strict=True)
    return {tuple(sorted((ids[a], ids[b]))): cosines[a, b] for a, b in places}  # type: ignore[misc]


def as_dict(pairs: pa.Table) -> dict[tuple[str, str], float]:
    columns = (pairs[name].to_pylist() for name in ("a", "b", "cosine"))
    return {(a, b): cosine for a, b, cosine in zip(*columns, strict=True)}


@pytest.mark.parametrize("threshold", [0.8, 0.95])
def test_exact_pairs_are_all_pairs(threshold: float) -> None:
    ids, vectors = planted()
    found, expected = near_pairs(ids, vectors, threshold), all_pairs(ids, vectors, threshold)
    assert found.schema.equals(PAIRS)
    assert set(as_dict(found)) == set(expected)
    assert len(expected) > 80
    assert as_dict(found) == pytest.approx(expected, abs=2e-6)
    in_order = list(as_dict(found))
    assert in_order == sorted(in_order, key=lambda pair: pair[::-1])
    assert all(a < b for a, b in in_order)


def lists_of(ids: list[str], vectors: np.ndarray, threshold: float) -> Lists:
    rows = Block(ids, vectors, "cosine")
    count = list_count(len(rows))
    return fit_lists(rows.sample(2**64 - 1, seed=0).first(training_rows(count)), count, threshold, seed=0)


@pytest.mark.parametrize("threshold", [0.9, 0.95])
def test_lists_find_nearly_all_pairs_and_no_others(threshold: float) -> None:
    ids, vectors = planted(rows=6000, copies=1500)
    lists = lists_of(ids, vectors, threshold)
    found, expected = near_pairs(ids, vectors, threshold, lists), all_pairs(ids, vectors, threshold)
    assert set(as_dict(found)) <= set(expected)
    assert len(found) == len(as_dict(found))
    assert len(found) / len(expected) > 0.99
    assert len(lists.centroids) == 77
    assert 1 <= lists.probes < 77
    assert lists.recall > 0.99


@pytest.mark.parametrize("with_lists", [False, True])
def test_blocks_and_the_order_of_rows_change_nothing(with_lists: bool) -> None:
    ids, vectors = planted()
    order = np.random.default_rng(1).permutation(len(ids))
    lists = lists_of(ids, vectors, 0.9) if with_lists else None
    whole = near_pairs(ids, vectors, 0.9, lists)
    assert whole.num_rows > 100
    for blocks in (1, 3, 8):
        assert near_pairs([ids[i] for i in order], vectors[order], 0.9, lists, blocks).equals(whole)


@pytest.mark.parametrize("with_lists", [False, True])
def test_of_a_large_group_the_first_pairs_of_each_text_are_kept(with_lists: bool, monkeypatch) -> None:
    monkeypatch.setattr("lib.embedding.near_block.HELD_PAIRS", 100)
    monkeypatch.setattr("lib.embedding.near_block.FOUND_AT_ONCE", 1000)
    ids, vectors = [f"{n:03d}" for n in range(200)], np.ones((200, 4), np.float32)
    vectors += np.random.default_rng(0).normal(scale=1e-3, size=vectors.shape).astype(np.float32)
    lists = Lists(unit(np.array([[1, 1, 1, 1], [1, 0, 0, 0]], np.float32)), 1, 1.0) if with_lists else None
    for blocks in (1, 3):
        found = near_pairs(ids, vectors, 0.9, lists, blocks)
        assert list(as_dict(found)) == [(ids[a], ids[b]) for b in range(200) for a in range(min(b, MOST))]
        assert drop_near([found]) == set(ids[1:])
        assert drop_near([found], pa.array(ids[5:])) == set(ids[6:])


@pytest.mark.parametrize(
    ("texts", "dimensions", "size"),
    [(1_000_000, 64, SMALL_BLOCK), (3_000_000, 384, 4 * 3_000_000 * 384 // BLOCKS), (100_000_000, 768, LARGE_BLOCK)],
)
def test_blocks_are_bounded(texts: int, dimensions: int, size: int) -> None:
    count = block_count(texts, dimensions)
    assert size / 2 < 4 * texts * dimensions / count <= size
    assert block_count(100_000, dimensions) == 1


def test_a_pair_at_the_threshold_is_near() -> None:
    vectors = np.array([[1, 0], [0.96, 0.28], [0.28, 0.96]], dtype=np.float32)
    assert set(as_dict(near_pairs(["a", "b", "c"], vectors, 0.96))) == {("a", "b")}
    assert near_pairs(["a", "b", "c"], vectors, 0.960002).num_rows == 0
    assert as_dict(near_pairs(["a", "b"], vectors[[0, 0]], 1.0)) == {("a", "b"): 1.0}


def test_few_or_no_rows() -> None:
    assert near_pairs([], np.zeros((0, 3), np.float32), 0.9).num_rows == 0
    assert near_pairs(["a"], np.ones((1, 3), np.float32), 0.9).num_rows == 0


def test_prompts_against_a_pool_in_blocks() -> None:
    ids, vectors = planted()
    prompts, pool = slice(0, 40), np.arange(40, 2000)
    vectors[40:50] = 3 * vectors[:10]  # ten of the pool are prompts

    def blocks(count: int) -> Iterator[tuple[list[str], np.ndarray]]:
        for part in np.array_split(pool, count):
            yield [ids[i] for i in part], vectors[part]

    found = near_between(ids[prompts], vectors[prompts], blocks(1), 0.9)
    cosines = np.round(unit(vectors[prompts]).astype(np.float64) @ unit(vectors[pool]).astype(np.float64).T, 6)
    expected = {(ids[a], ids[pool[b]]) for a, b in zip(*np.nonzero(cosines >= 0.9), strict=True)}
    assert set(as_dict(found)) == expected
    assert {(ids[n], ids[40 + n]) for n in range(10)} <= expected
    assert list(as_dict(found)) == sorted(expected)
    for count in (2, 7):
        assert near_between(ids[prompts], vectors[prompts], blocks(count), 0.9).equals(found)
    assert near_between(ids[prompts], vectors[prompts], [], 0.9).num_rows == 0


def test_rows_without_a_direction_are_refused() -> None:
    with pytest.raises(UserError, match="a zero vector for 1 of 2 texts"):
        near_pairs(["a", "b"], np.array([[0, 0], [1, 0]], np.float32), 0.9)
    with pytest.raises(UserError, match="1 of 1 embedding vectors are not finite"):
        near_between(["a"], np.ones((1, 2), np.float32), [(["b"], np.full((1, 2), np.nan, np.float32))], 0.9)


def pairs(*names: str) -> pa.Table:
    ordered = sorted(names, key=lambda name: name[::-1])
    return pa.table([[n[0] for n in ordered], [n[1] for n in ordered], [0.99] * len(names)], schema=PAIRS)


@pytest.mark.parametrize(
    ("names", "dropped"),
    [
        ((), set()),
        (("ab",), {"b"}),
        (("ab", "bc"), {"b"}),  # c is near b only, and b is gone
        (("ab", "bc", "ac"), {"b", "c"}),
        (("ab", "bc", "cd"), {"b", "d"}),
        (("ad", "bd", "cd", "de"), {"d"}),
        (("bc", "ac", "ab"), {"b", "c"}),  # the order of pairs does not matter
    ],
)
def test_a_row_goes_when_a_kept_row_before_it_is_near(names: tuple[str, ...], dropped: set[str]) -> None:
    assert drop_near([pairs(*names)]) == dropped
    assert drop_near([pairs(*reversed(names))]) == dropped


def test_what_is_left_has_no_pair_and_what_went_has_a_kept_one() -> None:
    ids, vectors = planted()
    found = as_dict(near_pairs(ids, vectors, 0.85))
    dropped = drop_near([near_pairs(ids, vectors, 0.85)])
    assert all(a in dropped or b in dropped for a, b in found)
    assert all(any(b == one and a not in dropped for a, b in found) for one in dropped)


def test_it_is_told_of_whom_nothing_is_known_in_a_large_group() -> None:
    """100 equal texts, of which the last 30 count: their first 64 pairs are with others."""
    ids = [f"{n:032x}" for n in range(100)]
    found = near_pairs(ids, np.ones((100, 4), dtype=np.float32), 0.95)
    last, middle = pa.array(ids[70:]), pa.array(ids[60:])
    assert (drop_near([found], last), unjudged([found], last)) == (set(), 30)
    assert (drop_near([found], middle), unjudged([found], middle)) == (set(ids[61:]), 0)
