"""How every target is fuzzed: a hundred fixed cases in the ordinary tests, ten thousand new ones in the slow ones.

The few are the same on every machine; the many differ from run to run, and print the case that they fall on. A case that
takes longer than `LONGEST` is a failure: nothing that reads a stranger's text may hang.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.errors import UserError

FEW, MANY = 100, 10_000
LONGEST = timedelta(seconds=20)
"""Of one case, on a machine that does other things too."""
CHECKS = list(HealthCheck)


def tiers(**strategies: Any) -> Callable[[Callable[..., None]], tuple[Callable[..., None], Callable[..., None]]]:
    """A check as two tests, `test_x, test_x_at_length = tiers(...)(check)`."""

    def made(check: Callable[..., None]) -> tuple[Callable[..., None], Callable[..., None]]:
        few = settings(max_examples=FEW, derandomize=True, deadline=None, database=None, suppress_health_check=CHECKS)
        many = settings(max_examples=MANY, deadline=LONGEST, database=None, suppress_health_check=CHECKS)
        return few(given(**strategies)(check)), pytest.mark.slow(many(given(**strategies)(check)))

    return made


def said_in_one_line(error: UserError, about: str = "") -> None:
    """A user's mistake is one line that somebody can read, and names what it is about."""
    said = str(error)
    assert said
    assert "\n" not in said
    assert len(said) < 5000
    assert about in said


odd_texts = st.one_of(
    st.text(st.characters(codec=None), max_size=20),  # lone surrogates too
    st.sampled_from(
        ["", " ", "\0", "\x1b[2J", "=1+1", "../..", "a" * 300, "\ud800", "null", "NaN", "\u2028", "{x}", "%s", "~x"]
    ),
)
numbers = st.one_of(st.integers(), st.integers(-(2**80), 2**80), st.floats(), st.booleans(), st.none())
values = st.recursive(
    st.one_of(odd_texts, numbers),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(odd_texts, inner, max_size=3)),
    max_leaves=6,
)
"""Anything that JSON or YAML can say."""


def mutated(text: str) -> st.SearchStrategy[str]:
    """A text with pieces cut out, put in or doubled."""
    places = st.integers(0, len(text))
    cuts = st.lists(
        st.tuples(
            places, places, st.one_of(st.just(""), odd_texts, st.sampled_from(list("&*!<>|[]{}:#?-\n\t'\"%@`,0")))
        ),
        max_size=4,
    )

    def apply(edits: list[tuple[int, int, str]]) -> str:
        out = text
        for one, other, new in edits:
            start, end = sorted((one, min(other, one + 30)))
            out = out[:start] + new + out[end:]
        return out

    return cuts.map(apply)
