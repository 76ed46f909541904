"""The sentences, case by case."""

import dataclasses
import itertools
import math
from typing import Any

import pytest

from lib.errors import UserError
from lib.reporting.sentences import (
    arm_words,
    comparison_sentence,
    metric_words,
    p_words,
    pareto_sentence,
    trend_sentence,
)  # fmt: skip
from lib.statistics.compare import Comparison, compare
from lib.statistics.pareto import DOMINATED, FRONT, UNKNOWN, WITHIN, Standing
from lib.statistics.trend import Trend
from tests.statistics.made import arm, draws, seeds

ASR = Comparison(
    model="m", strategy="sss_b", budget=100, recipe="{}", against="random", metric="asr", judge="keyword:qi29",
    prompts="harmful", rate=True, pairs=5, unit="seed", runs=5, against_runs=5, missing=0, n=60, value=0.55,
    against_value=0.80, difference=-0.25, low=-0.35, high=-0.14, over="runs and prompts", reduction=0.31,
    reduction_low=0.18, reduction_high=0.43, test="paired t", p=0.005, p_floor=0.0, p_holm=0.01, tests=2,
)  # fmt: skip
COST = dataclasses.replace(
    ASR, metric="over_refusal", value=0.06, against_value=0.02, difference=0.04, low=0.01, high=0.07, reduction=-2.0,
    reduction_low=-9.0, reduction_high=-0.3,
)  # fmt: skip
NAN = math.nan


def said(*costs: Comparison, **changes: Any) -> str:
    return comparison_sentence(dataclasses.replace(ASR, **changes), costs)


def test_a_finding() -> None:
    assert said(COST) == (
        "sss_b at 100 rows cuts answers without refusal by 31% against random over 5 seeds, interval 18-43%, p 0.01 after "
        "correction; over-refusal rises 4 points (1-7 points)"
    )


def test_a_rise_is_said_as_one() -> None:
    rise = {"difference": 0.1, "reduction": -0.2, "reduction_low": -0.31, "reduction_high": -0.08}
    assert "raises answers without refusal by 20% against random over 5 seeds, interval 8-31%" in said(**rise)


def test_without_a_small_p_nothing_is_cut() -> None:
    text = said(p=0.2, p_holm=0.4, reduction_low=-0.05)
    assert text == (
        "sss_b at 100 rows has 31% fewer answers without refusal than random (0.55 instead of 0.80, interval -5 to 43%) "
        "over 5 seeds, p 0.4 after correction: no difference shown"
    )


def test_too_few_runs_to_show_anything() -> None:
    text = said(p=2 / 64, p_floor=2 / 64, p_holm=4 / 64, test="sign flips", pairs=6)
    assert text.endswith("p 0.062 after correction: so few runs could not show a difference (the least p is 0.062)")


def test_a_p_that_is_not_defined() -> None:
    assert said(p=NAN, p_holm=NAN, tests=0).endswith("p undefined, as every pair differs by the same amount")


def test_one_test_alone_needs_no_correction() -> None:
    assert said(tests=1).endswith("interval 18-43%, p 0.01")


def test_what_other_prompts_may_undo() -> None:
    assert said(low=-0.5, high=0.01, reduction_low=-0.02).endswith(
        "interval -2 to 43%, p 0.01 after correction (on these prompts: with other prompts the interval includes no "
        "difference)"
    )


def test_fewer_than_three_runs_are_these_runs() -> None:
    few = {"pairs": 1, "runs": 1, "against_runs": 1, "test": "", "p": NAN, "p_holm": NAN, "tests": 0, "over": "prompts"}
    assert said(**few) == (
        "For these two runs, sss_b at 100 rows has 31% fewer answers without refusal than random (0.55 instead of 0.80, "
        "interval over 60 prompts 18-43%), which says nothing about other runs"
    )
    assert said(**{**few, "runs": 5}).startswith("For these 6 runs, ")


def test_no_difference_at_all() -> None:
    same = {"value": 0.8, "difference": 0.0, "reduction": 0.0, "low": -0.1, "high": 0.1, "p": 1.0, "p_holm": 1.0}
    assert said(**same) == (
        "sss_b at 100 rows has the same answers without refusal as random (0.80 instead of 0.80, interval of the difference "
        "-10 to 10 points) over 5 seeds, p 1 after correction: no difference shown"
    )


def test_from_nothing_there_is_no_percentage() -> None:
    text = said(
        value=0.12, against_value=0.0, difference=0.12, low=0.05, high=0.2, reduction=NAN, reduction_low=NAN,
        reduction_high=NAN,
    )  # fmt: skip
    assert (
        "raises answers without refusal by 12 points against random over 5 seeds, interval of the difference 5-20 points"
        in text
    )


def test_percentages_over_100_are_points() -> None:
    text = said(difference=0.2, low=0.1, high=0.3, reduction=-4.0, reduction_low=-math.inf, reduction_high=-0.5)
    assert "by 20 points" in text
    assert "%" not in text


def test_none_is_in_words() -> None:
    assert "against benign data alone (none) over" in said(against="none")


def test_missing_runs_are_said() -> None:
    assert said(missing=1).endswith("; 1 run without a partner left out")
    assert said(missing=2).endswith("; 2 runs without a partner left out")


def test_nothing_to_compare() -> None:
    text = said(difference=NAN, value=NAN, against_value=NAN, pairs=0, missing=3)
    assert text == (
        "sss_b at 100 rows and random have no matched runs with verdicts, so answers without refusal cannot be compared; "
        "3 runs without a partner left out"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"difference": 0.0001, "low": -0.02, "high": 0.02}, "over-refusal stays at 0.06 (-2 to 2 points)"),
        ({"difference": -0.01, "low": -0.04, "high": 0.02}, "over-refusal falls 1 point (-4 to 2 points)"),
        ({"difference": 0.004, "low": NAN, "high": NAN}, "over-refusal rises 0.4 points"),
        ({"difference": NAN}, "over-refusal was not measured for both"),
        (
            {"metric": "holdout_loss", "judge": "", "rate": False, "difference": 0.0123, "low": -0.01, "high": 0.034},
            "held-out loss rises 0.012 (-0.010 to 0.034)",
        ),
        (
            {"metric": "holdout_loss", "judge": "", "rate": False, "difference": 0.01, "low": -0.0001, "high": 0.02},
            "held-out loss rises 0.010 (0.000 to 0.020)",
        ),
    ],
)
def test_costs(change: dict[str, Any], text: str) -> None:
    assert said(dataclasses.replace(COST, **change)).endswith(f"; {text}")


def test_a_keyword_judge_never_says_harmful() -> None:
    rates = [0.0, 0.05, 0.4, 0.45, 0.5, 0.55, 0.6, 1.0]
    for count, (ours, theirs), make in itertools.product(range(9), ((0, 1), (1, 0), (1, 1)), (seeds, draws)):
        first, second = (make([r * k for r in rates[:count]]) for k in (ours, theirs))
        for one in compare([arm("random", first), arm("sss_b", second)]) if count else ():
            text = comparison_sentence(one)
            assert "harmful" not in text
            assert "nan" not in text
            assert "inf" not in text.replace("interval", "")


def test_what_a_metric_counts() -> None:
    assert metric_words("asr", "keyword:gcg7") == "answers without refusal"
    assert metric_words("harm_score", "x") == "harm score"
    assert metric_words("asr", "probe:harmful") == "answers that probe:harmful calls harmful", "by its option"
    assert metric_words("asr", "probe:refusal") == "answers without refusal"
    with pytest.raises(UserError, match="unknown judge"):
        metric_words("asr", "nobody")


def test_names_and_numbers() -> None:
    assert arm_words("sss_b", 1, '{"recipe.lr": 0.001}') == "sss_b at 1 row (lr=0.001)"
    assert arm_words("none", 0, "{}") == "none"
    assert [p_words(p) for p in (0.00002, 0.0104, 0.0496, 0.21, 1.0)] == [
        "p under 0.001", "p 0.01", "p 0.0496", "p 0.21", "p 1"
    ]  # fmt: skip


TREND = Trend(
    model="m", strategy="sss_b", recipe="{}", metric="asr", judge="keyword:qi29", prompts="harmful", rate=True,
    budgets=(50, 100, 200), runs=5, unit="seed", missing=0, n=60, slope=-0.06, low=-0.1, high=-0.02,
    over="runs and prompts", test="paired t", p=0.01, p_floor=0.0, p_holm=0.02, tests=2,
)  # fmt: skip


def test_trends() -> None:
    assert trend_sentence(TREND) == (
        "Each doubling of the budget from 50 to 200 rows goes with 6 points less in answers without refusal for sss_b, "
        "interval -10 to -2 points, over 5 seeds, p 0.02 after correction"
    )
    few = dataclasses.replace(TREND, runs=1, test="", p=NAN, p_holm=NAN, tests=0, over="prompts")
    assert trend_sentence(few).startswith("For these runs, each doubling")
    assert trend_sentence(dataclasses.replace(TREND, p_holm=0.3)).endswith(
        "p 0.3 after correction: no difference shown"
    )
    assert "goes with no change in" in trend_sentence(dataclasses.replace(TREND, slope=0.0))
    assert "no trend" in trend_sentence(dataclasses.replace(TREND, slope=NAN))


def test_the_pareto_line() -> None:
    standings = [
        Standing(name=name, status=status)
        for name, status in (("a-50", FRONT), ("b-50", FRONT), ("c-50", WITHIN), ("d-50", DOMINATED), ("base", UNKNOWN))
    ]
    assert pareto_sentence(standings) == (
        "No arm is better in everything than a-50 or b-50; c-50 is behind only within the intervals"
    )
    assert pareto_sentence(standings[:1]) == "No arm is better in everything than a-50"
    assert pareto_sentence(standings[-1:]).startswith("No arm was measured in every metric")
