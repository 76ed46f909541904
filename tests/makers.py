"""Makers shared by the unit tests: studies, model folders, examples, and a store in which every stage has run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from lib.corpus.example import Example
from lib.corpus.sources import BUILTIN
from lib.plan import Lookup, Node, Plan, make_plan
from lib.store import Store, digest_value
from lib.study import Study, load_study

REPOSITORY = Path(__file__).resolve().parents[1]
DEMO = REPOSITORY / "jobs" / "studies" / "demo.yaml"


def model_folder(folder: Path, weights: bytes = b"weights") -> Path:
    """A folder that looks like a saved model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 8}))
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def demo(tmp_path: Path, *overrides: str) -> Study:
    """The demo study with its storage in `tmp_path`, one file a pool, folders as models: a plan costs milliseconds."""
    own = {
        "corpus.source": BUILTIN / "safety" / "self_harm.jsonl",
        "references.source": BUILTIN / "references" / "self_harm.jsonl",
        "benign.source": BUILTIN / "benign" / "everyday.jsonl",
        "storage": tmp_path / "runs",
        "models.0.source": model_folder(tmp_path / "model"),
        "encoder.model": model_folder(tmp_path / "encoder", b"encoder"),
        "cluster.max_gpus": 0,
        "evaluate.prompts": "[harmful, lookalike, plain]",
    }
    return load_study(DEMO, [*(f"{key}={value}" for key, value in own.items()), *overrides])


def example(instruction: str = "How?", response: str = "So.", **labels: Any) -> Example:
    return Example.make(source="test", instruction=instruction, response=response, **labels)


def title(node: Node) -> str:
    return node.title


def made_up_facts(node: Node, content: Callable[[Node], str]) -> dict[str, Any]:
    """Facts that a node's stage could have published."""
    if node.stage == "sample":
        return {"content": digest_value(content(node)), "rows": 0}
    if node.stage == "mix":
        what = str((node.identity or {}).get("selection", node.title))
        return {"content": digest_value(what), "holdout_content": digest_value([what, "held out"]), "rows": 1}
    if node.stage == "train":
        return {"form": "adapter", "merge_error": 0.0, "holdout_loss": 2.5, "holdout_rows": 32, "rows": {"benign": 160}}
    return {}


def finished(
    study: Study, *, content: Callable[[Node], str] = title, fill: Callable[[Node, Path], None] | None = None
) -> tuple[Plan, Lookup]:
    """A plan whose stages have all "run": made-up artifacts in the study's storage.

    Args:
        content: what a sample's content digest is made of.
        fill: writes an artifact's files, called with (node, folder).
    """
    lookup = Lookup(Store(study.storage))
    while True:
        plan = make_plan(study, lookup)
        missing = [node for node in plan.all_nodes() if node.key and not lookup.have(node)]
        stages = [node.stage for node in missing]
        if not missing:
            return plan, lookup
        for node in missing:
            if node.stage == stages[0]:
                with (
                    patch("os.fsync"),
                    lookup.store.attempt(node.stage, str(node.key), dict(node.identity or {})) as attempt,
                ):
                    attempt.facts = made_up_facts(node, content)
                    if fill:
                        fill(node, attempt.folder)
