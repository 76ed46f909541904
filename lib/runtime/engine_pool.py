"""Engines on Ray: started once for a queue of jobs, fed as they come up, replaced when lost, stopped at the end.

An engine is a resource and never an identity: which actor did a job, and after which other one, must not show. Work begins
as soon as the first engine is up, so that on a cluster that grows from nothing the first machine is not kept waiting for
the last.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from lib.errors import RetriableError
from lib.runtime.session import Session, remote_errors
from lib.runtime.vllm_engine import EngineSettings, VllmEngine

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
        retries: engines that one job may lose, and that may in a row be lost while they start, before the error is raised.

    Raises:
        RetriableError: no engine came up in time, or too many were lost.
    """
    import ray

    session.start()
    count = max(1, min(session.gpus // max(1, settings.gpus), len(jobs)))
    progress, deadline_s = session.progress, session.cluster.start_deadline_s
    progress.say(f"{stage}: starting {count} vLLM engine{'s' if count > 1 else ''} ({settings.dtype})")
    fleet = _Fleet(
        actor_class,
        settings,
        arguments,
        deadline_s,
        lambda: session.named(f"{stage}, engine of {settings.title or 'a model'}"),
    )
    try:
        for _ in range(count):
            fleet.start()
        queue, lost = deque(enumerate(jobs)), Counter[int]()
        running: dict[Any, tuple[Any, int, Job]] = {}
        while queue or running:
            while queue and fleet.idle:
                engine, (number, job) = fleet.idle.pop(), queue.popleft()
                running[ask(engine, job)] = (engine, number, job)
            ready, _ = ray.wait([*running, *fleet.starting], num_returns=1, timeout=fleet.patience_s)
            fleet.refuse_late()
            if not ready:
                continue
            if ready[0] in fleet.starting:
                try:
                    with remote_errors():
                        ray.get(ready[0])
                except RetriableError as error:  # its machine went while it started
                    if fleet.lost_at_start(ready[0]) > retries:
                        raise
                    progress.say(f"{stage}: engine lost while it started ({error}); starting another")
                    session.observer.engine_lost(f"{stage}, starting", 1)
                    continue
                if fleet.up(ready[0]) == 1:
                    progress.say(f"{stage}: engine ready")
                continue
            engine, number, job = running.pop(ready[0])
            try:
                with remote_errors():
                    said = ray.get(ready[0])
            except RetriableError as error:
                lost[number] += 1
                if lost[number] > retries:
                    raise
                progress.say(f"{stage} {name(job)}: engine lost ({error}); starting another (try {lost[number] + 1})")
                session.observer.engine_lost(f"{stage} {name(job)}", lost[number] + 1)
                fleet.replace(engine)
                queue.appendleft((number, job))
                continue
            fleet.idle.append(engine)
            yield job, said
    finally:
        fleet.stop()


class _Fleet:
    """Engines that are starting, idle or at work."""

    def __init__(
        self,
        actor_class: type[VllmEngine],
        settings: EngineSettings,
        arguments: Sequence[Any],
        deadline_s: int,
        name: Callable[[], str],
    ) -> None:
        import ray

        environment = {"env_vars": settings.environment}
        self._actor: Any = ray.remote(num_cpus=1, num_gpus=settings.gpus, runtime_env=environment)(actor_class)
        self._arguments, self._deadline_s, self._name = (settings, *arguments), deadline_s, name
        self._all: list[Any] = []
        self._were_up = self._never_up = 0
        self.starting: dict[Any, tuple[Any, float]] = {}
        """What tells that an engine is up -> the engine, and when it was started."""
        self.idle: list[Any] = []

    def start(self) -> None:
        engine = self._actor.options(name=self._name()).remote(*self._arguments)
        self._all.append(engine)
        self.starting[engine.ready.remote()] = (engine, time.monotonic())

    def up(self, told: Any) -> int:
        """An engine is up: how many there have been."""
        engine, _ = self.starting.pop(told)
        self.idle.append(engine)
        self._never_up = 0
        self._were_up += 1
        return self._were_up

    def lost_at_start(self, told: Any) -> int:
        """An engine will not come up; another is started. How many in a row have not."""
        engine, _ = self.starting.pop(told)
        self.replace(engine)
        self._never_up += 1
        return self._never_up

    def replace(self, engine: Any) -> None:
        import ray

        ray.kill(engine)
        self._all.remove(engine)
        self.start()

    @property
    def patience_s(self) -> float | None:
        """How long may be waited for the first of them (None: some engine is up, and takes what there is to do)."""
        if len(self.starting) < len(self._all):
            return None
        return max(0.0, max(since for _, since in self.starting.values()) + self._deadline_s - time.monotonic())

    def refuse_late(self) -> None:
        """Raises:
        RetriableError: no engine has come up in time.
        """
        if self.patience_s == 0:
            raise RetriableError(f"no engine came up in {self._deadline_s} s")

    def stop(self) -> None:
        import ray

        for engine in self._all:
            ray.kill(engine)
