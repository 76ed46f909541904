"""Categories of instructions: from siblings, and from the nearest references."""

import numpy as np
import pytest

from lib.behavior.categories import by_prompt, nearest
from lib.corpus.example import Example
from lib.errors import UserError
from tests.makers import example


def reference(n: int, *categories: str) -> Example:
    return example(f"reference {n}", categories=categories)


def test_by_prompt_is_the_union_over_all_answers_to_the_same_instruction() -> None:
    corpus = [example("Q?", "safe"), example("Q?", "unsafe", categories=("b",)), example("other")]
    references = [example("Q?", "more", categories=("a", "b")), example("else", categories=("c",))]
    found = by_prompt(corpus, references)
    assert found == {corpus[0].text_id: ("a", "b"), references[1].text_id: ("c",)}


def test_by_prompt_does_not_depend_on_the_order() -> None:
    rows = [example("Q?", str(n), categories=(name,)) for n, name in enumerate("cab")]
    assert by_prompt(rows) == by_prompt(reversed(rows)) == {rows[0].text_id: ("a", "b", "c")}


def test_nearest_worked_by_hand() -> None:
    """Reference means: a = (1, 0), b = mean of (0, 1) and (0.6, 0.8) = (0.3, 0.9)."""
    references = [reference(0, "a"), reference(1, "b"), reference(2, "b")]
    vectors = dict(
        zip([r.text_id for r in references], np.array([[5, 0], [0, 0.1], [3, 4]], dtype=np.float32), strict=True)
    )
    queries = np.array([[2, 0], [0, 3], [4, 3]], dtype=np.float32)
    names, cosines = nearest(queries, references, vectors)
    assert names == ["a", "b", "a"]
    # (0.8, 0.6) . a = 0.8; . b = 0.24 + 0.54 = 0.78
    np.testing.assert_allclose(cosines, [1.0, 0.9, 0.8], atol=1e-6)


def test_nearest_is_the_mean_over_all_pairs() -> None:
    """One product with the mean of unit vectors equals the literal mean cosine over every (row, reference) pair."""
    rng = np.random.default_rng(0)
    references = [reference(n, f"c{n % 5}") for n in range(83)]
    given = rng.normal(size=(83, 24)).astype(np.float32) * rng.uniform(0.1, 50, size=(83, 1)).astype(np.float32)
    vectors = dict(zip([r.text_id for r in references], given, strict=True))
    queries = (rng.normal(size=(200, 24)) * 7).astype(np.float32)
    names, cosines = nearest(queries, references, vectors)
    for query, name, cosine in zip(queries.astype(np.float64), names, cosines, strict=True):
        means = {}
        for category in ("c0", "c1", "c2", "c3", "c4"):
            members = [vectors[r.text_id].astype(np.float64) for r in references if r.categories == (category,)]
            means[category] = np.mean([query @ m / np.linalg.norm(query) / np.linalg.norm(m) for m in members])
        best = max(means.values())
        assert means[name] == pytest.approx(best, abs=1e-5)
        assert cosine == pytest.approx(best, abs=1e-5)


def test_ties_go_to_the_first_name_whatever_the_order_of_references() -> None:
    references = [reference(0, "z"), reference(1, "m"), reference(2, "b")]
    vectors = {row.text_id: np.array([1, 1], dtype=np.float32) for row in references}
    for rows in (references, references[::-1]):
        assert nearest(np.array([[1, 0], [0, 0]], dtype=np.float32), rows, vectors)[0] == ["b", "b"]


def test_only_references_of_exactly_one_category_count() -> None:
    references = [reference(0, "a"), reference(1, "b", "c"), reference(2)]
    vectors = dict(zip([r.text_id for r in references], np.eye(3, dtype=np.float32), strict=True))
    assert nearest(np.eye(3, dtype=np.float32), references, vectors)[0] == ["a", "a", "a"]
    with pytest.raises(UserError, match="needs `references` with rows of exactly one category: none was found"):
        nearest(np.eye(3, dtype=np.float32), references[1:], vectors)


def test_a_text_that_is_there_twice_counts_once() -> None:
    twice = [example("same", str(n), categories=("a",)) for n in range(9)]
    references = [*twice, reference(1, "a"), reference(2, "b")]
    vectors = {
        twice[0].text_id: np.array([1, 0], dtype=np.float32),
        references[-2].text_id: np.array([0, 1], dtype=np.float32),
        references[-1].text_id: np.array([1, 1], dtype=np.float32),
    }
    names, cosines = nearest(np.array([[1, 0]], dtype=np.float32), references, vectors)
    assert names == ["b"]  # 0.7071 against the mean of 1 and 0
    assert cosines[0] == pytest.approx(0.70710678, abs=1e-6)
