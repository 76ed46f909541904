"""The first section of the page: for each model what to do, at what price, and the sentences that speak for it.

Everything here is in the summary already (`conclusions`); rows and steps are added from its cells. Sentences about the
advised arm stand open, those about the others are folded: with a hundred arms there are two hundred of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lib.reporting.findings import Findings, Run, arm_label, recipe_words

OPEN_SENTENCES = 6
"""So many sentences about other arms stand open; more are folded."""

SETTINGS = ("method", "lr", "batch", "epochs", "steps", "schedule", "ema", "loss")
"""What of a recipe is named; the whole study is at the end of the page."""


def guidance_of(summary: Mapping[str, Any], found: Findings) -> list[dict[str, Any]]:
    """A summary's `conclusions` as the page shows them, by model."""
    recipes = summary.get("recipes") or {}
    return [_model(one, found, recipes.get(one["model"]) or {}) for one in summary.get("conclusions") or ()]


def advised(summary: Mapping[str, Any]) -> dict[str, str]:
    """Model -> label of the arm that is advised; models without one are not in it."""
    return {one["model"]: one["advice"]["label"] for one in summary.get("conclusions") or () if one["advice"]["label"]}


def _model(one: Mapping[str, Any], found: Findings, recipe: Mapping[str, Any]) -> dict[str, Any]:
    advice = one["advice"]
    pairs = list(zip(one["about"], one["comparisons"], strict=True))
    others = [text for about, text in pairs if about != advice["label"]]
    facts = []
    if advice["label"]:
        budget = "no safety rows" if not advice["budget"] else f"{advice['budget']} safety rows"
        facts = [("strategy", advice["strategy"]), ("budget", budget), ("recipe", _recipe(advice["recipe"], recipe))]
    price = [(p["what"], p["value"], p["without"]) for p in advice["price"]]
    return {
        "model": one["model"],
        "says": advice["says"],
        "facts": [(name, text) for name, text in facts if text],
        "price": [*price, *_effort(found, one["model"], advice)] if advice["label"] else [],
        "cautions": list(advice["cautions"]),
        "alone": one["alone"],
        "own": [text for about, text in pairs if about == advice["label"]],
        "others": others,
        "folded": len(others) > OPEN_SENTENCES,
        "trends": list(one["trends"]),
        "equal": list((one.get("equal") or {}).get("sentences") or ()),
        "pareto": one["pareto"],
    }


def _recipe(swept: str, recipe: Mapping[str, Any]) -> str:
    """`lr=0.001, method lora, batch 8`: what was swept first, then what the study sets."""
    own = json.loads(swept)
    rest = [
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name in SETTINGS
        if (value := recipe.get(name)) is not None and not any(k.startswith(f"recipe.{name}") for k in own)
    ]
    return ", ".join([*recipe_words(swept), *rest])


def _effort(found: Findings, model: str, advice: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Safety rows and steps, beside those of benign data alone under the same recipe."""
    runs = [run for run in found.runs if run.model == model]
    own = [run for run in runs if arm_label(run.arm) == advice["label"]]
    plain = [run for run in runs if (run.arm.strategy, run.arm.recipe) == ("none", advice["recipe"])]
    plain = [] if advice["strategy"] == "none" else plain
    out = []
    for what, values in (("safety rows in the mix", _rows), ("training steps", _steps)):
        if value := values(own):
            out.append((what, value, values(plain)))
    return out


def _rows(runs: Sequence[Run]) -> str:
    mixes = [run.about.get("rows") or {} for run in runs]
    counts = dict.fromkeys(f"{mix['safety']} beside {mix['benign']} benign" for mix in mixes if "benign" in mix)
    return " or ".join(counts)


def _steps(runs: Sequence[Run]) -> str:
    return " or ".join(dict.fromkeys(str(run.about["steps"]) for run in runs if "steps" in run.about))
