"""The graph of a study: what changes a key and what does not, which cells are one, what is refused, what is touched."""

from pathlib import Path
from typing import Any

import pytest

from lib.errors import UserError
from lib.plan import STAGES, Lookup, Node, Plan, make_plan
from lib.plan.cells import with_axes
from lib.store import Store
from lib.study import Study, load_study
from lib.study.recipe import Recipe
from tests.makers import DEMO, demo, finished, model_folder


def planned(study: Study, *, online: bool = False) -> Plan:
    return make_plan(study, Lookup(Store(study.storage)), online=online)


def keys(plan: Plan) -> dict[str, list[str | None]]:
    """Keys of all nodes by stage, in the plan's order."""
    return {stage: [node.key for node in plan.nodes(stage)] for stage in STAGES}


def refused(tmp_path: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as error:
        planned(demo(tmp_path, *overrides))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def done(folder: Path) -> dict[str, list[str | None]]:
    """All keys of the demo study, once every stage has run."""
    return keys(finished(demo(folder))[0])


def changed(folder: Path, before: dict[str, list[str | None]], *overrides: str, **more: Any) -> set[str]:
    """The stages in which a study differs from the demo by at least one key."""
    after = keys(finished(demo(folder, *overrides), **more)[0])
    return {stage for stage in STAGES if set(after[stage]) != set(before[stage])}


# ---------------------------------------------------------------- planning itself


def test_the_shipped_demo_plans_with_the_installed_packages_and_touches_nothing(tmp_path: Path) -> None:
    study = load_study(DEMO, [f"storage={tmp_path / 'runs'}"])
    plan = planned(study)
    assert list(tmp_path.iterdir()) == []
    assert [cell.label for cell in plan.cells] == [
        "smollm2-135m base", "smollm2-135m none", "smollm2-135m random-48", "smollm2-135m sss_b-48",
    ]  # fmt: skip
    known = {stage: sum(key is not None for key in found) for stage, found in keys(plan).items()}
    assert known == {
        "model": 2, "ingest": 4, "embed": 3, "cluster": 1, "near": 3, "guard": 0, "label": 1, "cards": 1,
        "sample": 3, "mix": 1, "train": 0,
        "generate": 2, "judge": 4, "utility": 0,
    }  # fmt: skip


def test_when_every_stage_has_run_every_node_has_a_key(done: dict[str, list[str | None]]) -> None:
    assert {stage: len(found) for stage, found in done.items()} == {
        "model": 2, "ingest": 4, "embed": 3, "cluster": 1, "near": 3, "guard": 0, "label": 1, "cards": 1,
        "sample": 3, "mix": 4, "train": 3,
        "generate": 12, "judge": 24, "utility": 0,
    }  # fmt: skip
    assert not any(key is None for found in done.values() for key in found)


def test_planning_twice_gives_the_same_keys(folder: Path) -> None:
    assert keys(planned(demo(folder))) == keys(planned(demo(folder)))


def test_nodes_come_in_running_order_and_once(folder: Path) -> None:
    plan, _ = finished(demo(folder))
    nodes = list(plan.all_nodes())
    assert [node.stage for node in nodes] == sorted((node.stage for node in nodes), key=STAGES.index)
    assert len({node.key for node in nodes}) == len(nodes)
    for node in nodes:
        assert all(STAGES.index(given.stage) <= STAGES.index(node.stage) for given in node.inputs.values())


def test_every_input_key_of_a_graph_is_in_the_graph(folder: Path) -> None:
    plan, _ = finished(demo(folder))
    there = {node.key for node in plan.all_nodes()}
    assert {given.key for node in plan.all_nodes() for given in node.inputs.values()} <= there


# ---------------------------------------------------------------- placement is not identity


@pytest.mark.parametrize(
    "override",
    [
        "train.workers=4",
        "train.micro_batch=2",
        "train.deepspeed=zero0",
        "train.deepspeed=zero3_offload",
        "train.gradient_checkpointing=true",
        "train.packing=true",
        "train.checkpoint_steps=7",
        "train.retries=9",
        "encoder.batch=7",
        "encoder.workers=3",
        "clusters.workers=3",
        "cluster.cpus=16",
        "cluster.threads=3",
        "cluster.start_deadline_s=60",
        "evaluate.engine.kv_cache_gb=3",
        "evaluate.engine.gpu_memory=0.5",
        "export=[alpaca, trl]",
        "evaluate.prompts.0.count=56",
        "evaluate.prompts.0.name=other",
        "name=other",
        "models.0.name=other",
    ],
)
def test_where_the_work_is_placed_changes_no_key(
    folder: Path, done: dict[str, list[str | None]], override: str
) -> None:
    assert changed(folder, done, override) == set()


def test_the_place_of_the_storage_and_of_the_models_changes_no_key(
    tmp_path: Path, done: dict[str, list[str | None]]
) -> None:
    assert keys(finished(demo(tmp_path))[0]) == done


def test_the_path_of_a_source_is_not_identity_and_its_content_is(tmp_path: Path) -> None:
    rows = '{"instruction": "a?", "response": "b", "is_safe": true}\n'
    found = []
    for name, content in (("one", rows), ("two", rows), ("three", rows.replace("b", "c"))):
        path = tmp_path / name / f"{name}.jsonl"
        path.parent.mkdir()
        path.write_text(content)
        found.append(keys(planned(demo(tmp_path, f"corpus.source={path}"))))
    assert found[0] == found[1]
    assert found[0]["ingest"] != found[2]["ingest"]
    assert found[0]["sample"] != found[2]["sample"]


# ---------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("override", "stages"),
    [
        ("corpus.on_bad_row=skip", {"ingest", "embed", "cluster", "near", "label", "cards", "sample"}),
        ("corpus.max_chars=900", {"ingest", "embed", "cluster", "near", "label", "cards", "sample"}),
        ("encoder.pooling=mean", {"embed", "cluster", "near", "cards", "sample", "mix"}),
        ("encoder.text=pair", {"embed", "cluster", "cards"}),
        ("selection.leaked_above=0.9", {"near", "sample", "mix"}),
        ("selection.duplicates_above=0.9", {"near"}),
        ("clusters.metric=l2", {"cluster", "cards"}),
        ("clusters.k=7", {"cluster", "cards"}),
        ("clusters.seed=1", {"cluster", "cards"}),
        ("behavior.refusal=keyword:xstest", {"label", "cards", "sample"}),
        ("behavior.harmful_request=categories", {"label", "cards", "sample"}),
        ("corpus.assume_harmful_requests=true", {"label", "cards", "sample"}),
        ("categories.from=prompt", {"label", "cards", "sample"}),
        ("categories.from=nearest", {"embed", "label", "cards", "sample"}),
        ("categories.taxonomy=beavertails-14", {"label", "cards", "sample"}),
        ("behavior.refusal=probe", {"embed", "label", "cards", "sample"}),
        ("behavior.harmful_request=probe", {"embed", "label", "cards", "sample"}),
        ("behavior.compare.refusal=[keyword, given]", {"label", "cards", "sample"}),
        ("behavior.compare.harmful_request=[given, probe]", {"embed", "label", "cards", "sample"}),
        ("selection.allow_unsafe=true", {"sample"}),
        ("recipe.lr=2e-3", {"train", "generate", "judge"}),
        ("recipe.batch=16", {"train", "generate", "judge"}),
        ("recipe.epochs=2", {"train", "generate", "judge"}),
        ("recipe.lora.r=4", {"train", "generate", "judge"}),
        ("recipe.lora.targets=[q_proj]", {"train", "generate", "judge"}),
        ("recipe.loss_on=all", {"train", "generate", "judge"}),
        ("recipe.dtype=bf16", {"train", "generate", "judge"}),
        ("recipe.schedule=cosine", {"train", "generate", "judge"}),
        ("recipe.clip=null", {"train", "generate", "judge"}),
        ("sweep.seed=1", {"train", "generate", "judge"}),
        ("recipe.max_tokens=64", {"mix", "train", "generate", "judge"}),
        ("evaluate.generation.max_tokens=32", {"generate", "judge"}),
        ("evaluate.engine.block=8", {"generate", "judge"}),
        ("evaluate.engine.dtype=bf16", {"generate", "judge"}),
        ("evaluate.engine.adapters=rows", {"generate", "judge"}),
        ("evaluate.prompts.0.prefill=Sure, here is", {"generate", "judge"}),
        ("evaluate.prompts.0.system=safety", {"generate", "judge"}),
        ("evaluate.judges=[\"keyword:xstest\"]", {"judge"}),
    ],
)  # fmt: skip
def test_what_a_result_depends_on_changes_its_key_and_those_after_it(
    folder: Path, done: dict[str, list[str | None]], override: str, stages: set[str]
) -> None:
    # Contents of samples and mixes are made up from titles here, so that what changes is the knob's own stage.
    assert changed(folder, done, override) == stages


def test_a_family_is_identity_only_where_the_study_names_it(folder: Path, done: dict[str, list[str | None]]) -> None:
    assert changed(folder, done, "models.0.family=auto") == set()
    assert changed(folder, done, "models.0.family=none") == {"mix", "generate", "judge"}


def test_lora_layers_of_a_named_family_are_those_that_are_written_out(tmp_path: Path) -> None:
    config = model_folder(tmp_path / "llama") / "config.json"
    config.write_text('{"model_type": "llama", "vocab_size": 32001}')
    own = (f"models.0.source={tmp_path / 'llama'}", "models.0.family=llama-2")
    written = keys(finished(demo(tmp_path, *own))[0])["train"]
    assert keys(finished(demo(tmp_path, *own, "recipe.lora.targets=null"))[0])["train"] == written


def test_a_family_is_held_against_the_model_before_anything_runs(tmp_path: Path) -> None:
    assert "models.family is llama-3 and the model's config.json says" in refused(tmp_path, "models.0.family=llama-3")
    assert "name the linear layers" in refused(tmp_path, "recipe.lora.targets=null")
    assert "name the linear layers" in refused(tmp_path, "recipe.lora.targets=null", "models.0.family=none")


def labelled(folder: Path, *overrides: str) -> Node:
    return planned(demo(folder, *overrides)).shared_node("label", "labels")


def test_a_labeler_gets_the_vectors_that_it_looks_at_and_learns_from(folder: Path) -> None:
    """Pairs for refusals, instructions for requests; references only where something is learned from them."""
    assert set(labelled(folder).inputs) == {"corpus"}
    by_pair = labelled(folder, "behavior.refusal=probe")
    assert set(by_pair.inputs) == {"corpus", "references", "embed_corpus_pair", "embed_references_pair"}
    assert {node.title for role, node in by_pair.inputs.items() if "embed" in role} == {
        "corpus (pair)",
        "references (pair)",
    }
    alone = labelled(folder, "behavior.harmful_request=probe", "references=null")
    assert set(alone.inputs) == {"corpus", "embed_corpus_instruction"}
    both = labelled(folder, "behavior.refusal=probe", "categories.from=nearest")
    kinds = {f"embed_{pool}_{kind}" for pool in ("corpus", "references") for kind in ("instruction", "pair")}
    assert set(both.inputs) == {"corpus", "references", *kinds}


def test_spellings_of_one_labeler_are_one_label_and_other_thresholds_are_not(folder: Path) -> None:
    keys = [
        labelled(folder, f"behavior.refusal={name}").key
        for name in ("probe", "probe:0.5", "probe:0.80", "probe:0.8", "keyword", "keyword:opening")
    ]
    assert keys[0] == keys[1] != keys[2] == keys[3] != keys[4] == keys[5]


def test_a_taxonomy_is_what_it_makes_of_names_and_not_its_path(folder: Path, tmp_path: Path) -> None:
    def key(file: str, text: str, *more: str) -> str | None:
        path = tmp_path / file
        path.write_text(text)
        return labelled(folder, f"categories.taxonomy={path}", *more).key

    text = "name: own\nlevels:\n  kind: [Harm]\n  category: {self_harm: Harm, violence: Harm}\n"
    same = key("one.yaml", text)
    assert key("two.yaml", text.replace("own", "other")) == same
    assert key("three.yaml", text.replace("violence", "cruelty")) != same
    at_levels = [key("one.yaml", text, f"categories.level={level}") for level in ("kind", "category")]
    assert len({same, labelled(folder).key, *at_levels}) == 4


@pytest.mark.parametrize(
    "override", ["benign.limit=128", "benign.holdout=16", "models.0.template=plain", "selection.drop_leaked=false"]
)
def test_what_changes_the_training_rows_changes_the_mix(
    folder: Path, done: dict[str, list[str | None]], override: str
) -> None:
    assert "mix" in changed(folder, done, override)


def test_fewer_prompts_are_another_generation_and_another_pool(folder: Path, done: dict[str, list[str | None]]) -> None:
    """The pool is what is left when evaluation prompts are taken out."""
    assert changed(folder, done, "evaluate.prompts.0.limit=5") >= {"sample", "mix", "generate", "judge"}


def test_other_weights_are_another_model(folder: Path, tmp_path: Path, done: dict[str, list[str | None]]) -> None:
    other = model_folder(tmp_path / "other", b"other weights")
    assert changed(folder, done, f"models.0.source={other}") == {"model", "mix", "train", "generate", "judge"}


def test_gpus_decide_how_adapters_are_served(folder: Path) -> None:
    def served(*overrides: str) -> set[str]:
        plan = planned(demo(folder, *overrides))
        return {str((node.identity or {})["adapters"]) for node in plan.nodes("generate") if node.identity}

    assert served() == {"swap"}
    assert served("cluster.max_gpus=2") == {"swap"}, (
        "the demo answers in fp32, for which GPUs have no adapters by the row"
    )
    half = ("cluster.max_gpus=2", "evaluate.engine.dtype=bf16")
    assert served(*half) == {"rows"}
    assert served(*half, "evaluate.engine.adapters=swap") == {"swap"}


@pytest.mark.parametrize(("error", "dtype"), [(0.1, "bf16"), (0.11, "fp32")])
def test_a_merge_that_rounds_too_much_is_served_in_float32(
    tmp_path: Path, error: float, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests import makers

    real = makers.made_up_facts
    monkeypatch.setattr(
        makers, "made_up_facts",
        lambda node, content: real(node, content) | ({"form": "adapter", "merge_error": error} if node.stage == "train" else {}),
    )  # fmt: skip
    plan, _ = finished(demo(tmp_path, "evaluate.engine.dtype=bf16"))
    dtypes = {cell.strategy: dict(cell.generate["harmful"].identity or {})["dtype"] for cell in plan.cells}
    assert dtypes == {"base": "bf16", "none": dtype, "random": dtype, "sss_b": dtype}


# ---------------------------------------------------------------- cells


def cells(plan: Plan) -> list[tuple[str, int, int, int]]:
    return [(cell.strategy, cell.budget, cell.draw, cell.seed) for cell in plan.cells]


def test_none_is_one_cell_whatever_the_budget_and_draw(folder: Path) -> None:
    plan = planned(demo(folder, "sweep.budget=[16, 48]", "sweep.draw=[0, 1]"))
    assert cells(plan) == [
        ("base", 0, 0, 0), ("none", 0, 0, 0),
        ("random", 16, 0, 0), ("random", 16, 1, 0), ("random", 48, 0, 0), ("random", 48, 1, 0),
        ("sss_b", 16, 0, 0), ("sss_b", 16, 1, 0), ("sss_b", 48, 0, 0), ("sss_b", 48, 1, 0),
    ]  # fmt: skip


def test_seeds_are_distinct_cells_of_one_selection(folder: Path) -> None:
    plan, _ = finished(demo(folder, "sweep.strategy=[none, random]", "sweep.seed=[0, 1, 2]"))
    assert [cell[3] for cell in cells(plan)[1:]] == [0, 1, 2, 0, 1, 2]
    assert len({cell.train.key for cell in plan.cells if cell.train}) == 6
    assert len(plan.nodes("sample")) == 2
    assert len(plan.nodes("mix")) == 3


def test_a_share_that_comes_to_the_same_count_is_the_same_cell(folder: Path) -> None:
    plan = planned(demo(folder, "sweep.strategy=random", "sweep.budget=[48, \"30%\", \"29.5%\"]"))  # fmt: skip
    assert cells(plan)[1:] == [("random", 48, 0, 0)]


def test_the_alias_and_its_long_form_are_the_same_cell(folder: Path) -> None:
    plan = planned(demo(folder, "sweep.strategy=[sss_b, {name: sss, types: [T1]}]"))
    assert cells(plan)[1:] == [("sss_b", 48, 0, 0)]


def test_equal_selections_are_trained_once_and_named_both(tmp_path: Path) -> None:
    """That two strategies picked the same rows is known only once they have; then they are one cell."""
    study = demo(tmp_path, "sweep.strategy=[random, sss, none]")
    assert len(planned(study).cells) == 4
    plan, _ = finished(study, content=lambda node: "none" if node.title.startswith("none") else "same rows")
    assert [(cell.strategy, cell.also) for cell in plan.cells] == [
        ("base", ()), ("random", ("smollm2-135m sss-48",)), ("none", ()),
    ]  # fmt: skip
    assert len(plan.nodes("train")) == 2
    assert len(plan.nodes("generate")) == 9


def test_a_recipe_axis_multiplies_the_cells_and_shares_the_selections(folder: Path) -> None:
    plan, _ = finished(demo(folder, "sweep.recipe.lr=[1e-3, 1e-4]", "sweep.recipe.lora.r=[4, 8]"))
    assert len(plan.cells) == 1 + 3 * 4
    assert plan.cells[1].axes == {"recipe.lr": 1e-3, "recipe.lora.r": 4}
    assert plan.cells[-1].label == "smollm2-135m sss_b-48 lr=0.0001 lora.r=8"
    assert len(plan.nodes("sample")) == 3
    assert len(plan.nodes("mix")) == 4
    assert len(plan.nodes("train")) == 12


def test_a_repeated_axis_value_is_one_cell(folder: Path) -> None:
    plan = planned(demo(folder, "sweep.strategy=none", "sweep.recipe.lr=[1e-3, 0.001]"))
    assert len(plan.cells) == 2


def test_two_models_have_their_own_cells_and_one_selection(folder: Path, tmp_path: Path) -> None:
    other = model_folder(tmp_path / "other", b"other weights")
    models = f"[{{name: a, source: {folder / 'model'}}}, {{name: b, source: {other}, template: plain}}]"
    study = demo(folder).model_copy(update={"models": demo(folder, f"models={models}").models})
    plan, _ = finished(study)
    assert [cell.model for cell in plan.cells] == ["a"] * 4 + ["b"] * 4
    assert len(plan.nodes("sample")) == 3
    assert len({node.key for node in plan.nodes("train")}) == 6


def test_a_model_s_own_recipe_is_laid_over_the_study_s_and_under_the_axes(folder: Path, tmp_path: Path) -> None:
    other = model_folder(tmp_path / "other", b"other weights")
    own = "{lr: 1e-5, lora: {r: 4}}"
    models = f"[{{name: a, source: {folder / 'model'}}}, {{name: b, source: {other}, recipe: {own}}}]"
    told = {"models": demo(folder, f"models={models}").models}
    study = demo(folder, "sweep.strategy=none").model_copy(update=told)
    recipes = {cell.model: cell.train.task["recipe"] for cell in planned(study).cells if cell.train}
    assert (recipes["a"]["lr"], recipes["b"]["lr"], recipes["b"]["lora"]["r"]) == (study.recipe.lr, 1e-5, 4)
    assert recipes["b"] | {"lr": 0, "lora": 0} == recipes["a"] | {"lr": 0, "lora": 0}
    swept = demo(folder, "sweep.strategy=none", "sweep.recipe.lr=[0.01]").model_copy(update=told)
    recipes = {cell.model: cell.train.task["recipe"] for cell in planned(swept).cells if cell.train}
    assert (recipes["a"]["lr"], recipes["b"]["lr"], recipes["b"]["lora"]["r"]) == (0.01, 0.01, 4)


# ---------------------------------------------------------------- what is refused before anything runs


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["sweep.recipe.lrr=1"], "axis 'recipe.lrr': a recipe has no such field"),
        (["sweep.recipe.lr.x=1"], "axis 'recipe.lr.x': a recipe has no such field"),
        (["sweep.recipe.lr=[5]"], "axis values {'recipe.lr': 5}: recipe.lr: Input should be less than or equal to 1"),
        (["sweep.recipe.lr=[.nan]"], "recipe.lr: Input should be a finite number"),
        (["sweep.recipe.lr={a: 1}"], "recipe.lr: Input should be a valid number"),
        (["sweep.recipe.steps=[10]"], "give exactly one of epochs and steps"),
        (["sweep.max_concurrent=3", "train.workers=2", "cluster.max_gpus=4"], "max_concurrent 3 x train.workers 2 take 6 GPUs"),
        (["train.workers=3"], "recipe.batch 8 is no multiple of train.workers 3"),
        (["train.micro_batch=3"], "recipe.batch 8 = train.workers 1 x 8, and 8 is no multiple of train.micro_batch 3"),
        (["sweep.recipe.batch=[8, 9]", "train.workers=2"], "recipe.batch 9 is no multiple of train.workers 2"),
        (["sweep.strategy=randon"], "unknown strategy 'randon'; did you mean 'random'?"),
        (["evaluate.judges=keyword:qi92"], "unknown refusal phrase list 'qi92'; did you mean 'qi29'?"),
        (["behavior.refusal=keywrd"], "unknown labeler 'keywrd'; did you mean 'keyword'?"),
        (["export=alpacca"], "unknown export format 'alpacca'; did you mean 'alpaca'?"),
        (["corpus.format=ballst"], "unknown format 'ballst'; did you mean 'ballast'?"),
        (["corpus.format=beavertails"], "is not of format 'beavertails'"),
        (["corpus.source=/no/such/file.jsonl"], "source '/no/such/file.jsonl' does not exist"),
        (["evaluate.prompts.0.source=builtin:harmfull"], "unknown built-in source 'harmfull'"),
        (["models.0.source=/no/such/model"], "model source '/no/such/model' is no folder"),
        (["categories.from=nearest", "references=null"], "the study has no references: add labelled rows"),
        (["categories.from=nearest", "behavior.harmful_request=categories"], "says nothing with categories.from: nearest"),
        (["categories.level=task"], "level 'task' says nothing without a taxonomy: set categories.taxonomy too"),
        (["categories.taxonomy=beavertails"], "or path of a .yaml file) 'beavertails'; did you mean 'beavertails-14'?"),
        (["categories.taxonomy=salad-bench", "categories.level=tsk"], "taxonomy salad-bench: 'tsk'; did you mean 'task'?"),
        (["categories.taxonomy=mlcommons", "categories.names_from=salad"], "mapping to taxonomy mlcommons from 'salad'"),
        (["behavior.refusal=probe:2"], "takes a probability from 0.5 to below 1, such as probe:0.8, given '2'"),
        (["behavior.compare.refusal=[keyword]"], "behavior.compare.refusal"),
        (["behavior.compare.refusal=[keyword, \"keyword:opening\"]"], "names keyword:opening twice"),
        (["behavior.compare.harmful_request=[given, keyword]"], "'keyword' does not answer 'harmful_request'"),
        (["behavior.harmful_request=probe", "corpus.assume_harmful_requests=true"], "would not be asked: set one of the two"),
    ],
)  # fmt: skip
def test_a_study_that_cannot_run_is_refused_while_planning(tmp_path: Path, overrides: list[str], said: str) -> None:
    assert said in refused(tmp_path, *overrides)


def test_a_count_needs_no_limit_on_the_benign_rows(tmp_path: Path) -> None:
    assert cells(planned(demo(tmp_path, "benign.limit=null")))[2:] == [("random", 48, 0, 0), ("sss_b", 48, 0, 0)]


def test_a_share_of_an_uncounted_benign_set_is_known_once_it_is_read(tmp_path: Path) -> None:
    study = demo(tmp_path, "benign.limit=null", "sweep.budget=[7, 5%]")
    plan = planned(study)
    assert plan.open_budgets == ("5%",)
    assert cells(plan)[2:] == [("random", 7, 0, 0), ("sss_b", 7, 0, 0)]
    benign = plan.shared_node("ingest", "benign")
    with Store(study.storage).attempt("ingest", str(benign.key), {}) as attempt:
        attempt.facts = {"rows": 210}
    plan = planned(study)
    assert plan.open_budgets == ()
    assert {budget for strategy, budget, _, _ in cells(plan) if strategy == "random"} == {7, 9}  # 5% of 210 - 32


def test_an_axis_without_values_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "sweep.recipe.lr=[]")


def test_a_branch_on_a_hub_leaves_what_rests_on_it_unresolved(folder: Path) -> None:
    plan = planned(demo(folder, "models.0.source=org/name@main"))
    unresolved = {stage for stage, found in keys(plan).items() if None in found}
    assert unresolved == {"model", "mix", "train", "generate", "judge"}


def test_axes_are_checked_like_the_file() -> None:
    recipe = Recipe(epochs=1)
    changed_recipe = with_axes(recipe, {"recipe.lora.r": 4, "recipe.lr": 1e-4})
    assert (changed_recipe.lora.r, changed_recipe.lr, recipe.lora.r) == (4, 1e-4, 8)
    assert with_axes(recipe, {}) == recipe


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["evaluate.engine.tensor_parallel=2"], "evaluate.engine.tensor_parallel is 2 and cluster.max_gpus 0"),
        (["evaluate.engine.tensor_parallel=4", "cluster.max_gpus=2"], "tensor_parallel is 4 and cluster.max_gpus 2"),
        (["evaluate.engine.max_loras=4"], "max_loras is 4, and weights are swapped here"),
        (["evaluate.engine.adapters=rows", "cluster.max_gpus=1"], "set dtype: bf16 or adapters: swap"),
    ],
)
def test_settings_of_the_engine_without_effect_are_refused(tmp_path: Path, overrides: list[str], said: str) -> None:
    assert said in refused(tmp_path, *overrides)
