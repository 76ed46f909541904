"""The table of metrics."""

import pytest

from lib.generation.prompts import KINDS
from lib.judging.judge import Judge
from lib.statistics.catalogue import METRICS, metric, place, score_name


def test_every_score_of_a_registered_judge_is_in_the_table() -> None:
    """A score that is not has no direction, and the report then claims nothing of it: that should be meant."""
    scores = {judge.score for judge in map(Judge.find, Judge.names()) if judge.score}
    assert scores <= set(METRICS)


def test_means_have_one_name_per_kind_and_all_are_in_the_table() -> None:
    for score in ("harm_score", "helpfulness"):
        names = [score_name(score, kind) for kind in KINDS]
        assert len(set(names)) == len(KINDS)
        assert score in names
        assert {metric(name).unit for name in names} == {"mean"}
        assert set(names) <= set(METRICS)


def test_a_helpful_answer_to_a_harmful_prompt_is_not_called_good() -> None:
    assert metric("helpfulness").better == metric("helpfulness_on_lookalike").better == "high"
    assert metric("helpfulness_on_harmful").better is None


def test_a_score_of_ones_own_is_a_number_without_a_direction() -> None:
    assert (metric("wit").better, metric("wit").unit) == (None, "mean")
    assert [score_name("wit", kind) for kind in KINDS] == ["wit", "wit_on_lookalike", "wit_on_plain"]


def test_the_order_shown() -> None:
    names = ["holdout_loss", "wit", "helpfulness", "over_refusal", "asr"]
    assert sorted(names, key=place) == names[::-1]


def test_a_filter_of_the_harness_changes_nothing_about_its_metric() -> None:
    assert metric("exact_match,strict-match") is METRICS["exact_match"]
    assert metric("acc_norm,first").detail
    names = ["holdout_loss", "wit,first", "exact_match,strict-match", "acc"]
    assert sorted(names, key=place) == names[::-1]


@pytest.mark.parametrize("name", METRICS)
def test_what_is_better_agrees_with_the_unit(name: str) -> None:
    assert METRICS[name].words
    assert (METRICS[name].unit != "loss") or METRICS[name].better == "low"
