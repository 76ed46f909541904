"""What an adaptive search has tried, as the rest of the pipeline sees it."""

from pathlib import Path

import pytest

from lib.errors import UserError
from lib.plan import Lookup, make_plan
from lib.plan.points import Point, sampled
from lib.plan.show import describe
from lib.plan.tried import Look, Tried, look_name, read_looks, read_tried, write_tried
from lib.store import Store
from lib.study import Study
from tests.makers import demo, finished

SEARCH = (
    "sweep.strategy=[random, sss_b]", "sweep.recipe.lr={from: 1e-5, to: 1e-3, scale: log}",
    "sweep.search={method: asha, trials: 3, prompts: harmful}",
)  # fmt: skip


def one(study: Study, lr: float, state: str = "done") -> Tried:
    point = Point(model="smollm2-135m", strategy="sss_b", budget=48, draw=0, seed=0, axes={"recipe.lr": lr})
    told = {"point": point, "label": f"smollm2-135m sss_b-48 lr={lr}", "key": f"{lr}", "state": state}
    return Tried(**told, step=3 if state == "stopped" else 0, value=0.5)


def test_before_a_search_as_many_cells_are_planned_as_it_may_try(tmp_path: Path) -> None:
    study = demo(tmp_path, *SEARCH)
    lookup = Lookup(Store(study.storage))
    plan = make_plan(study, lookup)
    assert sum(cell.train is not None for cell in plan.cells) == 3
    text = describe(plan, lookup)
    assert "search asha: at most 3 trials of each model, seed 0; looks at asr on harmful by keyword:qi29" in text
    assert "1 training group and 1 more engine start at least" in text
    assert "those listed here stand for as many" in text
    write_tried(study, [], {})
    assert "those listed here are the ones so far" in describe(make_plan(study, lookup), lookup)


def test_data_are_made_ready_for_every_cell_there_may_be(tmp_path: Path) -> None:
    study = demo(tmp_path, *SEARCH, "sweep.budget=[8, 16]", "sweep.recipe.max_tokens=[64, 128]")
    plan, _ = finished(study)
    # benign and 4 selections, each in two lengths
    assert len(plan.nodes("mix")) == 10


def test_afterwards_the_cells_are_those_that_came_through(tmp_path: Path) -> None:
    study = demo(tmp_path, *SEARCH)
    told = [one(study, 0.0001), one(study, 0.0002, "stopped"), one(study, 0.0003, "failed")]
    write_tried(study, told, {})
    assert read_tried(study) == told
    plan, _ = finished(study)
    assert [cell.label for cell in plan.cells if cell.train] == [told[0].label, told[2].label]
    assert [(cell.label, cell.step, cell.value) for cell in plan.stopped] == [(told[1].label, 3, 0.5)]


def test_another_study_of_the_same_name_has_tried_nothing(tmp_path: Path) -> None:
    study = demo(tmp_path, *SEARCH)
    looks = {look_name("key", {"judge": "j"}): [Look(1, 3, 0.25, None)]}
    write_tried(study, [one(study, 0.0001)], looks)
    assert read_tried(demo(tmp_path, *SEARCH, "recipe.batch=4")) is None
    assert read_tried(demo(tmp_path, *SEARCH, "train.micro_batch=1", "sweep.search.seed=0")) is not None
    assert read_looks(demo(tmp_path, *SEARCH, "recipe.batch=4")) == looks  # they are kept by cell


def test_looks_are_named_by_the_cell_and_by_what_is_asked() -> None:
    names = {look_name(key, {"judge": judge}) for key in "ab" for judge in "jk"}
    assert len(names) == 4


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    study = demo(tmp_path, *SEARCH)
    write_tried(study, [], {})
    (Path(study.storage) / "searches" / "demo.json").write_text("{")
    with pytest.raises(UserError, match=r"searches/demo\.json cannot be read: remove it"):
        make_plan(study, Lookup(Store(study.storage)))


def test_a_sample_stands_for_what_is_not_known(tmp_path: Path) -> None:
    study = demo(tmp_path, *SEARCH)
    labels = [cell.label for cell in make_plan(study, Lookup(Store(study.storage))).cells if cell.train]
    assert [f"lr={point.axes['recipe.lr']}" in label for point, label in zip(sampled(study.sweep), labels, strict=True)]
