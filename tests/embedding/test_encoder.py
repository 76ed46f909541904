import numpy as np
import pyarrow as pa

from lib.embedding.encoder import VECTORS, matrix_of, vectors_by_text

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
IDS = ["a", "b", "c", "d"]


def table(rows: np.ndarray, ids: list[str]) -> pa.Table:
    return pa.table({"text_id": ids, "vector": rows.tolist()}, schema=VECTORS)


def test_the_vectors_of_a_table_come_back_as_they_were() -> None:
    one = table(ROWS, IDS)
    assert matrix_of(one).dtype == np.float32
    np.testing.assert_array_equal(matrix_of(one), ROWS)
    found = vectors_by_text(one)
    assert list(found) == IDS
    np.testing.assert_array_equal(found["c"], ROWS[2])


def test_tables_in_parts_and_slices_of_tables() -> None:
    parts = pa.concat_tables([table(ROWS[:1], IDS[:1]), table(ROWS[1:], IDS[1:])])
    np.testing.assert_array_equal(matrix_of(parts), ROWS)
    np.testing.assert_array_equal(matrix_of(parts.slice(1, 2)), ROWS[1:3])
    np.testing.assert_array_equal(vectors_by_text(parts.slice(2))["d"], ROWS[3])
