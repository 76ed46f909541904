"""Cells trained by Ray Train + DeepSpeed in warm worker groups, as Ray Tune trials.

    driver: Tuner(one trial per cell) --wait--> CellQueue <--take, finish-- TorchTrainer workers (base model resident)

`train_cells` is the seam: it takes any number of cells of one base model and worker shape and returns when each has an
outcome. How many groups run side by side comes from the study: its GPUs, one on a CPU, or `sweep.max_concurrent`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from lib.location import is_bucket
from lib.names import file_name
from lib.plan import Lookup, Node
from lib.runtime.cell_queue import CellQueue
from lib.runtime.outputs import study_name
from lib.runtime.session import Session
from lib.runtime.trackers import callbacks
from lib.runtime.train_watch import Watcher
from lib.runtime.train_worker import work
from lib.store import Store
from lib.store.bucket import Bucket
from lib.study.schema import Study

TRIAL_FAILURES = 10
"""A trial holds no work: one whose node is lost tells its steps again elsewhere."""


@dataclass(frozen=True, kw_only=True)
class CellJob:
    """One cell as a worker group needs it."""

    key: str
    label: str
    identity: dict[str, Any]
    benign: str
    """Where the benign mix (training and held-out rows) is found."""
    selection: str
    recipe: dict[str, Any]
    seed: int
    with_benign: bool
    """Train on the benign rows too; their held-out part is measured either way."""
    placement: dict[str, Any]
    """What `lib.training.steps.Settings` holds besides the recipe: preset, micro batch, packing, checkpoints."""
    about: dict[str, Any]
    """What the model card tells of where the cell comes from."""
    watched: str
    """Where TensorBoard's events of this cell go."""
    looks: dict[str, int] | None = None
    """Where a search looks at the cell on its way: `count` and `factor` of `lib.training.steps.Look`."""


def cell_job(lookup: Lookup, node: Node, label: str, study: Study) -> CellJob:
    """The job of a train node."""
    model, sample = node.inputs["model"], node.inputs["selection"].inputs["rows"]
    source, chosen, facts = model.task.get("source"), dict(sample.identity or {}), lookup.facts(sample) or {}
    about = {
        "model": source.text if source else node.title,
        "model_identity": source.identity if source else {"cell": model.key},
        "template": dict(node.inputs["selection"].identity or {})["template"],
        "strategy": sample.task["label"],
        **{name: chosen[name] for name in ("budget", "draw")},
        **{name: facts.get(name, {}) for name in ("categories", "types")},
        "datasets": [one.source for one in (*study.corpus.sources, *study.benign.sources)],
    }
    return CellJob(
        key=str(node.key),
        label=label,
        identity=dict(node.identity or {}),
        benign=lookup.address(node.inputs["benign"]),
        selection=lookup.address(node.inputs["selection"]),
        recipe=dict(node.task["recipe"]),
        seed=node.task["seed"],
        with_benign=node.task["benign"],
        placement=dict(node.task["placement"]),
        about=about,
        watched=lookup.store.shared.address(
            f"{study_name(study)}/tensorboard/{file_name(label, str(node.key))}-{str(node.key)[:8]}"
        ),
    )


def train_cells(
    session: Session,
    store: Store,
    jobs: Sequence[CellJob],
    *,
    model: str,
    title: str,
    workers: int,
    retries: int,
    study: Study,
) -> dict[str, dict[str, Any]]:
    """Train cells of one base model, dtype and worker shape; artifacts go to the store.

    Args:
        model: where its folder is found.
        title: what the dashboard calls it.

    Returns:
        key -> outcome: `{"metrics": ...}`, `{"error": ..., "user": bool}`, or `{"left": why}` where it was not begun.
    """
    import ray
    from ray import tune

    # It writes a traceback for a trial that is lost with its node; the cell's own line says what was lost.
    logging.getLogger("ray.tune.execution").setLevel(logging.CRITICAL)
    queue: Any = ray.remote(max_concurrency=1000, **session.beside_driver())(CellQueue).options(
        name=session.named(f"train, queue of {len(jobs)} cells of {title}")
    ).remote(
        [asdict(job) for job in jobs], retries + 1,
        stop_on_error=study.sweep.on_cell_error == "stop", time_left_s=session.time_left_s,
    )  # fmt: skip
    groups = groups_for(len(jobs), session.gpus, workers, study.sweep.max_concurrent)
    labels = {job.key: job.label for job in jobs}
    with worker_groups(
        session, store, queue, groups, labels, model=model, title=title, workers=workers, retries=retries, study=study
    ) as scratch:
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(_trial, queue=queue), {"cpu": 0.001}),
            param_space={
                "cell": tune.grid_search([{"key": job.key, "label": job.label, "study": study.name} for job in jobs])
            },
            tune_config=tune.TuneConfig(max_concurrent_trials=groups + 1, **TRIAL_NAMES),
            run_config=run_config(study, scratch),
        )
        tuner.fit()
        return {job.key: ray.get(queue.wait.remote(job.key)) for job in jobs}


@contextmanager
def worker_groups(
    session: Session, store: Store, queue: Any, count: int, labels: dict[str, str], *, model: str, title: str, workers: int,
    retries: int, study: Study, total: int | None = None,
) -> Iterator[str]:  # fmt: skip
    """Warm groups that take cells from a queue, and a folder for what Ray leaves; both are gone afterwards, and so is the queue.

    Args:
        labels: of cells by key; may grow meanwhile.
        title: what the dashboard calls the model.
        total: how many cells there will be at most (None: as many as there are labels).
    """
    import ray

    settings = {
        "store": store.storage, "model": model, "threads": session.threads, "workers": workers,
        "gpu": session.gpus > 0, "retries": retries, "study": study.name,
    }  # fmt: skip
    runner = ray.remote(max_retries=retries, **session.beside_driver())(_run_group)
    with store.scratch() as folder:
        scratch = store.address(folder)
        running = [
            runner.options(name=session.named(f"train, worker group g{i} of {title}")).remote(
                queue, {**settings, "group": f"g{i}", "title": title, "scratch": scratch}
            )
            for i in range(count)
        ]
        watcher = Watcher(session, queue, {reference: f"g{i}" for i, reference in enumerate(running)}, labels, total)
        watcher.start()
        try:
            yield scratch
        finally:
            watcher.stop()
            for reference in running:
                ray.cancel(reference, force=True)
            ray.kill(queue)


def run_storage(scratch: str, name: str) -> dict[str, Any]:
    """Where Ray keeps what it keeps of a run, as its configurations take it: in a bucket with the storage's own client.

    Args:
        scratch: the address of a folder.
    """
    storage, _, folder = scratch.partition("#")
    if not is_bucket(storage):
        return {"storage_path": f"{scratch}/{name}"}
    bucket = Bucket(storage)
    return {"storage_path": bucket.path(f"{folder}/{name}"), "storage_filesystem": bucket.filesystem()}


def run_config(study: Study, scratch: str) -> Any:
    """Tune's, without anything of its own on the terminal and with nothing that is kept."""
    from ray import tune

    return tune.RunConfig(
        name=study.name,
        **run_storage(scratch, "tune"),
        verbose=0,
        callbacks=callbacks(study.track, study.name),
        failure_config=tune.FailureConfig(max_failures=TRIAL_FAILURES),
    )


def groups_for(cells: int, gpus: int, workers: int, at_most: int | None) -> int:
    """How many worker groups train cells side by side.

    Args:
        gpus: of the study, not those that happen to be up; 0 on CPUs.
        at_most: what the study says (None: as many as there is room for).
    """
    room = gpus // workers if gpus else 1
    return max(1, min(cells, at_most or room))


def _trial_name(trial: Any) -> str:
    """Study and cell; it is also a folder's name."""
    cell = trial.config["cell"]
    name = file_name(f"{cell['study']}-{cell['label']}", cell["key"])
    return f"{name}-{cell['key'][:8]}"


TRIAL_NAMES: dict[str, Any] = {"trial_name_creator": _trial_name, "trial_dirname_creator": _trial_name}


def _trial(config: dict[str, Any], queue: Any) -> None:
    """A Tune trial: reports what a cell's steps tell, and its outcome at the end."""
    import ray
    from ray import tune

    key, seen, ended = config["cell"]["key"], 0, False
    while not ended:
        steps, ended = ray.get(queue.steps.remote(key, seen))
        seen += len(steps)
        for step in steps:
            tune.report(step)
    outcome = ray.get(queue.wait.remote(key))
    tune.report(outcome.get("metrics") or {"left" if "left" in outcome else "failed": 1})


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

    from lib.runtime.blame import Blame

    gpu = settings["gpu"]
    group = file_name(f"{settings['study']}-{settings['title']}-{settings['group']}", settings["group"])
    environment = {} if gpu else {"OMP_NUM_THREADS": str(settings["threads"])}
    return TorchTrainer(
        work,
        train_loop_config={"queue": queue, **settings},
        scaling_config=ScalingConfig(
            num_workers=settings["workers"], use_gpu=gpu, resources_per_worker={"CPU": 1, **({"GPU": 1} if gpu else {})}
        ),
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        run_config=RunConfig(
            # Train resumes silently from an equal name and folder: both are new for every group.
            name=f"{group}-{os.getpid()}-{time.time_ns()}",
            **run_storage(settings["scratch"], "train"),
            failure_config=FailureConfig(max_failures=settings["retries"]),
            callbacks=[Blame(queue, settings["group"])],
            worker_runtime_env={"env_vars": environment},
        ),
    )
