"""One cell: base model in, adapter and measurements out, on DeepSpeed, in this process (one of `world`).

The loss of a step is the mean over all learned tokens of its global batch, however the batch is split: each micro batch
contributes its sum divided by the global count, so workers, micro batch and accumulation change no number but rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lib.errors import UserError
from lib.training import adapter, canary
from lib.training.batches import Row, collate, learned_tokens, token_losses
from lib.training.deepspeed_config import deepspeed_config
from lib.training.ema import Ema
from lib.training.mix import Schedule, make_schedule
from lib.training.schedule import learning_rate

LOG = pa.schema(
    [
        ("step", pa.int32()),
        ("loss", pa.float64()),
        ("lr", pa.float64()),
        ("gradient_norm", pa.float64()),
        ("tokens", pa.int64()),
    ]
)
"""One row per optimizer step; loss in nats per learned token."""


@dataclass(frozen=True, kw_only=True)
class CellRows:
    """The data of a cell, tokenised."""

    benign: Sequence[Row]
    safety: Sequence[Row]
    holdout: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `train_cell` needs of recipe and placement."""

    recipe: Mapping[str, Any]
    """The fields of `lib.study.recipe.Recipe`."""
    seed: int
    preset: str
    micro_batch: int
    """Examples of one forward pass; `recipe["batch"]` is a multiple of it times the number of workers."""
    world: int = 1
    rank: int = 0


@dataclass
class Outcome:
    """What is known after training."""

    log: pa.Table
    schedule: Schedule
    holdout_loss: float
    """Mean over the learned tokens of the held-out benign rows, nats."""
    canary_own: list[list[float]]
    canary_base: list[list[float]]
    merge_error: float
    learned_tokens: int


def train_cell(
    base: Any,
    tokenizer: Any,
    rows: CellRows,
    settings: Settings,
    save_to: Path | None,
    on_step: Callable[[int, int, float], None] = lambda step, total, loss: None,
) -> Outcome:
    """Fine-tune a fresh adapter on `base`, measure it, and take it off again.

    Args:
        base: a resident causal LM in the recipe's dtype, on its device; unchanged on return.
        save_to: where rank 0 writes the adapter; None on the other ranks.
        on_step: called with (steps done, steps in all, loss).

    Raises:
        UserError: the loss is not finite (names the step and the rows), or an average would never be updated.
    """
    import deepspeed
    import torch

    recipe = settings.recipe
    schedule = make_schedule(
        len(rows.benign), len(rows.safety), seed=settings.seed, batch=recipe["batch"],
        epochs=recipe["epochs"], steps=recipe["steps"],
    )  # fmt: skip
    sequences = canary.canary_ids(tokenizer)
    base.eval()
    canary_base = canary.log_probabilities(base, sequences)
    adapted = adapter.attach(base, **recipe["lora"], seed=settings.seed)
    torch.manual_seed(settings.seed * 1_000_003 + settings.rank)
    optimizer = torch.optim.AdamW(
        [p for p in adapted.parameters() if p.requires_grad], lr=recipe["lr"], weight_decay=recipe["weight_decay"]
    )
    accumulation = recipe["batch"] // (settings.micro_batch * settings.world)
    engine, *_ = deepspeed.initialize(
        model=adapted,
        optimizer=optimizer,
        config=deepspeed_config(
            preset=settings.preset, workers=settings.world, micro_batch=settings.micro_batch,
            accumulation=accumulation, dtype=recipe["dtype"], clip=recipe["clip"],
        ),
        dist_init_required=False,
    )  # fmt: skip
    try:
        ema = Ema(engine, recipe["ema"], len(schedule.steps)) if recipe["ema"] else None
        log = _steps(engine, tokenizer, [*rows.benign, *rows.safety], schedule, settings, accumulation, ema, on_step)
        if ema:
            ema.finish()
        adapted.eval()
        outcome = Outcome(
            log=log,
            schedule=schedule,
            holdout_loss=held_out_loss(adapted, tokenizer, rows.holdout, recipe["loss_on"], settings),
            canary_own=canary.log_probabilities(adapted, sequences),
            canary_base=canary_base,
            merge_error=adapter.rounding_error(adapted),
            learned_tokens=sum(log["tokens"].to_pylist()),
        )
        if save_to is not None:
            adapter.save(adapted, save_to)
    finally:
        engine.destroy()
        adapter.detach(adapted)
    return outcome


def _steps(
    engine: Any,
    tokenizer: Any,
    rows: Sequence[Row],
    schedule: Schedule,
    settings: Settings,
    accumulation: int,
    ema: Ema | None,
    on_step: Callable[[int, int, float], None],
) -> pa.Table:
    """Run every optimizer step; one log row each."""
    recipe, pad = settings.recipe, _pad_id(tokenizer)
    total = len(schedule.steps)
    log: list[dict[str, Any]] = []
    engine.train()
    for step, numbers in enumerate(schedule.steps):
        lr = learning_rate(step, total, peak=recipe["lr"], warmup=recipe["warmup_steps"], schedule=recipe["schedule"])
        for group in engine.optimizer.param_groups:
            group["lr"] = lr
        batch = [rows[i] for i in numbers]
        tokens = sum(learned_tokens(row, recipe["loss_on"]) for row in batch)
        # A step's loss is a sum over its rows in any order: rows of like length share a micro batch and pad little.
        mine = sorted(batch[settings.rank :: settings.world], key=lambda row: -len(row.ids))
        loss = 0.0
        for micro in range(accumulation):
            part = mine[micro * settings.micro_batch : (micro + 1) * settings.micro_batch]
            tensors = collate(part or batch[:1], pad, recipe["loss_on"])
            tensors = {name: tensor.to(engine.device) for name, tensor in tensors.items()}
            labels = tensors.pop("labels")
            if not part:  # the last batch of a run may not reach every worker: take part in the sums, add nothing
                labels.fill_(-100)
            losses = token_losses(engine(**tensors).logits, labels) / max(1, tokens)
            engine.backward(losses * accumulation * settings.world)
            loss += float(losses.detach())
            engine.step()
        if ema:
            ema.after_step(step + 1)
        loss = _sum_over_workers(loss, settings, engine.device)
        norm = engine.get_global_grad_norm()
        if not np.isfinite(loss):
            raise UserError(
                f"the loss is not finite at step {step + 1} of {total} (rows {', '.join(row.id[:8] for row in batch[:4])}, ...): "
                "lower recipe.lr or set recipe.dtype: fp32"
            )
        log.append(
            {
                "step": step + 1,
                "loss": loss,
                "lr": lr,
                "gradient_norm": None if norm is None else float(norm),
                "tokens": tokens,
            }
        )
        on_step(step + 1, total, loss)
    return pa.Table.from_pylist(log, schema=LOG)


def held_out_loss(model: Any, tokenizer: Any, rows: Sequence[Row], loss_on: str, settings: Settings) -> float:
    """Mean loss over the learned tokens of `rows`, nats per token; NaN when there are none. Evaluation mode."""
    import torch

    pad, size = _pad_id(tokenizer), settings.micro_batch
    device = next(model.parameters()).device
    total = 0.0
    with torch.no_grad():
        mine = sorted(rows[settings.rank :: settings.world], key=lambda row: -len(row.ids))
        for start in range(0, len(mine), size):
            tensors = collate(mine[start : start + size], pad, loss_on)
            tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
            labels = tensors.pop("labels")
            total += float(token_losses(model(**tensors).logits, labels))
    tokens = sum(learned_tokens(row, loss_on) for row in rows)
    return _sum_over_workers(total, settings, device) / tokens if tokens else float("nan")


def _sum_over_workers(value: float, settings: Settings, device: Any) -> float:
    if settings.world == 1:
        return value
    import torch

    tensor = torch.tensor([value], dtype=torch.float64, device=device)
    torch.distributed.all_reduce(tensor)
    return float(tensor)


def _pad_id(tokenizer: Any) -> int:
    return int(tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)
