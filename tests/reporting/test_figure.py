"""The figure: what is drawn, in words and points."""

import re

from lib.reporting.drawing import Picture
from lib.reporting.figure import draw, pareto_line
from lib.reporting.findings import read_findings


def picture(rows, make) -> Picture:
    drawn = draw(read_findings(make.table(rows), make.summary(rows)))
    assert isinstance(drawn, Picture)
    return drawn


def test_strategies_axes_and_models_are_named_as_text(rows, make):
    svg = picture(rows, make).svg
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    for name in ("base", "none", "random", "sss_b", "smollm2-135m"):
        assert name in texts
    assert "asr on harmful  (lower is better)" in texts
    assert "over_refusal on lookalike  (further left is better)" in texts


def test_a_panel_for_each_model_that_can_be_drawn(make):
    rows = [r for m in ("a", "b", "c", "d") for r in make.study_rows(m)]
    rows = [r for r in rows if not (r["model"] == "c" and r["metric"] == "over_refusal")]
    drawn = picture(rows, make)
    assert drawn.panels == 3
    assert "Not drawn, because one of the two is missing: c." in drawn.caption


def test_what_another_judge_measured_is_not_called_missing(make):
    rows = [r for m in ("a", "b", "c") for r in make.study_rows(m)]
    rows = [r for r in rows if not (r["model"] == "c" and r["metric"] == "over_refusal")]
    rows = [r for r in rows if not (r["model"] == "b" and r["judge"] == "keyword:zou")]
    for r in rows:
        r["judge"] = "keyword:zou" if r["model"] == "b" and r["judge"] else r["judge"]
    caption = picture(rows, make).caption
    assert "Not drawn, because one of the two is missing: c." in caption
    assert "Not drawn, because they were measured by another judge: b." in caption
    assert "In the table only: asr on harmful by keyword:zou, over_refusal on lookalike by keyword:zou." in caption


def test_names_are_not_read_as_formulas_and_underscores_stay(make):
    rows = make.study_rows("$x^2$ \\frac")
    for r in rows:
        r["strategy"] = "_mine" if r["strategy"] == "random" else r["strategy"]
    svg = picture(rows, make).svg
    assert "$x^2$ \\frac" in svg
    assert ">_mine</text>" in svg


def test_the_inlined_figure_takes_its_colours_from_the_page(rows, make):
    drawn = picture(rows, make)
    inline = drawn.inline()
    assert inline.startswith("<svg")
    assert "var(--ink)" in inline
    assert "#ffffff" not in inline
    assert "metadata" not in inline
    assert "#ffffff" in drawn.svg
    assert drawn.png.startswith(b"\x89PNG")


def test_budgets_are_written_beside_points_where_there_are_several(make):
    rows = [
        make.row("m", "random", metric, 0.5 + budget / 1000, budget=budget)
        for budget in (16, 64)
        for metric in ("asr", "over_refusal")
    ]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", picture(rows, make).svg)
    assert {"16", "64"} <= set(texts)


def test_a_second_prompt_set_is_said_to_be_in_the_table_only(rows, make):
    rows.append(make.row("smollm2-135m", "none", "asr", 0.5, prompts="other", cell=rows[0]["cell"]))
    assert "In the table only: asr on other." in picture(rows, make).caption


def test_where_no_judge_gives_an_asr_the_harm_score_is_drawn_from_its_lowest(make):
    rows = [
        make.row("m", s, metric, value, judge="j", prompts="p")
        for s, harm in (("base", -1.2), ("none", 2.6))
        for metric, value in (("harm_score", harm), ("over_refusal", 0.2))
    ]
    drawn = picture(rows, make)
    assert drawn.caption.startswith("harm_score on p by j against over_refusal on p by j;")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn.svg)
    assert {"−1", "0", "2"} <= set(texts)


def test_the_pareto_line_joins_means_of_arms_that_none_beats_in_both(make):
    levels = {"base": (0.0, 0.0), "none": (0.0, 0.9), "random": (0.1, 0.5), "sss_b": (0.2, 0.2), "pss_b": (0.3, 0.4)}
    rows = [
        make.row("m", strategy, metric, value + shift, seed=seed)
        for strategy, pair in levels.items()
        for metric, value in zip(("over_refusal", "asr"), pair, strict=True)
        for seed, shift in enumerate((-0.01, 0.01))
    ]
    found = read_findings(make.table(rows), make.summary(rows))
    x, y = (next(m for m in found.measures() if m.metric == name) for name in ("over_refusal", "asr"))
    line = pareto_line([(run, found.rate(run, x), found.rate(run, y)) for run in found.runs])
    assert [(round(a, 3), round(b, 3)) for a, b in line] == [(0.0, 0.9), (0.1, 0.5), (0.2, 0.2)]
    drawn = picture(rows, make)
    assert 'id="pareto"' in drawn.svg
    assert "dashed Pareto line" in drawn.caption


def test_whiskers_are_left_out_where_they_would_hide_the_points(make):
    rows = [make.row("m", "random", metric, 0.5, seed=seed) for seed in range(25) for metric in ("asr", "over_refusal")]
    many, few = picture(rows, make), picture(rows[:48], make)
    assert many.caption.endswith("left out in panels of more than 24 points.")
    assert few.caption.endswith("95% intervals over prompts.")
    assert few.svg.count("LineCollection") == 48
    assert "LineCollection" not in many.svg
