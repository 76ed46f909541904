"""Packing: training on examples laid out in bins, against micro batches padded to their longest row.

Both sides do the same steps on the same rows with the same loss, and only the layout differs. The plain side is what
transformers' Trainer does with its defaults: rows in random order, eight at a time, padded to the longest of the eight. What
packing can gain is bounded by what that pads: the note gives this bound, the plain side's positions over the packed one's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lib.runtime.train_worker import ATTENTION
from lib.study.recipe import Recipe
from lib.training import adapter
from lib.training.batches import Row, collate, learned_tokens, token_losses
from lib.training.micro_batches import micro_batches, micro_batches_needed
from tests.benchmarks.harness import Result, compare

BATCH, MICRO_BATCH, VOCABULARY = 32, 8, 8192
Batches = Sequence[dict[str, Any]]


ALPACA_TOKENS = (
    47, 56, 62, 65, 72, 79, 87, 104, 121, 141, 161, 180, 207, 233, 266, 302, 336, 364, 406, 452, 750,
)  # fmt: skip
"""Every 20th part of the lengths of 999 Alpaca examples in SmolLM2's chat template, from the shortest to the longest."""
PROMPT_SHARE = 0.4
"""Of their tokens, those of the prompt."""


def make_rows(count: int, max_tokens: int) -> list[Row]:
    """Rows of random tokens, as long as Alpaca's are, in random order."""
    source = np.random.default_rng(0)
    lengths = np.interp(source.random(count), np.linspace(0, 1, len(ALPACA_TOKENS)), ALPACA_TOKENS).astype(int)
    found = []
    for length in np.minimum(lengths, max_tokens):
        ids = source.integers(3, VOCABULARY, size=length).tolist()
        found.append(Row("", ids, int(PROMPT_SHARE * length)))
    return found


def make_adapted(attention: str, layers: int) -> Any:
    """A LLaMA of random weights (29 million in 8 layers) in float32 with the default recipe's adapter, in training mode."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=512, intermediate_size=1536, num_hidden_layers=layers, num_attention_heads=8,
        num_key_value_heads=4, max_position_embeddings=1024, attn_implementation=attention,
    )  # fmt: skip
    recipe = Recipe(steps=1).model_dump()
    recipe["lora"]["dropout"] = 0.0
    return adapter.attach(LlamaForCausalLM(config), recipe, seed=0).train()


def forward_backward(model: Any, batches: Batches) -> None:
    """One optimizer step's worth of gradients."""
    model.zero_grad()
    for tensors in batches:
        given = {name: tensor for name, tensor in tensors.items() if name != "labels"}
        token_losses(model(**given, use_cache=False).logits, tensors["labels"]).backward()


def layouts(rows: Sequence[Row], max_tokens: int) -> tuple[Batches, Batches]:
    """One step's rows packed, and the plain way."""
    shape: dict[str, Any] = {"micro_batch": MICRO_BATCH, "packed": True, "capacity": max_tokens}
    count = micro_batches_needed(rows, world=1, **shape)
    packed = list(micro_batches(rows, **shape, pad_id=0, loss_on="completion", count=count))
    return packed, [collate(rows[n : n + MICRO_BATCH], 0, "completion") for n in range(0, len(rows), MICRO_BATCH)]


def measure(rows: Sequence[Row], max_tokens: int, attention: str, layers: int) -> Result:
    """Learned tokens per second of forward and backward, over the steps that these rows make."""
    model = make_adapted(attention, layers)
    steps = [layouts(rows[n : n + BATCH], max_tokens) for n in range(0, len(rows), BATCH)]

    def run_all(side: int) -> Callable[[], None]:
        def work() -> None:
            for step in steps:
                forward_backward(model, step[side])

        return work

    positions = [sum(t["input_ids"].numel() for step in steps for t in step[side]) for side in (0, 1)]
    tokens = sum(len(row.ids) for row in rows)
    return compare(
        f"packed training, max_tokens {max_tokens}", ours=run_all(0), other=run_all(1),
        amount=sum(learned_tokens(row, "completion") for row in rows), unit="learned tokens/s", target=1.8,
        size=f"{len(rows)} rows as long as Alpaca's, mean {tokens / len(rows):.0f}, batch {BATCH}, {layers} layers, {attention}",
        against=f"random order, {MICRO_BATCH} rows padded to their longest",
        note=f"bound {positions[1] / positions[0]:.2f}: {tokens / positions[1]:.0%} of the plain side's positions are tokens, "
        f"{tokens / positions[0]:.0%} of the packed side's",
    )  # fmt: skip


def run(quick: bool) -> list[Result]:
    """With the attention that trains on this device."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    layers = 1 if quick else 8
    return [measure(make_rows(BATCH, most), most, ATTENTION["cpu"], layers) for most in (512, 256)]
