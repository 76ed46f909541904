"""DeepSpeed presets. A preset places the work and changes no number of the recipe."""

from __future__ import annotations

from typing import Any

STAGES = {"zero0": 0, "zero1": 1, "zero2": 2}


def deepspeed_config(
    *, preset: str, workers: int, micro_batch: int, accumulation: int, dtype: str, clip: float | None
) -> dict[str, Any]:
    """The DeepSpeed JSON of a preset.

    Args:
        preset: `zero0`, `zero1` or `zero2` (Rajbhandari et al. 2020): none, optimizer states, and gradients sharded.
        accumulation: micro batches per optimizer step and worker.
        dtype: `bf16` or `fp32`.
        clip: gradient norm limit, None for no clipping.
    """
    return {
        "train_batch_size": workers * micro_batch * accumulation,
        "train_micro_batch_size_per_gpu": micro_batch,
        "gradient_accumulation_steps": accumulation,
        "gradient_clipping": clip or 0.0,
        "bf16": {"enabled": dtype == "bf16"},
        "zero_optimization": {"stage": STAGES[preset], "overlap_comm": False},
        # The optimizer is torch's own AdamW on every device: DeepSpeed's fused CPU Adam would be compiled on first use.
        "zero_force_ds_cpu_optimizer": False,
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
        "wall_clock_breakdown": False,
    }
