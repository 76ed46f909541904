"""As much of PromQL as it takes to see which metrics, labels and functions an expression names."""

from __future__ import annotations

import re
from dataclasses import dataclass

WORDS = {
    "by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset",
    "sum", "min", "max", "avg", "count", "rate", "increase", "time", "clamp_min", "changes",
}  # fmt: skip
"""What the expressions here may call or join with."""
SELECTOR = re.compile(r"(?P<name>[a-z_:][a-z0-9_:]*)\{(?P<labels>[^}]*)\}")
MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*')
GROUPED = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


@dataclass(frozen=True)
class Selected:
    """A metric in an expression and how its series are chosen: (label, operator, value)."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]


def selected(expression: str) -> list[Selected]:
    """The metrics of an expression.

    Raises:
        ValueError: unbalanced brackets, a malformed matcher, a metric without `{...}`, or a word that is not known here.
    """
    for opening, closing in ("()", "{}", "[]"):
        if expression.count(opening) != expression.count(closing):
            raise ValueError(f"unbalanced {opening}{closing}: {expression}")
    found = []
    for match in SELECTOR.finditer(expression):
        matchers = []
        for part in filter(str.strip, match["labels"].split(",")):
            if (one := MATCHER.fullmatch(part)) is None:
                raise ValueError(f"no matcher: {part!r} in {expression}")
            matchers.append((one[1], one[2], one[3]))
        found.append(Selected(match["name"], tuple(matchers)))
    rest = GROUPED.sub(" ", SELECTOR.sub(" ", expression))
    rest = re.sub(r"\[[^\]]*\]|(?<=offset )\d+[smhd]", " ", rest)
    if unknown := set(re.findall(r"[a-z_]\w*", rest)) - WORDS:
        raise ValueError(f"not known: {', '.join(sorted(unknown))} in {expression}")
    return found


def grouped(expression: str) -> set[str]:
    """Labels that an expression groups or joins by."""
    return {label.strip() for part in GROUPED.findall(expression) for label in part.split(",") if label.strip()}
