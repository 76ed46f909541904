"""Prompt sets: what is asked, in which order, and what is wrong with a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from lib.errors import UserError
from lib.generation.prompts import Prompt, PromptFormat, PromptSet, load_prompts, texts
from lib.study.schema import Prompts


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """p0 harmful, p1 lookalike, p2 harmful, ... p9 lookalike."""
    kinds = ("harmful", "lookalike")
    return write(tmp_path / "prompts.jsonl", *({"prompt": f"p{n}", "kind": kinds[n % 2]} for n in range(10)))


def load(source: object, **more: Any) -> PromptSet:
    return load_prompts(Prompts(name="set", source=str(source), **more))


def asked(source: object, **more: Any) -> list[str]:
    return [prompt.text for prompt in load(source, **more).prompts]


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({}, "0123456789"),
        ({"limit": 3}, "012"),
        ({"every": 4}, "048"),
        ({"kind": "lookalike"}, "13579"),
        ({"kind": "lookalike", "every": 2}, "159"),
        ({"kind": "lookalike", "every": 2, "limit": 2}, "15"),
        ({"limit": 99}, "0123456789"),
    ],
)
def test_kind_then_every_then_limit(file: Path, settings: dict[str, Any], left: str) -> None:
    assert asked(file, **settings) == [f"p{n}" for n in left]


def test_texts_are_normalised_and_categories_sorted(tmp_path: Path) -> None:
    row = {"prompt": " How\r\nnow?\u200b ", "kind": "plain", "categories": ["b", "a"]}
    assert load(write(tmp_path / "f.jsonl", row)).prompts == (Prompt("How\nnow?", "plain", ("a", "b")),)


def test_files_of_a_folder_come_in_order(tmp_path: Path) -> None:
    for name in "ba":
        write(tmp_path / f"{name}.jsonl", {"prompt": name, "kind": "plain"})
    assert asked(tmp_path) == ["a", "b"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"prompt": "a", "kind": "plain"}, {"prompt": "", "kind": "plain"}], "line 2: 'prompt' is empty"),
        ([{"prompt": "a", "kind": "evil"}], "line 1: 'kind' is 'evil': one of harmful, lookalike, plain"),
        ([{"prompt": "a"}], "line 1: no 'kind'; is this format 'ballast'?"),
        ([{"prompt": "a", "kind": "plain", "categories": "x"}], "line 1: 'categories' is no list of names"),
        ([["a"]], "line 1: a JSON list, not an object"),
    ],
)
def test_a_malformed_row_names_file_and_line(tmp_path: Path, rows: list[Any], said: str) -> None:
    path = write(tmp_path / "f.jsonl", *rows)
    with pytest.raises(UserError) as error:
        load(path)
    assert str(error.value) == f"{path}, {said}"


def test_nothing_left_to_ask(file: Path) -> None:
    with pytest.raises(UserError, match=r"prompt set 'set': no prompt is left of 10 in .*; see kind, every, limit"):
        load(file, kind="plain")


def test_an_unknown_format_lists_the_choices(file: Path) -> None:
    with pytest.raises(UserError, match=r"unknown prompt format 'xtest'; did you mean 'xstest'\?"):
        load(file, format="xtest")
    assert set(PromptFormat.names()) >= {"advbench", "ballast", "beavertails_eval", "xstest"}


def test_the_identity_is_of_what_is_really_asked(file: Path, tmp_path: Path) -> None:
    whole = load(file)
    assert load(file, limit=99).identity == whole.identity
    assert load_prompts(Prompts(name="other", source=str(file))).identity == whole.identity
    rows = file.read_text().splitlines()
    file.write_text("\n".join(reversed(rows)))
    assert load(file).identity != whole.identity
    assert load(file, limit=5).identity != load(file).identity


def test_an_identity_is_frozen() -> None:
    assert PromptSet("x", (Prompt("How?", "harmful", ("a",)),)).identity == "5606812d50320020faf168e9a7ebffdd"


def test_texts_of_several_sets_are_there_once() -> None:
    one = PromptSet("one", (Prompt("b", "plain"), Prompt("a", "plain")))
    two = PromptSet("two", (Prompt("c", "plain"), Prompt("b", "harmful")))
    assert texts([one, two]) == ["b", "a", "c"]
