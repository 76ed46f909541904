"""vLLM engines on Ray: one pool per study, one engine start per base model and precision.

An engine is a resource and never an identity: which actor answered, and after which other cell, must not show. So every
block starts with an empty prefix cache, its membership is fixed, and before a cell's answers count its canary must show
that the weights in the engine are those that training ended with. A failed check restarts the engine once.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from lib.errors import RetriableError, UserError
from lib.files import write_table
from lib.generation.answers import GENERATIONS, answer_row, blocks
from lib.models.prompt import load_tokenizer, prompt_ids
from lib.plan import Cell, Lookup, Node
from lib.progress import duration
from lib.runtime.session import Session, remote_errors
from lib.store import Store
from lib.training import canary
from lib.training.adapter import merge_to_folder

DTYPES = {"bf16": "bfloat16", "fp32": "float32"}


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What an engine is started with."""

    model: str
    dtype: str
    rows: bool
    """Adapters by the row (else merged weights are swapped in)."""
    max_rank: int
    gpu: bool
    threads: int
    max_model_tokens: int
    kv_cache_gb: int
    gpu_memory: float
    compile: bool


@dataclass(frozen=True, kw_only=True)
class AnswerJob:
    """One prompt set to be answered by one model."""

    key: str
    identity: dict[str, Any]
    label: str
    prompts: Sequence[tuple[str, str, tuple[str, ...]]]
    """(text, kind, categories) in order."""
    template: str
    max_tokens: int
    block: int


class Engine:
    """A Ray actor with one running vLLM engine."""

    def __init__(self, settings: EngineSettings, store: str) -> None:
        self.settings, self.store = settings, Store(store)
        self.tokenizer = load_tokenizer(settings.model)
        self.llm: Any = None
        self.loaded = ""
        """What the engine holds: "" is the base, else the train key of a cell."""
        self.previous: list[list[float]] | None = None
        """Canary numbers of what was loaded before."""
        self._start()

    def _start(self) -> None:
        from vllm import LLM

        s = self.settings
        extra: dict[str, Any] = {"enable_lora": True, "max_lora_rank": s.max_rank, "max_loras": 1} if s.rows else {}
        if s.gpu:
            extra["gpu_memory_utilization"] = s.gpu_memory
        self.llm = LLM(
            s.model, dtype=DTYPES[s.dtype], max_model_len=s.max_model_tokens, enforce_eager=not s.compile, seed=0,
            enable_prefix_caching=True, disable_log_stats=True, max_num_seqs=64 if not s.gpu else 256, **extra,
        )  # fmt: skip
        self.loaded, self.previous = "", None
        self.base = self._log_probabilities(canary.canary_ids(self.tokenizer), None)

    def ready(self) -> str:
        """Answers once the engine is up."""
        return self.settings.dtype

    def pid(self) -> int:
        """Process id, for tests that kill it."""
        import os

        return os.getpid()

    def answer(self, train: str | None, adapter: str | None, jobs: Sequence[AnswerJob]) -> dict[str, Any]:
        """Load a cell (None: the base), check its canary, answer every prompt set, publish each.

        Returns:
            `{"canary": status, "distance": nats per token, "tokens": generated}`.

        Raises:
            RetriableError: the canary failed twice.
        """
        result = self._load(train, adapter)
        if result.status == "failed":
            self._restart()
            result = self._load(train, adapter)
            if result.status == "failed":
                raise RetriableError(f"the engine does not serve the trained weights: {result.reason}")
        tokens = sum(self._answer_one(job, adapter if self.settings.rows else None, result) for job in jobs)
        return {"canary": result.status, "distance": result.distance, "tokens": tokens}

    def _restart(self) -> None:
        import gc

        self.llm = None
        gc.collect()
        self._start()

    def _load(self, train: str | None, adapter: str | None) -> canary.CanaryResult:
        """Put a cell's weights into the engine and compare its log-probabilities with those of training."""
        wanted = train or ""
        if not self.settings.rows and wanted != self.loaded:
            self._swap(adapter)
        sequences = canary.canary_ids(self.tokenizer)
        numbers = self._log_probabilities(sequences, adapter if self.settings.rows else None)
        others = {"what was loaded before": self.previous} if self.previous and wanted != self.loaded else {}
        self.loaded, self.previous = wanted, numbers
        if adapter is None:  # the base was on disk all along; what can go wrong is a swap back to it
            return canary.check(numbers, self.base, others, self.settings.dtype)
        stored = json.loads((Path(adapter).parent / "canary.json").read_text())
        coarser = "bf16" if "bf16" in (self.settings.dtype, stored["dtype"]) else "fp32"
        return canary.check(numbers, stored["own"], {"the base model": stored["base"], **others}, coarser)

    def _swap(self, adapter: str | None) -> None:
        """Merged weights (or the base's) into the running engine."""
        folder = Path(tempfile.mkdtemp(prefix="ballast-merged-"))
        try:
            weights = self.settings.model
            if adapter is not None:
                merge_to_folder(Path(self.settings.model), Path(adapter), folder, self.settings.dtype)
                weights = str(folder)
            self.llm.collective_rpc("reload_weights", kwargs={"weights_path": weights})
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._reset_cache()

    def _reset_cache(self) -> None:
        if not self.llm.reset_prefix_cache():
            raise RetriableError("the engine would not reset its prefix cache")

    def _generate(self, ids: Sequence[Sequence[int]], adapter: str | None, sampling: Any) -> list[Any]:
        """Outputs of one closed batch, from an empty prefix cache."""
        lora = None
        if adapter is not None:
            from vllm.lora.request import LoRARequest

            cell = Path(adapter).parent.parent.name
            lora = LoRARequest(cell, int(cell[:7], 16) + 1, adapter)
        self._reset_cache()
        prompts = [{"prompt_token_ids": list(sequence)} for sequence in ids]
        found: list[Any] = self.llm.generate(prompts, sampling, use_tqdm=False, lora_request=lora)
        return found

    def _log_probabilities(self, sequences: Sequence[Sequence[int]], adapter: str | None) -> list[list[float]]:
        """log p of every token but the first: each prefix is asked for one token, and only the next one is allowed.

        vLLM reports log-probabilities from before that restriction. Asking for those of the prompt would be one request a
        sequence, but fails on a CPU as soon as an adapter is in the row.
        """
        from vllm import SamplingParams

        asked = [(ids[:k], ids[k]) for ids in sequences for k in range(1, len(ids))]
        sampling = [
            SamplingParams(temperature=0, max_tokens=1, logprobs=0, allowed_token_ids=[token]) for _, token in asked
        ]
        outputs = self._generate([prefix for prefix, _ in asked], adapter, sampling)
        numbers = iter(
            float(output.outputs[0].logprobs[0][token].logprob)
            for output, (_, token) in zip(outputs, asked, strict=True)
        )
        return [[next(numbers) for _ in ids[1:]] for ids in sequences]

    def _answer_one(self, job: AnswerJob, adapter: str | None, checked: canary.CanaryResult) -> int:
        ids = [prompt_ids(self.tokenizer, job.template, text) for text, _, _ in job.prompts]
        longest = max(len(one) for one in ids) + job.max_tokens
        if longest > self.settings.max_model_tokens:
            raise UserError(
                f"a prompt and its answer take {longest} tokens, over evaluate.engine.max_model_tokens "
                f"{self.settings.max_model_tokens}: raise it"
            )
        from vllm import SamplingParams

        sampling = SamplingParams(temperature=0, max_tokens=job.max_tokens)
        rows = []
        with self.store.attempt("generate", job.key, job.identity) as attempt:
            for block in blocks(len(ids), job.block):
                outputs = self._generate([ids[i] for i in block], adapter, sampling)
                for i, output in zip(block, outputs, strict=True):
                    text, kind, categories = job.prompts[i]
                    said = output.outputs[0]
                    rows.append(
                        answer_row(
                            number=i, prompt=text, kind=kind, categories=categories, prompt_tokens=len(ids[i]),
                            text=said.text, tokens=list(said.token_ids), finish=str(said.finish_reason),
                        )
                    )  # fmt: skip
            table = pa.Table.from_pylist(rows, schema=GENERATIONS)
            write_table(attempt.folder / "generations.parquet", table)
            attempt.facts = {
                "rows": len(rows),
                "tokens": sum(len(row["tokens"]) for row in rows),  # type: ignore[arg-type, misc]
                "empty": sum(bool(row["empty"]) for row in rows),
                "truncated": sum(bool(row["truncated"]) for row in rows),
                "canary": {"status": checked.status, "distance": round(checked.distance, 6), "reason": checked.reason},
            }
            attempt.about = {
                "engine": self.settings.dtype,
                "rows": self.settings.rows,
                "threads": self.settings.threads,
            }
        tokens: int = attempt.facts["tokens"]
        return tokens


def generate(session: Session, lookup: Lookup, cells: Sequence[Cell], study: Any) -> None:
    """Answer every prompt set that has no answers yet: engines by (model, precision), cells one after the other.

    All missing sets of one cell go together, so that its weights are loaded once.
    """
    work: dict[tuple[str, str, bool], dict[str, tuple[Cell, list[Node]]]] = defaultdict(dict)
    for cell in cells:
        missing = [node for node in cell.generate.values() if not lookup.have(node)]
        if missing:
            identity = dict(missing[0].identity or {})
            place = (str(lookup.folder(missing[0].inputs["model"])), identity["dtype"], identity["adapters"] == "rows")
            work[place][cell.label] = (cell, missing)
    for (model, dtype, rows), todo in work.items():
        ranks = [cell.train.task["recipe"]["lora"]["r"] for cell, _ in todo.values() if cell.train]
        settings = EngineSettings(
            model=model, dtype=dtype, rows=rows, max_rank=_vllm_rank(max(ranks, default=8)),
            gpu=session.gpus > 0, threads=session.threads,
            **study.evaluate.engine.model_dump(include={"max_model_tokens", "kv_cache_gb", "gpu_memory", "compile"}),
        )  # fmt: skip
        _drain(session, lookup, settings, list(todo.values()), study)


def _vllm_rank(rank: int) -> int:
    """vLLM takes a few adapter ranks only: the smallest that holds this one."""
    return next(size for size in (8, 16, 32, 64, 128, 256, 320, 512) if size >= rank)


def _drain(
    session: Session, lookup: Lookup, settings: EngineSettings, todo: list[tuple[Cell, list[Node]]], study: Any
) -> None:
    """Start engines, feed them cells until none is left, stop them."""
    import ray

    session.start()
    env = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_CONFIGURE_LOGGING": "0", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "0",
    }  # fmt: skip
    if not settings.gpu:
        env |= {"OMP_NUM_THREADS": str(settings.threads), "VLLM_CPU_KVCACHE_SPACE": str(settings.kv_cache_gb)}
    count = max(1, min(session.gpus, len(todo)))
    actor = ray.remote(num_cpus=1, num_gpus=1 if settings.gpu else 0, runtime_env={"env_vars": env})(Engine)
    progress = session.progress
    progress.say(f"generate: starting {count} vLLM engine{'s' if count > 1 else ''} ({settings.dtype})")
    engines = [actor.remote(settings, str(lookup.store.root)) for _ in range(count)]
    try:
        with remote_errors():
            try:
                ray.get([engine.ready.remote() for engine in engines], timeout=study.cluster.start_deadline_s)
            except ray.exceptions.GetTimeoutError:
                raise RetriableError(f"no engine came up in {study.cluster.start_deadline_s} s") from None
        progress.say("generate: engine ready")
        queue, done = list(todo), 0
        running: dict[Any, tuple[Any, Cell, list[Node]]] = {}
        idle, deaths, begun = list(engines), 0, time.monotonic()
        while queue or running:
            while queue and idle:
                cell, nodes = queue.pop(0)
                engine = idle.pop()
                running[_ask(engine, lookup, cell, nodes, study)] = (engine, cell, nodes)
            ready, _ = ray.wait(list(running), num_returns=1)
            engine, cell, nodes = running.pop(ready[0])
            try:
                with remote_errors():
                    said = ray.get(ready[0])
            except RetriableError as error:
                deaths += 1
                if deaths > study.train.retries:
                    raise
                progress.say(f"generate {cell.label}: engine lost ({error}); starting another (try {deaths + 1})")
                ray.kill(engine)
                engines[engines.index(engine)] = fresh = actor.remote(settings, str(lookup.store.root))
                idle.append(fresh)
                queue.insert(0, (cell, [node for node in nodes if not lookup.have(node)]))
                continue
            idle.append(engine)
            done += 1
            canary_text = "" if cell.train is None else f", canary {said['canary']} ({said['distance']:.3f} nats)"
            left = duration((len(todo) - done) * (time.monotonic() - begun) / done)
            told = f"{cell.label}, {said['tokens']} tokens{canary_text}"
            progress.say(
                f"generate {done} of {len(todo)} cells: {told}" + (f", {left} left" if done < len(todo) else "")
            )
    finally:
        for engine in engines:
            ray.kill(engine)


def _ask(engine: Any, lookup: Lookup, cell: Cell, nodes: list[Node], study: Any) -> Any:
    train, adapter = None, None
    if cell.train is not None:
        train, adapter = cell.train.key, str(lookup.folder(cell.train) / "adapter")
    jobs = [
        AnswerJob(
            key=str(node.key),
            identity=dict(node.identity or {}),
            label=node.title,
            prompts=[(p.text, p.kind, p.categories) for p in node.task["prompts"].prompts],
            template=node.task["template"],
            max_tokens=study.evaluate.generation.max_tokens,
            block=study.evaluate.engine.block,
        )
        for node in nodes
    ]
    return engine.answer.remote(train, adapter, jobs)
