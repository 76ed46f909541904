"""The report as one HTML file that needs nothing else: no network, no font, works from a mail attachment.

Everything on it was once a model's answer, a prompt, or a file name somebody else chose, so the page treats all text
as hostile: the template engine escapes every value, characters that have no place in a page are replaced, and a
Content-Security-Policy forbids what escaping might ever miss. What is inserted as markup are our own figures and one script
(the filter of the examples), which the policy names by its hash: no other script runs, and without it all examples show.

This module arranges; the words are in `words`, the look is in `report.html.j2`, and neither computes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.outgoing import clean
from lib.reporting.advice import RULE
from lib.reporting.clusters import cards_of, draw_map
from lib.reporting.directions import arrow, better
from lib.reporting.drawing import Picture
from lib.reporting.findings import Findings, Measure, Rate, Run, arm_label
from lib.reporting.guidance import advised, guidance_of
from lib.reporting.headline import headline, pieces
from lib.reporting.judges import COLUMNS, OPEN_SETS, agreement_of, details_of, known_of
from lib.reporting.labels import labels_of
from lib.reporting.models import compare_models
from lib.reporting.selections import selection_row
from lib.reporting.tables import safety_rows
from lib.reporting.words import definitions, named, number

ANSWER_CHARACTERS = 1500
"""An answer shown as an example is cut after this many characters, and says so."""

TYPES = {
    "T1": "harmful instruction, refusal",
    "T2": "harmful instruction, no refusal",
    "T3": "benign instruction, compliance",
    "T4": "benign instruction, refusal",
    "unknown": "the labeler could not tell",
}


def render(found: Findings, summary: Mapping[str, Any], pictures: Mapping[str, Picture | str]) -> str:
    """The page's HTML.

    Args:
        pictures: `figure`, `budget` and `training`, each drawn or the sentence that says why not.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    environment.filters |= {
        "number": number, "named": named, "arrow": arrow, "spaced": lambda name: str(name).replace("_", " "),
    }  # fmt: skip
    script = Path(__file__).with_name("script.js").read_text(encoding="utf-8")
    measures, details = headline(found), details_of(found)
    agreement = agreement_of(summary.get("agreement") or {})
    corpus, how, clusters = (summary.get(name) or {} for name in ("corpus", "how", "clusters"))
    return environment.get_template("report.html.j2").render(
        found=found,
        several_models=len(found.models) > 1,
        trained=sum(run.arm.strategy != "base" for run in found.runs),
        guidance=guidance_of(summary, found),
        rules=list(dict.fromkeys(one["advice"].get("rule", RULE) for one in summary.get("conclusions") or ()))
        or [RULE],
        equals=[(one["model"], one["equal"]) for one in summary.get("conclusions") or () if one.get("equal")],
        definitions=definitions(found),
        red=[str(note) for note in summary.get("red") or ()],
        warnings=[str(note) for note in summary.get("warnings") or ()],
        measures=measures,
        tables=[_table(found, columns) for columns in pieces(measures, COLUMNS)],
        better=better(measures),
        details_better=better([m for one in details for table in one["tables"] for m in table["measures"]]),
        pictures={name: _picture(picture) for name, picture in pictures.items()},
        models=compare_models(found, advised(summary)),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        heat=_heat(found),
        details=details,
        known=known_of(summary.get("judges_known") or {}),
        agreement=agreement,
        many_sets=max(len(details), len(agreement["sets"])) > OPEN_SETS,
        corpus=corpus,
        counts=_pairs(corpus, ("Behavior types", "types"), ("Harm categories", "categories")),
        leakage=summary.get("leakage") or {},
        nearest=summary.get("nearest") or {},
        labels=labels_of(summary.get("labels") or {}),
        clusters=clusters,
        cards=cards_of(clusters),
        selections=[selection_row(card) for card in summary.get("selections") or ()],
        map=Markup(draw_map(clusters.get("map") or [])),
        types=TYPES,
        examples=[_example(example) for example in summary.get("examples") or ()],
        categories=sorted(
            {clean(str(c)) for one in summary.get("examples") or () for c in one.get("categories") or ()}
        ),
        command=how.get("command"),
        recorded=_pairs(how, ("Versions", "versions"), ("Content keys by stage", "keys")),
        study=json.dumps(how["study"], indent=1, ensure_ascii=False, sort_keys=True) if how.get("study") else "",
        licences=how.get("licences") or [],
        checks=[_check(found, run) for run in found.runs if run.about],
    )


def _picture(picture: Picture | str) -> dict[str, Any]:
    from markupsafe import Markup

    if isinstance(picture, str):
        return {"svg": "", "caption": picture, "panels": 0}
    return {"svg": Markup(picture.inline()), "caption": picture.caption, "panels": picture.panels}


def _pairs(holder: Mapping[str, Any], *parts: tuple[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """(heading, name -> value) of the parts that are there; a name without a value is left out."""
    pairs = [(heading, holder.get(key) or {}) for heading, key in parts]
    return [(heading, {k: v for k, v in values.items() if v not in ("", None)}) for heading, values in pairs if values]


def _table(found: Findings, measures: list[Measure]) -> dict[str, Any]:
    """The main table, or a part of it that fits beside the runs."""
    groups = [(m, [_row(found, run, measures) for run in found.runs if run.model == m]) for m in found.models]
    return {"measures": measures, "groups": groups}


def _row(found: Findings, run: Run, measures: list[Measure]) -> dict[str, Any]:
    """One line of the main table, with what a reader must know before trusting it."""
    rows, canary = run.about.get("rows") or {}, run.about.get("canary") or {}
    flags = []
    if canary.get("status") == "inconclusive":
        flags.append(("canary inconclusive", True))
    if run.arm.strategy != "base" and rows.get("shown") is not None and rows["shown"] < 1:
        flags.append((f"{rows['shown']:.0%} of rows seen", True))
    if run.about.get("also"):
        flags.append((f"same rows as {', '.join(map(str, run.about['also']))}", False))
    rates = [(m.metric, found.rate(run, m)) for m in measures]
    return {"label": found.label(run), "safety": safety_rows(run), "flags": flags, "rates": rates}


def _heat(found: Findings) -> list[dict[str, Any]]:
    """asr by harm category of the prompt, and what kinds of harm judges saw in the answers, a table per prompt set and model;
    a column is an arm, pooled over its runs."""
    measures = [m for m in headline(found) if m.metric == "asr"]
    measures += dict.fromkeys(m for _, _, m, _ in found.rates if m.metric == "harmful_kind")
    out = []
    for measure in measures:
        categories = found.categories(measure)
        seen = {model for model, _, m, _ in found.rates if m == measure}
        for model in found.models if categories else ():
            if measure.metric == "asr" and model not in seen:  # it is in the table of another judge
                continue
            arms = found.arms(model)
            rows = []
            for category in categories:
                pooled = [_pool([found.rate(run, measure, category) for run in runs]) for runs in arms.values()]
                rows.append({"category": category, "cells": pooled, "n": max(n for _, n in pooled)})
            table = {"model": model, "arms": [arm_label(a) for a in arms], "rows": rows}
            out.append({"metric": measure.metric, "judge": measure.judge, "prompts": measure.prompts, **table})
    return out


def _pool(rates: list[Rate | None]) -> tuple[float | None, int]:
    """The rate over all prompts of an arm's runs, and how many prompts one run has."""
    known = [rate for rate in rates if rate is not None and rate.value is not None]
    if len(known) == 1:
        return known[0].value, known[0].n
    total = sum(rate.n for rate in known)
    pooled = sum((rate.value or 0.0) * rate.n for rate in known) / total if total else None
    return pooled, max((rate.n for rate in known), default=0)


def _example(example: Mapping[str, Any]) -> dict[str, Any]:
    answers = [(str(label), _cut(str(text))) for label, text in (example.get("answers") or {}).items()]
    categories = [clean(str(category)) for category in example.get("categories") or ()]
    return {
        "model": str(example.get("model", "")), "prompts": str(example.get("prompts", "")),
        "prompt": str(example.get("prompt", "")), "answers": answers, "categories": categories,
        "data": json.dumps(categories),
    }  # fmt: skip


def _cut(text: str) -> str:
    return text if len(text) <= ANSWER_CHARACTERS else f"{text[:ANSWER_CHARACTERS]} … [cut here for the report]"


def _check(found: Findings, run: Run) -> dict[str, Any]:
    """What the summary knows of a run's training and of the check that its weights were the ones that answered."""
    rows, canary = run.about.get("rows") or {}, run.about.get("canary") or {}
    trained = run.arm.strategy != "base"
    shown, merge = (rows.get("shown"), run.about.get("merge_error")) if trained else (None, None)
    distance = None if canary.get("status") == "not needed" else canary.get("distance")
    return {
        "model": run.model,
        "label": found.label(run),
        "cell": run.cell,
        "benign": rows.get("benign", "–") if trained else "–",
        "safety": safety_rows(run),
        "shown": "–" if shown is None else f"{shown:.0%}",
        "steps": run.about.get("steps", "–") if trained else "–",
        "canary": canary.get("status", "–"),
        "distance": "" if distance is None else f"{distance:.2g}",
        "merge": "–" if merge is None else f"{merge:.2g}",
    }
