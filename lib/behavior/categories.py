"""Harm categories that a sibling answer to the same instruction has.

Real corpora do not give categories to the rows one wants to pick: in BeaverTails every safe row has none, since the
flags describe the answer (paper A uses per-row categories whose origin is not published).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence


def by_prompt(rows: Iterable[tuple[str, Sequence[str]]]) -> dict[str, tuple[str, ...]]:
    """Instruction -> the union of the categories that any row with it has, sorted.

    Args:
        rows: (id of the folded instruction, categories) of every pool that may know.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for one, categories in rows:
        found[one].update(categories)
    return {one: tuple(sorted(names)) for one, names in found.items() if names}
