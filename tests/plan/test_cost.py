"""The price of every stage, by hand on small numbers, and what must not cost anything."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.plan import STAGES, Lookup, Node, make_plan
from lib.plan import cost as cost_module
from lib.plan.accelerators import ACCELERATORS, CPU, Accelerator
from lib.plan.cost import Estimate, estimate
from lib.plan.plan import Plan
from lib.plan.pricing import Bill
from lib.store import Store
from lib.study import Study
from tests.makers import demo, finished, model_folder

CONFIG = {
    "hidden_size": 100, "num_hidden_layers": 2, "vocab_size": 1000, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 200, "tie_word_embeddings": True, "max_position_embeddings": 512,
}  # fmt: skip
PARAMETERS = 2 * (100 * 100 * 3 + 3 * 100 * 200) + 1000 * 100
H100 = ACCELERATORS["h100"]


def sized(tmp_path: Path, *overrides: str) -> Study:
    """The demo with models of a known shape; every training row is cut at 8 tokens."""
    study = demo(tmp_path, "recipe.max_tokens=8", *overrides)
    for name in ("model", "encoder"):
        (tmp_path / name / "config.json").write_text(json.dumps(CONFIG))
    return study


def priced(study: Study, device: Accelerator = CPU) -> Estimate:
    lookup = Lookup(Store(study.storage))
    return estimate(make_plan(study, lookup), lookup, device)


def bill(found: Estimate, stage: str) -> Bill:
    return next(bill for bill in found.bills if bill.stage == stage)


# ---------------------------------------------------------------- training


@pytest.mark.parametrize(
    ("overrides", "tokens"),
    [
        # cells none, random-48, sss_b-48: 160 + 208 + 208 rows of 8 tokens
        ((), 576 * 8),
        (("recipe.epochs=2",), 2 * 576 * 8),
        (("recipe.epochs=null", "recipe.steps=10"), 3 * 10 * 8 * 8),
        (("sweep.strategy=none",), 160 * 8),
        (("sweep.strategy=random", "sweep.seed=[0, 1]"), 2 * 208 * 8),
        (("sweep.strategy=none", "recipe.validation.rows=16"), 144 * 8),
    ],
)
def test_training_tokens(tmp_path: Path, overrides: tuple[str, ...], tokens: int) -> None:
    assert bill(priced(sized(tmp_path, *overrides)), "train").tokens == pytest.approx(tokens)


@pytest.mark.parametrize(
    ("overrides", "factor"),
    [
        ((), 4),
        (("train.gradient_checkpointing=true",), 6),
        (("recipe.method=full", "recipe.lora={}"), 6),
        (("recipe.method=full", "recipe.lora={}", "train.gradient_checkpointing=true"), 8),
    ],
)
def test_training_time_is_flops_over_what_is_reached_and_what_starts_take(
    tmp_path: Path, overrides: tuple[str, ...], factor: int
) -> None:
    found = bill(priced(sized(tmp_path, "sweep.strategy=none", *overrides)), "train")
    flops = PARAMETERS * (factor * 160 + 2 * 32) * 8
    work = flops / (CPU.fp32_tflops * 1e12 * CPU.shares.train)
    assert found.seconds == pytest.approx(CPU.seconds.group + CPU.seconds.cell + work)
    assert found.starts == 1


def test_training_in_float32_goes_by_that_peak_and_offloading_is_slower(tmp_path: Path) -> None:
    def work(*overrides: str) -> float:
        made = bill(priced(sized(tmp_path, "sweep.strategy=none", *overrides)), "train")
        return made.seconds - CPU.seconds.group - CPU.seconds.cell

    assert work() / work("recipe.dtype=bf16") == pytest.approx(CPU.bf16_tflops / CPU.fp32_tflops, rel=1e-3)
    assert work("train.deepspeed=zero2_offload") / work() == pytest.approx(3, rel=1e-3)
    notes = priced(sized(tmp_path, "train.deepspeed=zero2_offload")).notes
    assert "training with offload: 3 times longer (assumed)" in notes


def test_disk_of_adapters_and_of_whole_models(tmp_path: Path) -> None:
    assert bill(priced(sized(tmp_path)), "train").disk == 3 * 2 * (2 * 8 * 100 * 2 * 4)
    whole = bill(priced(sized(tmp_path, "recipe.method=full", "recipe.lora={}")), "train")
    assert whole.disk == 3 * 2 * PARAMETERS


def test_training_groups_and_engines_are_as_many_as_gpus_hold(tmp_path: Path) -> None:
    one, four = (priced(sized(tmp_path, f"cluster.max_gpus={gpus}"), H100) for gpus in (1, 4))
    assert [(bill(e, "train").starts, bill(e, "generate").starts) for e in (one, four)] == [(1, 1), (3, 4)]
    more = H100.seconds.group * 2
    assert bill(four, "train").seconds - bill(one, "train").seconds == pytest.approx(more)
    assert (one.devices, four.devices) == (1, 4)


# ---------------------------------------------------------------- answers


def test_answers_are_counted_at_their_longest_and_decoded_in_closed_batches(tmp_path: Path) -> None:
    study = sized(tmp_path, "sweep.strategy=none", "evaluate.prompts=[harmful]")
    found = bill(priced(study), "generate")
    peak = CPU.fp32_tflops * 1e12 * CPU.shares.generate
    read = found.tokens - 2 * 56 * 48
    assert 2 * 56 * 30 < read < 2 * 56 * 80
    step = max(4 * PARAMETERS / (CPU.bandwidth_gbs * 1e9 * CPU.shares.decode), 2 * PARAMETERS * 56 / peak)
    work = 2 * PARAMETERS * read / peak + 2 * 48 * step
    assert found.seconds == pytest.approx(CPU.seconds.engine + 2 * CPU.seconds.swap + work)


def test_few_rows_are_bound_by_the_bandwidth_and_many_by_arithmetic(tmp_path: Path) -> None:
    def work(limit: int, *overrides: str) -> float:
        study = sized(
            tmp_path,
            "sweep.strategy=none",
            f"evaluate.prompts=[{{name: harmful, limit: {limit}, source: 'builtin:harmful'}}]",
            *overrides,
        )
        wide = replace(CPU, shares=replace(CPU.shares, generate=1e3))  # reading prompts costs nothing
        return bill(priced(study, replace(wide, bf16_tflops=1.0, fp32_tflops=1.0)), "generate").seconds

    assert work(2) == pytest.approx(work(20), rel=1e-3)
    assert work(20, "evaluate.engine.block=10") - work(20) == pytest.approx(
        2 * 48 * 4 * PARAMETERS / (CPU.bandwidth_gbs * 1e9 * CPU.shares.decode), rel=1e-2
    )


def test_one_engine_for_each_model_and_precision_with_something_missing(tmp_path: Path) -> None:
    second = model_folder(tmp_path / "second", b"other")
    two = f"models=[{{name: one, source: {model_folder(tmp_path / 'model')}}}, {{name: two, source: {second}}}]"
    assert bill(priced(sized(tmp_path, two)), "generate").starts == 2


def test_adapters_by_the_row_take_longer_on_a_cpu(tmp_path: Path) -> None:
    fast = bill(priced(sized(tmp_path)), "generate").seconds
    slow = bill(priced(sized(tmp_path, "evaluate.engine.adapters=rows")), "generate").seconds
    idle = CPU.seconds.engine + 4 * CPU.seconds.swap
    assert (slow - idle) / (fast - idle) == pytest.approx(8)


def test_weights_that_do_not_fit_are_told(tmp_path: Path) -> None:
    large = sized(tmp_path, "models.0.name=large-70b", "cluster.max_gpus=8")
    (tmp_path / "model" / "config.json").write_text("{}")
    notes = priced(large, H100).notes
    assert "size of large-70b told by its name: 70 billion parameters" in notes
    assert any(note.startswith("large-70b has 280 GB of weights in fp32, too many for 80 GB: raise ") for note in notes)


# ---------------------------------------------------------------- what is there, and what is unknown


def test_what_is_there_costs_nothing(tmp_path: Path) -> None:
    plan, lookup = finished(demo(tmp_path))
    found = estimate(plan, lookup, CPU)
    assert found.seconds == 0
    assert all((b.to_run, b.tokens, b.starts, b.seconds, b.disk) == (0, 0, 0, 0, 0) for b in found.bills)


def test_a_cell_more_costs_that_cell_alone(tmp_path: Path) -> None:
    finished(sized(tmp_path, "sweep.strategy=none"))
    found = priced(sized(tmp_path, "sweep.strategy=[none, random]"))
    assert bill(found, "train").tokens == pytest.approx(208 * 8)
    assert (bill(found, "embed").to_run, bill(found, "ingest").to_run) == (0, 0)
    assert (bill(found, "generate").have, bill(found, "generate").to_run) == (6, 3)


def test_counted_tokens_are_taken_before_estimated_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import makers

    real = makers.made_up_facts

    def facts(node: Node, content: Any) -> dict[str, Any]:
        counted = {"rows": 160, "holdout": 32, "tokens": 192 * 5}
        return real(node, content) | (counted if node.stage == "mix" and node.title.startswith("benign") else {})

    monkeypatch.setattr(makers, "made_up_facts", facts)
    finished(sized(tmp_path, "sweep.strategy=none"))
    found = priced(sized(tmp_path, "sweep.strategy=none", "recipe.lr=1e-4"))
    assert bill(found, "train").tokens == pytest.approx(160 * 5)


def test_a_judge_with_a_model_is_started_and_read(tmp_path: Path) -> None:
    study = sized(tmp_path, "sweep.strategy=none", "evaluate.prompts=[harmful]")
    lookup = Lookup(Store(study.storage))
    plan = make_plan(study, lookup)
    model = plan.shared_node("model", "smollm2-135m")
    judged = [with_inputs(node, model=model) for cell in plan.cells for node in cell.judge.values()]
    spoken = [
        with_inputs(node, {"max_model_tokens": 1024}, model=model)
        for cell in plan.cells
        for node in cell.judge.values()
    ]
    for nodes, start in ((judged, CPU.seconds.encoder), (spoken, CPU.seconds.engine)):
        found = bill(estimate(Stand(plan, {"judge": nodes}), lookup, CPU), "judge")  # type: ignore[arg-type]
        assert found.starts == 1
        assert found.seconds > start
        assert found.tokens > 4 * 56 * 48


def test_a_stage_that_is_not_known_is_taken_at_a_flat_price_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = sized(tmp_path, "sweep.strategy=none")
    lookup = Lookup(Store(study.storage))
    plan = make_plan(study, lookup)
    nodes = [node for cell in plan.cells for node in list(cell.generate.values())[:1]]
    monkeypatch.setattr(cost_module, "STAGES", (*STAGES, "utility_of_tomorrow"))
    found = estimate(Stand(plan, {"utility_of_tomorrow": nodes}), lookup, CPU)  # type: ignore[arg-type]
    made = bill(found, "utility_of_tomorrow")
    assert (made.to_run, made.tokens, made.starts) == (2, 2 * 1_000 * 300, 0)
    assert made.seconds == pytest.approx(2 * 2 * PARAMETERS * 300_000 / (CPU.fp32_tflops * 1e12 * CPU.shares.generate))
    assert any(note.startswith("utility_of_tomorrow: 2 nodes taken at a flat 1,000 prompts") for note in found.notes)


def with_inputs(node: Node, task: dict[str, Any] | None = None, **inputs: Node) -> Node:
    return Node(
        stage=node.stage, title=node.title, identity=node.identity, inputs={**node.inputs, **inputs},
        task={**node.task, **(task or {})},
    )  # fmt: skip


class Stand:
    """A plan some of whose stages are others."""

    def __init__(self, plan: Plan, stages: dict[str, list[Node]]) -> None:
        self.plan, self.stages = plan, stages

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plan, name)

    def nodes(self, stage: str) -> list[Node]:
        return self.stages[stage] if stage in self.stages else self.plan.nodes(stage)


# ---------------------------------------------------------------- size


def test_a_thousand_cells_are_planned_and_priced_in_seconds(tmp_path: Path) -> None:
    study = sized(
        tmp_path,
        "sweep.strategy=[random, sss_b]",
        f"sweep.draw={list(range(50))}",
        "sweep.seed=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]",
    )
    started = time.process_time()
    found = priced(study)
    assert time.process_time() - started < 5
    assert bill(found, "train").to_run == 1000
    assert bill(found, "train").tokens == pytest.approx(1000 * 208 * 8)
