"""A few cells that together touch everything that cells of a study differ in."""

from __future__ import annotations

from collections.abc import Sequence

from lib.plan.cell import Cell, axis_words


def cover(cells: Sequence[Cell]) -> list[Cell]:
    """Fine-tuned cells, in their order, such that every model, strategy and axis value is one of theirs.

    Greedy set cover (Chvatal 1979): each time the cell that touches most of what is left; of equals the first.
    """
    touched = [_touches(cell) for cell in cells if cell.train is not None]
    trained = [cell for cell in cells if cell.train is not None]
    left = set[tuple[str, str]]().union(*touched)
    chosen = set[int]()
    while left:
        best = max(range(len(trained)), key=lambda number: (len(touched[number] & left), -number))
        chosen.add(best)
        left -= touched[best]
    return [trained[number] for number in sorted(chosen)]


def _touches(cell: Cell) -> set[tuple[str, str]]:
    return {("model", cell.model), ("strategy", cell.strategy), *(("axis", word) for word in axis_words(cell.axes))}
