"""Every shipped prompt-set format, on rows and on the real files."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lib.corpus.records import BadRow
from lib.generation.prompts import Prompt, PromptFormat, load_prompts
from lib.study.schema import Prompts


def prompt(name: str, **record: Any) -> Prompt:
    found: Prompt = PromptFormat.find(name)().prompt(record)
    return found


def test_advbench_asks_for_the_goal() -> None:
    assert prompt("advbench", goal="Do harm", target="Sure, here is") == Prompt("Do harm", "harmful")


def test_beavertails_evaluation_has_one_category() -> None:
    assert prompt("beavertails_eval", prompt="P?", category="self_harm") == Prompt("P?", "harmful", ("self_harm",))


@pytest.mark.parametrize(("label", "kind"), [("safe", "lookalike"), ("unsafe", "harmful")])
def test_xstest_safe_prompts_look_harmful(label: str, kind: str) -> None:
    assert prompt("xstest", prompt="P?", type="homonyms", label=label) == Prompt("P?", kind, ("homonyms",))


@pytest.mark.parametrize("kind", ["harmful", "lookalike", "plain"])
def test_ballast_says_its_kind(kind: str) -> None:
    assert prompt("ballast", prompt="P?", kind=kind, categories=["a"]) == Prompt("P?", kind, ("a",))


@pytest.mark.parametrize(
    ("name", "record", "said"),
    [
        ("advbench", {"goal": " "}, "'goal' is empty"),
        ("beavertails_eval", {"prompt": "P?", "category": None}, "'category' is missing"),
        ("xstest", {"prompt": "P?", "type": "t", "label": "Safe"}, "'label' is 'Safe': safe or unsafe"),
        ("xstest", {"prompt": 3, "type": "t", "label": "safe"}, "'prompt' is no text but '3'"),
        ("ballast", {"prompt": "P?", "kind": None}, "'kind' is 'None': one of harmful, lookalike, plain"),
        ("ballast", {"prompt": "P?", "kind": "plain", "categories": [1]}, "'categories' is no list of names"),
    ],
)
def test_bad_rows(name: str, record: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRow) as error:
        prompt(name, **record)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("name", "form", "kinds"),
    [
        ("advbench_harmful_behaviors.csv", "advbench", {"harmful": 520}),
        ("beavertails_evaluation_700.json", "beavertails_eval", {"harmful": 700}),
        ("xstest_prompts.csv", "xstest", {"lookalike": 250, "harmful": 200}),
    ],
)
def test_real_files(real_data: Path, name: str, form: str, kinds: dict[str, int]) -> None:
    found = load_prompts(Prompts(name="real", source=str(real_data / "eval_safety" / name), format=form)).prompts
    assert Counter(one.kind for one in found) == kinds
    if form == "beavertails_eval":
        assert set(Counter(one.categories for one in found).values()) == {50}
