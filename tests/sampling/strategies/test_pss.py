"""Prototypical sampling: worked by hand, and against a literal transcription of its definition."""

import pickle

import numpy as np
import pytest

from lib.embedding.start import TooFew
from lib.errors import UserError
from lib.sampling.pool import Pool
from lib.sampling.strategy import Pick
from tests.sampling import literal
from tests.sampling.pools import angles, by_category, pool_of, random_pool, reasons, rows, run, seen


def pss(pool: Pool, vectors: np.ndarray, budget: int, draw: int = 0, **options: object) -> list[Pick]:
    return run("pss", pool, budget, evidence=seen(vectors), draw=draw, **options)


def test_the_nearest_to_the_mean_of_each_category_smallest_category_first() -> None:
    """`small` points to 20 degrees, so row 4 and of two at 20 degrees from it the first; `large` to 90, so rows 1 and 2."""
    pool = by_category(large=[0, 1, 2, 3], small=[4, 5, 6])
    picks = pss(pool, angles(70, 90, 95, 105, 20, 0, 40), 4)
    assert rows(picks) == [4, 5, 1, 2]
    assert reasons(picks) == ["category small"] * 2 + ["category large"] * 2
    assert [pick.score for pick in picks[:2]] == [1.0, round(float(np.cos(np.deg2rad(20))), 6)]


def test_the_prototype_is_the_mean_of_vectors_that_are_not_normalised() -> None:
    """The mean is (11/3, 2/3), next to the long row 0; the mean of unit vectors would point to row 2."""
    picks = pss(by_category(a=[0, 1, 2]), np.array([[10, 0], [0, 1], [1, 1]]), 1)
    assert rows(picks) == [0]
    assert picks[0].score == round(11 / np.sqrt(125), 6)


def test_a_row_that_another_category_has_taken_is_not_replaced() -> None:
    """k = 2. `a` takes rows 0 and 1; these are also the two nearest of `b`, which then has no pick: the gap is topped up."""
    pool = by_category(a=[0, 1], b=[0, 1, 2, 3], none=[4])
    vectors = angles(0, 10, 60, -50, 180)
    picks = pss(pool, vectors, 4)
    assert reasons(picks) == ["category a"] * 2 + ["top-up"] * 2
    topped = {row for draw in range(30) for row in rows(pss(pool, vectors, 4, draw))[2:]}
    assert topped == {2, 3, 4}
    assert {pick.score for pick in picks[2:]} == {None}


def test_a_category_that_is_short_gives_all_it_has() -> None:
    picks = pss(by_category(a=[0], b=range(1, 7), none=[7]), angles(*range(8)), 8)
    assert reasons(picks) == ["category a"] + ["category b"] * 4 + ["top-up"] * 3


def test_a_budget_below_the_number_of_categories_is_topped_up_alone() -> None:
    picks = pss(by_category(a=[0], b=[1], c=[2], none=[3, 4]), angles(*range(5)), 2)
    assert reasons(picks) == ["top-up"] * 2


def test_ties_go_by_id() -> None:
    assert rows(pss(by_category(a=[0, 1, 2, 3]), angles(30, -10, 10, -30), 4)) == [1, 2, 0, 3]


def test_equal_texts_count_by_row() -> None:
    """Three rows at 0 degrees pull the mean to them."""
    assert rows(pss(by_category(a=[0, 1, 2, 3]), angles(90, 0, 0, 0), 2)) == [1, 2]


@pytest.mark.parametrize("seed", range(40))
def test_it_is_its_definition_on_random_pools(seed: int) -> None:
    pool = random_pool(seed)
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((len(pool), 4)).astype(np.float32) * rng.uniform(0.2, 5, (len(pool), 1))
    vectors = vectors.astype(np.float32)
    budget = int(rng.integers(0, len(pool) + 1))
    assert rows(pss(pool, vectors, budget, seed)) == literal.pss(pool, vectors, budget, seed)


# ---------------------------------------------------------------- several prototypes


def test_prototypes_name_their_nearest_in_turn_the_largest_cluster_first() -> None:
    """Six rows around 0 degrees, three around 90: the mean would take rows at the inner edges."""
    pool = by_category(a=range(9))
    vectors = angles(-3, -2, -1, 1, 2, 3, 89, 90, 91)
    picks = pss(pool, vectors, 4, prototypes=2)
    assert rows(picks) == [2, 7, 3, 6]
    assert [pick.score > 0.999 for pick in picks] == [True] * 4
    assert rows(pss(pool, vectors, 2)) == [5, 4]


def test_prototypes_are_the_same_for_every_draw() -> None:
    pool = random_pool(3)
    vectors = np.random.default_rng(0).standard_normal((len(pool), 4))
    found = {tuple(one for one in pss(pool, vectors, 12, draw, prototypes=3) if one.score) for draw in range(4)}
    assert len(found) == 1


@pytest.mark.parametrize("vectors", [angles(0, 0, 0, 0), angles(0, 0, 90, 90)])
def test_a_category_with_fewer_distinct_vectors_has_that_many_prototypes(vectors: np.ndarray) -> None:
    picks = pss(by_category(a=range(4)), vectors, 4, prototypes=3)
    assert sorted(rows(picks)) == [0, 1, 2, 3]
    assert [pick.score for pick in picks] == [1.0] * 4


def test_vectors_that_differ_by_rounding_alone_are_one_prototype() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 384)).astype(np.float32)
    again = (one * (1 + 3e-7 * rng.standard_normal(384))).astype(np.float32)
    picks = pss(by_category(a=range(3)), np.stack([one, again, other]), 2, prototypes=3)
    assert len({row == 2 for row in rows(picks)}) == 2


def test_too_few_vectors_are_a_users_mistake_also_out_of_a_worker() -> None:
    told = pickle.loads(pickle.dumps(TooFew(3, 2, 9)))
    assert (type(told), str(told)) == (UserError, str(TooFew(3, 2, 9)))


def test_more_prototypes_than_members() -> None:
    """Every row is its own prototype; equal sizes go by id."""
    assert rows(pss(by_category(a=range(3)), angles(0, 40, 90), 2, prototypes=5)) == [0, 1]


def test_clusters_where_there_are_no_categories() -> None:
    pool = pool_of([[]] * 5, clusters=[3, 3, 3, 1, 1])
    picks = pss(pool, angles(0, 10, 20, 90, 92), 2, strata="clusters")
    assert reasons(picks) == ["cluster 1", "cluster 3"]
    assert rows(picks) == [3, 1]
