"""An engine that answers for a base model and for its cells, and proves of each that it is the one that was trained.

Weights are swapped in the running engine, or adapters go with the rows. Before a cell's answers count, its canary must show
that what the engine computes with is what training ended with. A failed check restarts the engine once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.errors import RetriableError, UserError
from lib.generation.decoding import Said, said, said_by_beams, sampling_params
from lib.models.family import Family
from lib.models.source import model_shape
from lib.models.special import stop_id
from lib.runtime.answer import AnswerJob, Batch
from lib.runtime.lm_eval import TaskJob
from lib.runtime.vllm_engine import EngineSettings, VllmEngine
from lib.store import Store, here
from lib.store.place import Address, at, forget
from lib.training import adapter, canary

Loras = Sequence[str | None]
"""The adapter's folder of each row; None: none."""
Asking = Generator[Batch, list[Said], int]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The artifact of a cell."""

    key: str
    folder: Address
    """Where it is found."""
    form: str
    """`adapter` or `weights`: what it holds, and where."""

    @property
    def adapter(self) -> str | None:
        """The adapter's folder, where it is one."""
        return str(self.path / self.form) if self.form == adapter.FOLDER else None

    @property
    def path(self) -> Path:
        """The folder on this machine, whose files `bring` brings."""
        return at(self.folder)

    def bring(self) -> None:
        """Have its files on this machine."""
        here(self.folder)


@dataclass(frozen=True, kw_only=True)
class CellJob:
    """What one cell (None: the base) is asked."""

    cell: Trained | None
    jobs: Sequence[AnswerJob | TaskJob]


class CellEngine(VllmEngine):
    """A Ray actor whose engine answers for the base model and for cells, one loaded at a time."""

    def __init__(self, settings: EngineSettings, store: str) -> None:
        self.store = Store(store)
        self.loaded = ""
        """What the engine holds: "" is the base, else the train key of a cell."""
        self.previous: list[list[float]] | None = None
        """Canary numbers of what was loaded before."""
        super().__init__(settings)

    def _start(self, model: str | None = None) -> None:
        super()._start(model)
        self.own = model is not None
        """The engine was started on a cell's weights and not on the base's."""
        if not self.own:
            self.loaded, self.previous = "", None
            self.base = self._log_probabilities(canary.canary_ids(self.tokenizer), None)

    def answer(self, group: Sequence[CellJob]) -> list[dict[str, Any]]:
        """Load cells, check their canaries, answer their prompt sets, publish each.

        Args:
            group: one cell, or with adapters by the row up to `max_loras` that are answered side by side.

        Returns:
            `{"canary": status, "distance": nats per token, "tokens": generated, "seconds": taken by the group}` of each, or
            `{"error": why}` of a cell that is not served, or whose blocks lose their engines; the others go on.

        Raises:
            RetriableError: such a fault of the base model, which all cells rest on.
        """
        started = time.monotonic()
        failed, streams, checked = dict[int, str](), dict[int, Asking](), dict[int, canary.CanaryResult]()
        besides = [one.cell.adapter if one.cell and self.settings.rows else None for one in group]
        for number, one in enumerate(group):
            with self._failing(number, one.cell, failed):
                checked[number] = self._loaded(one.cell)
                streams[number] = self._answers(one.jobs, besides[number], checked[number])
        tokens = self._in_step(group, streams, besides, failed)
        for one in group:  # every cell of a sweep comes by here, and none a second time
            if one.cell:
                forget(one.cell.folder)
        seconds = time.monotonic() - started
        return [
            {"error": failed[number]}
            if number in failed
            else {
                "canary": checked[number].status, "distance": checked[number].distance, "tokens": tokens[number],
                "seconds": seconds,
            }
            for number in range(len(group))
        ]  # fmt: skip

    @contextmanager
    def _failing(self, number: int, cell: Trained | None, failed: dict[int, str]) -> Iterator[None]:
        """A fault inside is the end of one cell and of no other."""
        try:
            yield
        except RetriableError as error:
            if cell is None:
                raise
            failed[number] = str(error)

    def _answers(self, jobs: Sequence[AnswerJob | TaskJob], beside: str | None, checked: canary.CanaryResult) -> Asking:
        tokens = 0
        for job in jobs:
            if isinstance(job, AnswerJob):
                tokens += yield from job.answer(self, checked)
            else:  # the harness asks as it goes
                tokens += job.do(self, beside, checked)
        return tokens

    def _in_step(
        self, group: Sequence[CellJob], streams: Mapping[int, Asking], besides: Loras, failed: dict[int, str]
    ) -> dict[int, int]:
        """Run streams of batches side by side: what all of them ask next is one batch, cell by cell, for each way to decode
        (where decoding is an axis, cells that had a part of their answers stand at different ones). Tokens of each."""
        tokens, waiting = dict[int, int](), dict[int, Batch]()

        def go_on(number: int, answers: list[Said] | None) -> None:
            with self._failing(number, group[number].cell, failed):
                try:
                    waiting[number] = streams[number].send(answers)  # type: ignore[arg-type]  # None starts it
                except StopIteration as end:
                    tokens[number] = end.value

        for number in streams:
            go_on(number, None)
        while waiting:
            asked, waiting = waiting, {}
            alike: list[list[int]] = []
            for number, batch in asked.items():
                like = next((one for one in alike if asked[one[0]].decoding == batch.decoding), None)
                if like is None:
                    alike.append(like := [])
                like.append(number)
            for numbers in alike:
                answers = self.ask([asked[number] for number in numbers], [besides[number] for number in numbers])
                for number, said_now in zip(numbers, answers, strict=True):
                    go_on(number, said_now)
        return tokens

    def _loaded(self, cell: Trained | None) -> canary.CanaryResult:
        """A cell in the engine, checked; with a fresh engine where the first check fails."""
        result = self._try_to_load(cell)
        if isinstance(result, str):
            self.meter.add("ballast_engine_restarts")
            self._restart()
            result = self._try_to_load(cell)
            if isinstance(result, str):
                raise RetriableError(f"the engine does not serve the trained weights: {result}")
        return result

    def _try_to_load(self, cell: Trained | None) -> canary.CanaryResult | str:
        """What `_load` found, or why these weights are not served."""
        try:
            if cell:
                cell.bring()  # each time: an engine of another driver may have had the same cell here, and given it up
            result = self._load(cell)
        except UserError:
            raise
        except Exception as error:  # whatever a swap raises, a fresh engine is the remedy
            return f"{type(error).__name__}: {error}"
        return result.reason if result.status == "failed" else result

    def _load(self, cell: Trained | None) -> canary.CanaryResult:
        """Put a cell's weights into the engine and compare its log-probabilities with those of training."""
        wanted = cell.key if cell else ""
        if not self.settings.rows and wanted != self.loaded:
            self._swap(cell)
        sequences = canary.canary_ids(self.tokenizer)
        numbers = self._log_probabilities(sequences, cell.adapter if cell and self.settings.rows else None)
        others = {"what was loaded before": self.previous} if self.previous and wanted != self.loaded else {}
        before = {**others, "the base model": self.base}
        self.loaded, self.previous = wanted, numbers
        if cell is None:  # the base was on disk all along; what can go wrong is a swap back to it
            return canary.check(numbers, self.base, others, self.settings.dtype)
        stored = json.loads((cell.path / canary.FILE).read_text())
        coarser = "bf16" if "bf16" in (self.settings.dtype, stored["dtype"]) else "fp32"
        return canary.check(numbers, stored["own"], {"the base model": stored["base"], **others}, coarser, before)

    def _swap(self, cell: Trained | None) -> None:
        """A cell's weights, merged where they are an adapter, or the base's, into the running engine.

        vLLM reloads an embedding that is also the output layer, and goes on computing with the old output layer (the canary
        is 1.5 nats off). So fully trained weights of such a model get an engine of their own.
        """
        if cell and not cell.adapter and model_shape(cell.path / cell.form).get("tie_word_embeddings"):
            self._restart(str(cell.path / cell.form))
            return
        if self.own:
            self._restart()
            if cell is None:
                return
        with self.store.scratch() as merged:  # swept when its process dies: it may hold a whole model
            weights = self.settings.model if cell is None else str(cell.path / cell.form)
            if cell and cell.adapter:
                adapter.merge_to_folder(Path(self.settings.model), Path(cell.adapter), merged, self.settings.dtype)
                weights = str(merged)
            self.llm.collective_rpc("reload_weights", kwargs={"weights_path": weights})
        self._reset_cache()

    def ask(self, batches: Sequence[Batch], besides: Loras) -> list[list[Said]]:
        """The answers to some batches, asked at once; each goes with an adapter or with what is loaded."""
        ids = [prompt for batch in batches for prompt in batch.ids]
        loras = [beside for batch, beside in zip(batches, besides, strict=True) for _ in batch.ids]
        generation = batches[0].generation
        if generation.beam is None:
            outputs = self._generate(ids, sampling_params(generation, ids), self._requests(loras))
            told = [said(output) for output in outputs]
        else:
            outputs = self._beam_search(
                ids, generation.beam, generation.max_tokens, batches[0].stop, self._requests(loras)
            )
            told = [
                said_by_beams(output, prompt, self.llm.get_tokenizer())
                for output, prompt in zip(outputs, ids, strict=True)
            ]
        self.meter.add("ballast_tokens_generated", sum(len(one.tokens) for one in told))
        answers = iter(told)
        return [[next(answers) for _ in batch.ids] for batch in batches]

    def outputs(self, ids: Sequence[Sequence[int]], beside: str | None, sampling: Any) -> list[Any]:
        """vLLM's own outputs for one closed batch."""
        return self._generate(ids, sampling, self._requests([beside] * len(ids)))

    def stop_id(self, family: Family) -> int:
        """The id that this model's answers end with."""
        return stop_id(self.tokenizer, Path(self.settings.model), family)

    def about(self) -> dict[str, Any]:
        """How answers are made here, for the record."""
        s = self.settings
        return {
            "engine": s.dtype, "rows": s.rows, "threads": s.threads, "max_loras": s.max_loras,
            "tensor_parallel": s.tensor_parallel,
        }  # fmt: skip

    def _requests(self, besides: Loras) -> list[Any] | None:
        """vLLM's requests for the adapters of some rows."""
        if not any(besides):
            return None
        from vllm.lora.request import LoRARequest

        def request(folder: str) -> Any:
            cell = Path(folder).parent.parent.name
            return LoRARequest(cell, int(cell[:7], 16) + 1, folder)

        made = {folder: request(folder) for folder in set(besides) if folder}
        return [made[folder] if folder else None for folder in besides]

    def _log_probabilities(self, sequences: Sequence[Sequence[int]], beside: str | None) -> list[list[float]]:
        """log p of every token but the first: each prefix is asked for one token, and only the next one is allowed.

        vLLM reports log-probabilities from before that restriction. Asking for those of the prompt would be one request a
        sequence, but fails on a CPU as soon as an adapter is in the row.
        """
        from vllm import SamplingParams

        asked = [(ids[:k], ids[k]) for ids in sequences for k in range(1, len(ids))]
        sampling = [
            SamplingParams(temperature=0, max_tokens=1, logprobs=0, allowed_token_ids=[token]) for _, token in asked
        ]
        prefixes = [prefix for prefix, _ in asked]
        outputs = self.outputs(prefixes, beside, sampling)
        numbers = iter(
            float(output.outputs[0].logprobs[0][token].logprob)
            for output, (_, token) in zip(outputs, asked, strict=True)
        )
        return [[next(numbers) for _ in ids[1:]] for ids in sequences]
