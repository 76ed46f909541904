"""Labelling by partition: siblings and vectors are found wherever the cuts of the other pools lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.behavior.labelers.probe import Probe
from lib.behavior.names import Names
from lib.behavior.panel import make_panel
from lib.corpus.example import EXAMPLES, Example
from lib.corpus.partitions import all_parts, partition_of, parts_in, read_all
from lib.embedding.stored import vectors_table
from lib.errors import UserError
from lib.runtime.label import dropped_names, label_part
from lib.runtime.learn import learn
from tests.makers import example

SETTINGS = {
    "neighbours": None, "text": "instruction", "names": None, "assume_harmful": True,
    "panels": {"refusal": make_panel("refusal", "keyword"), "harmful_request": make_panel("harmful_request", "given"),
        "harmful_response": make_panel("harmful_response", "given"),
    },
}  # fmt: skip
CORPUS = [example(f"Question {n}?", "I cannot help.", is_safe=True) for n in range(40)]
REFERENCES = [example(f"Question {n}?", f"Unsafe {n}.", categories=("ab"[n % 2],), is_safe=False) for n in range(20)]


def write(folder: Path, rows: list[Example], count: int) -> Path:
    folder.mkdir()
    for part in all_parts(count):
        own = sorted((row for row in rows if partition_of(row.id, count) == part.index), key=lambda row: row.id)
        if own:
            columns = [{**vars(row), "categories": list(row.categories)} for row in own]
            pq.write_table(pa.Table.from_pylist(columns, schema=EXAMPLES), folder / part.name)
    return folder


def write_vectors(folder: Path, rows: list[Example], count: int) -> Path:
    """Vectors that point to the parity of a question's number."""
    folder.mkdir()
    by_id = {row.text_id: int(row.instruction.split()[1].rstrip("?")) for row in rows}
    for part in all_parts(count):
        ids = sorted(one for one in by_id if partition_of(one, count) == part.index)
        if ids:
            vectors = np.array(
                [[1, 0.1 * (by_id[one] % 3)] if by_id[one] % 2 == 0 else [0, 1] for one in ids], dtype=np.float32
            )
            pq.write_table(vectors_table(ids, vectors), folder / part.name)
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {
        "corpus": write(tmp_path / "corpus", CORPUS, 3),
        "references": write(tmp_path / "references", REFERENCES, 2),
        "embed_corpus_instruction": write_vectors(tmp_path / "embed", CORPUS, 4),
        "embed_references_instruction": write_vectors(tmp_path / "embed_references", REFERENCES, 1),
        "target": tmp_path / "labels",
    }


def labels_of(folders: Mapping[str, Path], settings: Mapping[str, Any]) -> pa.Table:
    """The labels of the whole corpus, in order of id."""
    learned, _ = learn(folders, settings)
    for part in parts_in(folders["corpus"]):
        label_part(part, folders, settings, str(folders["target"]), learned)
    labels = read_all(folders["target"])
    assert labels["id"].equals(read_all(folders["corpus"])["id"])
    return labels


def labelled(folders: Mapping[str, Path], source: str, names: Names | None = None) -> dict[str, list[str]]:
    """Instruction -> categories of the whole corpus."""
    labels = labels_of(folders, {**SETTINGS, "categories": source, "names": names})
    assert set(labels["type"].to_pylist()) == {"T1"}
    instructions = read_all(folders["corpus"])["instruction"].to_pylist()
    return dict(zip(instructions, labels["categories"].to_pylist(), strict=True))


def test_a_sibling_in_another_cut_gives_its_category(folders: dict[str, Path]) -> None:
    found = labelled(folders, "prompt")
    assert found == {f"Question {n}?": (["ab"[n % 2]] if n < 20 else []) for n in range(40)}


def test_the_nearest_references_give_theirs_with_a_measured_accuracy(folders: dict[str, Path]) -> None:
    found = labelled(folders, "nearest")
    assert found == {f"Question {n}?": ["ab"[n % 2]] for n in range(40)}
    _, facts = learn(folders, {**SETTINGS, "categories": "nearest"})
    measured = facts["nearest"]
    assert (measured["n"], measured["accuracy"], measured["majority"]) == (20, 1.0, 0.5)


# ---------------------------------------------------------------- names of a taxonomy

OWN = Names("own", "kind", {"a": "First", "b": None}, {"First": "kind"})


def test_references_are_renamed_before_anything_is_learned_from_them(folders: dict[str, Path]) -> None:
    """With b without a counterpart there is one category left, and everything is nearest to it."""
    assert labelled(folders, "nearest", OWN) == {f"Question {n}?": ["First"] for n in range(40)}


def test_siblings_are_renamed(folders: dict[str, Path]) -> None:
    found = labelled(folders, "prompt", OWN)
    assert found == {f"Question {n}?": (["First"] if n < 20 and n % 2 == 0 else []) for n in range(40)}


def test_dropped_names_are_counted_in_the_pools_that_give_categories(folders: dict[str, Path]) -> None:
    assert dropped_names(folders, "prompt", OWN) == {"corpus": {}, "references": {"b": 10}}
    assert dropped_names(folders, "nearest", OWN) == {"references": {"b": 10}}
    assert dropped_names(folders, "given", OWN) == {"corpus": {}}


def test_an_unknown_name_is_said_before_anything_is_labelled(folders: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="unknown category of taxonomy own: 'b'"):
        dropped_names(folders, "prompt", Names("own", None, {"a": "a"}, {}))


# ---------------------------------------------------------------- labelers that learn

FLAGGED = [
    example(f"Question {n}?", f"Answer {n} of {which}.", harmful_request=n % 2 == 0)
    for n in range(60)
    for which in range(2)
]
PROBED = {
    **SETTINGS, "categories": "given", "assume_harmful": False,
    "panels": {
        "refusal": make_panel("refusal", "keyword"),
        "harmful_request": make_panel("harmful_request", "probe", ["given", "probe"]),
        "harmful_response": make_panel("harmful_response", "given"),
    },
}  # fmt: skip


def probed(folder: Path, cuts: tuple[int, int, int, int]) -> tuple[pa.Table, dict[str, Any]]:
    """Labels of a corpus without flags, learned from flagged references, with the pools cut into so many partitions."""
    folder.mkdir()
    folders = {
        "corpus": write(folder / "corpus", CORPUS, cuts[0]), "references": write(folder / "references", FLAGGED, cuts[1]),
        "embed_corpus_instruction": write_vectors(folder / "embed", CORPUS, cuts[2]),
        "embed_references_instruction": write_vectors(folder / "embed_references", FLAGGED, cuts[3]),
        "target": folder / "labels",
    }  # fmt: skip
    return labels_of(folders, PROBED), learn(folders, PROBED)[1]


def test_a_probe_learns_from_the_references_and_labels_the_corpus(tmp_path: Path) -> None:
    labels, facts = probed(tmp_path / "one", (3, 2, 4, 1))
    harmful = [n % 2 == 0 for n in range(40)]
    by_id = {row.id: answer for row, answer in zip(CORPUS, harmful, strict=True)}
    assert dict(zip(labels["id"].to_pylist(), labels["harmful_request"].to_pylist(), strict=True)) == by_id
    assert labels["harmful_request by probe"].equals(labels["harmful_request"])
    assert labels["harmful_request by given"].null_count == 40
    card = facts["learned"]["harmful_request"]["probe"]
    assert (card["rows"], card["n"], card["prompts"], card["accuracy"]) == (120, 60, 60, 1.0)


def test_the_cut_into_partitions_changes_nothing_that_was_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Probe, "most_rows", 101)  # so that what is read first could matter
    first, facts = probed(tmp_path / "one", (1, 1, 1, 1))
    second, same = probed(tmp_path / "other", (5, 7, 2, 3))
    assert facts == same
    assert first == second
    card = facts["learned"]["harmful_request"]["probe"]
    assert card["rows"] == 101


def test_too_few_flags_name_the_fix(folders: dict[str, Path]) -> None:
    with pytest.raises(
        UserError, match="there are 0 with harmful_request: true and 0 with false: add rows with that flag"
    ):
        learn(folders, PROBED)


def test_a_partition_is_labelled_range_by_range_as_at_once(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for source in ("given", "prompt", "nearest"):
        settings = {**SETTINGS, "categories": source}
        whole = labels_of({**folders, "target": tmp_path / f"{source} whole"}, settings)
        with monkeypatch.context() as small:
            small.setattr("lib.runtime.label.RANGE_ROWS", 3)
            assert labels_of({**folders, "target": tmp_path / f"{source} ranges"}, settings).equals(whole)
