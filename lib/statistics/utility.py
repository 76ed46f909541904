"""Rows of `results.parquet` from what lm-evaluation-harness measured: its own metrics under its own names.

`judge` is `lm_eval`, `prompts` the task, `category` a task of a group ("" for the whole), `metric` the harness' name with the
filter where there is one (`exact_match,strict-match`). Unlike the other metrics, more is mostly better (`results.json` tells).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.statistics.catalogue import metric as known
from lib.statistics.intervals import Z95, wilson

JUDGE = "lm_eval"
RESULTS_FILE = "results.json"
NO_FILTER = "none"
ABOUT = {"name", "alias", "sample_len", "sample_count"}
"""Keys beside the metrics of a task."""


def is_usefulness(name: str, judge: str) -> bool:
    """Is a metric by this judge one of those whose mean usefulness is: a score of the harness of which more is better, and
    that does not follow from another?"""
    return judge == JUDGE and known(name).better == "high" and not known(name).detail


def utility_rows(folder: Path, truncated: int = 0) -> Iterator[dict[str, Any]]:
    """The metrics of one (cell, task).

    Args:
        folder: of the artifact of a utility node.
        truncated: answers that ran into the task's own length, and prompts that were cut.

    Yields:
        columns of `RESULTS` from `metric` on; intervals are 95%: Wilson's for shares of questions, else the value and 1.96 of
        the harness' standard errors, null where it gives none.
    """
    whole = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
    asked, results = whole["task"], whole["results"]
    for name in sorted(results, key=lambda name: (name != asked, name)):
        found = results[name]
        for key, value in found.items():
            metric, _, kind = key.partition(",")
            if key in ABOUT or metric.endswith("_stderr") or not isinstance(value, int | float):
                continue
            n = int((found.get("sample_count") or {}).get(key) or found.get("sample_len") or 0)
            error = found.get(f"{metric}_stderr,{kind}")
            low, high = _interval(float(value), n, error if isinstance(error, int | float) else None)
            yield {
                "metric": metric if kind in ("", NO_FILTER) else key, "judge": JUDGE, "prompts": asked,
                "category": "" if name == asked else name, "n": n, "value": float(value), "low": low, "high": high,
                "worst": None, "empty": 0, "truncated": truncated if name == asked else 0, "errors": 0,
            }  # fmt: skip


def _interval(value: float, n: int, error: float | None) -> tuple[float | None, float | None]:
    """Numbers between 0 and 1 with mean p have a sample variance of n p (1 - p) / (n - 1) only if each is 0 or 1: a share."""
    if error is None or not math.isfinite(error):
        return None, None
    if n > 1 and 0 <= value <= 1 and math.isclose(error, math.sqrt(value * (1 - value) / (n - 1)), abs_tol=1e-9):
        return wilson(round(value * n), n)
    return value - Z95 * error, value + Z95 * error
