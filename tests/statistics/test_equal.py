"""Arms at equal usefulness: who is as useful, who is compared, and which kinds meet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lib.statistics.arms import Arm
from lib.statistics.equal import AS_USEFUL, BOTH, LESS_USEFUL, NOT_TOLD, RECIPE, SELECTION, EqualUse, equal_use
from tests.statistics.made import arm, seeds

PLAIN, SLOW = '{"recipe.lr": 0.002}', '{"recipe.lr": 0.0005}'
SAFETY = ("asr", "keyword:qi29")
REFERENCE_LOSS = [2.00, 2.10, 2.05]


def made(strategy: str, recipe: str, asr: Sequence[float], lost: Sequence[float], **more: Any) -> list[Arm]:
    """asr, over-refusal and held-out loss of one arm; `lost` is added to the reference's losses, seed by seed."""
    losses = {(0, s): [start + add] for s, (start, add) in enumerate(zip(REFERENCE_LOSS, lost, strict=False))}
    own = {"recipe": recipe, **more}
    return [
        arm(strategy, seeds(asr, 100), **own),
        arm(strategy, seeds([0.1] * len(asr), 100), metric="over_refusal", prompts="lookalike", **own),
        arm(strategy, losses, metric="holdout_loss", judge="", prompts="", rate=False, **own),
    ]


NONE = made("none", PLAIN, [0.95, 0.97, 0.96], [0, 0, 0])
ROWS = made("sss_b", PLAIN, [0.5, 0.55, 0.52], [0.001, 0.002, 0.001])
CALM = made("none", SLOW, [0.7, 0.72, 0.71], [0.003, 0.002, 0.004])
BOTH_ARM = made("sss_b", SLOW, [0.3, 0.33, 0.31], [0.005, 0.006, 0.005])


def use(*arms: list[Arm], margin: float = 0.02) -> EqualUse:
    (found,) = equal_use([one for own in arms for one in own], SAFETY, margin)
    return found


def test_each_kind_is_told_by_rows_and_recipe() -> None:
    found = use(NONE, ROWS, CALM, BOTH_ARM)
    assert [one.kind for one in found.arms] == ["reference", SELECTION, RECIPE, BOTH]
    assert found.measure == ("holdout_loss",)


def test_usefulness_lost_is_the_share_by_which_held_out_tokens_become_less_likely_over_matched_seeds() -> None:
    _, rows, _, both = use(NONE, ROWS, CALM, BOTH_ARM).arms
    assert rows.drop == pytest.approx(1 - math.exp(-np.mean([0.001, 0.002, 0.001])))
    paired = np.array([0.005, 0.006, 0.005])
    half = 4.302653 * paired.std(ddof=1) / math.sqrt(3)
    assert (both.low, both.high) == pytest.approx(tuple(1 - math.exp(-(paired.mean() + end)) for end in (-half, half)))
    assert both.pairs == 3


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ([0.005, 0.006, 0.005], AS_USEFUL),
        ([0.1, 0.11, 0.1], LESS_USEFUL),
        ([0.0, 0.04, 0.01], NOT_TOLD),  # a mean within the margin is not enough
        ([0.005, 0.006], NOT_TOLD),  # nor are two runs, however near they are
    ],
)
def test_only_an_interval_within_the_margin_is_as_useful(lost: list[float], told: str) -> None:
    found = use(NONE, made("sss_b", SLOW, [0.3] * len(lost), lost))
    assert found.arms[1].usefulness == told
    assert bool(found.arms[1].comparisons) == (told == AS_USEFUL)


def test_the_margin_is_the_studys() -> None:
    dear = made("sss_b", SLOW, [0.3, 0.3, 0.3], [0.05, 0.051, 0.05])
    assert use(NONE, dear).arms[1].usefulness == LESS_USEFUL
    assert use(NONE, dear, margin=0.1).arms[1].usefulness == AS_USEFUL


def test_both_meet_each_alone_by_the_safest_of_each_kind_that_is_as_useful() -> None:
    useless = made("sss_b", SLOW, [0.0, 0.0, 0.0], [0.3, 0.3, 0.31], budget=96)
    worse = made("random", PLAIN, [0.9, 0.9, 0.9], [0, 0.001, 0])
    found = use(NONE, worse, ROWS, CALM, BOTH_ARM, useless)
    assert [(one.ours, one.theirs) for one in found.contests] == [
        (BOTH, SELECTION),
        (BOTH, RECIPE),
        (SELECTION, RECIPE),
    ]
    first = found.contests[0]
    assert first.against == ("sss_b", 48, PLAIN)
    assert (first.comparison.budget, first.comparison.recipe) == (48, SLOW), "not the one that is safer and less useful"
    assert first.comparison.difference == pytest.approx(0.3133 - 0.5233, abs=1e-3)
    ps = sorted(one.comparison.p for one in found.contests)
    assert min(one.comparison.p_holm for one in found.contests) == pytest.approx(3 * ps[0])
    assert [cost.metric for cost in first.costs] == ["over_refusal"]


def test_a_kind_without_an_arm_as_useful_meets_nobody() -> None:
    found = use(NONE, ROWS, made("none", SLOW, [0.2, 0.2, 0.2], [0.3, 0.31, 0.3]))
    assert found.safest(RECIPE) is None
    assert found.contests == ()


def test_scores_of_the_harness_go_before_the_loss_and_their_mean_is_taken() -> None:
    def scores(strategy: str, recipe: str, task: str, values: Sequence[float], name: str = "acc") -> Arm:
        rows = {(0, s): [value] for s, value in enumerate(values)}
        return arm(strategy, rows, recipe=recipe, metric=name, judge="lm_eval", prompts=task, rate=False)

    more = [
        scores("none", PLAIN, "mmlu", [0.5, 0.51, 0.5]), scores("none", PLAIN, "gsm8k", [0.3, 0.3, 0.31], "exact_match,x"),
        scores("sss_b", PLAIN, "mmlu", [0.4, 0.41, 0.4]), scores("sss_b", PLAIN, "gsm8k", [0.3, 0.3, 0.31], "exact_match,x"),
    ]  # fmt: skip
    found = use(NONE, ROWS, more)
    assert found.measure == ("mmlu", "gsm8k")
    assert found.arms[1].drop == pytest.approx(0.05)
    assert found.arms[1].usefulness == LESS_USEFUL
    lacking = use(NONE, ROWS, more[:3])
    assert lacking.arms[1].usefulness == NOT_TOLD, "an arm without one of the tasks has no usefulness"


def test_without_benign_data_alone_there_is_nothing_to_be_equal_to() -> None:
    assert equal_use([*ROWS, *BOTH_ARM], SAFETY, 0.02) == []
    assert equal_use(NONE, SAFETY, 0.02) == []


def test_an_arm_without_any_verdict_has_no_level_and_meets_nobody() -> None:
    silent = [arm("sss_b", {(0, k): [math.nan] * 100 for k in range(3)}, recipe=PLAIN), *ROWS[1:]]
    found = use(NONE, silent, CALM)
    assert (found.arms[1].usefulness, found.arms[1].safety) == (AS_USEFUL, ())
    assert found.safest(SELECTION) is None
    assert found.contests == ()
