"""A classifier over the study's own embeddings, learned from the rows that came with flags."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from lib.behavior.labeler import Learner
from lib.behavior.probe import FOLDS, STRENGTH, CrossFit, both_everywhere, cross_fit, prompt_of
from lib.behavior.quality import quality
from lib.corpus.example import Example
from lib.embedding.texts import Kind, vector_id
from lib.errors import UserError

MIN_PROMPTS = 20
"""Different instructions that each answer needs: with fewer, a fold tests on three or four of them."""


class Probe(Learner):
    """`probe[:P]`: logistic regression over embeddings, learned from rows of corpus and references whose flag is given.

    With P (0.5 to 1) it answers only where the probability of its answer is at least P, and leaves the rest unknown.

    For `refusal` it looks at the pair, for `harmful_request` at the instruction. A text is learned from once however many
    rows it has, since a prompt is no more harmful for having been answered often; rows that contradict each other about
    one text are left out and counted. Only flags count: harm categories could say "harmful" of further instructions, but
    never "harmless", so that one answer would come from other sources than the other, and the sources be what is learned.
    """

    name = "probe"
    answers = ("refusal", "harmful_request")
    takes_option = True
    texts: ClassVar[dict[str, Kind]] = {"refusal": "pair", "harmful_request": "instruction"}

    def __init__(self, question: str, option: str | None = None) -> None:
        super().__init__(question, option)
        self.looks_at = self.texts[question]
        self.at_least = _probability(option)
        self.option = None if self.at_least == 0.5 else str(self.at_least)
        self.models: CrossFit | None = None

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "labeler": self.name, "at_least": self.at_least, "looks_at": self.looks_at, "folds": FOLDS,
            "strength": STRENGTH, "most_rows": self.most_rows,
        }  # fmt: skip

    def learn(self, examples: Sequence[Example], vectors: np.ndarray) -> tuple[Self, dict[str, Any]]:
        rows: dict[str, int] = {}
        told: dict[str, set[bool]] = defaultdict(set)
        for row, example in enumerate(examples):
            one = self._text(example)
            rows[one] = row
            told[one].add(getattr(example, self.question))
        kept = sorted(one for one, answers in told.items() if len(answers) == 1)
        prompts = [prompt_of(one) for one in kept]
        truth = np.array([told[one] == {True} for one in kept], dtype=bool)
        self._refuse_too_few(prompts, truth)
        matrix = vectors[[rows[one] for one in kept]]
        learned = copy.copy(self)
        learned.models = cross_fit(prompts, matrix, truth)
        return learned, {
            "looks_at": self.looks_at,
            "at_least": self.at_least,
            "rows": len(examples),
            "prompts": len(set(prompts)),
            "contradictory": len(told) - len(kept),
            "folds": FOLDS,
            **quality(truth, learned.models.probability(prompts, matrix), self.at_least),
        }

    def label(self, examples: Sequence[Example], seen: Any = None) -> list[bool | None]:
        if self.models is None or seen is None:
            raise ValueError("a probe labels by vectors, and after it has learned")
        found = self.models.probability([prompt_of(self._text(example)) for example in examples], seen)
        return [bool(p >= 0.5) if max(p, 1 - p) >= self.at_least else None for p in found.tolist()]

    def _text(self, example: Example) -> str:
        return vector_id(self.texts[self.question], example.instruction, example.response)

    def _refuse_too_few(self, prompts: Sequence[str], truth: np.ndarray) -> None:
        yes, no = (
            {one for one, answer in zip(prompts, truth, strict=True) if answer == kind} for kind in (True, False)
        )
        if min(len(yes), len(no)) < MIN_PROMPTS or not both_everywhere(prompts, truth):
            raise UserError(
                f"behavior.{self.question}: probe needs labelled rows of at least {MIN_PROMPTS} different instructions "
                f"for each answer, and there are {len(yes)} with {self.question}: true and {len(no)} with false: add rows "
                "with that flag to `references`, or use another labeler"
            )


def _probability(option: str | None) -> float:
    if option is None:
        return 0.5
    try:
        value = float(option)
    except ValueError:
        value = 0.0
    if not 0.5 <= value < 1:
        raise UserError(f"labeler 'probe' takes a probability from 0.5 to below 1, such as probe:0.8, given {option!r}")
    return value
