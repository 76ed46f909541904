"""`equal.parquet` and `equal.csv`: every arm at equal usefulness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa

from lib.statistics.equal import EqualUse
from lib.statistics.means import finite

EQUAL = pa.schema(
    [
        ("model", pa.string()), ("strategy", pa.string()), ("budget", pa.int32()), ("recipe", pa.string()),
        ("kind", pa.string()), ("usefulness", pa.string()), ("pairs", pa.int32()), ("drop", pa.float64()),
        ("drop_low", pa.float64()), ("drop_high", pa.float64()), ("margin", pa.float64()), ("metric", pa.string()),
        ("judge", pa.string()), ("prompts", pa.string()), ("value", pa.float64()), ("difference", pa.float64()),
        ("low", pa.float64()), ("high", pa.float64()), ("over", pa.string()), ("p", pa.float64()), ("p_holm", pa.float64()),
    ]
)  # fmt: skip
"""One row per (arm, prompt set of the safety metric). `drop`: usefulness lost against the reference, a share; `difference`
to `p_holm`: safety against the reference, null for arms that are not as useful."""


def table_of(found: Sequence[EqualUse], safety: tuple[str, str]) -> pa.Table:
    """Schema `EQUAL`."""
    rows = []
    for one in found:
        for arm in one.arms:
            head = {
                name: getattr(arm, name)
                for name in ("strategy", "budget", "recipe", "kind", "usefulness", "pairs", "drop")
            }
            head |= {"model": one.model, "drop_low": arm.low, "drop_high": arm.high, "margin": one.margin}
            against = {c.prompts: asdict(c) for c in arm.comparisons}
            for prompts, value in arm.safety:
                told = {
                    k: against.get(prompts, {}).get(k) for k in ("difference", "low", "high", "over", "p", "p_holm")
                }
                rows.append(
                    finite(
                        {**head, "metric": safety[0], "judge": safety[1], "prompts": prompts, "value": value, **told}
                    )
                )
    return pa.Table.from_pylist(rows, schema=EQUAL)
