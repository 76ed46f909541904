"""The optimizer steps of a cell.

The loss of a step is the mean over all learned tokens of its global batch, however the batch is split: each micro batch
contributes its sum divided by the global count, so workers, micro batch, packing and ZeRO stage change no number but
rounding (and, with a LoRA dropout above 0, which numbers are drawn: each worker draws its own, for its own layout).

A step depends on nothing but the weights, the optimizer's state and its own number: its rows follow from the seed, and so do
the random numbers of dropout, which every step seeds anew. So a cell that was killed goes on from its last checkpoint as if
nothing had been.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lib.errors import UserError
from lib.training.batches import Row, learned_tokens, token_losses
from lib.training.checkpoint import Checkpoints
from lib.training.delta import DeltaEma
from lib.training.ema import Ema
from lib.training.masters import Slot
from lib.training.micro_batches import mean_loss, micro_batches, micro_batches_needed, sum_over_workers
from lib.training.mix import Schedule
from lib.training.schedule import learning_rate
from lib.training.validation import Best

LOG = pa.schema(
    [
        ("step", pa.int32()),
        ("loss", pa.float64()),
        ("lr", pa.float64()),
        ("gradient_norm", pa.float64()),
        ("tokens", pa.int64()),
        ("validation_loss", pa.float64()),
    ]
)
"""One row per optimizer step; losses in nats per learned token. The validation loss is null where none was measured."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What training needs of recipe and placement."""

    recipe: Mapping[str, Any]
    """The fields of `lib.study.recipe.Recipe`."""
    seed: int
    base: Path
    """The folder of the base model."""
    preset: str
    micro_batch: int
    """Examples of one forward pass; `recipe["batch"]` is a multiple of it times the number of workers."""
    packing: bool = False
    gradient_checkpointing: bool = False
    checkpoint_steps: int = 100
    nvme_path: str | None = None
    world: int = 1
    rank: int = 0

    @property
    def accumulation(self) -> int:
        """Micro batches of a worker in a full step, when they are padded."""
        return int(self.recipe["batch"]) // (self.micro_batch * self.world)


@dataclass(frozen=True)
class StepReport:
    """An optimizer step, as those who watch see it."""

    step: int
    total: int
    loss: float
    """Nats per learned token."""
    lr: float
    gradient_norm: float | None
    tokens: int
    """Learned tokens of all workers."""
    computed_tokens: int
    """Tokens that this worker's forward passes went over, padding included."""
    seconds: float


Save = Callable[[Path | None], None]
"""Writes the weights that count, and their canary, into a folder (None: takes part in it and writes nothing)."""


@dataclass(frozen=True)
class Look:
    """A search looks at cells on their way."""

    count: int
    """How many looks there are before the end."""
    factor: int
    """Each is so many times later than the one before; the end is the last of them."""
    goes_on: Callable[[int, int, Save], bool]
    """(time of the look: 1, factor, factor ** 2, ...; steps done; saves the weights as they are now)."""

    def times(self, total: int) -> dict[int, int]:
        """Steps after which there is a look -> its time. Where two fall on one step, the later one."""
        last = self.factor**self.count
        found = {-(-total * self.factor**n // last): self.factor**n for n in range(self.count)}
        return {step: time for step, time in found.items() if step < total}


class StoppedEarly(Exception):
    """A look has ended the cell."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped at step {step}")
        self.step = step


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Those who watch a cell, and those who can tell that its machine is about to go. All ranks ask in step."""

    step: Callable[[StepReport], None] = lambda report: None
    say: Callable[[str], None] = lambda text: None
    preempted: Callable[[], bool] = lambda: False
    look: Look | None = None
    """Asked after some steps whether the cell goes on, by all ranks in step."""


class Run:
    """All steps of one cell on one engine."""

    def __init__(
        self,
        engine: Any,
        pad_id: int,
        rows: Sequence[Row],
        validation: Sequence[Row],
        schedule: Schedule,
        settings: Settings,
    ) -> None:
        self.engine, self.pad_id, self.rows, self.validation = engine, pad_id, rows, validation
        self.schedule, self.settings, self.total = schedule, settings, len(schedule.steps)
        recipe = settings.recipe
        self.ema = self.delta = None
        if recipe["ema"] and recipe["ema"]["space"] == "delta":
            self.delta = DeltaEma(
                engine.module, recipe["ema"], self.total, rank=settings.rank, world=settings.world, engine=engine
            )
        elif recipe["ema"]:
            self.ema = Ema(engine, recipe["ema"], self.total)
        self.best = Best(engine) if validation else None

    @property
    def chosen(self) -> dict[str, Any] | None:
        """The step whose weights were chosen, and its validation loss."""
        return self.best.note if self.best else None

    def train(self, hooks: Hooks, checkpoints: Checkpoints | None = None, save: Save | None = None) -> pa.Table:
        """Run every step that has not been run, and leave in the engine the weights that count (but for `delta`, whose
        average has a form of its own). The whole log.

        Args:
            save: saves the weights in the engine, for looks.

        Raises:
            StoppedEarly: a look has ended the cell.
        """
        looks = hooks.look.times(self.total) if hooks.look else {}
        log: list[dict[str, Any]] = []
        if checkpoints and (found := checkpoints.restore(self.engine, self._slots(), self.delta)):
            log = found[1]["log"]
            if self.best:
                self.best.resume(found[1]["best"])
            hooks.say(f"goes on from step {found[0]} of {self.total}")
        self.engine.train()
        leaving = False
        for step in range(len(log), self.total):
            started = time.perf_counter()
            row, computed = self._step(step)
            seconds = time.perf_counter() - started
            if self._validates(step):
                row["validation_loss"] = self._validate(step)
            log.append(row)
            seen = {name: row[name] for name in ("step", "loss", "lr", "gradient_norm", "tokens")}
            hooks.step(StepReport(**seen, total=self.total, computed_tokens=computed, seconds=seconds))
            time_of_look = looks.get(step + 1)
            if (
                hooks.look
                and save
                and time_of_look
                and not hooks.look.goes_on(time_of_look, step + 1, partial(self._save_now, save))
            ):
                raise StoppedEarly(step + 1)
            told, leaving = leaving, hooks.preempted()
            due = (step + 1) % self.settings.checkpoint_steps == 0 or (leaving and not told)
            if checkpoints and due and step + 1 < self.total:
                note = {"log": log, "best": self.best and self.best.note}
                checkpoints.save(self.engine, step + 1, self._slots(), note, self.delta)
        if self.best:
            self.best.finish()
        elif self.ema:
            self.ema.finish()
        return pa.Table.from_pylist(log, schema=LOG)

    def _save_now(self, save: Save, folder: Path | None) -> None:
        """Save what would count if the cell ended here, and leave everything as it was."""
        with self.ema.in_place() if self.ema else nullcontext():
            self.engine.module.eval()
            save(folder)
            self.engine.module.train()

    def _slots(self) -> dict[str, Slot]:
        """What a checkpoint holds besides weights and moments."""
        slots = {"ema": self.ema.average} if self.ema else {}
        return slots | ({"best": self.best.slot} if self.best else {})

    def _step(self, step: int) -> tuple[dict[str, Any], int]:
        """One optimizer step: its log row, and the tokens that this worker computed.

        Raises:
            UserError: the loss is not finite.
        """
        import torch

        engine, settings, recipe = self.engine, self.settings, self.settings.recipe
        lr = learning_rate(
            step, self.total, peak=recipe["lr"], warmup=recipe["warmup_steps"], schedule=recipe["schedule"]
        )
        for group in engine.optimizer.param_groups:
            group["lr"] = lr
        torch.manual_seed(int(np.random.SeedSequence([settings.seed, step, settings.rank]).generate_state(1)[0]))
        batch = [self.rows[i] for i in self.schedule.steps[step]]
        tokens = sum(learned_tokens(row, recipe["loss_on"]) for row in batch)
        layout = {
            "micro_batch": settings.micro_batch, "packed": settings.packing, "capacity": recipe["max_tokens"],
        }  # fmt: skip
        count = micro_batches_needed(batch, world=settings.world, **layout)
        mine = batch[settings.rank :: settings.world]
        loss, computed = 0.0, 0
        parts = micro_batches(mine, pad_id=self.pad_id, loss_on=recipe["loss_on"], count=count, **layout)
        for micro, tensors in enumerate(parts, start=1):
            here = {name: tensor.to(engine.device) for name, tensor in tensors.items()}
            labels = here.pop("labels")
            engine.set_gradient_accumulation_boundary(micro == count)
            losses = token_losses(engine(**here, use_cache=False).logits, labels) / max(1, tokens)
            engine.backward(losses * settings.accumulation * settings.world)  # DeepSpeed divides by both
            loss += float(losses.detach())
            computed += labels.numel()
            engine.step()
        for average in (self.ema, self.delta):
            if average:
                average.after_step(step + 1)
        loss = sum_over_workers(loss, settings.world, engine.device)
        norm = engine.get_global_grad_norm()
        norm = None if norm is None else float(norm)
        # In bf16 DeepSpeed leaves an update out when a gradient is not finite; nothing is left out in silence here.
        broken = "loss" if not np.isfinite(loss) else "gradient"
        if not np.isfinite([loss, norm or 0.0]).all() or getattr(engine.optimizer, "overflow", False):
            rows = ", ".join(row.id[:8] for row in batch[:4])
            raise UserError(
                f"the {broken} is not finite at step {step + 1} of {self.total} (rows {rows}, ...): lower "
                "recipe.lr or set recipe.dtype: fp32"
            )
        row = {"step": step + 1, "loss": loss, "lr": lr, "gradient_norm": norm, "tokens": tokens}
        return row | {"validation_loss": None}, computed

    def _validates(self, step: int) -> bool:
        """Is the validation loss measured after this step: every n steps or at each epoch's end, and after the last."""
        if self.best is None:
            return False
        recipe = self.settings.recipe
        every = recipe["validation"]["every_n_steps"]
        if every is not None:
            due = (step + 1) % every == 0
        else:
            due = (step + 1) * recipe["batch"] // len(self.rows) > step * recipe["batch"] // len(self.rows)
        return due or step + 1 == self.total

    def _validate(self, step: int) -> float:
        """The validation loss of the weights that would be saved now; they are kept, if they are the best."""
        settings, model = self.settings, self.engine.module
        with self.ema.in_place() if self.ema else nullcontext():
            model.eval()
            loss = mean_loss(
                model, self.validation, pad_id=self.pad_id, loss_on=settings.recipe["loss_on"],
                micro_batch=settings.micro_batch, world=settings.world, rank=settings.rank,
            )  # fmt: skip
            model.train()
            if self.best:
                self.best.offer(step + 1, loss)
        return loss
