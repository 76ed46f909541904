"""A training worker: one process of a warm group. It loads the base once and trains cell after cell.

Rank 0 takes cells from the queue and tells the others. Every worker runs the same steps; what is said, written and published
is said, written and published by rank 0.
"""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lib.errors import StorageError, UserError
from lib.runtime.step_clock import StepClock
from lib.runtime.train_metrics import Watched
from lib.store import Store, digest_value, here
from lib.store.place import forget, send
from lib.training.prepare import init_distributed

HEARTBEAT_S = 60.0
ATTENTION = {"cuda": "sdpa", "cpu": "eager"}
"""By device: on a CPU, the fused kernel's backward pass in bf16 is slower than the plain products it fuses."""


def work(config: dict[str, Any]) -> None:
    """Train cells until the queue has none left."""
    import ray
    import torch
    import torch.distributed as dist
    from ray import train

    context = train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    if not config["gpu"]:
        torch.set_num_threads(config["threads"])
    init_distributed("nccl" if config["gpu"] else "gloo")
    base = Base(str(here(config["model"])), train.torch.get_device())
    queue, store = config["queue"], Store(config["store"])
    if rank == 0:
        threading.Thread(target=_heartbeat, args=(queue,), daemon=True).start()
    while True:
        box: list[Any] = [None, None]
        if rank == 0:
            box[0] = ray.get(queue.take.remote(config["group"]))
            box[1] = box[0] and finished(store, box[0]["key"])
        if world > 1:
            dist.broadcast_object_list(box, src=0)
        job, outcome = box
        if job is None:
            return
        if outcome is None:
            try:
                outcome = train_one(job, base, config, rank, world)
            except UserError as error:
                outcome = {"error": str(error), "user": True}
                if world > 1 and isinstance(error, StorageError):  # perhaps of this worker alone: they are out of step
                    if rank == 0:
                        ray.get(queue.finish.remote(config["group"], job["key"], outcome))
                    raise
        if rank == 0:
            ray.get(queue.finish.remote(config["group"], job["key"], outcome))


def _heartbeat(queue: Any) -> None:
    """Say now and then that this group is there: loading a model or saving one takes its time."""
    import ray

    while True:
        time.sleep(HEARTBEAT_S)
        try:
            ray.get(queue.alive.remote())
        except ray.exceptions.RayError:
            return


class Base:
    """The base model, kept from one cell to the next while cells want it in the same form."""

    def __init__(self, folder: str, device: Any) -> None:
        from lib.models.prompt import load_tokenizer

        self.folder, self.device = folder, device
        self.tokenizer = load_tokenizer(folder)
        self._model: Any = None
        self._form: tuple[str, str] | None = None
        self._remarked = set[str]()

    def remark(self, recipe: dict[str, Any]) -> str:
        """What whoever trains by this recipe here should know of its precision, once; "" otherwise."""
        from lib.training.precision import has_bf16, slow_precision

        if recipe["dtype"] in self._remarked:
            return ""
        self._remarked.add(recipe["dtype"])
        return slow_precision(recipe["dtype"], self.device.type, fast_bf16=has_bf16())

    def model(self, recipe: dict[str, Any]) -> Any:
        """The model in the precision and quantisation of a recipe."""
        import torch
        from transformers import AutoModelForCausalLM

        from lib.training.optimizer import quantization_config

        form = (recipe["dtype"], recipe["quantize"])
        if form != self._form:
            self.drop()
            gc.collect()  # DeepSpeed's hooks hold model and engine in a cycle
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            kind = torch.bfloat16 if recipe["dtype"] == "bf16" else torch.float32
            quantized = quantization_config(recipe)
            extra = {} if quantized is None else {"quantization_config": quantized, "device_map": {"": self.device}}
            model = AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=kind, local_files_only=True, trust_remote_code=False, use_safetensors=True,
                attn_implementation=ATTENTION[self.device.type], **extra,
            )  # fmt: skip
            self._model, self._form = model if quantized else model.to(self.device), form
        return self._model

    def drop(self) -> None:
        """The next cell loads it anew."""
        self._model = self._form = None


def finished(store: Store, key: str) -> dict[str, Any] | None:
    """The outcome of a cell whose artifact is there: published by a worker that died a moment later, or by another run."""
    artifact = store.find("train", key)
    if artifact is None:
        return None
    store.remove(store.checkpoints(key))
    facts = artifact.facts
    return {"metrics": {"holdout_loss": facts["holdout_loss"], "steps": facts["steps"], "wall_s": 0.0}}


def train_one(job: dict[str, Any], base: Base, config: dict[str, Any], rank: int, world: int) -> dict[str, Any]:
    """Train one cell, publish its artifact, and remove its checkpoints. Its outcome on rank 0, nothing on the others."""
    import pyarrow.parquet as pq

    from lib.training.adapter import FOLDER
    from lib.training.batches import rows_of
    from lib.training.checkpoint import Checkpoints
    from lib.training.loop import CellRows, keeps_checkpoints, spoils_base, train_cell
    from lib.training.steps import Hooks, Look, Settings, StoppedEarly

    started = time.monotonic()
    benign, selection, store = here(job["benign"]), here(job["selection"]), Store(config["store"])
    rows = CellRows(
        benign=rows_of(pq.read_table(benign / "train.parquet")) if job["with_benign"] else [],
        safety=rows_of(pq.read_table(selection / "train.parquet")),
        holdout=rows_of(pq.read_table(benign / "holdout.parquet")),
    )
    recipe = job["recipe"]
    settings = Settings(
        recipe=recipe, seed=job["seed"], base=Path(base.folder), world=world, rank=rank, **job["placement"]
    )
    checkpoints = Checkpoints(store.address(store.checkpoints(job["key"])), job["key"], rank=rank, world=world)
    model = base.model(recipe)
    arguments: dict[str, Any] = {"checkpoints": checkpoints if keeps_checkpoints(recipe, settings) else None}
    looks = job.get("looks")
    look = Look(looks["count"], looks["factor"], partial(_goes_on, job, config, rank, world)) if looks else None
    try:
        if rank != 0:
            hooks = Hooks(preempted=_preempted, look=look)
            train_cell(model, base.tokenizer, rows, settings, None, hooks=hooks, **arguments)
            return {}
        with store.attempt("train", job["key"], job["identity"]) as attempt, Watched(job, config, model) as watched:
            clock = StepClock(started)
            if remark := base.remark(recipe):
                watched.say(remark)
            hooks = Hooks(step=clock.timing(watched.step), say=watched.say, preempted=_preempted, look=look)
            outcome = train_cell(model, base.tokenizer, rows, settings, attempt.folder, hooks=hooks, **arguments)
            attempt.facts = _write(attempt.folder, job, outcome, len(rows.holdout))
            attempt.about = {
                "workers": world, "placement": job["placement"], "device": str(base.device), "threads": config["threads"],
                **clock.seconds,
            }  # fmt: skip
    except StoppedEarly as stopped:
        checkpoints.clear()
        return {"stopped": stopped.step}
    except UserError as error:
        if not isinstance(error, StorageError):  # the cell's own fault, and it would go on into the same
            checkpoints.clear()
        raise
    finally:
        if spoils_base(recipe, settings.preset):
            base.drop()
    if outcome.form != FOLDER:  # a whole model, of as many cells as this machine trains
        forget(attempt.address)
    checkpoints.clear()
    wall = time.monotonic() - started
    return {"metrics": {"holdout_loss": outcome.holdout_loss, "steps": len(outcome.schedule.steps), "wall_s": wall}}


def _goes_on(
    job: dict[str, Any],
    config: dict[str, Any],
    rank: int,
    world: int,
    time: int,
    step: int,
    save: Callable[[Path | None], None],
) -> bool:
    """Does a cell go on after a look? Its search is asked, and is shown the weights where it does not know yet. Every worker
    calls it."""
    import ray
    import torch.distributed as dist

    queue, key = config["queue"], job["key"]
    box: list[Any] = [ray.get(queue.decision.remote(key, time)) if rank == 0 else None]
    if world > 1:
        dist.broadcast_object_list(box, src=0)
    if box[0] is None:
        store = Store(config["store"])
        folder = look_folder(store, key, time)
        if rank == 0:
            store.remove(folder)  # of a worker that died here
            folder.mkdir(parents=True)
        save(folder if rank == 0 else None)
        if rank == 0:
            send(store.address(folder))
            box[0] = ray.get(queue.reach.remote(key, time, step))
            forget(store.address(folder))  # looked at
        if world > 1:
            dist.broadcast_object_list(box, src=0)
    return bool(box[0])


def look_folder(store: Store, key: str, time: int) -> Path:
    """Where the weights lie that a look at a cell is of. Gone when it was looked at."""
    return store.checkpoints(look_key(key, time)) / "weights"


def look_key(key: str, time: int) -> str:
    """What stands for a cell at a look where a cell's key would stand."""
    return digest_value({"cell": key, "look": time})


def _preempted() -> bool:
    """Has this group's machine been told that it will go? Workers ask together."""
    from ray import train

    return train.get_preemption_info() is not None


def _write(folder: Path, job: dict[str, Any], outcome: Any, holdout_rows: int) -> dict[str, Any]:
    """The files of a trained cell beside its weights; its facts."""
    from lib.files import write_table, write_text
    from lib.models.trained import MERGED_CARD
    from lib.training.canary import FILE
    from lib.training.card import CardFacts, model_card

    write_table(folder / "training_log.parquet", outcome.log)
    numbers = {"own": outcome.canary_own, "base": outcome.canary_base, "dtype": job["recipe"]["dtype"]}
    write_text(folder / FILE, json.dumps(numbers))
    steps, schedule = len(outcome.schedule.steps), outcome.schedule
    unseen = schedule.unseen(outcome.benign)
    card = CardFacts(
        weights="adapter" if outcome.form == "adapter" else "full", key=job["key"], recipe=job["recipe"],
        seed=job["seed"], steps=steps, learned_tokens=outcome.learned_tokens, benign_rows=outcome.benign,
        safety_rows=outcome.safety, shown=schedule.shown, unseen_safety=unseen, holdout_loss=outcome.holdout_loss,
        holdout_rows=holdout_rows, merge_error=outcome.merge_error, ema_residual=outcome.residual, **job["about"],
    )  # fmt: skip
    write_text(folder / outcome.form / "README.md", model_card(card))
    if outcome.form == "adapter":
        write_text(folder / MERGED_CARD, model_card(replace(card, weights="full")))
    return {
        "form": outcome.form,
        "rows": {
            "benign": outcome.benign, "safety": outcome.safety, "shown": schedule.shown, "unseen_safety": unseen,
        },
        "steps": steps,
        "learned_tokens": outcome.learned_tokens,
        "holdout_loss": outcome.holdout_loss,
        "holdout_rows": holdout_rows,
        "validation": outcome.validation,
        "merge_error": outcome.merge_error,
        "ema_residual": outcome.residual,
    }  # fmt: skip
