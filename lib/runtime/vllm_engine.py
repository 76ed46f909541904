"""A vLLM engine in this process: started, asked in closed batches, restarted. The Ray actors that own one build on it.

Every batch starts from an empty prefix cache, so that what an engine did before cannot show in what it says. An engine that
gives no token for `stuck_s` ends its process, and is then lost like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lib.errors import RetriableError, UserError
from lib.models.prompt import load_tokenizer
from lib.runtime.metrics import Meter
from lib.runtime.watchdog import Watchdog
from lib.store import here

DTYPES = {"bf16": "bfloat16", "fp32": "float32"}
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_CONFIGURE_LOGGING": "0", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "0",
}  # fmt: skip
"""What a process that holds an engine needs to be started with."""
AT_ONCE = 256
"""Sequences that are answered side by side. On two cores 64 give a tenth fewer tokens per second."""


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What an engine is started with."""

    model: str
    """Where its folder is found (`lib.store.place.here`)."""
    dtype: str
    rows: bool = False
    """Adapters by the row (else merged weights are swapped in)."""
    max_rank: int = 8
    max_loras: int = 1
    """Adapters in one batch."""
    gpu: bool
    tensor_parallel: int = 1
    """GPUs that share the model."""
    stuck_s: float = 600
    threads: int
    max_model_tokens: int
    kv_cache_gb: int
    gpu_memory: float
    compile: bool
    study: str = ""
    """Whose work its numbers are, for those who watch."""
    title: str = ""
    """What the dashboard calls its model."""

    @property
    def gpus(self) -> int:
        """GPUs of one engine."""
        return self.tensor_parallel if self.gpu else 0

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the process that holds the engine."""
        if self.gpu:
            return ENVIRONMENT
        return ENVIRONMENT | {"OMP_NUM_THREADS": str(self.threads), "VLLM_CPU_KVCACHE_SPACE": str(self.kv_cache_gb)}


class VllmEngine:
    """One running engine. Subclasses are Ray actors that say what it is asked."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = replace(settings, model=str(here(settings.model)))
        self.tokenizer = load_tokenizer(self.settings.model)
        self.llm: Any = None
        self.watchdog = Watchdog(settings.stuck_s)
        self.meter = Meter(settings.study)
        self._start()

    def ready(self) -> str:
        """Answers once the engine is up."""
        return self.settings.dtype

    def _start(self, model: str | None = None) -> None:
        """Start on the model of the settings, or on another one of its shape."""
        from vllm import LLM

        s = self.settings
        extra: dict[str, Any] = (
            {"enable_lora": True, "max_lora_rank": s.max_rank, "max_loras": s.max_loras} if s.rows else {}
        )
        if s.gpu:
            extra |= {"gpu_memory_utilization": s.gpu_memory, "tensor_parallel_size": s.tensor_parallel}
        try:
            self.llm = LLM(
                model or s.model, dtype=DTYPES[s.dtype], max_model_len=s.max_model_tokens, enforce_eager=not s.compile, seed=0,
                enable_prefix_caching=True, disable_log_stats=True, trust_remote_code=False, load_format="safetensors",
                max_num_seqs=AT_ONCE, **extra,
            )  # fmt: skip
        except ValueError as error:
            if "max_model_len" not in str(error):
                raise
            raise UserError(
                f"max_model_tokens {s.max_model_tokens} is more than this model was made for: lower it "
                "(evaluate.engine.max_model_tokens, or judge_models.NAME.max_model_tokens for a judge)"
            ) from None
        self._watch_steps()

    def _watch_steps(self) -> None:
        """Every step that gives a token counts as progress. What `LLM` hands on are whole answers, and may take long."""
        core, watchdog, meter = self.llm.llm_engine.engine_core, self.watchdog, self.meter
        get_output = core.get_output

        def watched() -> Any:
            given = get_output()
            if given.outputs:
                watchdog.moved()
                meter.progress()
            return given

        core.get_output = watched

    def _restart(self, model: str | None = None) -> None:
        """A fresh engine in place of this one, whose memory is free by then.

        vLLM hides what it started with from the garbage collector until an engine is shut down; one that is only dropped would
        keep its weights and its cache, and on a GPU the next one would find no room.
        """
        import gc

        import torch

        if self.llm is not None:  # else the last one did not come up
            core = self.llm.llm_engine.engine_core
            del core.get_output  # the watched one, which holds the engine
            core.shutdown()
            self.llm = core = None
        gc.collect()
        if self.settings.gpu:
            torch.cuda.empty_cache()
        self._start(model)

    def _reset_cache(self) -> None:
        if not self.llm.reset_prefix_cache():
            raise RetriableError("the engine would not reset its prefix cache")

    def _generate(self, ids: Sequence[Sequence[int]], sampling: Any, lora: Any = None) -> list[Any]:
        """Outputs of one closed batch, from an empty prefix cache.

        Args:
            sampling: vLLM sampling parameters, one for all or one per row.
            lora: vLLM's request for an adapter, one for all or one per row.
        """
        self._reset_cache()
        with self.watchdog.watching():
            found: list[Any] = self.llm.generate(_prompts(ids), sampling, use_tqdm=False, lora_request=lora)
        return found

    def _beam_search(
        self, ids: Sequence[Sequence[int]], width: int, max_tokens: int, stop: int, lora: Any = None
    ) -> list[Any]:
        """Outputs of one closed batch by beam search.

        Args:
            stop: the id that an answer ends with. vLLM's beams end at one, which it takes from its tokenizer.
        """
        from vllm.sampling_params import BeamSearchParams

        self._reset_cache()
        tokenizer = self.llm.get_tokenizer()
        if tokenizer.eos_token_id != stop:
            tokenizer.eos_token = tokenizer.convert_ids_to_tokens(stop)
        beams = BeamSearchParams(beam_width=width, max_tokens=max_tokens)
        with self.watchdog.watching():
            found: list[Any] = self.llm.beam_search(_prompts(ids), beams, lora_request=lora)
        return found


def _prompts(ids: Sequence[Sequence[int]]) -> list[Any]:
    return [{"prompt_token_ids": list(sequence)} for sequence in ids]
