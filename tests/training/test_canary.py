"""The canary: right weights pass; a swap that did nothing, or left its predecessor in, fails."""

import math

import pytest

from lib.training.canary import TEXTS, TOLERANCE, canary_ids, check, distance

OWN = [[-1.0, -2.0], [-3.0]]
Numbers = list[list[float]]


def moved(numbers: Numbers, by: float) -> Numbers:
    return [[value + by for value in one] for one in numbers]


BASE, PREVIOUS = moved(OWN, -0.04), moved(OWN, 0.5)
OTHERS = {"the base model": BASE, "what was loaded before": PREVIOUS}


def test_distance_is_the_mean_over_tokens_and_not_over_texts() -> None:
    assert distance([[0.0, 0.0], [0.0]], [[1.0, -2.0], [6.0]]) == 3.0
    assert distance(OWN, OWN) == 0.0


@pytest.mark.parametrize("other", [[[-1.0], [-3.0]], [[-1.0, math.nan], [-3.0]], [[-math.inf, -2.0], [-3.0]]])
def test_what_cannot_be_compared_is_infinitely_far(other: Numbers) -> None:
    assert distance(OWN, other) == distance(other, OWN) == math.inf


def test_the_trained_weights_pass() -> None:
    result = check(moved(OWN, 0.01), OWN, OTHERS, "fp32")
    assert (result.status, result.reason) == ("passed", "")
    assert result.distance == pytest.approx(0.01)


def test_a_swap_that_did_nothing_fails() -> None:
    result = check(BASE, OWN, OTHERS, "fp32")
    assert result.status == "failed"
    assert result.reason == "the engine is nearer to the base model than to the trained weights"


def test_a_cell_left_in_from_before_fails() -> None:
    assert check(PREVIOUS, OWN, OTHERS, "fp32").status == "failed"
    near = {**OTHERS, "what was loaded before": moved(OWN, 0.03)}
    result = check(moved(OWN, 0.03), OWN, near, "fp32")
    assert (result.status, "what was loaded before" in result.reason) == ("failed", True)


def test_weights_of_nobody_fail_by_tolerance() -> None:
    far = moved(OWN, 0.06)
    assert check(far, OWN, {}, "fp32").status == "failed"
    assert check(far, OWN, {}, "bf16").status == "passed"
    assert check(moved(OWN, 0.36), OWN, {}, "bf16").status == "failed"
    assert TOLERANCE == {"fp32": 0.05, "bf16": 0.35}


def test_numbers_that_are_none_fail() -> None:
    assert check([[math.nan, -2.0], [-3.0]], OWN, {}, "bf16").status == "failed"
    assert check([[-1.0, -2.0]], OWN, {}, "bf16").status == "failed"


@pytest.mark.parametrize("noise", [0.002, 0.02])
def test_a_cell_that_cannot_be_told_from_the_base_is_inconclusive(noise: float) -> None:
    result = check(moved(OWN, noise), OWN, {"the base model": moved(OWN, 0.0004)}, "fp32")
    assert result.status == "inconclusive"
    assert result.reason == "this cell and the base model cannot be told apart in fp32"


def test_a_cell_equal_to_the_base_in_an_exact_engine_is_inconclusive() -> None:
    assert check(OWN, OWN, {"the base model": OWN}, "fp32").status == "inconclusive"


def test_a_failure_is_told_whatever_else_is_unclear() -> None:
    others = {"a twin": moved(OWN, 0.0001), "the base model": moved(OWN, 0.04)}
    assert check(moved(OWN, 0.04), OWN, others, "fp32").status == "failed"
    assert check(moved(OWN, 0.04), OWN, dict(reversed(others.items())), "fp32").status == "failed"


def test_a_small_change_that_rounding_hides_is_no_failure_and_a_swap_that_did_nothing_is() -> None:
    """Seen: trained in bf16, 0.055 from its base there, 0.04 from a float32 engine with the very same weights."""
    base, here = moved(OWN, 0.055), {"the base model": moved(OWN, 0.021)}
    result = check(moved(OWN, 0.04), OWN, {"the base model": base}, "bf16", here)
    assert (result.status, result.reason) == (
        "inconclusive",
        "this cell and the base model cannot be told apart in bf16",
    )
    stuck = check(here["the base model"], OWN, {"the base model": base}, "bf16", here)
    assert (stuck.status, stuck.reason) == ("failed", "the engine still has the weights of the base model")
    same = check(OWN, OWN, {"the base model": OWN}, "bf16", {"the base model": OWN})
    assert same.status == "inconclusive", "a cell that learned nothing is the base"


def test_the_texts_are_fixed_and_cut() -> None:
    def tokenizer(text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        assert add_special_tokens is False
        return {"input_ids": list(range(len(text)))}

    ids = canary_ids(tokenizer)
    assert [len(one) for one in ids] == [min(len(text), 48) for text in TEXTS]
    assert all(len(one) >= 2 for one in ids)
