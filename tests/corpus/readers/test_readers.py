"""Every shipped reader on good rows and bad ones."""

from typing import Any

import pytest

from lib.corpus.example import Example
from lib.corpus.reader import make_reader
from lib.corpus.records import BadRow

BEAVER = {"prompt": "P?", "response": "R.", "category": {"self_harm": False, "animal_abuse": True}, "is_safe": False}
BALLAST = {"instruction": "I?", "response": "R."}
ALPACA = {"instruction": "I?", "input": "", "output": "O."}
DOLLY = {"instruction": "I?", "context": "", "response": "R.", "category": "closed_qa"}
ORCA = {"id": "niv.1", "system_prompt": "", "question": "Q?", "response": "R."}
PAIR = {
    "prompt": "P?", "response_0": "R0.", "response_1": "R1.", "is_response_0_safe": True, "is_response_1_safe": False,
    "better_response_id": 1, "safer_response_id": 0,
}  # fmt: skip


def read(name: str, **record: Any) -> Example:
    (example,) = make_reader(name).examples(record, "f.jsonl")
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
    assert read("safety_tuned", **{**ALPACA, "input": "In."}).instruction == "I?\n\nIn."
    assert reason("safety_tuned", ALPACA, instruction=" ") == "'instruction' is empty"


def test_control_characters_and_decomposed_letters_are_normalised_everywhere() -> None:
    odd = "e\u0301\x00\r\nx\ufeff "
    for name, record in (
        ("ballast", BALLAST),
        ("alpaca", ALPACA),
        ("beavertails", BEAVER),
        ("dolly", DOLLY),
        ("orca", ORCA),
    ):
        for key in ("instruction", "prompt", "question", "response", "output"):
            if key in record:
                row = read(name, **{**record, key: odd})
                assert "\u00e9\nx" in (row.instruction, row.response)


def test_dolly_puts_the_context_behind_the_instruction_and_its_category_is_no_harm() -> None:
    row = read("dolly", **{**DOLLY, "context": " some text\n"})
    assert (row.instruction, row.response, row.categories) == ("I?\n\n some text", "R.", ())
    assert labels(row) == (None,) * 4
    assert read("dolly", **{**DOLLY, "context": None}).instruction == "I?"
    assert reason("dolly", DOLLY, context=["x"]) == "'context' is no text"
    assert reason("dolly", DOLLY, response="") == "'response' is empty"


def test_orca_puts_the_system_prompt_before_the_question() -> None:
    row = read("orca", **{**ORCA, "system_prompt": "Be brief."})
    assert (row.instruction, row.response) == ("Be brief.\n\nQ?", "R.")
    assert read("orca", **ORCA).instruction == "Q?"
    assert reason("orca", ORCA, system_prompt=3) == "'system_prompt' is no text"
    assert reason("orca", ORCA, question="\u200b") == "'question' is empty"


def test_safe_rlhf_gives_two_examples_with_the_harms_of_each() -> None:
    harms = {"Drugs": False, "Violence": True}
    safe, unsafe = make_reader("safe_rlhf").examples(
        {**PAIR, "response_0_harm_category": {"Drugs": False}, "response_1_harm_category": harms}, "f.jsonl"
    )
    assert (safe.instruction, safe.response, safe.categories) == ("P?", "R0.", ())
    assert (unsafe.instruction, unsafe.response, unsafe.categories) == ("P?", "R1.", ("Violence",))
    assert (labels(safe), labels(unsafe)) == ((True, None, None, False), (False, None, None, True))
    assert safe.text_id == unsafe.text_id


def test_safe_rlhf_without_harm_categories() -> None:
    for absent in ({}, {"response_1_harm_category": None}):
        assert [row.categories for row in make_reader("safe_rlhf").examples({**PAIR, **absent}, "")] == [(), ()]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"response_0": None}, "'response_0' is missing"),
        ({"response_1": "\x00"}, "'response_1' is empty"),
        ({"is_response_1_safe": None}, "'is_response_1_safe' is missing"),
        ({"is_response_0_safe": 1}, "'is_response_0_safe' is neither true nor false: '1'"),
        ({"response_1_harm_category": ["Drugs"]}, "'response_1_harm_category' is no mapping of names to true or false"),
    ],
)
def test_safe_rlhf_bad_rows(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRow) as error:
        list(make_reader("safe_rlhf").examples({**PAIR, **changed}, "f.jsonl"))
    assert str(error.value) == said
