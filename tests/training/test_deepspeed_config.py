import json
from pathlib import Path
from typing import Any

import pytest

from lib.errors import UserError
from lib.study.recipe import PRESETS, Recipe, Train
from lib.training.deepspeed_config import check_deepspeed, deepspeed_config, offloads, zero_stage
from tests.training.cells import run_processes

ON_MEMORY = tuple(preset for preset in PRESETS if preset != "zero3_nvme")
HELD = {
    "zero0": (0, {}),
    "zero1": (1, {}),
    "zero2": (2, {}),
    "zero3": (3, {}),
    "zero2_offload": (2, {"optimizer": "cpu"}),
    "zero3_offload": (3, {"optimizer": "cpu", "param": "cpu"}),
}
SIZES: dict[str, Any] = {"workers": 2, "micro_batch": 4, "accumulation": 3, "dtype": "bf16", "clip": 1.0}


def write(folder: Path, tree: Any) -> str:
    path = folder / "ds.json"
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree))
    return str(path)


@pytest.mark.parametrize("preset", HELD)
def test_presets_differ_in_where_things_lie_and_in_nothing_else(preset: str) -> None:
    config = deepspeed_config(preset=preset, **SIZES)
    assert (config["zero_optimization"]["stage"], offloads(config)) == HELD[preset]
    assert zero_stage(preset) == HELD[preset][0]
    other = deepspeed_config(preset="zero0", **SIZES)
    assert {**config, "zero_optimization": None} == {**other, "zero_optimization": None}
    assert json.loads(json.dumps(config)) == config


def test_the_presets_of_the_schema_are_these() -> None:
    assert set(HELD) == set(ON_MEMORY)
    assert zero_stage("zero3_nvme") == 3
    with pytest.raises(UserError, match="unknown DeepSpeed preset 'zero5'"):
        deepspeed_config(preset="zero5", **SIZES)


def test_the_global_batch_is_the_product_of_its_parts() -> None:
    config = deepspeed_config(preset="zero2", workers=2, micro_batch=4, accumulation=3, dtype="fp32", clip=None)
    assert config["train_batch_size"] == 24
    assert (config["train_micro_batch_size_per_gpu"], config["gradient_accumulation_steps"]) == (4, 3)
    assert (config["bf16"]["enabled"], config["gradient_clipping"]) == (False, 0.0)


# ---------------------------------------------------------------- as planned


RECIPE = Recipe(steps=1, batch=24, clip=1.0)


def planned(folder: Path, tree: Any, recipe: Recipe = RECIPE) -> str:
    train = Train(workers=2, micro_batch=4, deepspeed=write(folder, tree))
    return check_deepspeed(train, recipe, micro_batch=4, gpus=2)


def test_what_the_planner_returns_needs_no_file(tmp_path: Path) -> None:
    tree = {"zero_optimization": {"stage": 3, "overlap_comm": True}, "gradient_clipping": "auto"}
    text = planned(tmp_path, tree)
    (tmp_path / "ds.json").unlink()
    config = deepspeed_config(preset=text, **SIZES)
    assert config["zero_optimization"] == tree["zero_optimization"]
    assert config["gradient_clipping"] == 1.0
    assert zero_stage(text) == 3
    assert check_deepspeed(Train(), RECIPE, micro_batch=4, gpus=2) == "zero2"


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"zero_optimization": {"stage": 7}}, "DeepSpeed refuses the JSON: .*stage"),
        ({"zero_optimization": {"stage": 2, "overlap_com": True}}, "DeepSpeed refuses the JSON: .*overlap_com"),
        ({"zero_optimization": 2}, "zero_optimization is 2 in the JSON and must be an object"),
    ],
)
def test_what_deepspeed_would_refuse_in_a_worker_is_refused_by_the_planner(
    tmp_path: Path, tree: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said) as error:
        planned(tmp_path, tree)
    assert "\n" not in str(error.value)


def test_moments_of_8_bits_stay_on_the_gpu(tmp_path: Path) -> None:
    recipe = Recipe(steps=1, batch=24, optim="adamw_bnb_8bit")
    tree = {"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}}
    with pytest.raises(
        UserError, match=r"updates on the GPU and train.deepspeed keeps the optimizer on cpu: use optim"
    ):
        planned(tmp_path, tree, recipe)
    planned(tmp_path, {"zero_optimization": {"stage": 2}}, recipe)


# ---------------------------------------------------------------- for real


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Any:
    """Every preset in both precisions, initialised, stepped three times and destroyed, by two processes."""
    world, folder = 2, tmp_path_factory.mktemp("presets")
    cases = [{"preset": preset, "dtype": dtype} for preset in ON_MEMORY for dtype in ("bf16", "fp32")]
    own = {
        "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0},
        "comms_logger": {"enabled": False},
    }
    cases += [{"preset": write(folder, own), "dtype": "fp32", "name": "own"}]
    job, out = folder / "job.json", folder / "found.json"
    job.write_text(json.dumps({"model": str(tiny_llama), "out": str(out), "cases": cases}))
    run_processes("tests.training.preset_worker", job, world)
    return json.loads(out.read_text())


@pytest.mark.slow
def test_every_preset_trains_in_float32_and_changes_no_number_but_rounding(stepped: dict[str, Any]) -> None:
    wanted = stepped["zero0-fp32"]["losses"]
    assert wanted[0] - wanted[-1] > 1
    for name in [f"{preset}-fp32" for preset in ON_MEMORY] + ["own"]:
        assert stepped[name]["losses"] == pytest.approx(wanted, abs=1e-4), name


@pytest.mark.slow
def test_every_preset_trains_alike_in_bf16(stepped: dict[str, Any]) -> None:
    wanted = stepped["zero1-bf16"]["losses"]
    assert wanted == pytest.approx(stepped["zero0-fp32"]["losses"], rel=0.03)
    for preset in ON_MEMORY:
        assert stepped[f"{preset}-bf16"]["losses"] == pytest.approx(wanted, rel=0.002), preset


@pytest.mark.slow
def test_deepspeed_runs_the_stage_that_is_asked_for(stepped: dict[str, Any]) -> None:
    assert {name: case["stage"] for name, case in stepped.items()} == {
        **{f"{preset}-{dtype}": HELD[preset][0] for preset in ON_MEMORY for dtype in ("bf16", "fp32")},
        "own": 3,
    }


def test_a_disk_that_cannot_be_swapped_to_is_refused_in_one_line(tmp_path: Path) -> None:
    from deepspeed.ops.op_builder import AsyncIOBuilder

    (tmp_path / "file").write_text("")
    with pytest.raises(UserError) as error:
        deepspeed_config(preset="zero3_nvme", nvme_path=str(tmp_path / "file"), **SIZES)
    assert "\n" not in str(error.value)
    compatible = AsyncIOBuilder().is_compatible()
    assert ("which cannot be written here" if compatible else "install libaio-dev") in str(error.value)


def test_groups_that_share_a_disk_swap_to_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from lib.training.deepspeed_config import _zero

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    wanted = {"device": "nvme", "nvme_path": "/mnt/nvme/gpu2-3"}
    assert _zero("zero3_nvme", "/mnt/nvme") == {
        "stage": 3, "overlap_comm": False, "offload_optimizer": wanted, "offload_param": wanted,
    }  # fmt: skip
