"""What a precision costs where it is computed.

A CPU on which oneDNN has no products in bf16 (on x86 it wants AVX-512 at the least) computes bf16 in software: a backward pass
takes ten and more times as long as in float32. Precision is part of what a cell is, so nobody changes
it for a user; but nobody should wait an hour for what takes minutes without having been told.
"""

from __future__ import annotations


def slow_precision(dtype: str, device: str, *, fast_bf16: bool) -> str:
    """What to say to who trains in `dtype` on this kind of device; "" where there is nothing to say.

    Args:
        dtype: `bf16` or `fp32`.
        device: torch's name of its kind, `cpu` or `cuda`.
        fast_bf16: has this CPU instructions for bf16 (`has_bf16`)?
    """
    if dtype != "bf16" or device != "cpu" or fast_bf16:
        return ""
    return "this CPU has no instructions for bf16 and trains many times slower in it: recipe.dtype=fp32 is the faster one here"


def has_bf16() -> bool:
    """Does this CPU compute matrix products in bf16 by instructions of its own?"""
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
