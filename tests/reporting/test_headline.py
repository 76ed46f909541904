"""What the main table shows, and what stands below it."""

import pytest

from lib.reporting.findings import Measure, read_findings
from lib.reporting.headline import by_prompts, headline, is_detail, pieces


def found(rows, make, judges):
    return read_findings(make.table(rows), make.summary(rows) | {"judges": judges})


def test_each_metric_on_each_set_is_shown_once_by_the_first_judge_that_gives_it(make):
    shown = headline(found(make.many_rows(), make, make.judges))
    assert [(m.metric, m.prompts, m.judge) for m in shown] == [
        *(("asr", prompts, "keyword:qi29") for prompts in ("advbench", "harmbench", "salad")),
        *(("harm_score", prompts, "harm_reward") for prompts in ("advbench", "harmbench", "salad")),
        ("over_refusal", "xstest", "keyword:qi29"),
        ("refusal_rate", "alpaca", "keyword:qi29"),
        ("helpfulness", "alpaca", "helpful_reward"),
        ("acc", "mmlu", "lm_eval"),
        ("holdout_loss", "", ""),
    ]


def test_the_study_says_which_judge_is_first(make):
    judges = ["beaver_dam", *make.judges]
    shown = headline(found(make.many_rows(), make, judges))
    assert {m.judge for m in shown if m.metric == "asr"} == {"beaver_dam"}
    assert {m.judge for m in shown if m.metric == "over_refusal"} == {"keyword:qi29"}


def test_a_model_that_the_first_judge_did_not_see_is_shown_by_the_next_that_did(make):
    """Two studies in one report, whose first judges differ; what both judges saw is shown by the first alone."""
    rows = [make.row("m (a)", "none", "asr", 0.9), make.row("m (b)", "none", "asr", 0.5, judge="wildguard")]
    both = [make.row("m (a)", "none", "asr", 0.8, judge="wildguard")]
    judges = ["keyword:qi29", "wildguard"]
    for some in (rows, [*rows, *both]):
        assert [m.judge for m in headline(found(some, make, judges))] == judges
    seen = [*rows, make.row("m (b)", "none", "asr", 0.6)]
    assert [m.judge for m in headline(found(seen, make, judges))] == ["keyword:qi29"]


def test_below_stands_everything_of_a_set_that_has_more(make):
    sets = by_prompts(found(make.many_rows(), make, make.judges))
    assert list(sets) == ["advbench", "harmbench", "salad", "xstest", "alpaca"]
    assert [(m.metric, m.judge) for m in sets["advbench"]] == [
        *(("asr", judge) for judge in ("keyword:qi29", "wildguard", "beaver_dam")),
        *(("safe_rate", judge) for judge in ("wildguard", "beaver_dam")),
        ("refusal_on_harmful", "wildguard"), ("harm_score", "harm_reward"), ("helpfulness_on_harmful", "helpful_reward"),
    ]  # fmt: skip


def test_one_judge_of_refusals_has_nothing_below(rows, make):
    rows = [r for r in rows if r["judge"] != "keyword:zou"]
    assert by_prompts(found(rows, make, ["keyword:qi29"])) == {}


def test_without_judges_there_is_the_loss(make):
    rows = [make.row("m", "none", "holdout_loss", 2.3)]
    assert headline(read_findings(make.table(rows), {})) == [Measure(metric="holdout_loss", judge="", prompts="")]
    assert headline(read_findings(make.table([]), {})) == []


@pytest.mark.parametrize(
    ("name", "detail"),
    [("asr", False), ("safe_rate", True), ("wit", False), ("wit_on_plain", True), ("refusal_on_harmful", True)],
)
def test_what_is_a_detail(name, detail):
    assert is_detail(name) is detail


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (5, [5]), (6, [3, 3]), (7, [3, 4]), (11, [3, 4, 4]), (15, [5, 5, 5])]
)
def test_pieces_are_of_nearly_equal_length(count, sizes):
    out = pieces(range(count), 5)
    assert [len(piece) for piece in out] == sizes
    assert [one for piece in out for one in piece] == list(range(count))
