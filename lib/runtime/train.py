"""Cells trained by Ray Train + DeepSpeed in warm worker groups, as Ray Tune trials.

    driver: Tuner(one trial per cell) --wait--> CellQueue <--take, finish-- TorchTrainer workers (base model resident)

`train_cells` is the seam: it takes any number of cells of one base model and worker shape and returns when each has an
outcome. How many groups run side by side comes from the study's GPUs; on a CPU it is one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lib.errors import RetriableError, UserError
from lib.plan import Lookup, Node
from lib.runtime.cell_queue import CellQueue
from lib.runtime.session import Session, last_line, remote_errors
from lib.store import Store

POLL_S = 0.5
ATTENTION = {"cuda": "sdpa", "cpu": "eager"}
"""By device: on a CPU, the fused kernel's backward pass in bf16 is slower than the plain products it fuses."""


@dataclass(frozen=True, kw_only=True)
class CellJob:
    """One cell as a worker group needs it."""

    key: str
    label: str
    identity: dict[str, Any]
    benign: str
    """Folder of the benign mix (training and held-out rows)."""
    selection: str
    recipe: dict[str, Any]
    seed: int
    preset: str
    micro_batch: int


def cell_job(lookup: Lookup, node: Node, label: str) -> CellJob:
    """The job of a train node."""
    return CellJob(
        key=str(node.key),
        label=label,
        identity=dict(node.identity or {}),
        benign=str(lookup.folder(node.inputs["benign"])),
        selection=str(lookup.folder(node.inputs["selection"])),
        recipe=dict(node.task["recipe"]),
        seed=node.task["seed"],
        preset=node.task["preset"],
        micro_batch=node.task["micro_batch"],
    )


def train_cells(
    session: Session, store: Store, jobs: Sequence[CellJob], *, model: Path, workers: int, retries: int, study: str
) -> dict[str, dict[str, Any]]:
    """Train cells of one base model, dtype and worker shape; artifacts go to the store.

    Returns:
        key -> outcome: `{"metrics": ...}` or `{"error": ..., "user": bool}`.
    """
    import ray
    from ray import tune

    session.start()
    queue: Any = ray.remote(num_cpus=0, max_concurrency=1000)(CellQueue).remote(
        [asdict(job) for job in jobs], retries + 1
    )
    groups = max(1, min(len(jobs), session.gpus // workers)) if session.gpus else 1
    settings = {
        "store": str(store.root), "model": str(model), "threads": session.threads, "workers": workers,
        "gpu": session.gpus > 0, "retries": retries,
    }  # fmt: skip
    runner = ray.remote(num_cpus=0, max_retries=0)(_run_group)
    with store.scratch() as scratch:
        running = [runner.remote(queue, {**settings, "group": f"g{i}", "scratch": str(scratch)}) for i in range(groups)]
        names = {reference: f"g{i}" for i, reference in enumerate(running)}
        watcher = _Watcher(session, queue, names, {job.key: job.label for job in jobs})
        watcher.start()
        try:
            tuner = tune.Tuner(
                tune.with_resources(tune.with_parameters(_trial, queue=queue), {"cpu": 0.001}),
                param_space={"cell": tune.grid_search([{"key": job.key, "label": job.label} for job in jobs])},
                tune_config=tune.TuneConfig(
                    max_concurrent_trials=groups + 1,
                    trial_name_creator=_trial_name,
                    trial_dirname_creator=_trial_name,
                ),
                run_config=tune.RunConfig(name=study, storage_path=f"{scratch}/tune", verbose=0),
            )
            tuner.fit()
            outcomes = {job.key: ray.get(queue.wait.remote(job.key)) for job in jobs}
        finally:
            watcher.stop()
            for reference in running:
                ray.cancel(reference, force=True)
            ray.kill(queue)
    return outcomes


def _trial_name(trial: Any) -> str:
    cell = trial.config["cell"]
    safe = "".join(c if c.isalnum() or c in "-._" else "-" for c in cell["label"])
    return f"{safe}-{cell['key'][:8]}"


def _trial(config: dict[str, Any], queue: Any) -> None:
    """A Tune trial: wait for the cell's outcome and report it as the trial's result."""
    import ray
    from ray import tune

    outcome = ray.get(queue.wait.remote(config["cell"]["key"]))
    tune.report(outcome.get("metrics") or {"failed": 1})


class _Watcher(threading.Thread):
    """Turns queue events into progress lines, and gives up when every group has ended, or is silent, with cells left."""

    def __init__(self, session: Session, queue: Any, groups: dict[Any, str], labels: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self.session, self.queue, self.groups, self.labels = session, queue, dict(groups), labels
        self.error, self.user = "every worker group has ended", False
        self._ending = threading.Event()
        self.finished = 0

    def stop(self) -> None:
        self._ending.set()
        self.join(timeout=5)

    def run(self) -> None:
        import ray

        seen = 0
        while not self._ending.wait(POLL_S):
            try:
                seen, events = ray.get(self.queue.since.remote(seen))
                for event in events:
                    self._show(event)
                if self.groups:
                    self._check_groups()
                    self._check_silence()
            except ray.exceptions.RayError:
                return

    def _show(self, event: dict[str, Any]) -> None:
        progress, label = self.session.progress, self.labels[event["key"]]
        if event["kind"] == "step":
            note = f"loss {event['loss']:.3f}; cell {self.finished + 1} of {len(self.labels)}"
            progress.tick(f"train {label}", event["done"], event["total"], "steps", note)
        elif event["kind"] == "start":
            progress.say(f"train {event['text']}")
        else:
            self.finished += 1
            if "error" in event:
                progress.say(f"train {label}: FAILED: {event['error']}")
            else:
                m = event["metrics"]
                progress.say(
                    f"train {label}: done in {m['wall_s']:.0f} s, held-out benign loss {m['holdout_loss']:.4f}"
                )

    def _check_groups(self) -> None:
        """A group that ended leaves its cells to the others; the last one's end is the end of all that have no outcome."""
        import ray

        ended, _ = ray.wait(list(self.groups), num_returns=len(self.groups), timeout=0)
        for reference in ended:
            ray.get(self.queue.release.remote(self.groups.pop(reference)))
            try:
                with remote_errors():
                    ray.get(reference)
            except UserError as error:
                self.error, self.user = str(error), True
            except Exception as error:  # the group's fault, whatever it was, is shown with the cells it cost
                self.error = f"the worker group ended: {last_line(error)}"
        if ended and not self.groups:
            ray.get(self.queue.give_up.remote(self.error, self.user))

    def _check_silence(self) -> None:
        """Ray waits for ever for processes that cannot be placed."""
        import ray

        deadline = self.session.cluster.start_deadline_s
        if ray.get(self.queue.silent_s.remote()) > deadline:
            error = (
                f"no training worker was heard of for {deadline} s: the cluster may lack the CPUs or GPUs that "
                "train.workers asks for (see its dashboard)"
            )
            ray.get(self.queue.give_up.remote(error, False))


def _run_group(queue: Any, settings: dict[str, Any]) -> None:
    """A Ray task that holds one warm group: a TorchTrainer whose workers take cells until none is left.

    Ray Train starts a group anew `retries` times. A cell that kills its workers uses that up by itself, so the count begins
    again as long as cells come to an end; a group that dies twice over without one is given up.
    """
    import ray

    fruitless = 0
    while True:
        before = ray.get(queue.ended.remote())
        try:
            _trainer(queue, settings).fit()
            return
        except Exception:
            fruitless = 0 if ray.get(queue.ended.remote()) > before else fruitless + 1
            if fruitless > 1:
                raise


def _trainer(queue: Any, settings: dict[str, Any]) -> Any:
    """A new trainer of a group."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    gpu = settings["gpu"]
    environment = {} if gpu else {"OMP_NUM_THREADS": str(settings["threads"])}
    return TorchTrainer(
        _work,
        train_loop_config={"queue": queue, **settings},
        scaling_config=ScalingConfig(
            num_workers=settings["workers"], use_gpu=gpu, resources_per_worker={"CPU": 1, **({"GPU": 1} if gpu else {})}
        ),
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        run_config=RunConfig(
            # Train resumes silently from an equal name and folder: both are new for every group.
            name=f"group-{settings['group']}-{os.getpid()}-{time.time_ns()}",
            storage_path=f"{settings['scratch']}/train",
            failure_config=FailureConfig(max_failures=settings["retries"]),
            worker_runtime_env={"env_vars": environment},
        ),
    )


def _work(config: dict[str, Any]) -> None:
    """One training worker: load the base once, then cell after cell."""
    import deepspeed
    import ray
    import torch
    import torch.distributed as dist
    from ray import train
    from transformers import AutoModelForCausalLM

    from lib.models.prompt import load_tokenizer

    context = train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    if not config["gpu"]:
        torch.set_num_threads(config["threads"])
    deepspeed.init_distributed(
        dist_backend="nccl" if config["gpu"] else "gloo", auto_mpi_discovery=False, verbose=False
    )
    device = train.torch.get_device()
    tokenizer = load_tokenizer(config["model"])
    bases: dict[str, Any] = {}
    queue = config["queue"]
    while True:
        box: list[Any] = [None, None]
        if rank == 0:
            box[0] = ray.get(queue.take.remote(config["group"]))
            box[1] = box[0] and _finished(config["store"], box[0]["key"])
        if world > 1:
            dist.broadcast_object_list(box, src=0)
        if box[0] is None:
            return
        job = CellJob(**box[0])
        if box[1] is not None:
            if rank == 0:
                ray.get(queue.finish.remote(config["group"], job.key, box[1]))
            continue
        dtype = job.recipe["dtype"]
        if dtype not in bases:
            bases.clear()
            kind = torch.bfloat16 if dtype == "bf16" else torch.float32
            base = AutoModelForCausalLM.from_pretrained(
                config["model"], dtype=kind, local_files_only=True, attn_implementation=ATTENTION[device.type]
            )
            bases[dtype] = base.to(device)
        try:
            outcome = _train_one(job, bases[dtype], tokenizer, config, rank, world, queue)
        except UserError as error:
            outcome = {"error": str(error), "user": True}
        if rank == 0:
            ray.get(queue.finish.remote(config["group"], job.key, outcome))


def _finished(store: str, key: str) -> dict[str, Any] | None:
    """The outcome of a cell whose artifact is there: published by a worker that died a moment later, or by another run."""
    artifact = Store(store).find("train", key)
    if artifact is None:
        return None
    facts = artifact.facts
    return {"metrics": {"holdout_loss": facts["holdout_loss"], "steps": facts["steps"], "wall_s": 0.0}}


def _train_one(
    job: CellJob, base: Any, tokenizer: Any, config: dict[str, Any], rank: int, world: int, queue: Any
) -> dict[str, Any]:
    import pyarrow.parquet as pq

    from lib.training.batches import rows_of
    from lib.training.loop import CellRows, Settings, train_cell

    started = time.monotonic()
    benign, selection = Path(job.benign), Path(job.selection)
    rows = CellRows(
        benign=rows_of(pq.read_table(benign / "train.parquet")),
        safety=rows_of(pq.read_table(selection / "train.parquet")),
        holdout=rows_of(pq.read_table(benign / "holdout.parquet")),
    )
    settings = Settings(
        recipe=job.recipe, seed=job.seed, preset=job.preset, micro_batch=job.micro_batch, world=world, rank=rank
    )
    if rank != 0:
        train_cell(base, tokenizer, rows, settings, None)
        return {}
    import json

    from lib.files import write_table, write_text

    with Store(config["store"]).attempt("train", job.key, job.identity) as attempt:
        told = [0.0]

        def tell(done: int, total: int, loss: float) -> None:
            if time.monotonic() - told[0] > 1 or done == total:
                told[0] = time.monotonic()
                queue.report.remote(job.key, done, total, loss)

        outcome = train_cell(base, tokenizer, rows, settings, attempt.folder / "adapter", tell)
        write_table(attempt.folder / "training_log.parquet", outcome.log)
        write_text(
            attempt.folder / "canary.json",
            json.dumps({"own": outcome.canary_own, "base": outcome.canary_base, "dtype": job.recipe["dtype"]}),
        )
        attempt.facts = {
            "rows": {
                "benign": len(rows.benign),
                "safety": len(rows.safety),
                "shown": outcome.schedule.shown,
                "unseen_safety": outcome.schedule.unseen(len(rows.benign)),
            },
            "steps": len(outcome.schedule.steps),
            "learned_tokens": outcome.learned_tokens,
            "holdout_loss": outcome.holdout_loss,
            "holdout_rows": len(rows.holdout),
            "merge_error": outcome.merge_error,
        }
        attempt.about = {
            "workers": world,
            "preset": job.preset,
            "device": str(base.device),
            "threads": config["threads"],
        }
    wall = time.monotonic() - started
    return {"metrics": {"holdout_loss": outcome.holdout_loss, "steps": len(outcome.schedule.steps), "wall_s": wall}}


def raise_failures(outcomes: dict[str, dict[str, Any]], labels: dict[str, str]) -> None:
    """Raise for cells without a result.

    Raises:
        UserError: a cell failed for a reason that the user can mend.
        RetriableError: a cell failed for another reason; the finished ones are kept.
    """
    failed = {key: outcome for key, outcome in outcomes.items() if "error" in outcome}
    if not failed:
        return
    key, outcome = next(iter(failed.items()))
    more = f" ({len(failed)} cells failed)" if len(failed) > 1 else ""
    raise (UserError if outcome["user"] else RetriableError)(f"cell {labels[key]}: {outcome['error']}{more}")
