"""One cell: base model in, trained weights and measurements out, on DeepSpeed, in this process (one of `world`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from lib.files import write_text
from lib.models.family import find_family
from lib.models.special import pad_id
from lib.training import adapter, canary, full
from lib.training.batches import Row
from lib.training.checkpoint import Checkpoints
from lib.training.deepspeed_config import deepspeed_config, masters_on_disk, zero_stage
from lib.training.delta import DeltaEma
from lib.training.micro_batches import mean_loss
from lib.training.mix import Schedule, make_schedule
from lib.training.optimizer import make_optimizer, undo_first_step
from lib.training.packing import check_attention
from lib.training.steps import Hooks, Run, Settings
from lib.training.validation import validation_rows

METHODS: Mapping[str, Any] = {"lora": adapter, "full": full}
"""How weights are put up for training, saved and taken away: modules with the same functions."""


@dataclass(frozen=True, kw_only=True)
class CellRows:
    """The data of a cell, tokenised."""

    benign: Sequence[Row]
    safety: Sequence[Row]
    holdout: Sequence[Row]


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
    """What serving in bf16 loses, relative to the change of the weights."""
    residual: float | None
    """What the rank of an averaged adapter cut off, relative to the change of the weights; None without such a cut."""
    form: str
    """`adapter` or `weights`: what was saved, and the folder it lies in."""
    learned_tokens: int
    benign: int
    """Benign rows of the mix, without those that validate."""
    safety: int
    validation: dict[str, Any] | None
    """The chosen step and its loss on the validation rows."""


def train_cell(
    base: Any,
    tokenizer: Any,
    rows: CellRows,
    settings: Settings,
    save_to: Path | None,
    *,
    hooks: Hooks | None = None,
    checkpoints: Checkpoints | None = None,
) -> Outcome:
    """Fine-tune `base`, and measure and save what comes out.

    Args:
        base: a causal LM in the recipe's dtype, on its device. An adapter is taken off again (but see `spoils_base`).
        save_to: where rank 0 writes the adapter or the weights; None on the other ranks.
        checkpoints: where the cell is written down on the way, and goes on from.

    Raises:
        UserError: the loss is not finite (names the step and the rows), an average would never be updated, or nobody
            says which layers get an adapter.
        StoppedEarly: a look has ended the cell.
    """
    recipe, method = settings.recipe, METHODS[settings.recipe["method"]]
    rows, validation, held_out = _hold_out(rows, settings)
    schedule = make_schedule(
        len(rows.benign), len(rows.safety), seed=settings.seed, batch=recipe["batch"],
        epochs=recipe["epochs"], steps=recipe["steps"], held_out=held_out,
    )  # fmt: skip
    sequences = canary.canary_ids(tokenizer)
    base.eval()
    canary_base = canary.log_probabilities(base, sequences)
    model = method.attach(base, recipe, settings.seed)
    merged: DeltaEma | None = None
    try:
        with _engine(model, settings) as engine:
            run = Run(engine, filler(model, tokenizer), [*rows.benign, *rows.safety], validation, schedule, settings)
            log = run.train(
                hooks or Hooks(), checkpoints, partial(_save, method, model, sequences, canary_base, settings)
            )
            residual = run.delta.finish() if run.delta else None
            if run.delta and residual is None:
                merged = run.delta
                model, method = adapter.detach(model), full
                rounding = merged.merge_into(model)
            else:
                rounding = method.rounding_error(model, settings.base)
            model.eval()
            outcome = Outcome(
                log=log,
                schedule=schedule,
                holdout_loss=held_out_loss(model, tokenizer, rows.holdout, settings),
                canary_own=canary.log_probabilities(model, sequences),
                canary_base=canary_base,
                merge_error=rounding,
                residual=residual,
                form=method.FOLDER,
                learned_tokens=sum(log["tokens"].to_pylist()),
                benign=len(rows.benign),
                safety=len(rows.safety),
                validation=run.chosen,
            )
            method.save(model, save_to, settings.base)
    finally:
        method.detach(model)
        if merged:
            merged.take_out(model)
    return outcome


def _save(
    method: Any,
    model: Any,
    sequences: Sequence[Sequence[int]],
    canary_base: list[list[float]],
    settings: Settings,
    folder: Path | None,
) -> None:
    """Save the weights as they are, with what proves that an engine serves them."""
    method.save(model, folder, settings.base)
    own = canary.log_probabilities(model, sequences)
    if folder is not None:
        numbers = {"own": own, "base": canary_base, "dtype": settings.recipe["dtype"]}
        write_text(folder / canary.FILE, json.dumps(numbers))


def spoils_base(recipe: Mapping[str, Any], preset: str) -> bool:
    """Must the next cell load the base anew? Full training changes it, and ZeRO 3 spreads it over the workers for good."""
    return recipe["method"] == "full" or zero_stage(preset) == 3


def keeps_checkpoints(recipe: Mapping[str, Any], settings: Settings) -> bool:
    """Can this cell be written down on the way? Not with moments in 8 bits, whose blocks are bound to how they are sharded,
    nor with masters on a disk of one machine; such a cell begins again."""
    return recipe["optim"] == "adamw" and not masters_on_disk(settings.preset)


def held_out_loss(model: Any, tokenizer: Any, rows: Sequence[Row], settings: Settings) -> float:
    """Mean loss over the learned tokens of `rows`, nats per token; NaN when there are none. Evaluation mode."""
    return mean_loss(
        model, rows, pad_id=filler(model, tokenizer), loss_on=settings.recipe["loss_on"], micro_batch=settings.micro_batch,
        world=settings.world, rank=settings.rank,
    )  # fmt: skip


def _hold_out(rows: CellRows, settings: Settings) -> tuple[CellRows, list[Row], set[int]]:
    """The rows to train on, those that choose the best step, and the numbers of the benign rows among these."""
    rules = settings.recipe["validation"]
    if rules is None:
        return rows, [], set()
    mix, benign = [*rows.benign, *rows.safety], len(rows.benign)
    out = set(validation_rows(benign, len(rows.safety), rules["rows"], settings.seed).tolist())
    kept = [[mix[n] for n in numbers if n not in out] for numbers in (range(benign), range(benign, len(mix)))]
    return replace(rows, benign=kept[0], safety=kept[1]), [mix[n] for n in sorted(out)], {n for n in out if n < benign}


@contextmanager
def _engine(model: Any, settings: Settings) -> Iterator[Any]:
    """A DeepSpeed engine around what trains."""
    import deepspeed

    recipe = settings.recipe
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(trained, recipe, trained[0].device)
    if settings.packing:
        check_attention(model.config._attn_implementation)
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=optimizer,
        config=deepspeed_config(
            preset=settings.preset, workers=settings.world, micro_batch=settings.micro_batch,
            accumulation=settings.accumulation, dtype=recipe["dtype"], clip=recipe["clip"],
            nvme_path=settings.nvme_path,
        ),
        dist_init_required=False,
    )  # fmt: skip
    undo_first_step(engine.optimizer)
    try:
        yield engine
    finally:
        engine.destroy()
        if settings.gradient_checkpointing:
            model.gradient_checkpointing_disable()
            if hasattr(model, "disable_input_require_grads"):
                model.disable_input_require_grads()  # enabled for adapters, and left on by the line before
        _let_go(engine, model if spoils_base(recipe, settings.preset) else None)


def _let_go(engine: Any, spoiled: Any) -> None:
    """Free what a destroyed engine holds, and a model that no other cell will use.

    Under ZeRO 3 DeepSpeed's parameters, hooks and optimizer hold each other in ways that no garbage collection undoes: a
    group that stays up would keep 16 bytes a parameter of every cell that it has trained.
    """
    inner = getattr(
        engine.optimizer, "optimizer", None
    )  # DeepSpeed's own is around torch's; without ZeRO there is but one
    for held in (inner, engine.optimizer):
        if held is not None:
            vars(held).clear()
    if spoiled is not None:
        for parameter in spoiled.parameters():
            parameter.grad = None
            parameter.data = parameter.data.new_empty(0)
            vars(parameter).clear()


def filler(model: Any, tokenizer: Any) -> int:
    """The id that fills up micro batches."""
    return pad_id(tokenizer, find_family(model.config.to_dict()))
