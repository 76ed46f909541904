"""Trains tiny cells: `python -m tests.training.worker JOB.json`, once per rank; RANK and WORLD_SIZE tell which.

A job names a model folder, an output folder and cells. With `definition: true` a cell is trained by a plain PyTorch loop that
says what the recipe means; otherwise by `train_cell` on DeepSpeed. Rank 0 writes the adapter or weights
and `result.json` to `<out>/<name>`; beside the job, `.left-RANK` has the bytes of tensors that were still held after each cell.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import UserError
from lib.models.prompt import load_tokenizer
from lib.study.recipe import Recipe
from lib.training.batches import Row, collate, token_losses
from lib.training.checkpoint import Checkpoints
from lib.training.loop import METHODS, CellRows, held_out_loss, train_cell
from lib.training.mix import make_schedule
from lib.training.prepare import init_distributed
from lib.training.schedule import learning_rate
from lib.training.steps import Hooks, Settings, StepReport


def some_rows(count: int, seed: int) -> list[Row]:
    """Rows of random tokens, of different lengths."""
    import random

    source = random.Random(seed)
    lengths = [source.randint(6, 24) for _ in range(count)]
    return [Row(f"{n:032x}", [source.randint(3, 500) for _ in range(k)], 3) for n, k in enumerate(lengths)]


def by_definition(base: Any, tokenizer: Any, rows: CellRows, settings: Settings, save_to: Path) -> float:
    """One process, whole batches, torch's AdamW, and the average as its formula reads; the held-out loss."""
    import torch

    recipe, ema = settings.recipe, settings.recipe["ema"]
    method = METHODS[recipe["method"]]
    model = method.attach(base, recipe, settings.seed)
    live = [p for p in model.parameters() if p.requires_grad]
    average = [p.detach().clone() for p in live]
    optimizer = torch.optim.AdamW(live, lr=recipe["lr"], weight_decay=recipe["weight_decay"])
    mix = [*rows.benign, *rows.safety]
    schedule = make_schedule(
        len(rows.benign),
        len(rows.safety),
        seed=settings.seed,
        batch=recipe["batch"],
        epochs=None,
        steps=recipe["steps"],
    )
    model.train()
    for step, numbers in enumerate(schedule.steps, start=1):
        optimizer.param_groups[0]["lr"] = learning_rate(
            step - 1, len(schedule.steps), peak=recipe["lr"], warmup=0, schedule=recipe["schedule"]
        )
        tensors = collate([mix[n] for n in numbers], 0, recipe["loss_on"])
        labels = tensors.pop("labels")
        loss = token_losses(model(**tensors).logits, labels) / (labels != -100).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if ema and step > ema["start_step"] and (step - ema["start_step"]) % ema["every_n_steps"] == 0:
            for held, p in zip(average, live, strict=True):
                held.copy_(ema["decay"] * held + (1 - ema["decay"]) * p.detach())
                if ema["mode"] == "in_loop":
                    p.data.copy_(held)
    if ema and ema["evaluate"] == "ema":
        for held, p in zip(average, live, strict=True):
            p.data.copy_(held)
    model.eval()
    found = held_out_loss(model, tokenizer, rows.holdout, settings)
    method.save(model, save_to, settings.base)
    method.detach(model)
    return found


class Killed(Exception):
    """The end of a cell that was to go no further."""


def run_cell(job: Mapping[str, Any], cell: Mapping[str, Any], world: int, rank: int) -> None:
    """Train one cell and write what came of it.

    A cell's keys: `name`, `recipe`; `definition`; `preset` and other `placement`; `checkpoints`, a folder to write to and go
    on from; `stop_after`, the step that ends it; `preempted_at`, the step from which on its machine is about to go.
    """
    import torch
    from transformers import AutoModelForCausalLM

    lora = {"r": 4, "dropout": 0.0, **cell["recipe"].get("lora", {})}
    given = {"lr": 1e-2, "batch": 4, "clip": None, "dtype": "fp32", **cell["recipe"]}
    if given.get("method") != "full":
        given["lora"] = lora
    recipe = Recipe.model_validate(given).model_dump(mode="json")
    kind = torch.bfloat16 if recipe["dtype"] == "bf16" else torch.float32
    base = AutoModelForCausalLM.from_pretrained(job["model"], dtype=kind, local_files_only=True)
    tokenizer = load_tokenizer(job["model"])
    rows = CellRows(benign=some_rows(21, 1), safety=some_rows(6, 2), holdout=some_rows(5, 3))
    settings = Settings(
        recipe=recipe, seed=5, base=Path(job["model"]), preset=cell.get("preset", "zero0"), micro_batch=2, world=world,
        rank=rank, **cell.get("placement", {}),
    )  # fmt: skip
    out = Path(job["out"]) / cell["name"]
    if cell.get("definition"):
        found: dict[str, Any] = {"holdout_loss": by_definition(base, tokenizer, rows, settings, out)}
    else:
        last, said = cell.get("stop_after"), list[str]()
        notices = iter(range(1, 10**6))
        preempted = cell.get("preempted_at", 10**6)

        def step(report: StepReport) -> None:
            if report.step == last:
                raise Killed

        place = cell.get("checkpoints")
        folder = Path(job["out"]) / str(place)
        checkpoints = Checkpoints(folder, cell.get("key", place), rank=rank, world=world) if place else None
        try:
            outcome = train_cell(
                base, tokenizer, rows, settings, out if rank == 0 else None,
                hooks=Hooks(step=step, say=said.append, preempted=lambda: next(notices) >= preempted), checkpoints=checkpoints,
            )  # fmt: skip
        except Killed:
            return
        except UserError as error:
            found = {"error": str(error)}
        else:
            found = {
                "holdout_loss": outcome.holdout_loss, "losses": outcome.log["loss"].to_pylist(), "said": said,
                "steps": outcome.log["step"].to_pylist(), "validation": outcome.validation,
                "validation_losses": outcome.log["validation_loss"].to_pylist(), "benign": outcome.benign,
                "safety": outcome.safety, "merge_error": outcome.merge_error, "canary": outcome.canary_own,
            }  # fmt: skip
    if rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        (out / "result.json").write_text(json.dumps(found))


def main(path: str) -> None:
    """Every cell of a job that this many processes can train."""
    import torch

    torch.set_num_threads(1)
    init_distributed("gloo")
    job = json.loads(Path(path).read_text())
    rank, left = int(os.environ["RANK"]), {}
    for cell in job["cells"]:
        run_cell(job, cell, int(os.environ["WORLD_SIZE"]), rank)
        gc.collect()
        left[cell["name"]] = sum(len(one.untyped_storage()) for one in gc.get_objects() if type(one) is torch.Tensor)
    Path(f"{path}.left-{rank}").write_text(json.dumps(left))


if __name__ == "__main__":
    main(sys.argv[1])
