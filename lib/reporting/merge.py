"""Several studies as one: a report over all their results.

Nothing is computed across studies, since their data and prompts may differ: every model keeps the name of its study, and
what is said of it was said by that study (its comparisons are corrected within it). What is about data is shown where it is
equal in all, and named where it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

DATA = ("corpus", "leakage", "nearest", "labels", "clusters")
"""Parts of a summary that are about the data of one study."""

Summary = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a report is made of."""

    results: pa.Table
    summary: Summary
    means: Sequence[dict[str, Any]]
    """Rows of `MEANS`."""


def merge(studies: Sequence[Finished]) -> Finished:
    """One study of all, in order. Models are called `MODEL (STUDY)`; results and means gain a column `study`.

    Args:
        studies: with different names.
    """
    names = [str(one.summary["study"]) for one in studies]
    tables = []
    for name, one in zip(names, studies, strict=True):
        models = pa.array([_model(model, name) for model in one.results["model"].to_pylist()], pa.string())
        table = one.results.set_column(one.results.schema.get_field_index("model"), "model", models)
        tables.append(table.add_column(0, "study", pa.array([name] * table.num_rows, pa.string())))
    means = [
        {"study": name, **row, "model": _model(row["model"], name)}
        for name, one in zip(names, studies, strict=True)
        for row in one.means
    ]
    return Finished(
        results=pa.concat_tables(tables), summary=_summary(names, [one.summary for one in studies]), means=means
    )


def _model(model: str, study: str) -> str:
    return f"{model} ({study})"


def _summary(names: Sequence[str], summaries: Sequence[Summary]) -> dict[str, Any]:
    pairs = list(zip(names, summaries, strict=True))
    same = [part for part in DATA if all(one.get(part) == summaries[0].get(part) for one in summaries)]
    differ = [part for part in DATA if part not in same]
    notes = [f"{name}: {note}" for name, one in pairs for note in one.get("warnings") or ()]
    if differ:
        notes.append(f"These differ between the studies and are in the report of each: {', '.join(differ)}.")
    agreement = [(name, one.get("agreement") or {}) for name, one in pairs]
    not_compared = {tuple(pair) for _, one in agreement for pair in one.get("not_compared") or ()}
    return {
        "study": " + ".join(names),
        "judges": list(dict.fromkeys(judge for one in summaries for judge in one.get("judges") or ())),
        "judges_known": _known(pairs),
        "models": [_model(model, name) for name, one in pairs for model in one.get("models") or ()],
        "recipes": {_model(m, name): recipe for name, one in pairs for m, recipe in (one.get("recipes") or {}).items()},
        **{part: _renamed(pairs, part) for part in ("cells", "conclusions", "training")},
        **{part: summaries[0].get(part) for part in same},
        "examples": _renamed(pairs, "examples"),
        "selections": [
            {**card, "title": f"{card['title']} ({name})"}
            for name, one in pairs
            for card in one.get("selections") or ()
        ],
        "agreement": {
            "sets": [
                {**part, "prompts": f"{part['prompts']} ({name})"}
                for name, one in agreement
                for part in one.get("sets") or ()
            ],
            "not_compared": sorted(not_compared),
            "differ": sum(one.get("differ") or 0 for _, one in agreement),
        },
        "warnings": notes,
        "red": [f"{name}: {note}" for name, one in pairs for note in one.get("red") or ()],
        "how": _how(pairs),
    }


def _renamed(pairs: Sequence[tuple[str, Summary]], part: str) -> list[dict[str, Any]]:
    return [
        {**row, "model": _model(row["model"], name)}
        for name, one in pairs
        for row in one.get(part) or ()
        if "model" in row
    ]


def _known(pairs: Sequence[tuple[str, Summary]]) -> dict[str, Any]:
    """What judges said of themselves; where they said different things, also the studies that they said it in."""
    said: dict[str, dict[str, Any]] = {}
    for name, one in pairs:
        for judge, facts in (one.get("judges_known") or {}).items():
            said.setdefault(judge, {})[name] = facts
    out: dict[str, Any] = {}
    for judge, by_study in said.items():
        facts = list(by_study.values())
        alike = all(one == facts[0] for one in facts)
        out |= {judge: facts[0]} if alike else {f"{judge} ({name})": one for name, one in by_study.items()}
    return out


def _how(pairs: Sequence[tuple[str, Summary]]) -> dict[str, Any]:
    hows = [(name, one.get("how") or {}) for name, one in pairs]
    versions: dict[str, list[str]] = {}
    for _, how in hows:
        for package, version in (how.get("versions") or {}).items():
            if version not in versions.setdefault(package, []):
                versions[package].append(version)
    return {
        "command": "\n".join(str(how["command"]) for _, how in hows if how.get("command")),
        "versions": {package: " and ".join(filter(None, found)) for package, found in versions.items()},
        "keys": {f"{name}: {node}": key for name, how in hows for node, key in (how.get("keys") or {}).items()},
        "licences": list(dict.fromkeys(one for _, how in hows for one in how.get("licences") or ())),
        "study": {name: how["study"] for name, how in hows if how.get("study")},
    }
