"""All that is told about a study's arms, from one reading of its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from lib.statistics import compare, means, trend
from lib.statistics.arms import Arm


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Means of arms, comparisons with `random` and `none`, trends over the budget."""

    arms: tuple[Arm, ...]
    """What all of it is told of."""
    means: tuple[means.Mean, ...]
    comparisons: tuple[compare.Comparison, ...]
    trends: tuple[trend.Trend, ...]

    @property
    def tables(self) -> dict[str, pa.Table]:
        """By the name of their file: `means`, `comparisons`, `trends`. No times, hosts or paths are in them."""
        return {
            "means": means.table_of(self.means),
            "comparisons": compare.table_of(self.comparisons),
            "trends": trend.table_of(self.trends),
        }


def statistics(arms: Sequence[Arm]) -> Statistics:
    """Everything about these arms (`make_arms`)."""
    return Statistics(
        arms=tuple(arms),
        means=tuple(means.means(arms)),
        comparisons=tuple(compare.compare(arms)),
        trends=tuple(trend.trends(arms)),
    )
