import pytest

from lib.training.markdown import code, fenced, yaml


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "`plain`"),
        ("a`b", "`` a`b ``"),
        ("``", "``` `` ```"),
        (" two\nlines ", "`two lines`"),
        ("", "–"),
        (7, "`7`"),
    ],
)
def test_a_code_span_is_longer_than_any_run_of_backticks_in_it(text: object, shown: str) -> None:
    assert code(text) == shown


def test_a_fence_is_longer_than_any_run_of_backticks_in_it() -> None:
    assert fenced("yaml", "a: 1\n") == "```yaml\na: 1\n```"
    assert fenced("", "````\n# x") == "`````\n````\n# x\n`````"


def test_a_tree_keeps_its_order_and_is_ascii() -> None:
    assert yaml({"b": {"z": 1e-5, "a": None}, "a": ["é\u202e"]}).isascii()
    assert yaml({"b": 1, "a": 2}) == "b: 1\na: 2\n"
