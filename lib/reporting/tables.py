"""The main table as Markdown and for a terminal, and the full results as CSV.

Each format has its own way of being broken into by data: a cell that a spreadsheet runs, a pipe or a link in
Markdown, an escape sequence in a terminal. What guards against it is here, one function per format. The CSV keeps
every digit; the other two show what the page shows, from the same rows.
"""

from __future__ import annotations

import csv
import html
import io
import math
import re
import textwrap
import unicodedata
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lib.outgoing import clean
from lib.reporting.directions import better
from lib.reporting.findings import Findings, Measure, Rate, Run, read_findings
from lib.reporting.headline import headline
from lib.reporting.words import named, number, one_line, title

_WIDTH = 100
_FORMULA = re.compile(r"[\t\n]|\s*[=+@\-\uff1d\uff0b\uff0d\uff20]")
"""How a text begins that some spreadsheet takes for a formula: its wide forms count, and so does what stands behind spaces."""


def csv_text(results: pa.Table) -> str:
    """All of the results, one row each; what could not be computed is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(results.column_names)
    writer.writerows([csv_cell(row[name]) for name in results.column_names] for row in results.to_pylist())
    return out.getvalue()


def markdown(found: Findings) -> str:
    """The main table for a README or an issue."""
    measures = headline(found)
    header = ["model", "run", "safety rows", *(title(m, found) for m in measures)]
    lines = [_markdown_row(header), _markdown_row(["---"] * 3 + ["---:"] * len(measures), raw=True)]
    for run in found.runs:
        rates = [_markdown_rate(found.rate(run, m), m) for m in measures]
        lines.append(_markdown_row([run.model, found.label(run), safety_rows(run), *rates]))
    judge = one_line(found.judges[0]) if found.judges else "no judge"
    lines += ["", _markdown_text(f"Judge: {judge}. 95% intervals over prompts. {better(measures)}")]
    return "\n".join(lines) + "\n"


def text_table(results: pa.Table, summary: Mapping[str, Any]) -> str:
    """The main table for a terminal, aligned, at most 100 columns wide: what does not fit beside stands below."""
    found = read_findings(results, summary)
    measures = headline(found)
    if not found.runs or not measures:
        return f"{one_line(found.study)}: no results"
    first = found.judges[0] if found.judges else ""
    blocks = [_text_head(found, measures, first)]
    for model in found.models:
        runs = [run for run in found.runs if run.model == model]
        blocks.append(
            [[one_line(found.label(run)), *(_text_rate(found.rate(run, m), m) for m in measures)] for run in runs]
        )
    columns = list(zip(*(row for block in blocks for row in block), strict=True))
    widths = [max(map(_columns, column)) for column in columns]
    lines: list[str] = []
    for shown in _side_by_side(widths):
        own = [widths[k] for k in shown]
        rule = "-" * (sum(own) + 2 * (len(own) - 1))
        lines += ([""] if lines else []) + [_text_row([row[k] for k in shown], own) for row in blocks[0]]
        for model, block in zip(found.models, blocks[1:], strict=True):
            lines += [rule, one_line(model)] if len(found.models) > 1 else [rule]
            lines += [_text_row([row[k] for k in shown], own) for row in block]
        lines.append(rule)
    way = better(measures)
    foot = [f"Judge {one_line(first) or 'no judge'}; 95% intervals over prompts; {way[0].lower()}{way[1:]}"]
    foot += [f"! {one_line(str(note))}" for note in summary.get("red") or ()]
    return "\n".join([*lines, *(line for note in foot for line in textwrap.wrap(note, _WIDTH))])


def _text_head(found: Findings, measures: list[Measure], first: str) -> list[list[str]]:
    """The lines above the runs: metrics, judges where one is not the first, prompt sets."""
    others = [one_line(m.judge) if m.judge != first else "" for m in measures]
    return [
        ["", *(one_line(named(m.metric)) for m in measures)],
        *([["judge", *others]] if any(others) else []),
        ["run", *(one_line(" ".join([m.prompts, _prompt_count(found, m)])) for m in measures)],
    ]


def _side_by_side(widths: list[int]) -> list[list[int]]:
    """Which columns stand beside each other within the width, each time after the first; one that is too wide stands alone."""
    groups: list[list[int]] = [[0]]
    for k in range(1, len(widths)):
        taken = sum(widths[j] + 2 for j in groups[-1])
        if len(groups[-1]) > 1 and taken + widths[k] > _WIDTH:
            groups.append([0])
        groups[-1].append(k)
    return groups


def safety_rows(run: Run) -> str:
    """How many safety rows were mixed in; a dash for the untouched model."""
    if run.arm.strategy == "base":
        return "–"
    return str((run.about.get("rows") or {}).get("safety", run.arm.budget))


def csv_cell(value: object) -> object:
    """A value as a CSV file may hold it: floats with every digit, and no text that a spreadsheet would run.

    Control characters are replaced: a bare carriage return ends a row to most readers, and is not quoted by the writer.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):  # of texts, as Python writes them
        return repr(value)
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _markdown_row(cells: list[str], *, raw: bool = False) -> str:
    return "| " + " | ".join(cells if raw else [_markdown_text(cell) for cell in cells]) + " |"


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\|\[\]*`])", r"\\\1", html.escape(one_line(text), quote=False))


def _markdown_rate(rate: Rate | None, measure: Measure) -> str:
    if rate is None or rate.value is None:
        return "–"
    metric = measure.metric
    span = "" if rate.low is None else f"{number(rate.low, metric)} to {number(rate.high, metric)}, "
    return f"{number(rate.value, metric)} ({span}n {rate.n})"


def _text_rate(rate: Rate | None, measure: Measure) -> str:
    if rate is None or rate.value is None:
        return "–"
    metric = measure.metric
    span = "" if rate.low is None else f" [{number(rate.low, metric)}, {number(rate.high, metric)}]"
    return number(rate.value, metric) + span


def _prompt_count(found: Findings, measure: Measure) -> str:
    counts = sorted({rate.n for run in found.runs if (rate := found.rate(run, measure)) is not None})
    return f"n {counts[0]}" if len(counts) == 1 else f"n {counts[0]}-{counts[-1]}" if counts else ""


def _text_row(cells: list[str], widths: list[int]) -> str:
    """The first column is text and starts at the left, the others are numbers and end at the right."""
    padded = [" " * (width - _columns(cell)) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([cells[0] + padded[0], *(pad + cell for pad, cell in zip(padded[1:], cells[1:], strict=True))])


def _columns(text: str) -> int:
    """Terminal columns: wide East Asian characters take two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
