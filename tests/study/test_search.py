"""How a search is written in a study, and what of it is refused."""

from pathlib import Path
from typing import Any

import pytest

from lib.errors import UserError
from lib.study.search import Range
from lib.study.sweep import Sweep
from tests.makers import demo


def sweep(**given: Any) -> Sweep:
    return Sweep.model_validate({"strategy": "random", **given})


def test_a_bare_name_is_enough_and_the_grid_is_what_there_is_without() -> None:
    assert sweep().search.method == "grid"
    assert sweep(search="optuna").search == sweep(search={"method": "optuna"}).search
    assert not sweep(search="random").search.adaptive
    assert sweep(search="asha").search.adaptive


def test_overrides_reach_inside_a_search_whichever_way_it_is_written(tmp_path: Path) -> None:
    study = demo(tmp_path, "sweep.search=random", "sweep.search.trials=3", "sweep.search.seed=7")
    assert (study.sweep.search.method, study.sweep.search.trials, study.sweep.search.seed) == ("random", 3, 7)


def test_a_range_is_no_list_of_values() -> None:
    found = sweep(search="random", **{"recipe.lr": {"from": 1e-5, "to": 1e-3, "scale": "log"}, "recipe.batch": [4, 8]})
    assert found.ranges == {"recipe.lr": Range(from_=1e-5, to=1e-3, scale="log")}
    assert found.axes == {"recipe.batch": [4, 8]}
    assert found.paths == ["recipe.lr", "recipe.batch"]


@pytest.mark.parametrize(("share", "value"), [(0.0, 1e-5), (0.5, 1e-4), (0.999999, 1e-3)])
def test_a_log_range_gives_each_factor_of_ten_its_share(share: float, value: float) -> None:
    assert Range(from_=1e-5, to=1e-3, scale="log").at(share) == pytest.approx(value, rel=1e-3)


def test_values_of_a_range_are_short_and_inside_and_whole_where_its_ends_are() -> None:
    lr = Range(from_=0.00012351, to=0.1)
    assert lr.at(0) == 0.00012351  # rounding may not leave it
    assert lr.at(0.5) == 0.05006
    ranks = [Range(from_=4, to=6).at(share / 30) for share in range(30)]
    assert sorted(set(ranks)) == [4, 5, 6]
    assert [ranks.count(rank) for rank in (4, 5, 6)] == [10, 10, 10]
    assert all(isinstance(rank, int) for rank in ranks)
    assert isinstance(Range(from_=0.0, to=1.0).at(0.5), float)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["sweep.search={method: optuna, metric: loss}"], "never compared between cells"),
        (["sweep.search={method: grid, trials: 5}"], "says nothing to method: grid"),
        (["sweep.search={method: optuna, rungs: 1}"], "rungs is for method: asha"),
        (["sweep.search=annealing"], "Input should be 'grid', 'random', 'optuna' or 'asha'"),
        (["sweep.recipe.lr={from: 1e-5, to: 1e-3}"], "is a range, and a grid takes values"),
        (["sweep.search=random", "sweep.recipe.lr={from: 1e-3, to: 1e-5}"], "goes from a smaller value to a larger"),
        (["sweep.search=random", "sweep.recipe.lr={from: 0, to: 1e-5, scale: log}"], "begins above 0"),
        (["sweep.search=random", "sweep.recipe.max_tokens={from: 64, to: 128}"], "makes other data"),
        (["sweep.search=random", "sweep.benign.limit={from: 64, to: 128}"], "makes other data"),
        (["sweep.search={method: random, metric: over_refusal, over_refusal_at_most: 0.1}"], "leave over_refusal_at_most out"),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_in_one_line(tmp_path: Path, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        demo(tmp_path, *overrides)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
