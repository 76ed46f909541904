"""From corpus and labels to a selection: who may be picked, the strategy, and the identity of the outcome.

The rules that keep the numbers honest stand here once, in front of every strategy: unsafe rows are never candidates,
rows whose instruction is an evaluation prompt are dropped, a pool that is too small or has no categories is an error.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from lib.corpus.example import Example
from lib.corpus.text import fold_id
from lib.errors import UserError
from lib.sampling.strategy import Candidate, Strategy
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


@dataclass(frozen=True)
class Pool:
    """The candidates, sorted by id, and how many rows were kept out and why."""

    candidates: list[Candidate]
    examples: dict[str, Example]
    kept_out: dict[str, int] = field(default_factory=dict)


def make_pool(
    examples: Sequence[Example],
    labels: pa.Table,
    *,
    types: Sequence[str] | None,
    leaked: Set[str],
    allow_unsafe: bool,
) -> Pool:
    """The rows that a strategy may pick.

    Args:
        labels: schema `LABELS`, one row per example in the same order.
        types: keep only these behavior types (None: all).
        leaked: fold ids of evaluation prompts; rows with such an instruction are dropped.
        allow_unsafe: keep rows labelled unsafe.
    """
    candidates: list[Candidate] = []
    kept: dict[str, Example] = {}
    out: Counter[str] = Counter()
    columns = zip(examples, labels["id"], labels["categories"], labels["type"], labels["unsafe"], strict=True)
    for example, label_id, categories, kind, unsafe in columns:
        if label_id.as_py() != example.id:
            raise ValueError(f"labels and examples disagree at {example.id}")
        if unsafe.as_py() and not allow_unsafe:
            out["labelled unsafe"] += 1
        elif leaked and fold_id(example.instruction) in leaked:
            out["also an evaluation prompt"] += 1
        elif types is not None and kind.as_py() not in types:
            out[f"not of type {'/'.join(types)}"] += 1
        else:
            candidates.append(Candidate(example.id, example.text_id, tuple(categories.as_py()), kind.as_py()))
            kept[example.id] = example
    return Pool(sorted(candidates, key=lambda row: row.id), kept, dict(out))


def select(
    pool: Pool, strategy: Strategy, label: str, budget: int, draw: int, vectors: Mapping[str, np.ndarray]
) -> pa.Table:
    """The selection of a strategy, schema `SELECTION`.

    Args:
        label: how the study calls the strategy, for messages.
        draw: seeds the strategy's generator (ignored by unseeded strategies).

    Raises:
        UserError: the pool is too small, or has no categories where the strategy needs them.
    """
    rows = pool.candidates
    reasons = "".join(f"; {count} {reason}" for reason, count in sorted(pool.kept_out.items()))
    if strategy.uses_budget and len(rows) < budget:
        raise UserError(
            f"strategy {label!r} needs {budget} rows and the eligible pool has {len(rows)} "
            f"({budget - len(rows)} short{reasons}): lower sweep.budget or add to corpus"
        )
    if strategy.needs_categories and strategy.uses_budget and budget and not any(row.categories for row in rows):
        raise UserError(
            f"strategy {label!r} needs categories and no row of the pool has one{reasons}: "
            "set categories.from to prompt or nearest (with labelled references)"
        )
    picks = strategy.pick(rows, vectors, budget, np.random.default_rng(draw))
    by_id = {row.id: row for row in rows}
    if strategy.uses_budget and (len(picks) != budget or len({pick.id for pick in picks}) != budget):
        raise ValueError(f"strategy {label!r} broke its contract: {len(picks)} picks, repeats or not {budget}")
    return pa.Table.from_pylist(
        [
            {
                "rank": rank,
                "id": pick.id,
                "instruction": pool.examples[pick.id].instruction,
                "response": pool.examples[pick.id].response,
                "categories": list(by_id[pick.id].categories),
                "behavior": by_id[pick.id].type,
                "score": pick.score,
                "reason": pick.reason,
            }
            for rank, pick in enumerate(picks)
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


def card(pool: Pool, selection: pa.Table) -> dict[str, Any]:
    """Counts by category, type and reason, and who was kept out."""
    categories = Counter(name for names in selection["categories"].to_pylist() for name in names)
    return {
        "eligible": len(pool.candidates),
        "kept_out": pool.kept_out,
        "rows": selection.num_rows,
        "categories": dict(sorted(categories.items())),
        "types": dict(sorted(Counter(selection["behavior"].to_pylist()).items())),
        "reasons": dict(sorted(Counter(r.split(" ")[0] for r in selection["reason"].to_pylist()).items())),
    }


def resolve_budget(budget: int | str, benign_rows: int | None) -> int:
    """A budget as a count; a share of the benign rows is rounded up.

    Raises:
        UserError: a share of a benign set whose size is not fixed by `benign.limit`.
    """
    if isinstance(budget, int):
        return budget
    if benign_rows is None:
        raise UserError(f"budget {budget} is a share: set benign.limit, the number of benign rows it is a share of")
    return math.ceil(Fraction(budget.removesuffix("%")) * benign_rows / 100)
