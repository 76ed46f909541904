"""A few cells that touch everything."""

from pathlib import Path

from lib.plan import Lookup, make_plan
from lib.plan.cell import Cell
from lib.plan.cover import cover
from lib.store import Store
from tests.makers import demo


def cells_of(tmp_path: Path, *overrides: str) -> list[Cell]:
    study = demo(tmp_path, *overrides)
    return list(make_plan(study, Lookup(Store(study.storage))).cells)


def test_every_strategy_and_axis_value_is_touched_by_as_few_cells_as_values(tmp_path: Path) -> None:
    axes = [
        "sweep.strategy=[none, random, sss_b]",
        "sweep.recipe.ema=[null, {decay: 0.9}]",
        "sweep.recipe.schedule=[linear, cosine]",
    ]
    cells = cells_of(tmp_path, *axes)
    chosen = cover(cells)
    assert len([cell for cell in cells if cell.train]) == 12
    assert len(chosen) == 3
    assert {cell.strategy for cell in chosen} == {"none", "random", "sss_b"}
    assert {str(cell.axes["recipe.ema"]) for cell in chosen} == {"None", "{'decay': 0.9}"}
    assert {cell.axes["recipe.schedule"] for cell in chosen} == {"linear", "cosine"}
    assert chosen == [cell for cell in cells if cell in chosen], "in their order"


def test_of_one_cell_it_is_that_one_and_of_none_none(tmp_path: Path) -> None:
    cells = cells_of(tmp_path, "sweep.strategy=[random]")
    assert [cell.label for cell in cover(cells)] == [cell.label for cell in cells if cell.train]
    assert cover([cell for cell in cells if not cell.train]) == []
