"""The part of a study that says how a model is trained: the recipe, all of it identity, and its placement, none of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.study.part import Count, Integer, Part, Positive


class Lora(Part):
    """A low-rank adapter (Hu et al. 2021): W + alpha / r * B A."""

    r: Positive = 8
    """Rank."""
    alpha: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 16
    """Scale; the update is multiplied by alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Dropout before A."""
    targets: list[str] = ["q_proj", "k_proj", "v_proj", "o_proj"]
    """The linear layers that get an adapter."""


class Ema(Part):
    """Exponential moving average of what is trained (for LoRA: of its factors), begun at the start weights."""

    decay: Annotated[float, Field(gt=0, lt=1)]
    """Share of the old average that an update keeps. Runs of some hundred steps want 0.5 to 0.999."""
    every_n_steps: Positive = 1
    """Optimizer steps from one update to the next."""
    start_step: Count = 0
    """Steps before the first interval begins."""
    mode: Literal["shadow", "in_loop"] = "shadow"
    """`shadow` leaves training alone; `in_loop` sets the live weights to the average at each update (Lookahead)."""
    evaluate: Literal["ema", "live"] = "ema"
    """Which weights are measured and saved at the end."""
    space: Literal["factors"] = "factors"
    """What is averaged: LoRA's A and B. (Averaging their product is not available yet.)"""

    @model_validator(mode="after")
    def _counts(self) -> Ema:
        if self.mode == "shadow" and self.evaluate == "live":
            raise ValueError("a shadow that is not evaluated changes nothing: use ema: null")
        return self


class Recipe(Part):
    """What training does, apart from the data. All of it is identity."""

    method: Literal["lora"] = "lora"
    """What is trained."""
    lora: Lora = Lora()
    """The adapter."""
    lr: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 3e-4
    """Peak learning rate."""
    epochs: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] | None = None
    """Passes over the mix; exactly one of `epochs` and `steps`."""
    steps: Positive | None = None
    """Optimizer steps; exactly one of `epochs` and `steps`."""
    batch: Positive = 8
    """Examples per optimizer step over all workers (the global batch)."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Learning rate after the warm-up."""
    warmup_steps: Count = 0
    """Linear warm-up from 0."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    """AdamW's decoupled weight decay."""
    clip: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 1.0
    """Gradient norm is clipped here (None: not at all)."""
    max_tokens: Annotated[Integer, Field(ge=8, le=131072)] = 256
    """Longer examples are cut at the end of the answer; the number cut is recorded."""
    loss_on: Literal["completion", "all"] = "completion"
    """Which tokens are learned."""
    dtype: Literal["bf16", "fp32"] = "bf16"
    """Precision of the frozen weights and activations; the optimizer's copy is float32 either way."""
    ema: Ema | None = None
    """Exponential moving average of the trained parameters."""

    @model_validator(mode="after")
    def _length(self) -> Recipe:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give exactly one of epochs and steps")
        return self

    @model_validator(mode="after")
    def _no_average_in_disguise(self) -> Recipe:
        if self.ema is not None and self.ema.mode == "in_loop" and self.ema.every_n_steps == 1:
            raise ValueError(
                f"ema: in_loop at every step is no average but a smaller learning rate, theta + (1 - decay) u: use "
                f"lr {self.lr * (1 - self.ema.decay):.6g} with ema: null, or every_n_steps of 2 or more"
            )
        return self


class Train(Part):
    """How training is placed. None of it is identity."""

    workers: Positive = 1
    """Training processes of one group (one GPU each where there are GPUs)."""
    micro_batch: Positive = 8
    """Examples per forward pass of one worker; `recipe.batch` is split into these."""
    deepspeed: Literal["zero0", "zero1", "zero2"] = "zero2"
    """DeepSpeed preset."""
    retries: Annotated[Integer, Field(ge=0, le=100)] = 2
    """How often a dead group is started again."""
