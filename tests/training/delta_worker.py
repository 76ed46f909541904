"""Averages products under DeepSpeed: `python -m tests.training.delta_worker JOB.json`, once per rank.

For every preset and dtype of the job a few steps are trained on rows that are the same on every rank, and every rank keeps
the average of all layers by its formula, beside the one that is spread over the ranks. Rank 0 writes what each came to.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from lib.training import adapter
from lib.training.deepspeed_config import deepspeed_config
from lib.training.delta import DeltaEma
from lib.training.masters import gather, masters
from lib.training.prepare import init_distributed

STEPS, DECAY, EVERY, START = 24, 0.7, 10, 3
SETTINGS = {"decay": DECAY, "every_n_steps": EVERY, "start_step": START, "mode": "shadow", "evaluate": "ema"}


def average(model: str, preset: str, dtype: str, world: int, rank: int, n: int | None) -> dict[str, Any]:
    """Train, average, end; what is to be compared."""
    import deepspeed
    import torch
    from transformers import AutoModelForCausalLM

    kind = torch.bfloat16 if dtype == "bf16" else torch.float32
    base = AutoModelForCausalLM.from_pretrained(model, dtype=kind, local_files_only=True)
    start = {name: p.detach().float().clone() for name, p in base.named_parameters()}
    adapted = adapter.attach(
        base, {"lora": {"r": 4, "alpha": 8, "dropout": 0.0, "targets": ["q_proj", "v_proj"]}}, seed=3
    )
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=5e-3)
    config = deepspeed_config(preset=preset, workers=world, micro_batch=2, accumulation=1, dtype=dtype, clip=None)
    engine, *_ = deepspeed.initialize(model=adapted, optimizer=optimizer, config=config, dist_init_required=False)
    ema = DeltaEma(adapted, {**SETTINGS, "rank": n}, STEPS, rank=rank, world=world, engine=engine)
    factors = [layer for m in ema.layers.values() for layer in (m.lora_A["default"].weight, m.lora_B["default"].weight)]
    wanted = dict.fromkeys(ema.layers, 0.0)
    source = torch.Generator().manual_seed(7)
    for step in range(1, STEPS + 1):
        ids = torch.randint(3, 500, (2, 16), generator=source)
        engine.backward(engine(input_ids=ids, labels=ids).loss)
        engine.step()
        ema.after_step(step)
        whole = [tensor for _, tensor in gather(engine, masters(engine))]  # A and B of each layer, in its order
        if step in (13, 23):
            for place, name in enumerate(wanted):
                product = 2.0 * whole[2 * place + 1].double() @ whole[2 * place].double()
                wanted[name] = DECAY * wanted[name] + (1 - DECAY) * product
    exact, live = whole[0], factors[0].detach()
    found = {
        "masters_are_the_models": torch.equal(exact.to(live.dtype), live),
        "masters_are_finer": not torch.equal(exact, live.float()),
        "kept": len(ema.average),
    }
    end = ema.finish()
    if n is None:
        base = adapter.detach(adapted)
        end = ema.merge_into(base)
        apart = [(base.get_submodule(k).weight.float() - start[f"{k}.weight"] - d) for k, d in wanted.items()]
    else:
        apart = [m.get_delta_weight("default").double() - wanted[name] for name, m in ema.layers.items()]
        found["factors"] = [m.lora_B["default"].weight.float().flatten()[:8].tolist() for m in ema.layers.values()]
    error = sum(float(a.double().square().sum()) for a in apart) / sum(float(d.square().sum()) for d in wanted.values())
    engine.destroy()
    return {**found, "end": end, "apart": error**0.5}


def main(path: str) -> None:
    """Every case of a job."""
    import torch

    torch.set_num_threads(1)
    init_distributed("gloo")
    job, world, rank = json.loads(Path(path).read_text()), int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])
    found = {
        name: average(job["model"], case["preset"], case["dtype"], world, rank, case["n"])
        for name, case in job["cases"].items()
    }
    Path(job["out"]).joinpath(f"found-{world}-{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
