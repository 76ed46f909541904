"""k-means: clusters that do not depend on the order of rows, and distances that are what they say."""

import numpy as np
import pytest

from lib.embedding.kmeans import CLUSTERS, kmeans
from lib.errors import UserError


def three_groups(seed: int = 0) -> tuple[list[str], np.ndarray]:
    """20, 10 and 5 rows around three directions; ids are of fixed width in an order of their own."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(np.eye(3, 16), [20, 10, 5], axis=0)
    vectors = (centres + 0.05 * rng.normal(size=(35, 16))) * rng.uniform(0.5, 20, size=(35, 1))
    return [f"{7919 * n % 1000:04d}" for n in range(35)], vectors.astype(np.float32)


def test_groups_are_found_and_numbered_by_size() -> None:
    ids, vectors = three_groups()
    centroids, table, inertia = kmeans(ids, vectors, 3, 25, 1)  # not every start finds the three
    assert table.schema == CLUSTERS
    assert table["text_id"].to_pylist() == sorted(ids)
    cluster = dict(zip(table["text_id"].to_pylist(), table["cluster"].to_pylist(), strict=True))
    assert [cluster[one] for one in ids] == [0] * 20 + [1] * 10 + [2] * 5
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)
    assert inertia == pytest.approx(sum(d * d for d in table["l2"].to_pylist()), rel=1e-4)


def test_distances_are_those_of_unit_vectors_to_their_centroid() -> None:
    ids, vectors = three_groups()
    centroids, table, _ = kmeans(ids, vectors, 3, 25, 0)
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True))[np.argsort(ids)]
    own = centroids[table["cluster"].to_numpy()]
    np.testing.assert_allclose(table["cosine"].to_numpy(), (unit * own).sum(axis=1), atol=1e-5)
    np.testing.assert_allclose(table["l2"].to_numpy(), np.linalg.norm(unit - own, axis=1), atol=1e-3)
    assert (unit @ centroids.T).argmax(axis=1).tolist() == table["cluster"].to_pylist()


def test_the_order_of_rows_changes_nothing() -> None:
    ids, vectors = three_groups()
    first = kmeans(ids, vectors, 5, 25, 3)
    order = np.random.default_rng(1).permutation(len(ids))
    second = kmeans([ids[i] for i in order], vectors[order], 5, 25, 3)
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1].equals(second[1])
    assert first[2] == second[2]


def test_one_cluster_per_text() -> None:
    ids, vectors = three_groups()
    _, table, inertia = kmeans(ids, vectors, 35, 5, 0)
    assert sorted(table["cluster"].to_pylist()) == list(range(35))
    assert inertia == pytest.approx(0, abs=1e-4)


def test_more_clusters_than_texts() -> None:
    ids, vectors = three_groups()
    with pytest.raises(UserError, match=r"clusters\.k is 36 and there are 35 unique texts: lower clusters\.k"):
        kmeans(ids, vectors, 36, 5, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite(value: float) -> None:
    ids, vectors = three_groups()
    vectors[3, 3] = value
    with pytest.raises(UserError, match="not finite"):
        kmeans(ids, vectors, 3, 5, 0)
