"""Trains a tiny model on every preset given: `python -m tests.training.preset_worker JOB.json`, once per rank.

A job names a model folder, an output file and cases (preset, dtype). Rank 0 writes per case the losses of three steps and
the ZeRO stage that DeepSpeed ran, or the message of the UserError that refused it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import UserError
from lib.training.deepspeed_config import deepspeed_config
from lib.training.optimizer import make_optimizer, undo_first_step
from lib.training.prepare import init_distributed

STEPS = 3


def run_case(model_folder: str, case: Mapping[str, Any], world: int) -> dict[str, Any]:
    """Initialise, step and destroy; every rank trains on the same rows, so that the world changes no number."""
    import deepspeed
    import torch
    from transformers import AutoModelForCausalLM

    kind = torch.bfloat16 if case["dtype"] == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=kind, local_files_only=True)
    recipe = {"optim": "adamw", "lr": 1e-2, "weight_decay": 0.3}
    config = deepspeed_config(
        preset=case["preset"], workers=world, micro_batch=2, accumulation=2, dtype=case["dtype"], clip=1.0,
        nvme_path=case.get("nvme_path"),
    )  # fmt: skip
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=make_optimizer(model.parameters(), recipe, "cpu"),
        config=config,
        dist_init_required=False,
    )
    undo_first_step(engine.optimizer)
    losses = []
    for _ in range(STEPS):
        for micro in range(2):
            ids = torch.arange(3 + 7 * micro, 27 + 7 * micro).reshape(2, 12)
            loss = engine(input_ids=ids, labels=ids).loss
            engine.backward(loss)
            engine.step()
        losses.append(float(loss.detach()))
    stage = engine.zero_optimization_stage()
    engine.destroy()
    return {"losses": losses, "stage": stage}


def main(path: str) -> None:
    """Every case of a job."""
    import torch

    torch.set_num_threads(1)
    init_distributed("gloo")
    job, found = json.loads(Path(path).read_text()), {}
    for case in job["cases"]:
        name = case.get("name", f"{case['preset']}-{case['dtype']}")
        try:
            found[name] = run_case(job["model"], case, int(os.environ["WORLD_SIZE"]))
        except UserError as error:
            found[name] = {"refused": str(error)}
    if os.environ["RANK"] == "0":
        Path(job["out"]).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
