import pytest

from lib.reporting.conclusions import conclusions, points
from lib.statistics.arms import Arm
from lib.statistics.pareto import FRONT, WITHIN
from lib.statistics.study import statistics
from tests.statistics.made import arm, seeds

QI29 = "keyword:qi29"
SAFE = {"none": [0.95, 0.9, 1.0, 0.95], "random": [0.7, 0.66, 0.75, 0.7], "sss_b": [0.3, 0.35, 0.4, 0.3]}
REFUSED = {"none": [0.0, 0.05, 0.0, 0.0], "random": [0.05, 0.0, 0.05, 0.05], "sss_b": [0.1, 0.15, 0.1, 0.1]}
LOSS = {"none": [2.1, 2.2, 2.15, 2.1], "random": [2.1, 2.21, 2.14, 2.1], "sss_b": [2.11, 2.2, 2.16, 2.11]}


def study(model: str = "m") -> list[Arm]:
    arms = [arm("base", seeds([0.5], 100), model=model)]
    for strategy, safe in SAFE.items():
        loss = {(0, s): [value] for s, value in enumerate(LOSS[strategy])}
        arms += [
            arm(strategy, seeds(safe, 100), model=model),
            arm(strategy, seeds(REFUSED[strategy], 100), model=model, metric="over_refusal", prompts="lookalike"),
            arm(strategy, loss, model=model, metric="holdout_loss", judge="", prompts="", rate=False),
        ]
    return arms


def test_a_sentence_for_every_comparison_with_its_costs() -> None:
    (found,) = conclusions(statistics(study()), QI29)
    assert [sentence.split("over-refusal")[0][:60] for sentence in found.comparisons] == [
        "random at 48 rows cuts answers without refusal by 26% agains",
        "sss_b at 48 rows cuts answers without refusal by 52% against",
        "sss_b at 48 rows cuts answers without refusal by 64% against",
    ]
    assert "; over-refusal rises 8 points (" in found.comparisons[1]
    assert "; held-out loss rises 0.007 (" in found.comparisons[1]
    assert found.trends == ()


def test_the_pareto_line_is_over_safety_and_its_costs() -> None:
    (found,) = conclusions(statistics(study()), QI29)
    assert {one.name: one.status for one in found.standings} == {"none": FRONT, "random-48": FRONT, "sss_b-48": FRONT}
    assert found.pareto == "No arm is better in everything than none, random-48 or sss_b-48"
    assert {name for point in points(statistics(study()).means, ("asr", QI29), (QI29, "")) for name in point.metrics} == {
        "asr harmful", "over_refusal lookalike", "holdout_loss"
    }  # fmt: skip


def test_scores_of_the_harness_are_on_the_pareto_line_with_more_as_better() -> None:
    scores = {"none": 0.5, "random": 0.3, "sss_b": 0.5}
    arms = study() + [
        arm(
            s, {(0, k): [value + k / 1000] for k in range(4)}, metric="acc", judge="lm_eval", prompts="mmlu", rate=False
        )
        for s, value in scores.items()
    ]
    found = {one.name: one.metrics for one in points(statistics(arms).means, ("asr", QI29), (QI29, ""))}
    value, low, high = found["random-48"]["acc mmlu"]
    assert low < value < high
    assert value == pytest.approx(-0.3015)
    assert value > found["none"]["acc mmlu"][0], "lower is better, as for the others"


def test_models_are_told_apart() -> None:
    found = conclusions(statistics([*study("a"), *study("b")]), QI29)
    assert [(one.model, len(one.comparisons)) for one in found] == [("a", 3), ("b", 3)]


def test_other_judges_are_not_mixed_in() -> None:
    (found,) = conclusions(statistics([*study(), arm("sss_b", seeds([0.1] * 4, 100), judge="keyword:gcg7")]), QI29)
    assert len(found.comparisons) == 3


def test_prompt_sets_are_named_where_there_are_several() -> None:
    more = [arm(s, seeds(SAFE[s], 100), prompts="advbench") for s in SAFE]
    (found,) = conclusions(statistics([*study(), *more]), QI29)
    assert sum(sentence.startswith("On advbench: ") for sentence in found.comparisons) == 3
    assert all(sentence.startswith("On ") for sentence in found.comparisons)


def test_trends_are_among_them() -> None:
    (found,) = conclusions(statistics([*study(), arm("sss_b", seeds([0.1, 0.2, 0.1, 0.15], 100), budget=96)]), QI29)
    assert len(found.trends) == 1
    assert found.trends[0].startswith("Each doubling of the budget from 48 to 96 rows")


def test_every_sentence_knows_its_arm_and_what_benign_data_do_is_said() -> None:
    (found,) = conclusions(statistics(study()), QI29)
    assert found.about == ("random-48", "sss_b-48", "sss_b-48")
    assert found.alone == (
        "Benign data alone (none) take answers without refusal from 0.50 (the untouched model) to 0.95"
    )


def test_without_an_asr_safety_is_the_harm_score_and_costs_are_those_of_the_first_judge() -> None:
    more = {"metric": "harm_score", "judge": "harm_reward", "rate": False}
    arms = [arm(s, {(0, k): [2 * r] for k, r in enumerate(SAFE[s])}, **more) for s in SAFE]
    arms += [arm(s, seeds(REFUSED[s], 100), metric="over_refusal", prompts="lookalike") for s in SAFE]
    (found,) = conclusions(statistics(arms), QI29)
    assert found.comparisons[1].startswith("sss_b at 48 rows cuts harm score by 52% against random")
    assert "; over-refusal rises 8 points (" in found.comparisons[1]
    assert found.advice.strategy == "sss_b"


@pytest.mark.parametrize("half", [0.02])
def test_what_is_behind_within_its_interval_is_said(half: float) -> None:
    arms = [arm(s, seeds([r, r + half, r - half], 100)) for s, r in (("random", 0.50), ("sss_b", 0.51))]
    (found,) = conclusions(statistics(arms), QI29)
    assert [one.status for one in found.standings] == [FRONT, WITHIN]
    assert found.pareto.endswith("; sss_b-48 is behind only within the intervals")
