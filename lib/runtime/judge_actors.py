"""What judges on a worker: an engine that runs a judge model, or a process that has loaded or learned its judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lib.errors import RetriableError
from lib.judging.generative import Generative
from lib.judging.judge import Judge, Verdict
from lib.runtime.guards import GuardEngine
from lib.runtime.judge_chunks import Chunk, judge_chunk
from lib.runtime.session import Session, remote_errors
from lib.runtime.vllm_engine import EngineSettings
from lib.store.place import Address, resolved


class JudgeEngine(GuardEngine):
    """A Ray actor whose engine runs a judge model."""

    def __init__(self, settings: EngineSettings, judge: Generative) -> None:
        self.judge = judge
        judge.speak = self.said
        super().__init__(settings, judge.form)

    def judge_chunk(self, chunk: Chunk, target: Address) -> list[Verdict]:
        """The verdicts on a chunk, written into a folder."""
        return judge_chunk(self.judge, chunk, target)


class PreparedJudge:
    """A Ray actor that holds a judge which is no language model."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    def prepare(self, inputs: Mapping[str, Address], gpu: bool) -> dict[str, Any]:
        """Load or learn; what is said beside every number."""
        return self.judge.prepare(resolved(inputs), gpu=gpu)

    def judge_chunk(self, chunk: Chunk, target: Address) -> list[Verdict]:
        """The verdicts on a chunk, written into a folder."""
        return judge_chunk(self.judge, chunk, target)


class Prepared:
    """One prepared judge on the cluster, on a GPU where the study has one; replaced when it is lost.

    Args:
        name: what progress lines call it.
        retries: processes that may be lost before the error is raised.
    """

    def __init__(self, session: Session, name: str, judge: Judge, inputs: Mapping[str, Address], retries: int) -> None:
        self.session, self.name, self.judge, self.inputs, self.left = session, name, judge, inputs, retries
        self.actor: Any = None

    def start(self) -> dict[str, Any]:
        """Start it and have it prepared; what it says beside every number.

        Raises:
            RetriableError: it did not come up in time.
        """
        import ray

        self.session.start()
        deadline_s = self.session.cluster.start_deadline_s
        gpu = self.session.gpus > 0
        environment = {"env_vars": {"OMP_NUM_THREADS": str(self.session.threads)}}
        made: Any = ray.remote(num_cpus=1, num_gpus=int(gpu), runtime_env=environment)(PreparedJudge)
        self.actor = made.options(name=self.session.named(f"judge {self.name}")).remote(self.judge)
        try:
            with remote_errors():
                facts: dict[str, Any] = ray.get(self.actor.prepare.remote(dict(self.inputs), gpu), timeout=deadline_s)
        except ray.exceptions.GetTimeoutError:
            raise RetriableError(f"judge {self.name} was not ready in {deadline_s} s") from None
        return facts

    def judged(self, chunks: Sequence[Chunk], target: Address) -> Iterator[tuple[Chunk, list[Verdict]]]:
        """Every chunk with its verdicts, as they come.

        Raises:
            RetriableError: it was lost too often.
        """
        import ray

        for chunk in chunks:
            while True:
                try:
                    with remote_errors():
                        found: list[Verdict] = ray.get(self.actor.judge_chunk.remote(chunk, target))
                    break
                except RetriableError as error:
                    self.left -= 1
                    if self.left < 0:
                        raise
                    self.session.progress.say(f"judge {self.name}: process lost ({error}); starting another")
                    self.stop()
                    self.start()
            yield chunk, found

    def stop(self) -> None:
        """End its process."""
        import ray

        if self.actor is not None:
            ray.kill(self.actor)
            self.actor = None
