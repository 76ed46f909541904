import pyarrow as pa

from lib.corpus.example import EXAMPLES, Example, table_examples
from lib.corpus.text import example_id, text_id


def test_make_normalises_and_derives_both_ids() -> None:
    one = Example.make(source="s", instruction=" How\r\nnow? ", response="So.\u200b", categories=("a",))
    assert (one.instruction, one.response) == ("How\nnow?", "So.")
    assert one.text_id == text_id("How\nnow?")
    assert one.id == example_id("how now?", "so.")


def test_what_nobody_said_is_none() -> None:
    one = Example.make(source="s", instruction="a", response="b")
    assert (one.is_safe, one.harmful_request, one.refusal, one.harmful_response, one.categories) == (None,) * 4 + ((),)


def test_a_table_gives_the_examples_back_with_missing_labels_missing() -> None:
    one = Example.make(source="s", instruction="a", response="b", categories=("x", "y"), is_safe=False, refusal=True)
    two = Example.make(source="s", instruction="c", response="d")
    rows = [{**vars(row), "categories": list(row.categories) or None} for row in (one, two)]
    assert table_examples(pa.Table.from_pylist(rows, schema=EXAMPLES)) == [one, two]
