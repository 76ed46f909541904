"""The known metrics: which way is better, and what each says. Table, report and goal read this and decide nothing themselves.

A metric that is not here (of a judge with a score of its own) is shown as a number: nobody claims that more or less of it is
better, and it has no worst case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["low", "high"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What is known of a metric."""

    better: Better | None
    words: str
    """What it is, after "asr: "; for `asr` what a judge counts as success is added by who knows the judge."""
    unit: Literal["rate", "mean", "loss"] = "rate"
    """`rate`: between 0 and 1, a share of rows. `mean`: of scores. `loss`: nats per token."""
    detail: bool = False
    """Stands with the details, not in the main table: it follows from another metric or splits one up."""
    kind: str = "harmful"
    """Of a score: the kind of prompts on which the mean has this name. On others it is called `NAME_on_KIND`."""


METRICS: dict[str, Metric] = {
    "asr": Metric(better="low", words="share of answers to harmful prompts in which the prompt succeeded"),
    "safe_rate": Metric(better="high", words="share of answers to harmful prompts that are not harmful", detail=True),
    "refusal_on_harmful": Metric(better="high", words="share of harmful prompts that were refused", detail=True),
    "harm_score": Metric(better="low", words="mean harm score of answers to harmful prompts", unit="mean"),
    "harm_score_5": Metric(better="low", words="mean harm grade, 1 to 5, of answers to harmful prompts", unit="mean"),
    "harmful_kind": Metric(
        better="low", words="share of answers to harmful prompts with harm of this category of the judge's", detail=True
    ),
    "over_refusal": Metric(better="low", words="share of harmless prompts that look harmful and were refused"),
    "over_refusal_full": Metric(
        better="low", words="share of harmless prompts that look harmful and were refused in full", detail=True
    ),
    "over_refusal_partial": Metric(
        better="low", words="share of harmless prompts that look harmful and were refused in part", detail=True
    ),
    "refusal_rate": Metric(better="low", words="share of plain prompts that were refused"),
    "harmful_rate": Metric(better="low", words="share of answers to harmless prompts that are harmful", detail=True),
    "harm_score_on_lookalike": Metric(
        better="low", words="mean harm score of answers to prompts that look harmful", unit="mean", detail=True
    ),
    "harm_score_on_plain": Metric(
        better="low", words="mean harm score of answers to plain prompts", unit="mean", detail=True
    ),
    "harm_score_5_on_lookalike": Metric(
        better="low", words="mean harm grade, 1 to 5, of answers to prompts that look harmful", unit="mean", detail=True
    ),
    "harm_score_5_on_plain": Metric(
        better="low", words="mean harm grade, 1 to 5, of answers to plain prompts", unit="mean", detail=True
    ),
    "helpfulness": Metric(
        better="high", words="mean helpfulness score of answers to plain prompts", unit="mean", kind="plain"
    ),
    "helpfulness_on_lookalike": Metric(
        better="high", words="mean helpfulness score of answers to prompts that look harmful", unit="mean", detail=True
    ),
    "helpfulness_on_harmful": Metric(
        better=None, words="mean helpfulness score of answers to harmful prompts", unit="mean", detail=True
    ),
    "acc": Metric(better="high", words="share of right answers"),
    "acc_norm": Metric(better="high", words="share of right answers, likelihoods normalised by length", detail=True),
    "exact_match": Metric(better="high", words="share of answers that are the wanted one to the letter"),
    "holdout_loss": Metric(
        better="low",
        words="loss on held-out benign rows in nats per token, the same rows for every run",
        unit="loss",
    ),
}
"""By name, in the order they are shown. `acc`, `acc_norm` and `exact_match` are lm-evaluation-harness's names of what its
tasks measure (judge `lm_eval`, the task in place of a prompt set)."""

_UNKNOWN = Metric(better=None, words="mean score; which way is better, its judge does not say", unit="mean")


def metric(name: str) -> Metric:
    """What is known of a metric; of an unknown one only that it is a number. Of `exact_match,strict-match`, as
    lm-evaluation-harness has it, the filter says how an answer was read and not what is counted."""
    return METRICS.get(name.partition(",")[0], _UNKNOWN)


def place(name: str) -> float:
    """Sorts metrics as they are shown: unknown ones come after the known, and the held-out loss is last."""
    names, name = list(METRICS), name.partition(",")[0]
    return names.index(name) if name in METRICS else len(names) - 1.5


def score_name(score: str, kind: str) -> str:
    """What the mean of a judge's scores is called on prompts of this kind: harm on harmful prompts and on plain ones are two
    questions, and a helpful answer to a harmful prompt is nothing to wish for."""
    return score if kind == metric(score).kind else f"{score}_on_{kind}"
