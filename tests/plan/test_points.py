"""The cells that a search means."""

from pathlib import Path

from lib.plan import Lookup, Plan, make_plan
from lib.plan.points import covering, sampled
from lib.plan.show import describe
from lib.store import Store
from lib.study import Study
from tests.makers import demo, finished

AXES = ("sweep.strategy=[none, sss_b]", "sweep.budget=[8, 16]", "sweep.draw=[0, 1]", "sweep.seed=[0, 1]")
LR = "sweep.recipe.lr={from: 1e-5, to: 1e-3, scale: log}"


def planned(study: Study) -> Plan:
    return make_plan(study, Lookup(Store(study.storage)))


def labels(plan: Plan) -> list[str]:
    return [cell.label for cell in plan.cells if cell.train]


def test_more_trials_keep_the_cells_of_fewer(tmp_path: Path) -> None:
    few, many = (
        sampled(demo(tmp_path, *AXES, LR, f"sweep.search={{method: random, trials: {n}}}").sweep) for n in (5, 12)
    )
    assert len(few) == 5
    assert many[:5] == few
    other = sampled(demo(tmp_path, *AXES, LR, "sweep.search={method: random, trials: 5, seed: 1}").sweep)
    assert other != few


def test_a_space_smaller_than_the_trials_is_taken_whole(tmp_path: Path) -> None:
    axes = ("sweep.strategy=[none, sss_b]", "sweep.budget=[8, 16]", "sweep.draw=[0, 1]")
    study = demo(tmp_path, *axes, "sweep.search=random", "sweep.search.trials=100")
    grid = labels(planned(demo(tmp_path, *axes)))
    assert sorted(labels(planned(study))) == sorted(
        grid
    )  # none is one cell for each seed, whatever budget and draw say


def test_a_random_search_plans_as_many_cells_as_it_has_trials_for_each_model(tmp_path: Path) -> None:
    search = [*AXES, LR, "sweep.recipe.batch=[4, 8]", "sweep.search={method: random, trials: 6}"]
    before, (plan, _) = planned(demo(tmp_path, *search)), finished(demo(tmp_path, *search))
    assert labels(plan) == labels(before)
    assert len(set(labels(plan))) == 6
    assert all("lr=" in label and "batch=" in label for label in labels(plan))
    assert len(plan.samples) == 5  # every selection there may be: they are cheap, and nothing waits for them


def test_axes_outside_the_recipe_are_sampled_too(tmp_path: Path) -> None:
    axis = "sweep.selection.near_duplicates=[count, drop]"
    plan = planned(demo(tmp_path, *AXES, axis, "sweep.search={method: random, trials: 6}"))
    assert len(labels(plan)) == 6
    assert {label.split("near_duplicates=")[1] for label in labels(plan)} == {"count", "drop"}


def test_a_budget_that_is_a_share_of_rows_not_read_yet_waits_for_them(tmp_path: Path) -> None:
    rules = ("sweep.budget=['10%']", "sweep.strategy=random", "benign.limit=null", "sweep.search=random")
    plan = planned(demo(tmp_path, *rules))
    assert labels(plan) == []
    assert plan.open_budgets == ("10%",)


def test_points_that_cover_the_axes_have_every_selection_and_every_length(tmp_path: Path) -> None:
    study = demo(tmp_path, *AXES, LR, "sweep.recipe.max_tokens=[64, 128]", "sweep.search=random")
    found = list(covering(study.sweep))
    assert len(found) == 2 * 2 * 2 * 2
    assert {point.axes["recipe.max_tokens"] for point in found} == {64, 128}


def test_a_dry_run_says_what_a_search_will_do_at_most(tmp_path: Path) -> None:
    study = demo(tmp_path, *AXES, LR, "sweep.search={method: random, trials: 6, prompts: harmful}")
    lookup = Lookup(Store(study.storage))
    text = describe(make_plan(study, lookup), lookup)
    said = (
        "search random: at most 6 cells of each model, seed 0; looks at asr on harmful by keyword:qi29, less is better"
    )
    assert said in text.splitlines()


def test_a_grid_says_nothing_of_a_search(tmp_path: Path) -> None:
    study = demo(tmp_path)
    lookup = Lookup(Store(study.storage))
    assert "search" not in describe(make_plan(study, lookup), lookup)
