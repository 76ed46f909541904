"""Files to records: every form, the place of every record, and files that are not what their ending says."""

import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.corpus.records import BadRow, TooLong, has_known_suffix, records
from lib.errors import UserError

ROWS = [{"q": "one", "a": "1"}, {"q": "two,\n2", "a": 'say "hi"'}]


def write(path: Path, rows: list[Any]) -> Path:
    lines = "\n".join(json.dumps(row) for row in rows) + "\n"
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(lines.encode()))
    elif path.name.endswith(".xz"):
        path.write_bytes(lzma.compress(lines.encode()))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1))
    elif path.suffix == ".csv":
        path.write_text('q,a\none,1\n"two,\n2","say ""hi"""\n')
    else:
        path.write_text(lines)
    return path


def read(path: Path) -> list[tuple[str, Any]]:
    return [(place, str(record) if isinstance(record, BadRow) else record) for place, record in records(path)]


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        list(records(path))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(path))
    return str(error.value).removeprefix(str(path))


def test_a_byte_that_is_no_text_is_the_fault_of_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"q": "one"}\n{"q": "caf\xe9"}\n\n{"q": "caf\xc3\xa9 \\udc80"}\n')
    first, second, third = records(path)
    assert first == ("line 1", {"q": "one"})
    assert second[0] == "line 2"
    assert isinstance(second[1], BadRow)
    assert str(second[1]) == "holds bytes that are no UTF-8 text"
    assert third == ("line 4", {"q": "caf\u00e9 \udc80"})


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("f.jsonl", ["line 1", "line 2"]),
        ("f.jsonl.gz", ["line 1", "line 2"]),
        ("f.jsonl.xz", ["line 1", "line 2"]),
        ("F.JSONL", ["line 1", "line 2"]),
        ("f.json", ["row 1", "row 2"]),
        ("f.parquet", ["row 1", "row 2"]),
        ("f.csv", ["line 2", "line 4"]),
    ],
)
def test_every_form_gives_the_same_records_with_their_places(tmp_path: Path, name: str, places: list[str]) -> None:
    assert read(write(tmp_path / name, ROWS)) == list(zip(places, ROWS, strict=True))


@pytest.mark.parametrize("name", ["f.jsonl", "f.json", "f.csv"])
def test_a_byte_order_mark_is_no_part_of_the_first_record(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, ROWS)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read(path)[0][1] == ROWS[0]


def test_blank_lines_are_no_records_and_count_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('\n{"q": 1}\n  \n{"q": 2}')
    assert read(path) == [("line 2", {"q": 1}), ("line 4", {"q": 2})]


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes('{"q": "a\u2028b"}\r\n{"q": 2}\r\n'.encode())
    assert read(path) == [("line 1", {"q": "a\u2028b"}), ("line 2", {"q": 2})]


def test_a_broken_record_is_a_bad_row_and_reading_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"q": 1}\n{"q": \n[1]\n"text"\n' + "[" * 100_000 + '\n{"q": 2}\n')
    assert read(path) == [
        ("line 1", {"q": 1}),
        ("line 2", "not valid JSON"),
        ("line 3", "a JSON list, not an object"),
        ("line 4", "a JSON str, not an object"),
        ("line 5", "not valid JSON"),
        ("line 6", {"q": 2}),
    ]


def test_a_broken_record_inside_a_json_list(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text('[{"q": 1}, 2, {"q": 3}]')
    assert read(path) == [("row 1", {"q": 1}), ("row 2", "a JSON int, not an object"), ("row 3", {"q": 3})]


def test_a_csv_row_of_the_wrong_width_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("q,a\n1,2\n3\n4,5,6\n7,8\n")
    assert read(path) == [
        ("line 2", {"q": "1", "a": "2"}),
        ("line 3", "has more or fewer cells than the header"),
        ("line 4", "has more or fewer cells than the header"),
        ("line 5", {"q": "7", "a": "8"}),
    ]


def test_a_long_cell_of_a_csv_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("q,a\n1," + "x" * 300_000 + "\n")
    assert [len(row["a"]) for _, row in records(path)] == [300_000]  # type: ignore[index]


def test_a_line_beyond_any_limit_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"q": "' + "x" * 10_000_000 + '"}\n{"q": 2}\n')
    (_, long), (_, row) = records(path)
    assert isinstance(long, TooLong)
    assert str(long) == "the line has 10000010 characters, over 10000000"
    assert row == {"q": 2}


@pytest.mark.parametrize("name", ["f.jsonl", "f.jsonl.gz", "f.jsonl.xz", "f.json", "f.csv", "f.parquet"])
def test_a_missing_and_an_empty_file(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path / name) == " does not exist"
    (tmp_path / name).touch()
    assert refused(tmp_path / name) == " is empty: expected one row per line"


@pytest.mark.parametrize(("name", "content"), [("f.jsonl", b"\n\n"), ("f.json", b"[]"), ("f.csv", b"q,a\n")])
def test_a_file_without_rows(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert refused(tmp_path / name) == " holds no rows"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("f.jsonl", b"PAR1\x00\x00\x00", " is not .jsonl: line 1 holds NUL bytes (a binary file?)"),
        ("f.jsonl", b"\xff\xfe{", " is not .jsonl: it holds bytes that are no UTF-8 text"),
        ("f.csv", b"q\n\xff\n", " is not .csv: it holds bytes that are no UTF-8 text"),
        ("f.json", b"\xff\xff", " is not .json: it holds bytes that are no UTF-8 text"),
        ("f.json", b'{"q": 1}\n{"q": 2}\n', " is not valid JSON (Extra data"),
        ("f.json", b'{"q": 1}', " holds a JSON dict: a list of objects is needed"),
        ("f.jsonl.gz", b'{"q": 1}\n', " is not .jsonl.gz: it holds bytes"),
        ("f.jsonl.gz", gzip.compress(b'{"q": 1}\n' * 99, mtime=0)[:-9], " is not .jsonl.gz: it holds bytes"),
        ("f.jsonl.xz", b'{"q": 1}\n', " is not .jsonl.xz: it holds bytes"),
        ("f.jsonl.xz", lzma.compress(b'{"q": 1}\n' * 99)[:-9], " is not .jsonl.xz: it holds bytes"),
        ("f.csv", b'q,a\n"1"x,2\n', ", line 2: not valid CSV"),
        ("f.csv", b"q,a,q\n1,2,3\n", " has two columns called 'q': rename one"),
        ("f.parquet", b"no parquet at all", " is not valid Parquet ("),
        ("f.txt", b"text", ": unknown ending; one of .jsonl, .jsonl.gz, .jsonl.xz, .json, .csv, .parquet is needed"),
    ],
)
def test_a_file_that_is_not_what_its_ending_says(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert refused(tmp_path / name).startswith(said)


def test_a_gzip_file_that_was_damaged_in_the_middle(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"q": %d}\n' % n for n in range(1000)))
    (tmp_path / "f.jsonl.gz").write_bytes(whole[:15] + b"\xff" * 20 + whole[35:])
    refused(tmp_path / "f.jsonl.gz")


def test_a_folder_with_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").mkdir()
    assert refused(tmp_path / "f.jsonl").startswith(" cannot be read")


@pytest.mark.parametrize(("name", "known"), [("a.JSON", True), ("a.jsonl.gz", True), ("a.gz", False), ("jsonl", False)])
def test_known_endings(name: str, known: bool) -> None:
    assert has_known_suffix(Path(name)) is known
