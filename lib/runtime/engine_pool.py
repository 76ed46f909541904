"""Engines on Ray: started once for a queue of jobs, fed as they come free, replaced when lost, stopped at the end.

An engine is a resource and never an identity: which actor did a job, and after which other one, must not show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from lib.errors import RetriableError
from lib.runtime.session import Session, remote_errors
from lib.runtime.vllm_engine import EngineSettings, VllmEngine
from lib.study.schema import Cluster

Job = TypeVar("Job")


def on_engines(
    session: Session,
    stage: str,
    actor_class: type[VllmEngine],
    settings: EngineSettings,
    arguments: Sequence[Any],
    jobs: Sequence[Job],
    *,
    ask: Callable[[Any, Job], Any],
    retries: int,
    name: Callable[[Job], str] = str,
) -> Iterator[tuple[Job, Any]]:
    """Do every job on some engine; yields (job, what the engine said) as they end.

    Args:
        stage: for progress lines.
        actor_class: made into a Ray actor; constructed with `settings` and `arguments`.
        ask: (actor, job) -> object reference. Asked again, of a fresh engine, when the first was lost: a job must then
            find by itself what of it is done.
        retries: engines that may be lost before the error is raised.

    Raises:
        RetriableError: no engine came up in time, or too many were lost.
    """
    import ray

    session.start()
    cluster: Cluster = session.cluster
    count = max(1, min(session.gpus, len(jobs)))
    actor: Any = ray.remote(
        num_cpus=1, num_gpus=1 if settings.gpu else 0, runtime_env={"env_vars": settings.environment}
    )(actor_class)
    progress = session.progress
    progress.say(f"{stage}: starting {count} vLLM engine{'s' if count > 1 else ''} ({settings.dtype})")
    engines = [actor.remote(settings, *arguments) for _ in range(count)]
    try:
        with remote_errors():
            try:
                ray.get([engine.ready.remote() for engine in engines], timeout=cluster.start_deadline_s)
            except ray.exceptions.GetTimeoutError:
                raise RetriableError(f"no engine came up in {cluster.start_deadline_s} s") from None
        progress.say(f"{stage}: engine ready")
        queue, idle, deaths = list(jobs), list(engines), 0
        running: dict[Any, tuple[Any, Job]] = {}
        while queue or running:
            while queue and idle:
                engine, job = idle.pop(), queue.pop(0)
                running[ask(engine, job)] = (engine, job)
            ready, _ = ray.wait(list(running), num_returns=1)
            engine, job = running.pop(ready[0])
            try:
                with remote_errors():
                    said = ray.get(ready[0])
            except RetriableError as error:
                deaths += 1
                if deaths > retries:
                    raise
                progress.say(f"{stage} {name(job)}: engine lost ({error}); starting another (try {deaths + 1})")
                ray.kill(engine)
                engines[engines.index(engine)] = fresh = actor.remote(settings, *arguments)
                idle.append(fresh)
                queue.insert(0, job)
                continue
            idle.append(engine)
            yield job, said
    finally:
        for engine in engines:
            ray.kill(engine)
