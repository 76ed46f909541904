"""Decoding and the engine: what of an evaluation changes answers, and where they are made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.study.part import Count, Integer, Part, Positive


class Generation(Part):
    """Decoding: greedy, unless a temperature or a number of beams is given."""

    max_tokens: Annotated[Integer, Field(ge=1, le=32768)] = 128
    """New tokens at most; answers cut here are flagged, counted and judged."""
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0
    """0: the likeliest token each time; above: sampled."""
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1
    """Sampled from the likeliest tokens that have this share of the probability."""
    top_k: Positive | None = None
    """Sampled from so many likeliest tokens (None: all)."""
    seed: Count = 0
    """Seed of what is sampled; each prompt has its own, made of this one."""
    beam: Annotated[Integer, Field(ge=2, le=16)] | None = None
    """Beam search with so many beams (paper A: 4), through vLLM. About so many times the work of a greedy answer."""

    @model_validator(mode="after")
    def _one_way(self) -> Generation:
        idle = [name for name in ("top_p", "top_k", "seed") if name in self.model_fields_set]
        if self.temperature == 0 and any(getattr(self, name) != type(self).model_fields[name].default for name in idle):
            raise ValueError(f"{idle[0]} is for sampled answers, and temperature is 0: set it above 0")
        if self.beam is not None and self.temperature > 0:
            raise ValueError("beam and temperature are two ways to decode: leave one out")
        return self


class Engine(Part):
    """The vLLM engine."""

    dtype: Literal["bf16", "fp32"] = "bf16"
    """Precision the answers are computed in. A merged cell whose bf16 rounding error is over 0.1 is served in fp32."""
    adapters: Literal["auto", "rows", "swap"] = "auto"
    """`rows`: the adapter goes with the row; `swap`: merged weights are loaded into the running engine. `auto`: rows
    on GPUs in bf16; swap in fp32, which vLLM's adapter kernels for GPUs do not take, and on CPUs, where they are about eight
    times slower."""
    max_loras: Annotated[Integer, Field(ge=1, le=64)] = 1
    """With `rows`: blocks of so many cells are answered in one batch, each row with its cell's adapter. More fills a GPU that
    one cell's prompts do not; what shares a batch can move a token, so that tables compare best with 1."""
    tensor_parallel: Positive = 1
    """GPUs that share one engine's model (placement)."""
    stuck_s: Positive = 600
    """An engine that gives no token for so long is ended and started anew (placement)."""
    block: Positive = 256
    """Prompts per closed batch. Its membership is fixed, since answers can depend on what shares the batch."""
    max_model_tokens: Annotated[Integer, Field(ge=64)] = 1024
    """Longest prompt plus answer."""
    kv_cache_gb: Positive = 1
    """KV cache on a CPU, in whole GiB (placement)."""
    gpu_memory: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of a GPU's memory for the engine (placement)."""
    compile: bool = False
    """Compile the model's graph at start: about a minute more per engine start, some per cent more tokens/s."""

    def served(self, gpus: bool) -> Literal["rows", "swap"]:
        """How adapters get into the engine: as asked, else by the row where vLLM's kernels for it run well."""
        if self.adapters != "auto":
            return self.adapters
        return "rows" if gpus and self.dtype == "bf16" else "swap"
