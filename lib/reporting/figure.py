"""The picture of what safety costs: asr (or, where no judge gives one, the harm score) against over-refusal, a point per run,
one panel per model, and through the means of the arms the Pareto line: left of and below it nothing was measured.

All panels share axes that start at zero (or at the lowest score below it), so a point lower and further left is better
everywhere. Whiskers are the 95% intervals over prompts that were handed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from lib.reporting.drawing import FIXED, INK, MUTED, PAPER, Picture, legend, looks_of, panels, picture, short, style
from lib.reporting.findings import Arm, Findings, Measure, Rate, Run
from lib.reporting.headline import headline
from lib.reporting.words import GAINS, title
from lib.statistics.catalogue import metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELLED_POINTS = 12
_WHISKERED_POINTS = 24
"""With more points in a panel, whiskers would hide them: the intervals are then in the table only."""


def draw(found: Findings) -> Picture | str:
    """The picture, or the sentence that says why there is none."""
    measures = headline(found)
    x = next((m for m in measures if m.metric == "over_refusal"), None)
    y = next((m for m in measures if m.metric in GAINS), None)
    if x is None or y is None:
        lacking = [name for name, m in (("over_refusal", x), ("asr", y)) if m is None]
        return f"There is no figure: it sets asr against over_refusal, and {' and '.join(lacking)} was not measured."
    points = {model: _points(found, model, x, y) for model in found.models}
    drawn = {model: runs for model, runs in points.items() if runs}
    if not drawn:
        return f"There is no figure: no run has both {y.metric} and over_refusal that could be computed."
    caption = f"{title(y, found)} against {title(x, found)}; one point per run, whiskers are 95% intervals over prompts"
    many = any(len(runs) > _WHISKERED_POINTS for runs in drawn.values())
    caption += f", left out in panels of more than {_WHISKERED_POINTS} points." if many else "."
    if len(drawn) < len(points):
        left = [model for model in points if model not in drawn]
        others_say = [model for model in left if _by_another_judge(found, model, (x, y), measures)]
        for why, models in (
            ("one of the two is missing", [model for model in left if model not in others_say]),
            ("they were measured by another judge", others_say),
        ):
            caption += f" Not drawn, because {why}: {', '.join(models)}." if models else ""
    others = [title(m, found) for m in measures if m.metric in ("over_refusal", *GAINS) and m not in (x, y)]
    lines = {model: pareto_line(runs) for model, runs in drawn.items()}
    if any(len(line) > 1 for line in lines.values()):
        caption += " The dashed Pareto line joins the fine-tuned arms, by their means, that no other beats in both."
    if others:
        caption += f" In the table only: {', '.join(others)}."
    return _render(found, drawn, lines, (x, y), caption)


def _points(found: Findings, model: str, x: Measure, y: Measure) -> list[tuple[Run, Rate, Rate]]:
    out = []
    for run in found.runs:
        across, up = found.rate(run, x), found.rate(run, y)
        if run.model == model and across and up and across.value is not None and up.value is not None:
            out.append((run, across, up))
    return out


def _by_another_judge(
    found: Findings, model: str, wanted: tuple[Measure, Measure], measures: Sequence[Measure]
) -> bool:
    """Was all that is drawn measured for a model, and some of it by another judge alone?"""

    def told(measure: Measure) -> bool:
        rates = (found.rate(run, measure) for run in found.runs if run.model == model)
        return any(rate is not None and rate.value is not None for rate in rates)

    said = [[m for m in measures if (m.metric, m.prompts) == (one.metric, one.prompts) and told(m)] for one in wanted]
    return all(said) and any(one not in own for one, own in zip(wanted, said, strict=True))


def pareto_line(points: list[tuple[Run, Rate, Rate]]) -> list[tuple[float, float]]:
    """The means (across, up) of the fine-tuned arms that no other arm beats in both, from left to right."""
    arms: dict[Arm, list[tuple[float, float]]] = {}
    for run, across, up in points:
        if run.arm.strategy != "base" and across.value is not None and up.value is not None:
            arms.setdefault(run.arm, []).append((across.value, up.value))
    line: list[tuple[float, float]] = []
    for x, y in sorted((fmean(p[0] for p in own), fmean(p[1] for p in own)) for own in arms.values()):
        if not line or y < line[-1][1]:
            line.append((x, y))
    return line


def _render(
    found: Findings,
    drawn: dict[str, list[tuple[Run, Rate, Rate]]],
    lines: dict[str, list[tuple[float, float]]],
    measures: tuple[Measure, Measure],
    caption: str,
) -> Picture:
    looks = looks_of(run.arm.strategy for run in found.runs)
    x, y = measures
    with style():
        figure, grid = panels(len(drawn))
        for axes, (model, points) in zip(grid, drawn.items(), strict=True):
            if len(lines[model]) > 1:
                axes.plot(*zip(*lines[model], strict=True), color=MUTED, linestyle="--", linewidth=1.2, gid="pareto")
            _panel(axes, points, looks)
            axes.set_title(short(model), loc="left", fontsize=10, fontweight="bold")
        figure.supxlabel(f"{short(title(x, found))}  (further left is better)", fontsize=9)
        figure.supylabel(f"{short(title(y, found))}  (lower is better)", fontsize=9)
        for axis, measure in (("x", x), ("y", y)):
            rates = [across if axis == "x" else up for points in drawn.values() for _, across, up in points]
            grid[0].set(**{f"{axis}lim": limits(rates, metric(measure.metric).unit == "rate")})
        legend(figure, dict.fromkeys(run.arm.strategy for points in drawn.values() for run, _, _ in points), looks)
        return picture(figure, caption, len(drawn))


def _panel(axes: Axes, points: list[tuple[Run, Rate, Rate]], looks: dict[str, tuple[str, str]]) -> None:
    budgets = {run.arm.budget for run, _, _ in points if run.arm.strategy not in FIXED}
    for run, across, up in points:
        colour, marker = looks[run.arm.strategy]
        spans = [_whisker(rate) if len(points) <= _WHISKERED_POINTS else None for rate in (across, up)]
        axes.errorbar(across.value, up.value, xerr=spans[0], yerr=spans[1], fmt="none", ecolor=colour, elinewidth=1.1)
        axes.plot(across.value, up.value, marker, markersize=8, color=colour, markeredgecolor=PAPER)
        if len(budgets) > 1 and run.arm.budget and len(points) <= _LABELLED_POINTS:
            where = {"xytext": (5, 5), "textcoords": "offset points", "fontsize": 8, "color": INK}
            axes.annotate(str(run.arm.budget), (across.value, up.value), **where)


def _whisker(rate: Rate) -> list[list[float]] | None:
    if rate.value is None or rate.low is None or rate.high is None:
        return None
    return [[max(0.0, rate.value - rate.low)], [max(0.0, rate.high - rate.value)]]


def limits(rates: list[Rate], share: bool) -> tuple[float, float]:
    """An axis from zero to the next quarter above the highest whisker, at least a quarter; of a share at most one, of scores
    from the lowest whisker where that is below zero."""
    ends = [end for rate in rates for end in (rate.value, rate.low, rate.high) if end is not None]
    top = max(0.25, math.ceil(4 * max(ends) - 1e-9) / 4)
    top, bottom = (min(1.0, top), 0.0) if share else (top, min(0.0, math.floor(4 * min(ends) + 1e-9) / 4))
    margin = 0.03 * (top - bottom)
    return bottom - margin, top + margin
