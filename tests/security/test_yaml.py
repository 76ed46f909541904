"""YAML of strangers: bounded, without tags, and no key twice."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lib.corpus.taxonomy import load_taxonomy
from lib.errors import UserError
from lib.safe_yaml import MAX_DEPTH, MAX_VALUES, YAMLError, read_yaml
from lib.study.load import load_study, parse_study, read_tree


def bomb(levels: int, wide: int, merged: bool) -> str:
    """Each line stands for `wide` times what the line before it stands for."""
    lines = ["a0: &a0 {x: 1}"]
    for n in range(1, levels):
        links = ", ".join([f"*a{n - 1}"] * wide)
        lines.append(f"a{n}: &a{n} {{<<: [{links}]}}" if merged else f"a{n}: &a{n} [{links}]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("merged", [False, True])
def test_a_billion_laughs_are_counted_and_not_laughed(merged: bool, tmp_path: Path) -> None:
    started = time.process_time()
    with pytest.raises(YAMLError, match=f"more than {MAX_VALUES} values with its aliases written out"):
        read_yaml(bomb(12, 9, merged))
    path = tmp_path / "study.yaml"
    path.write_text(bomb(12, 9, merged))
    with pytest.raises(UserError, match=r"study\.yaml is not valid YAML: it holds more than"):
        load_study(path)
    with pytest.raises(UserError, match="cannot be read: it holds more than"):
        load_taxonomy(str(path))
    assert time.process_time() - started < 10


def test_honest_aliases_and_merges_are_read() -> None:
    text = "base: &b {lr: 1e-3, no: no}\nmine: {<<: *b, r: 8}\nlist: [*b, *b]\n"
    assert read_yaml(text)["mine"] == {"lr": 1e-3, "no": "no", "r": 8}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [*a]", "an alias in it holds itself"),
        ("a: &a {b: *a}", "an alias in it holds itself"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested too deeply"),
        ("- " * 5000, "nested too deeply"),
        ("a: !!python/object/apply:os.system [touch sprung]", "could not determine a constructor"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("a: !own {b: c}", "could not determine a constructor"),
        ("a: !!binary aGVsbG8=", "a is a bytes to YAML"),
        ("a: {b: 2001-01-01}", "a.b is a date to YAML"),
        ("a: !!set {b}", "a is a set to YAML"),
        ("a: !!pairs [b: 1]", "a.0 is a tuple to YAML"),
        ("a: 1\na: 2", "duplicate key"),
        ("a: {b: 1, b: 2}", "duplicate key"),
        ("1: a", "the key '1' of it is no text"),
        ("a: 0x" + "f" * 5000, "a number of more than 64 bits"),
        ("a: " + "9" * 5000, "integer string conversion"),
        ("a: !!int ''", "a value in it cannot be read"),
        ("a: !!bool x", "a value in it cannot be read"),
        ("a: !!timestamp 2001-13-45", "a value in it cannot be read"),
        ("a: 1\n---\nb: 2", "single document"),
    ],
)
def test_what_a_study_has_no_use_for_is_refused(text: str, said: str) -> None:
    with pytest.raises(YAMLError) as error:
        read_yaml(text)
    assert said in str(error.value)


def test_an_anchor_that_is_given_twice_is_no_noise(recwarn: pytest.WarningsRecorder) -> None:
    assert read_yaml("a: &x 1\nb: &x 2\nc: *x\n") == {"a": 1, "b": 2, "c": 2}
    assert not recwarn.list


def test_an_override_obeys_the_same_rules() -> None:
    tree = read_tree("jobs/studies/demo.yaml")
    for value in ("2001-01-01", "!!binary aGVsbG8=", "&a [*a]"):
        with pytest.raises(UserError, match="is not valid YAML; quote it"):
            parse_study(tree, [f"recipe.lr={value}"])
    with pytest.raises(UserError, match="is not of the form"):
        parse_study(tree, ["a" + ".a" * 3000 + "=1"])


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("a: [" + "1, " * 100_000 + "]")
    with pytest.raises(UserError, match="a study is a small YAML file"):
        load_study(path)
