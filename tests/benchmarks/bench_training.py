"""Training: a step of Ray Train + DeepSpeed against transformers' Trainer, and with the moving average against without.

Both sides train the demo's model, SmolLM2 with its adapter, on the same rows in the same order, each in a process of its own,
one after the other. What is timed are the steps after the first, which pays for allocations.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.harness import Result, measured, own_process, smollm2
from tests.tiny_models import make_model

BATCH, MICRO_BATCH, TOKENS, VOCABULARY = 8, 4, 128, 512
RECIPE: dict[str, Any] = {"lora": {"dropout": 0.0}, "lr": 1e-3, "batch": BATCH, "max_tokens": TOKENS, "clip": 1.0}
EMA = {"decay": 0.99}


def run(quick: bool) -> list[Result]:
    """Seconds of a step."""
    steps, pairs = (2, 1) if quick else (8, 3)
    if quick:
        with tempfile.TemporaryDirectory(prefix="ballast-training-") as place:
            told = turns(make_model(Path(place)), steps, pairs)
    else:
        told = turns(smollm2(), steps, pairs)
    what = "a tiny model" if quick else "SmolLM2-135M"
    size = f"{what}, LoRA r 8, bf16, {BATCH} x {TOKENS} tokens, {steps} steps"
    return [
        measured(
            "training step", told, ours="plain", other="trainer", unit="s", target=0.909, size=size,
            against="transformers Trainer with PEFT",
        ),
        measured(
            "training step with a moving average", told, ours="ema", other="plain", unit="s", target=0.95, size=size,
            against="without, in the same worker",
        ),
    ]  # fmt: skip


def turns(model: Path, steps: int, pairs: int) -> list[dict[str, float]]:
    """Seconds of a step by side, pair by pair. Whether the average is on first or last alternates."""
    return [
        own_process("bench_training", "ray", model, steps, "ema plain" if number % 2 else "plain ema")
        | own_process("bench_training", "trainer", model, steps, "trainer")
        for number in range(pairs)
    ]


def some_rows(count: int) -> list[Any]:
    """Rows of random tokens, all of full length, a third of it prompt."""
    import random

    from lib.training.batches import Row

    source = random.Random(0)
    return [
        Row(f"{n:032x}", [source.randrange(100, VOCABULARY) for _ in range(TOKENS)], TOKENS // 3) for n in range(count)
    ]


def by_ray(model: str, steps: int, sides: list[str]) -> dict[str, float]:
    """Median seconds of a step of our loop in a Ray Train worker, cell after cell as in a warm group."""
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    threads = str(os.cpu_count())
    with tempfile.TemporaryDirectory(prefix="ballast-training-") as place:
        ray.init(address="local", num_cpus=4, runtime_env={"env_vars": {"PYTHONPATH": str(Path.cwd())}})
        result = TorchTrainer(
            _loop,
            train_loop_config={"model": model, "steps": steps, "sides": sides, "told": f"{place}/seconds.json"},
            scaling_config=ScalingConfig(num_workers=1),
            torch_config=TorchConfig(backend="gloo"),
            run_config=RunConfig(storage_path=place, worker_runtime_env={"env_vars": {"OMP_NUM_THREADS": threads}}),
        ).fit()
        if result.error:
            raise result.error
        seconds: dict[str, list[float]] = json.loads(Path(place, "seconds.json").read_text())
        ray.shutdown()
    return {side: statistics.median(each[1:]) for side, each in seconds.items()}


def _loop(config: dict[str, Any]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from lib.models.prompt import load_tokenizer
    from lib.runtime.train_worker import ATTENTION
    from lib.study.recipe import Recipe
    from lib.training.loop import CellRows, train_cell
    from lib.training.prepare import init_distributed
    from lib.training.steps import Hooks, Settings

    torch.set_num_threads(os.cpu_count() or 1)
    init_distributed("gloo")
    told: dict[str, list[float]] = {}
    for side in config["sides"]:
        base = AutoModelForCausalLM.from_pretrained(
            config["model"], dtype=torch.bfloat16, attn_implementation=ATTENTION["cpu"]
        )
        ema = EMA if side == "ema" else None
        recipe = Recipe.model_validate({**RECIPE, "steps": config["steps"], "ema": ema}).model_dump(mode="json")
        settings = Settings(recipe=recipe, seed=0, base=Path(config["model"]), preset="zero2", micro_batch=MICRO_BATCH)
        rows, seconds = CellRows(benign=some_rows(BATCH * config["steps"]), safety=[], holdout=[]), list[float]()
        hooks = Hooks(step=lambda report, seconds=seconds: seconds.append(report.seconds))
        train_cell(base, load_tokenizer(config["model"]), rows, settings, None, hooks=hooks)
        told[side] = seconds
    Path(config["told"]).write_text(json.dumps(told))


def by_trainer(model: str, steps: int) -> float:
    """Median seconds of a step of transformers' Trainer with PEFT, as its documentation has it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

    torch.set_num_threads(os.cpu_count() or 1)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    adapted = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=targets, task_type="CAUSAL_LM"))
    ended = [time.perf_counter()]

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *given: Any, **more: Any) -> None:
            ended.append(time.perf_counter())

    data = [
        {"input_ids": row.ids, "labels": [-100] * row.prompt_tokens + row.ids[row.prompt_tokens :]}
        for row in some_rows(BATCH * steps)
    ]
    with tempfile.TemporaryDirectory(prefix="ballast-training-") as place:
        arguments = TrainingArguments(
            output_dir=place, max_steps=steps, per_device_train_batch_size=MICRO_BATCH,
            gradient_accumulation_steps=BATCH // MICRO_BATCH, learning_rate=1e-3, report_to=[], save_strategy="no",
            use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        Trainer(model=adapted, args=arguments, train_dataset=data, callbacks=[Clock()]).train()
    taken = [b - a for a, b in itertools.pairwise(ended)]
    return statistics.median(taken[1:])


if __name__ == "__main__":
    side, folder, count, sides = sys.argv[1:]
    found = {side: by_trainer(folder, int(count))} if side == "trainer" else by_ray(folder, int(count), sides.split())
    print(json.dumps(found))
