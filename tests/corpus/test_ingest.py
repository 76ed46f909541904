"""Read, reject, partition, drop duplicates."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lib.corpus import ingest
from lib.corpus.example import Example
from lib.corpus.ingest import drop_duplicates, partitions_for, read_file
from lib.corpus.partitions import partition_of
from lib.errors import UserError


def write(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def ballast(path: str, index: int, max_chars: int = 1000) -> dict[str, Any]:
    """A file as the ingest stage hands it to a reader."""
    return {"path": path, "format": "ballast", "columns": {}, "max_chars": max_chars, "index": index}


def pair(instruction: str, response: str = "r", **labels: object) -> dict[str, object]:
    return {"instruction": instruction, "response": response, **labels}


def test_only_the_first_rows_of_several_files_are_read(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", pair("1"), pair("2"))
    second = write(tmp_path / "b.jsonl", pair("3"), pair(""), "never read")
    both = ballast(first, 1) | {"more": [second], "limit": 4}
    rows = pa.concat_tables(list(read_file(both, 4))).to_pylist()
    assert [row["instruction"] for row in rows] == ["1", "2", "3", None]
    assert (rows[2]["source"], rows[3]["source"], rows[3]["place"]) == ("b.jsonl", second, "line 2")
    assert [row["order"] - (1 << 40) for row in rows] == [0, 1, 2, 3]
    assert pa.concat_tables(list(read_file(both | {"limit": 1}, 4))).num_rows == 1


def test_partitions_are_about_equal() -> None:
    ids = [Example.make(source="", instruction=str(n), response="r").id for n in range(4000)]
    counts = [sum(partition_of(one, 4) == p for one in ids) for p in range(4)]
    assert sum(counts) == 4000
    assert min(counts) > 900


def test_a_partition_is_frozen() -> None:
    assert partition_of("3fffffff" + "0" * 24, 4) == 0
    assert partition_of("40000000" + "0" * 24, 4) == 1


@pytest.mark.parametrize(("mib", "partitions"), [(0, 1), (1, 1), (32, 1), (33, 2), (640, 20)])
def test_a_pool_has_as_many_partitions_as_its_size_needs(mib: int, partitions: int) -> None:
    assert partitions_for(mib << 20) == partitions


def test_rows_and_rejects_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", pair("A?", categories=["b", "a", "b"]), pair(""), pair("C?", is_safe=True))
    rows = pa.concat_tables(list(read_file(ballast(path, 2), 4))).to_pylist()
    assert [row["place"] for row in rows] == ["line 1", "line 2", "line 3"]
    assert [row["order"] for row in rows] == [(2 << 40) + n for n in range(3)]
    assert [row["reason"] for row in rows] == [None, "'instruction' is empty", None]
    assert (rows[1]["id"], rows[1]["source"], rows[1]["instruction"]) == (None, path, None)
    good = Example.make(source="f.jsonl", instruction="A?", response="r")
    assert (rows[0]["id"], rows[0]["text_id"], rows[0]["categories"]) == (good.id, good.text_id, ["a", "b"])
    assert (rows[0]["is_safe"], rows[2]["is_safe"]) == (None, True)
    assert rows[0]["partition"] == partition_of(good.id, 4)


def test_a_long_file_comes_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "CHUNK_ROWS", 3)
    path = write(tmp_path / "f.jsonl", *(pair(str(n)) for n in range(7)))
    assert [table.num_rows for table in read_file(ballast(path, 0), 4)] == [3, 3, 1]


def test_a_category_that_is_no_text_is_a_bad_row_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"instruction": "a", "response": "b", "categories": ["\\ud800"]}\n')
    rows = pa.concat_tables(list(read_file(ballast(str(path), 0), 4))).to_pylist()
    assert len(rows) == 1


def test_of_two_equal_pairs_the_first_in_source_order_stays(tmp_path: Path) -> None:
    first = write(tmp_path / "1.jsonl", pair("Same  thing?", refusal=True), pair(""), pair("Other?"))
    second = write(tmp_path / "2.jsonl", pair("same THING?", refusal=False), pair("Same thing?", "another answer"))
    tables = [*read_file(ballast(second, 1), 4), *read_file(ballast(first, 0), 4)]
    kept = drop_duplicates(pa.concat_tables(tables)).to_pylist()
    good, rejects = [row for row in kept if row["id"]], [row for row in kept if not row["id"]]
    assert [row["id"] for row in good] == sorted(row["id"] for row in good)
    assert {(row["instruction"], row["response"], row["refusal"]) for row in good} == {
        ("Same  thing?", "r", True),
        ("Other?", "r", None),
        ("Same thing?", "another answer", None),
    }
    assert [(row["place"], row["reason"]) for row in rejects] == [("line 2", "'instruction' is empty")]
    assert kept[-1] == rejects[0]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_pair_that_somebody_calls_unsafe_is_unsafe_in_whatever_order_its_labels_come(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    said = [
        pair("How?", is_safe=True),
        pair("how?", is_safe=False, categories=["violence"]),
        pair("How?", harmful_response=True),
    ]
    said = [said[n] for n in order]
    path = write(tmp_path / "f.jsonl", *said, pair("What?", is_safe=True), pair("What?", harmful_response=True))
    kept = drop_duplicates(pa.concat_tables(list(read_file(ballast(path, 0), 4)))).to_pylist()
    found = {row["instruction"].lower(): (row["is_safe"], row["categories"], row["harmful_response"]) for row in kept}
    assert found["how?"][:2] == (False, ["violence"])
    assert found["what?"][2] is True


def test_a_partition_that_holds_only_rejects(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", pair(""), pair(" "))
    kept = drop_duplicates(pa.concat_tables(list(read_file(ballast(path, 0), 4))))
    assert [row["place"] for row in kept.to_pylist()] == ["line 1", "line 2"]


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not of format 'alpaca'"):
        list(read_file(ballast(write(tmp_path / "f.jsonl", pair("a")), 0) | {"format": "alpaca"}, 4))


def test_rows_over_the_length_limit_are_told_apart_from_malformed_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", pair("a"), pair("b" * 30), pair("c", "d" * 30), pair(""))
    rows = pa.concat_tables(list(read_file(ballast(path, 0, max_chars=20), 4))).to_pylist()
    assert [(row["too_long"], row["reason"] is None) for row in rows] == [
        (False, True), (True, False), (True, False), (False, False),
    ]  # fmt: skip
    assert rows[1]["reason"] == "the instruction has 30 characters, over 20"
