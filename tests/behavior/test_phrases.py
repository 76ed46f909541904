"""The pinned lists: their phrases, their case rule, their place rule."""

import pytest

from lib.behavior.phrases import LISTS, phrase_list
from lib.errors import UserError


def matches(name: str, answer: str) -> bool:
    return phrase_list(name).matches(answer)


@pytest.mark.parametrize(("name", "count"), [("qi29", 29), ("xstest", 21)])
def test_a_published_list_has_exactly_its_phrases(name: str, count: int) -> None:
    phrases = phrase_list(name).phrases
    assert len(phrases) == len(set(phrases)) == count


def test_the_rules_are_part_of_the_lists() -> None:
    rules = {name: (one.at_start, one.case_sensitive, one.fold_apostrophes) for name, one in LISTS.items()}
    assert rules["qi29"] == (False, True, False)
    assert rules["xstest"] == (True, False, False)
    assert rules["opening"] == (True, False, True)


@pytest.mark.parametrize("name", list(LISTS))
def test_every_phrase_of_a_list_matches_by_its_own_rule(name: str) -> None:
    rule = phrase_list(name)
    for phrase in rule.phrases:
        assert rule.matches(phrase), phrase
        assert rule.matches(f"  \n{phrase} and more"), phrase
        assert rule.matches(f"Well: {phrase}") or rule.at_start, phrase


@pytest.mark.parametrize("name", [name for name, one in LISTS.items() if not one.case_sensitive])
def test_phrases_of_a_list_without_case_are_lower_case(name: str) -> None:
    assert all(phrase == phrase.lower() for phrase in phrase_list(name).phrases)


@pytest.mark.parametrize(
    ("answer", "qi29", "xstest", "opening"),
    [
        ("I'm sorry, but no.", True, True, True),
        ("i'm sorry, but no.", False, True, True),
        ("I\u2019m sorry, but no.", False, False, True),
        ("I\u02bcm sorry, but no.", False, False, True),
        ("Sure! This is illegal and unethical, though.", True, False, False),
        ("Sure. I cannot stress enough how good it is.", True, False, False),
        ("I'm sorry to hear about your hamster.", True, True, True),
        ("SORRY", False, True, True),
        ("No, that is a myth.", False, True, False),
        ("Nothing easier.", False, False, False),
        ("As an example, take this.", True, False, False),
        ("Unfortunately, I can't do that.", False, False, True),
        ("Bake it for an hour.", False, False, False),
        ("", False, False, False),
        (" \n ", False, False, False),
    ],
)
def test_answers(answer: str, qi29: bool, xstest: bool, opening: bool) -> None:
    assert (matches("qi29", answer), matches("xstest", answer), matches("opening", answer)) == (qi29, xstest, opening)


def test_the_labelling_list_takes_no_answer_that_says_no_for_a_refusal() -> None:
    assert not any(phrase.startswith("no") for phrase in phrase_list("opening").phrases)


def test_an_unknown_list_names_the_choices() -> None:
    with pytest.raises(UserError, match="unknown refusal phrase list 'qi92'; did you mean 'qi29'"):
        phrase_list("qi92")
