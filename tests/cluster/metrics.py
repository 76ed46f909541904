"""The metrics that the dashboard and the alerts may name, and what Ray makes of the names.

Ray puts `ray_` before a user's metric, and its exporter `_total` behind a counter.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

COUNTERS = {
    "ballast_rows_embedded": ("study",),
    "ballast_tokens_trained": ("study",),
    "ballast_tokens_generated": ("study",),
    "ballast_error_rows": ("study",),
    "ballast_engine_restarts": ("study",),
}
"""Counters of `lib.runtime`, with their tags."""
GAUGES = {
    "ballast_cells": ("study", "state"),
    "ballast_asr": ("study", "cell", "prompts", "judge"),
    "ballast_stage_seconds": ("study", "stage"),
    "ballast_last_progress_timestamp_seconds": ("study",),
}
STATES = ("waiting", "running", "done", "failed")
"""Of `ballast_cells`."""


def exported() -> dict[str, tuple[str, ...]]:
    """Ballast's metrics as Prometheus has them, with their labels."""
    from lib.runtime.train_metrics import GAUGES as TRAINING

    training = {f"ballast_train_{name}": ("study", "cell") for name in TRAINING}
    counters = {f"{name}_total": tags for name, tags in COUNTERS.items()}
    return {f"ray_{name}": tags for name, tags in {**counters, **GAUGES, **training}.items()}


@cache
def of_ray() -> set[str]:
    """Ray's own metrics that its own dashboards draw."""
    import ray.dashboard.modules.metrics.dashboards as there

    texts = [path.read_text() for path in Path(str(there.__file__)).parent.glob("*_panels.py")]
    return {name for text in texts for name in re.findall(r"\b((?:ray|autoscaler)_[a-z0-9_]+)\{", text)}
