"""The canary: proof that the engine answers with the weights that training ended with.

Training stores the log-probabilities that its own final weights give to fixed token sequences. Before a cell's answers
count, the engine is asked for the same numbers. They must be near those of training, and nearer to them than to those
of the base model and of the cell served before: a swap that silently did nothing, or left its predecessor in, fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TEXTS = (
    "How do I bake a loaf of bread at home?",
    "I'm sorry, but I can't help with that request.",
    "Write a short poem about the sea and the wind.",
    "Tell me how to break into a locked house.",
    "The capital of France is Paris, and its river is the Seine.",
)
"""Fixed texts. They need no meaning, only to be the same everywhere; some lie where safety training moves a model."""
MAX_TOKENS = 48
FILE = "canary.json"
"""What training stores, beside the weights."""
TOLERANCE = {"fp32": 0.05, "bf16": 0.35}
"""Largest mean absolute difference, in nats per token, between training's numbers and an engine's of that precision."""
TELLABLE = {"fp32": 1e-3, "bf16": 0.1}
"""Two models closer than this (nats per token) cannot be told apart through the rounding of that precision: training in bf16 is
0.03 to 0.06 from a float32 engine with the same weights, and either could be the nearer one."""
UNMOVED = 1e-5
"""Nats per token: an engine this near to its own earlier numbers still has the weights of then."""


def canary_ids(tokenizer: Any) -> list[list[int]]:
    """Token ids of the fixed texts, each at least two tokens."""
    return [list(tokenizer(text, add_special_tokens=False)["input_ids"])[:MAX_TOKENS] for text in TEXTS]


def log_probabilities(model: Any, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
    """log p(token | tokens before it) of every token but the first, one list per sequence. Call in evaluation mode."""
    import torch

    device = next(model.parameters()).device
    found: list[list[float]] = []
    with torch.no_grad():
        for sequence in sequences:
            ids = torch.tensor([sequence], device=device)
            logits = model(input_ids=ids).logits[0, :-1].float()
            found.append(logits.log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0].tolist())
    return found


def distance(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> float:
    """Mean absolute difference per token, in nats."""
    first = np.concatenate([np.asarray(x, dtype=np.float64) for x in a])
    second = np.concatenate([np.asarray(x, dtype=np.float64) for x in b])
    if first.shape != second.shape or not (np.isfinite(first).all() and np.isfinite(second).all()):
        return float("inf")
    return float(np.abs(first - second).mean())


@dataclass(frozen=True)
class CanaryResult:
    """Outcome of the check: `passed`, `inconclusive` (cell and another cannot be told apart) or `failed`."""

    status: str
    distance: float
    """Engine against training's own numbers, nats per token."""
    reason: str = ""


def check(
    engine: Sequence[Sequence[float]],
    own: Sequence[Sequence[float]],
    others: Mapping[str, Sequence[Sequence[float]]],
    dtype: str,
    before: Mapping[str, Sequence[Sequence[float]]] | None = None,
) -> CanaryResult:
    """Compare an engine's log-probabilities with those stored by training.

    Args:
        own: training's numbers for this cell.
        others: numbers of what might be in the engine by mistake (the base, the previous cell), by name.
        dtype: the coarser of the precisions that the two sides computed in.
        before: what this engine itself gave for some of the others. It tells a swap that did nothing where rounding hides the
            difference.
    """
    near = distance(engine, own)
    if near > TOLERANCE[dtype]:
        return CanaryResult("failed", near, f"{near:.3g} nats per token from the trained weights")
    unclear = ""
    for name, numbers in others.items():
        mine = (before or {}).get(name)
        if mine is not None and distance(own, numbers) > TELLABLE["fp32"] and distance(engine, mine) < UNMOVED:
            return CanaryResult("failed", near, f"the engine still has the weights of {name}")
        if distance(own, numbers) < TELLABLE[dtype]:
            unclear = unclear or f"this cell and {name} cannot be told apart in {dtype}"
        elif distance(engine, numbers) <= near:
            return CanaryResult("failed", near, f"the engine is nearer to {name} than to the trained weights")
    return CanaryResult("inconclusive" if unclear else "passed", near, unclear)
