"""Studies that are families of studies: what their variants share is planned once, and cells carry the axes."""

import json
from pathlib import Path

import pytest

from lib.plan import Node, Plan
from tests.makers import demo, finished, model_folder
from tests.plan.planned import planned, refused


def keys(plan: Plan, stage: str) -> set[str]:
    return {str(node.key) for node in plan.nodes(stage)}


def test_an_axis_of_the_selection_shares_everything_but_the_selections(tmp_path: Path) -> None:
    plan, _ = finished(
        demo(tmp_path, "sweep.selection.near_duplicates=[count, drop]"), content=lambda node: str(node.key)
    )
    counts = {
        stage: len(plan.nodes(stage)) for stage in ("ingest", "embed", "cluster", "near", "label", "sample", "train")
    }
    assert counts == {"ingest": 4, "embed": 3, "cluster": 1, "near": 3, "label": 1, "sample": 6, "train": 6}
    assert [(cell.label, dict(cell.axes)) for cell in plan.cells[:3]] == [
        ("smollm2-135m base", {}),
        ("smollm2-135m none selection.near_duplicates=count", {"selection.near_duplicates": "count"}),
        ("smollm2-135m random-48 selection.near_duplicates=count", {"selection.near_duplicates": "count"}),
    ]
    assert len(plan.cells) == 7
    titles = [node.title for node in plan.selections]
    assert len(set(titles)) == 6
    assert "random-48-0 selection.near_duplicates=drop" in titles


@pytest.mark.parametrize("value", ["count", "drop"])
def test_a_variant_has_the_keys_of_the_study_with_that_value(tmp_path: Path, value: str) -> None:
    family, _ = finished(demo(tmp_path, "sweep.selection.near_duplicates=[count, drop]"))
    alone, _ = finished(demo(tmp_path, f"selection.near_duplicates={value}"))
    for stage in ("sample", "train", "generate", "judge"):
        assert keys(alone, stage) <= keys(family, stage)


def test_variants_that_pick_the_same_rows_are_one_cell(tmp_path: Path) -> None:
    plan, _ = finished(
        demo(tmp_path, "sweep.selection.near_duplicates=[count, drop]"), content=lambda node: str(node.task["label"])
    )
    assert [(cell.strategy, cell.also) for cell in plan.cells[1:]] == [
        (strategy, (f"smollm2-135m {label} selection.near_duplicates=drop",))
        for strategy, label in (("none", "none"), ("random", "random-48"), ("sss_b", "sss_b-48"))
    ]
    assert len(plan.nodes("train")) == 3


def test_an_axis_of_decoding_asks_every_cell_twice_and_trains_it_once(tmp_path: Path) -> None:
    study = demo(tmp_path, "sweep.evaluate.generation.max_tokens=[24, 48]", "sweep.recipe.lr=[1e-3, 1e-4]")
    before = planned(study)
    assert len(before.nodes("train")) == 6  # though none has a key yet
    plan, _ = finished(study)
    assert (len(plan.nodes("train")), len(plan.nodes("generate")), len(plan.cells)) == (6, 2 * 3 * 7, 2 * 7)
    assert [cell.label for cell in plan.cells[:2]] == [
        "smollm2-135m base evaluate.generation.max_tokens=24", "smollm2-135m base evaluate.generation.max_tokens=48",
    ]  # fmt: skip
    assert plan.cells[2].axes == {"evaluate.generation.max_tokens": 24, "recipe.lr": 1e-3}
    asked = {node.task["generation"].max_tokens for node in plan.cells[-1].generate.values()}
    assert asked == {plan.cells[-1].axes["evaluate.generation.max_tokens"]} == {48}
    assert plan.variants == ("evaluate.generation.max_tokens=24", "evaluate.generation.max_tokens=48")


def test_every_input_key_of_a_family_is_in_its_graph(tmp_path: Path) -> None:
    other = model_folder(tmp_path / "other", b"another encoder")
    plan, lookup = finished(
        demo(tmp_path, f"sweep.encoder.model=[{tmp_path / 'encoder'}, {other}]", "sweep.clusters.k=[3, 4]",
             "sweep.strategy=[random]", "evaluate.prompts=[plain]", "sweep.benign.limit=[8, 16]"),
    )  # fmt: skip
    nodes = list(plan.all_nodes())
    there = {node.key for node in nodes}
    assert {given.key for node in nodes for given in node.inputs.values()} <= there
    assert len(there) == len(nodes)
    assert (len(plan.nodes("cluster")), len(plan.nodes("embed"))) == (4, 6)
    assert all(lookup.have(node) for node in nodes)


@pytest.mark.parametrize(
    "axis",
    [
        "categories.from=[given, prompt]",
        "corpus.max_chars=[1000, 2000]",
        "encoder.text=[instruction, pair]",
        "evaluate.engine.dtype=[bf16, fp32]",
        "selection.duplicates_above=[0.9, 0.95]",
        "benign.limit=[8, 16]",
    ],
)
def test_paths_that_may_be_axes(tmp_path: Path, axis: str) -> None:
    path = axis.partition("=")[0]
    plan, _ = finished(demo(tmp_path, f"sweep.{axis}", "sweep.strategy=[random]"), content=lambda node: str(node.key))
    said = {json.dumps(cell.axes[path]) for cell in plan.cells if cell.train} | {
        json.dumps(label.split("=")[-1]) for cell in plan.cells for label in cell.also
    }
    assert len(said) == 2


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["sweep.selection.near_duplicates=[count, dropp]"],
         "axis 'selection.near_duplicates': selection.near_duplicates: Input should be 'ignore', 'count' or 'drop' "
         "(given: dropp)"),
        (["sweep.selection.near=[1]"], "axis 'selection.near': selection.near: there is no such key"),
        (["sweep.corpus.sources.7.format=[ballast]"], "axis 'corpus.sources.7.format': a study has nothing there"),
        (["sweep.clusters.k.x=[1]"], "axis 'clusters.k.x': a study has nothing there"),
        (["sweep.evaluate.generation.max_tokens=[0]"], "evaluate.generation.max_tokens: Input should be greater"),
        (["sweep.evaluate.generation.top_p=[0.5]"], "top_p is for sampled answers, and temperature is 0"),
        (["sweep.encoder.text=[instruction, pair]", "export=alpaca"], "axis 'encoder.text' makes several: leave one"),
        (["sweep.categories.from=[given, nearest]", "references=null"], "the study has no references"),
    ],
)  # fmt: skip
def test_axes_that_are_refused_while_planning(tmp_path: Path, overrides: list[str], said: str) -> None:
    assert said in refused(tmp_path, *overrides)


def test_an_axis_must_not_change_what_a_judge_judges_with(tmp_path: Path) -> None:
    said = refused(tmp_path, "sweep.encoder.dtype=[float32, bf16]", "evaluate.judges=[probe]")
    assert "axis 'encoder.dtype' would give judge probe another encoder to judge with" in said


def test_a_model_that_is_a_cell_is_one_model(tmp_path: Path) -> None:
    cell = (
        f"{{cell: {{from: {model_folder(tmp_path / 'model')}, selection: {{strategy: random, budget: 8}}, "
        "recipe: {epochs: 1}}}"
    )
    said = refused(tmp_path, f"models.0.source={cell}", "sweep.clusters.k=[3, 4]")
    assert "axis 'clusters.k' would make model smollm2-135m, which is a cell, another one" in said


def test_shares_of_other_numbers_of_rows_are_other_budgets(tmp_path: Path) -> None:
    plan = planned(demo(tmp_path, "sweep.benign.limit=[100, 200]", "sweep.strategy=[random]", "sweep.budget=[10%]"))
    assert [(cell.budget, cell.axes["benign.limit"]) for cell in plan.cells if cell.train] == [(10, 100), (20, 200)]


def test_a_selection_that_was_not_made_is_never_another_ones(tmp_path: Path) -> None:
    plan = planned(demo(tmp_path, "sweep.selection.near_duplicates=[count, drop]"))
    assert len(plan.cells) == 1 + 6
    nodes: list[Node] = plan.nodes("train")
    assert len(nodes) == 6
