"""The learning rate at a step, as a pure function."""

from __future__ import annotations

import math


def learning_rate(step: int, total: int, *, peak: float, warmup: int, schedule: str) -> float:
    """Learning rate of optimizer step `step` (from 0) of `total`.

    Warm-up rises linearly from peak / (warmup + 1); then `linear` falls to 0 at `total`, `cosine` follows half a cosine to
    0, `constant` stays.
    """
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, total - warmup)
    if schedule == "linear":
        return peak * (1 - done)
    if schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    return peak
