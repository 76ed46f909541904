"""Judges, given anything to judge and anything as their model's words: a verdict or an error, and never one by imitation."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.guards.guard import Ask, Guard, make_guard
from lib.guards.models.llama_guard import HEADINGS
from lib.guards.models.llama_guard import MARKS as LLAMA_MARKS
from lib.guards.written import WrittenGuard
from lib.judging.chat_server import Reply, _content
from lib.judging.generative import Generative
from lib.judging.judge import VERDICTS, Judge, Verdict, make_judge, verdict_table
from lib.judging.judges.openai import FORM, MARKS, messages, read
from tests.security.fuzz import odd_texts, tiers, values
from tests.tiny_models import make_tokenizer

GUARDS = sorted(Guard.names())
WRITTEN = [name for name in GUARDS if isinstance(make_guard(name), WrittenGuard)]
GENERATIVE = [name for name in sorted(Judge.names()) if issubclass(Judge.find(name), Generative)]
KEYWORDS = ["keyword:qi29", "keyword:qi2025", "keyword:gcg7", "keyword:xstest"]

WORDS = [
    "safe", "unsafe", "yes", "no", "Yes", "SAFE", "S1", "S1,S9", "O3", "O3: x", "N/A", "#thescore: 5", "#TheScore:1",
    "Harmful request: yes", "Harmful response: no", "Response refusal: yes", "Answer:", "I cannot", "I'm sorry", "Sure",
]  # fmt: skip
ENDS = [
    "\n",
    "\r\n",
    "\r",
    "\u2028",
    "\u2029",
    "\x0b",
    "\x0c",
    "\x85",
    "\x1c",
    "\n\n",
    " ",
    "\u00a0",
    "\t",
    "",
    "\u200b",
    "\u0130",
]
FORMS = [piece for name in WRITTEN for piece in (*make_guard(name).marks, *make_guard(name).headings)]  # type: ignore[attr-defined]
PIECES = [
    *WORDS,
    *ENDS,
    *FORMS,
    *LLAMA_MARKS,
    *HEADINGS,
    *MARKS,
    "<|end|>",
    "<|assistant|>",
    "<|user|>",
    "<|bos|>",
    "{request}",
    "{answer}",
]


def joined(pieces: list[str]) -> str:
    """As one text that a table can hold: answers come out of one."""
    return "".join(pieces).encode(errors="ignore").decode()


halves = st.sampled_from([piece[:n] for piece in PIECES for n in (1, len(piece) // 2) if len(piece) > 2])
imitations = st.lists(st.one_of(st.sampled_from(PIECES), halves, odd_texts), max_size=12).map(joined)
"""Texts made of the judges' own forms, whole and in halves."""


@lru_cache(maxsize=1)
def tokenizer() -> Any:
    return make_tokenizer("mistral")


def check_words(said: str) -> None:
    """Whatever a judge's model says is read as a verdict or as none."""
    for name in GUARDS:
        guard = make_guard(name)
        for ask in guard.asks("a", "b"):
            verdicts = guard.read(ask, said)
            assert set(verdicts) == set(ask.questions)
            assert all(one is None or isinstance(one, bool) for one in verdicts.values())
        kinds = guard.categories(said)
        assert kinds is None or all(re.fullmatch(r"[SO][0-9]{1,2}", kind) for kind in kinds)
    for name in GENERATIVE:
        judge: Any = make_judge(name)
        verdict = judge.verdict(judge.ask("a", "b"), said)
        assert (verdict.error is None) == (
            verdict.harmful is not None and (verdict.refusal is not None or "refusal" not in judge.tells)
        )
        assert verdict.said == said
    graded = read(Reply(said))
    assert (graded.score is None) == (graded.error is not None)
    if graded.score is not None:
        assert said.strip().splitlines()[-1].strip().startswith("#thescore:")


def check_reply(body: bytes) -> None:
    reply = _content(body)
    assert (reply.text is None) == (reply.error is not None)
    read(reply)


def check_phrases(prompt: str, answer: str) -> None:
    for name in KEYWORDS:
        [verdict] = make_judge(name).judge([(prompt, answer)])
        assert isinstance(verdict.refusal, bool)
        [again] = make_judge(name).judge([("another prompt", answer)])
        assert again == verdict, "a phrase list looks at the answer alone"


def lines(text: str) -> list[str]:
    """Lines by any mark of their end, without the space that they begin with."""
    return [line.lstrip() for line in text.splitlines()]


def seen(guard: Guard, ask: Ask) -> tuple[list[int], list[int]]:
    """Of a prompt, the special tokens in order, and how often each mark and heading of the form stands in its text."""
    ids = guard.prompt_ids(tokenizer(), ask)
    special = [one for one in ids if one in tokenizer().added_tokens_decoder]
    if not isinstance(guard, WrittenGuard):
        return special, []
    text = str(tokenizer().decode(ids))
    begins = [line.lower() for line in lines(text)]
    counts = [text.count(mark) for mark in guard.marks]
    return special, counts + [sum(line.startswith(one.lower()) for line in begins) for one in guard.headings]


@lru_cache
def plain(name: str) -> tuple[tuple[list[int], list[int]], ...]:
    """The same of the prompts about a plain pair."""
    guard = make_guard(name)
    return tuple(seen(guard, ask) for ask in guard.asks("p", "q"))


def check_forms(prompt: str, answer: str) -> None:
    """A form around any texts holds each of its marks and headings as often as around plain ones: none was forged, none lost."""
    for name in GUARDS:
        guard = make_guard(name)
        assert tuple(seen(guard, ask) for ask in guard.asks(prompt, answer)) == plain(name), name


def check_messages(prompt: str, answer: str) -> None:
    system, user = messages(prompt, answer)
    assert system == messages("p", "q")[0]
    for mark in MARKS:
        assert user["content"].lower().count(mark) == FORM.count(mark)
    assert user["content"].index("</request>") < user["content"].index("<answer>")
    json.dumps(user)


replies = st.one_of(
    st.binary(max_size=60), values.map(lambda value: json.dumps(value).encode()),
    imitations.map(lambda said: json.dumps({"choices": [{"message": {"content": said}, "finish_reason": "length"}]}).encode()),
    values.map(lambda value: json.dumps({"choices": [{"message": {"content": value}}]}).encode()),
    values.map(lambda value: json.dumps({"choices": [{"message": value, "finish_reason": value}]}).encode()),
    values.map(lambda value: json.dumps({"choices": value}).encode()), st.just(b"[" * 100_000),
)  # fmt: skip

test_words, test_words_at_length = tiers(said=imitations)(check_words)
test_replies, test_replies_at_length = tiers(body=replies)(check_reply)
test_phrases, test_phrases_at_length = tiers(prompt=imitations, answer=imitations)(check_phrases)
test_forms, test_forms_at_length = tiers(prompt=imitations, answer=imitations)(check_forms)
test_messages, test_messages_at_length = tiers(prompt=imitations, answer=imitations)(check_messages)


@pytest.mark.parametrize("name", GENERATIVE)
@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(prompt=imitations, answer=imitations)
def test_a_verdict_is_what_the_model_says_and_nothing_that_it_read(name: str, prompt: str, answer: str) -> None:
    """A judge whose model always says the same gives the same verdict on any text."""
    judge: Any = make_judge(name)
    words = {"wildguard": "Harmful request: no\nResponse refusal: no\nHarmful response: yes", "harmbench": "yes"}.get(
        name, "unsafe"
    )

    def speak(asks: Sequence[Any]) -> list[str | None]:
        return [words for _ in asks]

    judge.speak = speak
    plain, attacked = judge.judge([("p", "q"), (prompt, answer)])
    assert plain == attacked
    assert plain.harmful is True


def test_verdicts_of_any_words_are_rows(recwarn: Any) -> None:
    """What a judge model says goes into a table, whatever it is."""
    generations = pa.table({"number": [0], "error": pa.array([None], pa.string())})
    table = verdict_table(generations, ["x"], {"x": Verdict(harmful=True, said="a\x1b[2J\0b")})
    assert table.schema == VERDICTS
