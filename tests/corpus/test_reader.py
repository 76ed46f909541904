"""The contract of a reader: places, reasons, and a wrong format found at the first row."""

import json
from pathlib import Path
from typing import Any

import pytest

from lib.corpus.example import Example
from lib.corpus.reader import Reader, flag_of, probe, text_of
from lib.corpus.records import BadRow
from lib.errors import UserError

NAN = float("nan")


def written(folder: Path, *rows: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_shipped_formats() -> None:
    assert set(Reader.names()) >= {"alpaca", "ballast", "beavertails", "safety_tuned"}


def test_an_unknown_format_lists_the_choices() -> None:
    with pytest.raises(UserError, match=r"unknown format 'beavertail'; did you mean 'beavertails'\? \(choose from: "):
        Reader.find("beavertail")


def test_a_bad_row_keeps_its_place_and_the_rows_behind_it_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"instruction": "a", "response": "b"},
        {"instruction": "a"},
        {"instruction": NAN, "response": "b"},
        [1],
        {"instruction": "c", "response": "d"},
    )
    rows = list(Reader.find("ballast")().read(path))
    assert [place for place, _ in rows] == [f"line {n}" for n in range(1, 6)]
    assert [str(row) for _, row in rows if isinstance(row, BadRow)] == [
        "no 'response'",
        "'instruction' is no text but 'nan'",
        "a JSON list, not an object",
    ]
    good = [row for _, row in rows if isinstance(row, Example)]
    assert [(row.instruction, row.response, row.source) for row in good] == [
        ("a", "b", "rows.jsonl"),
        ("c", "d", "rows.jsonl"),
    ]


def test_a_wrong_format_is_found_at_the_first_row(tmp_path: Path) -> None:
    path = written(tmp_path, {"instruction": "a", "response": "b"})
    with pytest.raises(UserError) as error:
        probe(Reader.find("beavertails")(), path)
    assert str(error.value) == (
        f"{path} is not of format 'beavertails': its first row lacks 'prompt', 'category', 'is_safe' "
        "(it has 'instruction', 'response')"
    )


def test_probe_reads_the_beginning_only(tmp_path: Path) -> None:
    path = written(tmp_path, *[{"instruction": "a", "response": "b"}] * 3)
    path.write_bytes(path.read_bytes() + b"\x00")
    probe(Reader.find("ballast")(), path, rows=3)
    with pytest.raises(UserError, match="NUL"):
        probe(Reader.find("ballast")(), path, rows=4)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "'t' is missing"),
        (NAN, "'t' is no text but 'nan'"),
        (3, "'t' is no text but '3'"),
        (["x"], "'t' is no text but \"['x']\""),
        ("", "'t' is empty"),
        (" \n\t", "'t' is empty"),
        ("x" * 200_001, "'t' has 200001 characters, over 200000"),
    ],
)
def test_a_text_that_is_none(value: Any, reason: str) -> None:
    with pytest.raises(BadRow) as error:
        text_of({"t": value}, "t")
    assert str(error.value) == reason


@pytest.mark.parametrize("text", ["\u200b", "\x00", "\ufeff \u2060"])
def test_a_text_that_normalising_empties_is_empty(text: str) -> None:
    with pytest.raises(BadRow, match="'t' is empty"):
        text_of({"t": text}, "t")


@pytest.mark.parametrize("value", [True, False, None])
def test_a_flag_that_may_be_absent(value: bool | None) -> None:
    assert flag_of({"f": value}, "f") is value
    assert flag_of({}, "f") is None


@pytest.mark.parametrize("value", [0, 1, "true", "no", NAN, []])
def test_a_flag_that_is_none(value: Any) -> None:
    with pytest.raises(BadRow, match="'f' is neither true nor false"):
        flag_of({"f": value}, "f")
