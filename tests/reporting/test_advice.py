"""What to do: which arm, what is said of it, and when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from lib.goal.verdict import GoalVerdict
from lib.reporting.advice import RULE, Advice
from lib.reporting.conclusions import conclusions
from lib.reporting.goal_advice import GOAL_RULE
from lib.statistics.arms import Arm
from lib.statistics.study import statistics
from tests.statistics.made import arm, draws, seeds

QI29 = "keyword:qi29"


def advice(arms: Sequence[Arm], goal: dict[tuple[str, str, str], GoalVerdict] | None = None) -> Advice:
    (found,) = conclusions(statistics(arms), QI29, goal=goal)
    return found.advice


def verdict(reached: int | None, why: str, status: Any = None) -> GoalVerdict:
    status = status or ("reached" if reached else "not reached")
    return GoalVerdict(status=status, reached=reached, why=why, estimates=(), cells=8, grid=24)


def made(strategy: str, safe: Sequence[float], refused: Sequence[float], **more: Any) -> list[Arm]:
    other = arm(strategy, seeds(refused, 100), metric="over_refusal", prompts="lookalike", **more)
    return [arm(strategy, seeds(safe, 100), **more), other]


NONE = made("none", [0.95, 0.9, 0.94, 0.95], [0.0, 0.01, 0.0, 0.0])
RANDOM = made("random", [0.7, 0.66, 0.75, 0.7], [0.05, 0.04, 0.05, 0.06])
BEST = made("sss_b", [0.3, 0.35, 0.4, 0.3], [0.1, 0.12, 0.1, 0.1])


def test_the_safest_arm_with_its_price() -> None:
    found = advice([*NONE, *RANDOM, *BEST])
    assert (found.label, found.strategy, found.budget) == ("sss_b-48", "sss_b", 48)
    assert found.says.startswith("Take sss_b at 48 rows: answers without refusal 0.34 (95% interval ")
    (price,) = found.price
    assert (price.what, price.value, price.without) == ("over_refusal on lookalike", "0.11", "0.00")
    assert found.cautions == (
        "It is the choice among 3 arms by these very numbers, which therefore look better than they are.",
        "Held-out loss was not measured: a cost there is not known.",
    )


def test_a_little_more_safety_that_is_not_shown_is_not_bought_with_refusals() -> None:
    dear = made("pss", [0.3, 0.33, 0.37, 0.3], [0.5, 0.52, 0.5, 0.51])
    found = advice([*NONE, *BEST, *dear])
    assert found.label == "sss_b-48"
    assert found.says.endswith("The lowest is pss-48 with 0.33, which these runs do not tell apart from it.")


def test_an_arm_that_matched_runs_tell_apart_from_the_safest_is_not_called_alike_although_nobody_asked_for_both() -> (
    None
):
    """Rates differ more between draws than between the arms, of which one is the higher on every draw."""
    rates = [0.05, 0.30, 0.10, 0.25, 0.15, 0.20, 0.08, 0.28]
    best = arm("sss_b", draws(rates, 200), budget=100)
    smaller = arm("sss", draws([rate + 0.05 for rate in rates], 200), budget=50)
    refusals = [
        arm(s, draws([r] * 8, 200), metric="over_refusal", prompts="lookalike", budget=budget)
        for s, budget, r in (("sss_b", 100, 0.1), ("sss", 50, 0.05))
    ]
    found = advice([best, smaller, *refusals])
    assert found.label == "sss_b-100"
    assert "do not tell apart" not in found.says
    unlike = arm("sss", draws([rate + 0.05 * (-1) ** k for k, rate in enumerate(rates)], 200), budget=50)
    assert advice([best, unlike, *refusals]).label == "sss-50", "which is above it on one half of the draws only"


def test_over_refusal_is_that_of_the_first_judge_as_the_price_has_it() -> None:
    dear = made("pss", [0.3, 0.33, 0.37, 0.3], [0.5, 0.52, 0.5, 0.51])
    strict = {"metric": "over_refusal", "prompts": "lookalike", "judge": "wildguard"}
    other = [arm("sss_b", seeds([0.9, 0.91, 0.9, 0.9], 100), **strict), arm("pss", seeds([0.1] * 4, 100), **strict)]
    found = advice([*NONE, *BEST, *dear, *other])
    assert found.label == "sss_b-48"
    assert found.price[0].value == "0.11"


def test_of_arms_alike_the_smallest_budget() -> None:
    assert advice([*NONE, *made("sss_b", [0.3, 0.34, 0.4, 0.3], [0.1, 0.12, 0.1, 0.1], budget=96), *BEST]).budget == 48


def test_where_nothing_is_safer_it_is_benign_data_alone() -> None:
    alike = made("sss_b", [0.94, 0.9, 0.93, 0.95], [0.1, 0.12, 0.1, 0.1])
    found = advice([*NONE, *alike])
    assert found.label == "none"
    assert found.says.startswith("Take benign data alone (none): answers without refusal 0.94")
    assert [price.without for price in found.price] == [""]


def test_a_reference_that_is_shown_to_be_worse_is_not_taken_although_its_level_lies_in_the_interval_over_prompts() -> (
    None
):
    """0.60 against 0.75 of 20 prompts: within each other's intervals, so that only the matched runs can tell them apart."""
    refusals = [
        arm(s, seeds([r] * 4, 100), metric="over_refusal", prompts="x") for s, r in (("none", 0), ("sss_b", 0.1))
    ]
    none = arm("none", {(0, k): A for k in range(4)})
    always = arm("sss_b", {(0, k): B for k in range(4)})  # four equal differences, of which no test can be made
    often = arm("sss_b", {(0, k): [*B[:-1], float(k % 2)] for k in range(4)})
    assert advice([none, always, *refusals]).label == "none"
    assert advice([none, often, *refusals]).label == "sss_b-48"


A = [1.0] * 15 + [0.0] * 5
B = [1.0] * 12 + [0.0] * 8


@pytest.mark.parametrize(("runs", "words"), [(1, "This is about one run of it"), (2, "This is about 2 seeds of it")])
def test_with_few_runs_it_is_about_these(runs: int, words: str) -> None:
    few = [made("none", [0.95] * runs, [0.0] * runs), made("sss_b", [0.3] * runs, [0.1] * runs)]
    found = advice([one for arms in few for one in arms])
    assert found.label == "sss_b-48"
    assert found.cautions[0].startswith(words)


def test_what_was_compared_with_nothing_is_said() -> None:
    assert "That it is safer than benign data alone was not measured." in advice(BEST).cautions


def test_without_safety_there_is_no_advice() -> None:
    found = advice([NONE[1], BEST[1]])
    assert (found.label, found.price) == ("", ())
    assert found.says == "No arm was measured in safety and in everything that it may cost, so none is recommended."


def test_swept_recipes_are_arms_of_their_own() -> None:
    slow = made("sss_b", [0.1, 0.12, 0.1, 0.1], [0.1, 0.12, 0.1, 0.1], recipe='{"recipe.lr": 0.0001}')
    assert advice([*NONE, *BEST, *slow]).recipe == '{"recipe.lr": 0.0001}'


MORE = made("sss_b", [0.1, 0.12, 0.1, 0.1], [0.3, 0.32, 0.3, 0.3], budget=96)


def test_with_a_goal_it_is_the_smallest_budget_that_meets_it_and_not_the_safest_arm() -> None:
    goal = {
        ("m", "random", "{}"): verdict(None, "not reached: every budget is over a limit"),
        ("m", "sss_b", "{}"): verdict(48, "48 rows are the smallest budget shown to meet the goal with 95% confidence"),
        ("other", "pss", "{}"): verdict(8, "of another model"),
    }
    assert advice([*NONE, *RANDOM, *BEST, *MORE]).label == "sss_b-96", "without a goal it is the safest"
    found = advice([*NONE, *RANDOM, *BEST, *MORE], goal)
    assert (found.label, found.strategy, found.budget, found.recipe) == ("sss_b-48", "sss_b", 48, "{}")
    assert found.says == (
        "Take sss_b at 48 rows: 48 rows are the smallest budget shown to meet the goal with 95% confidence."
    )
    assert (found.rule, advice(NONE).rule) == (GOAL_RULE, RULE)
    assert [price.value for price in found.price] == ["0.11"]
    assert found.cautions == (
        "The confidence is that of each of the 2 searches by itself, and not of all of them together.",
        "Held-out loss was not measured: a cost there is not known.",
    )


def test_of_strategies_that_meet_the_goal_at_one_budget_the_safest_and_the_others_are_named() -> None:
    goal = {("m", "random", "{}"): verdict(48, "so"), ("m", "sss_b", "{}"): verdict(48, "so")}
    found = advice([*NONE, *RANDOM, *BEST], goal)
    assert found.label == "sss_b-48"
    assert found.says.endswith("The goal is also met by random at 48 rows.")
    smaller = {("m", "random", "{}"): verdict(24, "so"), ("m", "sss_b", "{}"): verdict(48, "so")}
    assert advice([*NONE, *made("random", [0.7] * 4, [0.05] * 4, budget=24), *BEST], smaller).label == "random-24"


@pytest.mark.parametrize(
    ("statuses", "head"),
    [
        (
            ("not reached", "not reached"),
            "No budget meets the goal, so none is recommended: random: because; sss_b: because.",
        ),
        (("not reached", "undecided"), "No budget was shown to meet the goal, so none is recommended: random: because"),
    ],
)
def test_a_goal_that_nothing_meets_recommends_nothing_and_says_why(statuses: tuple[str, str], head: str) -> None:
    goal = {
        ("m", s, "{}"): verdict(None, "because", told) for s, told in zip(("random", "sss_b"), statuses, strict=True)
    }
    found = advice([*NONE, *RANDOM, *BEST], goal)
    assert (found.label, found.price) == ("", ())
    assert found.says.startswith(head)
