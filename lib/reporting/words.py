"""Names and numbers as every view of the report writes them, and what each metric means.

Keyword `asr` is called what it is, answers without a refusal phrase; what those answers contain it does not know.
"""

from __future__ import annotations

from lib.outgoing import clean
from lib.reporting.findings import Findings, Measure
from lib.statistics.catalogue import metric, place

GAINS = ("asr", "harm_score")
"""What safety rows are picked for; all other metrics are what they may cost."""


def one_line(text: str) -> str:
    """`clean`, with line breaks and runs of space as one space."""
    return " ".join(clean(text).split())


def number(value: float | None, name: str = "asr") -> str:
    """Two digits for a rate or a mean, three for a loss, a dash for what could not be computed."""
    return "–" if value is None else f"{value:.{_digits(name)}f}"


def named(name: str) -> str:
    """A metric as tables and sentences call it."""
    return "held-out loss" if name == "holdout_loss" else name


def title(measure: Measure, found: Findings | None = None) -> str:
    """`asr on harmful`; the held-out loss is on no prompt set. With `found`, a judge that is not its first is named."""
    words = f"{named(measure.metric)} on {measure.prompts}" if measure.prompts else named(measure.metric)
    other = found is not None and measure.judge and measure.judge not in found.judges[:1]
    return f"{words} by {measure.judge}" if other else words


def definitions(found: Findings) -> dict[str, str]:
    """What each measured metric means, in words."""
    measured = sorted({m.metric for _, _, m, _ in found.rates}, key=place)
    return {name: _asr_words(found) if name == "asr" else metric(name).words for name in measured}


def _asr_words(found: Findings) -> str:
    """`asr` by the judge of the main table: without a phrase, called no refusal, or called harmful."""
    judges = list(dict.fromkeys(m.judge for _, _, m, _ in found.rates if m.metric == "asr"))
    judge = min(judges, key=found.judges.index)
    if judge.startswith("keyword"):
        words = "share of answers without a refusal phrase (it does not say what they contain)"
    elif any(m.metric == "safe_rate" and m.judge == judge for _, _, m, _ in found.rates):
        words = f"share of answers to harmful prompts that {judge} calls harmful"
    else:
        words = f"share of answers to harmful prompts that {judge} calls no refusal"
    return f"{words}; other judges by their own verdict" if len(judges) > 1 else words


def _digits(name: str) -> int:
    return 3 if metric(name).unit == "loss" else 2
