"""From a pool to a selection: the strategy, the rules in front of it, and the identity of the outcome.

The rules that keep the numbers honest stand once, in front of every strategy: unsafe rows and evaluation prompts are never
candidates (`pool`), and a pool that is too small or has no categories is an error, never another strategy.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa

from lib.errors import UserError
from lib.sampling.evidence import Evidence
from lib.sampling.pool import Pool
from lib.sampling.strategy import Pick, Strategy
from lib.store.digest import digest_value

SELECTION = pa.schema(
    [
        ("rank", pa.int32()),
        ("id", pa.string()),
        ("instruction", pa.string()),
        ("response", pa.string()),
        ("categories", pa.list_(pa.string())),
        ("behavior", pa.string()),
        ("score", pa.float64()),
        ("reason", pa.string()),
    ]
)
"""One row per picked example, in order."""

Types = Sequence[str] | Mapping[str, float] | None
NO_EVIDENCE = Evidence()


def select(
    pool: Pool,
    strategy: Strategy,
    *,
    label: str,
    budget: int,
    draw: int,
    evidence: Evidence = NO_EVIDENCE,
    types: Types = None,
) -> list[Pick]:
    """The picks of a strategy.

    A mix of behavior types splits the budget by its shares, and the strategy picks each part from the rows of that type: the
    very rows it would pick with that type alone, that budget and this draw. Parts follow each other by type name.

    Args:
        label: how the study calls the strategy, for messages.
        draw: seeds the strategy's generator (ignored by unseeded strategies).
        evidence: what the strategy said it needs, in the pool's order.
        types: the types that the pool was made with. A mapping is a mix: type -> share.

    Raises:
        UserError: the pool, or its part of one type, is too small, or lacks what the strategy needs.
    """
    if not isinstance(types, Mapping) or not strategy.uses_budget:
        return _part(pool, strategy, label, "", budget, draw, evidence)
    picks: list[Pick] = []
    for kind, count in split_budget(budget, types).items():
        rows = np.flatnonzero(pool.types == kind)
        part = _part(pool.take(rows), strategy, label, f" of type {kind}", count, draw, evidence.take(rows))
        picks += [replace(pick, row=int(rows[pick.row])) for pick in part]
    return picks


def _part(
    pool: Pool, strategy: Strategy, label: str, of_type: str, budget: int, draw: int, evidence: Evidence
) -> list[Pick]:
    reasons = "".join(f"; {count} {reason}" for reason, count in sorted(pool.kept_out.items()))
    if strategy.uses_budget and len(pool) < budget:
        raise UserError(
            f"strategy {label!r} needs {budget} rows{of_type} and the eligible pool has {len(pool)} "
            f"({budget - len(pool)} short{reasons}): lower sweep.budget or add to corpus"
        )
    if not budget:
        return []
    if strategy.strata == "categories" and not pool.names:
        raise UserError(
            f"strategy {label!r} needs categories and no row{of_type} of the pool has one{reasons}: "
            "set categories.from to prompt or nearest (with labelled references), or share out by clusters "
            "(strata: clusters, per: cluster)"
        )
    if strategy.needs_references and not evidence.references:
        raise UserError(
            f"strategy {label!r} needs references of exactly one category and there is none: "
            "add labelled rows as `references`"
        )
    if strategy.needs_vectors and len(evidence.vectors) != len(pool):
        raise ValueError(f"{len(evidence.vectors)} vectors for a pool of {len(pool)} rows")
    picks = strategy.pick(pool, evidence, budget, np.random.default_rng(draw))
    if strategy.uses_budget and (len(picks) != budget or len({pick.row for pick in picks}) != budget):
        raise ValueError(f"strategy {label!r} broke its contract: {len(picks)} picks, repeats or not {budget}")
    return picks


def picked_ids(pool: Pool, picks: Sequence[Pick]) -> list[str]:
    """The ids of the picked rows, in order."""
    return [pool.ids[pick.row].decode() for pick in picks]


def selection_table(pool: Pool, picks: Sequence[Pick], texts: Mapping[str, tuple[str, str]]) -> pa.Table:
    """The selection, schema `SELECTION`.

    Args:
        texts: id -> (instruction, response) of the picked rows.
    """
    return pa.Table.from_pylist(
        [
            {
                "rank": rank,
                "id": one,
                "instruction": texts[one][0],
                "response": texts[one][1],
                "categories": pool.categories(pick.row),
                "behavior": str(pool.types[pick.row]),
                "score": pick.score,
                "reason": pick.reason,
            }
            for rank, (one, pick) in enumerate(zip(picked_ids(pool, picks), picks, strict=True))
        ],
        schema=SELECTION,
    )


def content_digest(selection: pa.Table) -> str:
    """Identity of a selection: its texts in order. Two strategies that pick the same rows are one cell."""
    joined = [
        hashlib.sha256(f"{instruction}\x1f{response}".encode()).hexdigest()
        for instruction, response in zip(
            selection["instruction"].to_pylist(), selection["response"].to_pylist(), strict=True
        )
    ]
    return digest_value(joined)


def resolve_budget(budget: int | str, benign_rows: int | None) -> int | None:
    """A budget as a count; a share of the benign rows is rounded up, and None while nobody knows how many there are."""
    if isinstance(budget, int):
        return budget
    if benign_rows is None:
        return None
    return math.ceil(Fraction(budget.removesuffix("%")) * benign_rows / 100)


def split_budget(budget: int, shares: Mapping[str, float]) -> dict[str, int]:
    """A budget split by largest remainder: each type its share rounded down, what is left by the largest fractions.

    Args:
        shares: type -> share; together 1.

    Returns:
        Type -> count, by name; equal fractions go by name too.
    """
    exact = {kind: budget * Fraction(str(share)) for kind, share in sorted(shares.items())}
    counts = {kind: int(quota) for kind, quota in exact.items()}
    left = budget - sum(counts.values())
    for kind in sorted(exact, key=lambda kind: counts[kind] - exact[kind])[:left]:
        counts[kind] += 1
    return counts
