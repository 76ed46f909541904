"""Digests are frozen: a change here changes every key of every store that exists."""

from pathlib import Path

import pytest

from lib.store import digest_file, digest_files, digest_value


@pytest.mark.parametrize(
    ("value", "digest"),
    [
        (None, "74234e98afe7498fb5daf1f36ac2d78a"),
        ([], "4f53cda18c2baa0c0354bb5f9a3ecbe5"),
        ("é", "f2886017e9c7abacf804b54d64787dce"),
        ({"a": 1, "b": [True, None, "x"]}, "eca8cfb31ab74533e1eb2f4c74d2d55d"),
        ({"lr": 0.001, "alpha": 16.0}, "b5e02f5ca532e672cf03515a172b0d65"),
    ],
)
def test_digests_of_values_are_frozen(value: object, digest: str) -> None:
    assert digest_value(value) == digest


def test_the_order_of_keys_does_not_count_and_that_of_items_does() -> None:
    assert digest_value({"a": 1, "b": 2}) == digest_value({"b": 2, "a": 1})
    assert digest_value([1, 2]) != digest_value([2, 1])


def test_a_count_a_float_a_flag_and_a_text_are_four_things() -> None:
    assert len({digest_value(value) for value in (1, 1.0, True, "1")}) == 4


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"x": -float("inf")}, {1, 2}, Path("x"), b"x"])
def test_what_is_not_plain_json_has_no_digest(value: object) -> None:
    with pytest.raises(TypeError):
        digest_value(value)


def test_files_are_told_apart_by_name_and_content_and_not_by_place(tmp_path: Path) -> None:
    for folder, content in (("one", b"x"), ("two", b"x"), ("three", b"y")):
        (tmp_path / folder / "in").mkdir(parents=True)
        (tmp_path / folder / "in" / "a").write_bytes(content)
        (tmp_path / folder / "b").write_bytes(b"b")

    def digest(folder: str) -> str:
        root = tmp_path / folder
        return digest_files([root / "in" / "a", root / "b"], root)

    assert digest("one") == digest("two") != digest("three")
    (tmp_path / "two" / "b").rename(tmp_path / "two" / "c")
    root = tmp_path / "two"
    assert digest_files([root / "c", root / "in" / "a"], root) != digest("one")


def test_the_digest_of_a_file_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert digest_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
