"""Every shipped reader on good rows and bad ones."""

from typing import Any

import pytest

from lib.corpus.example import Example
from lib.corpus.reader import Reader
from lib.corpus.records import BadRow

BEAVER = {"prompt": "P?", "response": "R.", "category": {"self_harm": False, "animal_abuse": True}, "is_safe": False}
BALLAST = {"instruction": "I?", "response": "R."}
ALPACA = {"instruction": "I?", "input": "", "output": "O."}


def read(name: str, **record: Any) -> Example:
    example: Example = Reader.find(name)().example(record, "f.jsonl")
    return example


def reason(name: str, record: dict[str, Any], **changed: Any) -> str:
    with pytest.raises(BadRow) as error:
        read(name, **{**record, **changed})
    return str(error.value)


def labels(row: Example) -> tuple[bool | None, ...]:
    return row.is_safe, row.harmful_request, row.refusal, row.harmful_response


def test_ballast_takes_what_is_known() -> None:
    row = read("ballast", **BALLAST, categories=["b", "a", "b"], is_safe=True, harmful_request=True, refusal=False)
    assert (row.instruction, row.response, row.source, row.categories) == ("I?", "R.", "f.jsonl", ("a", "b"))
    assert labels(row) == (True, True, False, None)
    assert labels(read("ballast", **BALLAST)) == (None,) * 4
    assert read("ballast", **BALLAST, categories=None).categories == ()


@pytest.mark.parametrize("categories", ["a,b", [1], [""], {"a": True}])
def test_ballast_refuses_categories_that_are_no_list_of_names(categories: Any) -> None:
    assert reason("ballast", BALLAST, categories=categories) == "'categories' is no list of names"


def test_ballast_refuses_a_flag_that_is_none() -> None:
    assert reason("ballast", BALLAST, refusal="yes") == "'refusal' is neither true nor false: 'yes'"
    assert reason("ballast", BALLAST, response=None) == "'response' is missing"


def test_alpaca_puts_the_input_behind_the_instruction() -> None:
    row = read("alpaca", **{**ALPACA, "input": "some text"})
    assert (row.instruction, row.response) == ("I?\n\nsome text", "O.")
    assert labels(row) == (None,) * 4


@pytest.mark.parametrize("extra", ["", "  \n", None])
def test_alpaca_without_an_input(extra: str | None) -> None:
    assert read("alpaca", **{**ALPACA, "input": extra}).instruction == "I?"


def test_alpaca_without_the_column_at_all() -> None:
    assert read("alpaca", instruction="I?", output="O.").instruction == "I?"


def test_alpaca_refuses_what_is_no_text() -> None:
    assert reason("alpaca", ALPACA, input=["x"]) == "'input' is no text"
    assert reason("alpaca", ALPACA, output="") == "'output' is empty"


def test_beavertails_flags_describe_the_answer() -> None:
    row = read("beavertails", **BEAVER)
    assert (row.instruction, row.response, row.categories) == ("P?", "R.", ("animal_abuse",))
    assert labels(row) == (False, None, None, True)
    safe = read("beavertails", **{**BEAVER, "category": {"self_harm": False}, "is_safe": True})
    assert safe.categories == ()
    assert labels(safe) == (True, None, None, False)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"category": ["animal_abuse"]}, "'category' is no mapping of names to true or false"),
        ({"category": {"animal_abuse": 1}}, "'category' is no mapping of names to true or false"),
        ({"is_safe": None}, "'is_safe' is missing"),
        ({"is_safe": "false"}, "'is_safe' is neither true nor false: 'false'"),
        ({"prompt": 3}, "'prompt' is no text but '3'"),
    ],
)
def test_beavertails_bad_rows(changed: dict[str, Any], said: str) -> None:
    assert reason("beavertails", BEAVER, **changed) == said


def test_safety_tuned_answers_are_all_safe() -> None:
    row = read("safety_tuned", **ALPACA)
    assert (row.instruction, row.response, row.categories) == ("I?", "O.", ())
    assert labels(row) == (True, None, None, None)
    assert reason("safety_tuned", ALPACA, instruction=" ") == "'instruction' is empty"
