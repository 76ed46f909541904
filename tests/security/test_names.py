"""Names from studies, data and manifests lead nowhere but into the storage."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.corpus.sources import source_files
from lib.corpus.taxonomy import load_taxonomy
from lib.errors import UserError
from lib.files import write_text
from lib.models.source import resolve_model
from lib.names import LONGEST, file_name, is_inside
from lib.store import Store
from lib.study.load import parse_study, read_tree
from tests.makers import DEMO

BAD = [
    "..",
    "../x",
    "/etc/x",
    "a/b",
    "a\\b",
    ".hidden",
    "",
    " ",
    "a\0b",
    "a\n",
    "a\x1b[2J",
    "~",
    "-x",
    "x" * 65,
    "é",
    "a b",
]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("key", ["name", "models.0.name", "evaluate.prompts.0.name"])
def test_names_of_a_study_are_letters_digits_and_little_else(key: str, name: str) -> None:
    tree: Any = read_tree(DEMO)
    tree["evaluate"]["prompts"] = [{"name": "a", "source": "builtin:harmful"}]
    *parents, last = key.split(".")
    node = tree
    for one in parents:
        node = node[int(one)] if one.isdigit() else node[one]
    node[last] = name
    with pytest.raises(UserError, match=rf"{key.rpartition('.')[2]}"):
        parse_study(tree)


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(st.text(max_size=300), st.text("0123456789abcdef", min_size=12, max_size=32))
def test_a_title_is_one_part_of_a_path(title: str, key: str) -> None:
    name = file_name(title, key, also="=")
    assert is_inside(name)
    assert "/" not in name
    assert not name.startswith(".")
    assert not any(ord(c) < 32 or ord(c) == 127 for c in name)
    assert 0 < len(name.encode()) <= LONGEST


def test_long_titles_stay_apart_and_ordinary_ones_stay() -> None:
    assert file_name("sss_b-48-0", "k" * 32) == "sss_b-48-0"
    assert file_name("pss-prototypes=3", "k" * 32, also="=") == "pss-prototypes=3"
    one, other = (file_name("模" * 200, key * 32) for key in "ab")
    assert one != other
    assert file_name("../../x", "k" * 32) == "-.-..-x"


@pytest.mark.parametrize("name", ["a", "a/b.parquet", "parts", "..a", "a..b"])
def test_inside(name: str) -> None:
    assert is_inside(name)


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/../../b", "/a", "a\0", "..\\a", None, 3, ["a"]])
def test_outside(name: object) -> None:
    assert not is_inside(name)


@pytest.mark.parametrize("outside", ["../../../../elsewhere", "..", ""])
def test_a_manifest_that_points_out_of_its_folder_is_no_artifact(tmp_path: Path, outside: str) -> None:
    store = Store(tmp_path / "runs")
    with store.attempt("label", "k1", {}) as attempt:
        (attempt.folder / "a").write_text("a")
    path = tmp_path / "runs" / "artifacts" / "label" / "k1" / "manifest.json"
    honest = json.loads(path.read_text())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a").write_text("a")
    assert store.find("label", "k1") is not None
    absolute = outside or str(elsewhere)
    path.write_text(json.dumps({**honest, "attempt": absolute}))
    assert store.find("label", "k1") is None
    about = next(iter(honest["files"].values()))
    path.write_text(json.dumps({**honest, "files": {f"{outside or elsewhere}/a": about}}))
    assert store.find("label", "k1") is None


@pytest.mark.parametrize("text", ["~nobody-of-this-name/x", "x" * 5000, "a\0b", "/" + "y/" * 3000])
def test_a_path_that_no_system_has_is_one_line(text: str) -> None:
    for read in (source_files, resolve_model):
        with pytest.raises(UserError):
            read(text)
    with pytest.raises(UserError):
        load_taxonomy(f"{text}.yaml")


def test_a_link_that_lies_where_a_file_is_written_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside.txt", tmp_path / "runs" / "report.html"
    outside.write_text("kept")
    inside.parent.mkdir()
    inside.symlink_to(outside)
    write_text(inside, "new")
    assert (outside.read_text(), inside.read_text(), inside.is_symlink()) == ("kept", "new", False)


def test_an_attempt_that_is_a_link_is_not_swept_through(tmp_path: Path) -> None:
    store, elsewhere = Store(tmp_path / "runs"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".owner.json").write_text(json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1}))
    place = tmp_path / "runs" / "artifacts" / "label" / "k1"
    place.mkdir(parents=True)
    (place / "dead").symlink_to(elsewhere)
    with store.attempt("label", "k1", {}):
        pass
    assert (elsewhere / ".owner.json").exists()
