"""The metrics that the dashboard and the alerts may name, and what Ray makes of the names.

Ray puts `ray_` before a user's metric, and its exporter `_total` behind a counter.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from lib.runtime.metrics import METRICS, STATES

__all__ = ["COUNTERS", "STATES", "exported", "of_ray"]

COUNTERS = tuple(one.name for one in METRICS.values() if one.kind == "counter")


def exported() -> dict[str, tuple[str, ...]]:
    """Ballast's metrics as Prometheus has them, with their labels."""
    return {one.exported: one.tag_keys for one in METRICS.values()}


@cache
def of_ray() -> set[str]:
    """Ray's own metrics that its own dashboards draw."""
    import ray.dashboard.modules.metrics.dashboards as there

    texts = [path.read_text() for path in Path(str(there.__file__)).parent.glob("*_panels.py")]
    return {name for text in texts for name in re.findall(r"\b((?:ray|autoscaler)_[a-z0-9_]+)\{", text)}
