"""A worker's share of a step as micro batches, padded or packed, and as many of them as every other worker makes.

Workers sum gradients together, so all must make the same number of forward passes. Each knows the whole batch, so each can
tell without a word how many the busiest needs, and fills its own up with dummies. A dummy is two tokens that nobody learns
from: it costs a pass over almost nothing and adds nothing to loss or gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lib.training.batches import IGNORED, Row, collate, learned_tokens, token_losses
from lib.training.packing import collate_packed, first_fit, pack


def micro_batches_needed(rows: Sequence[Row], *, world: int, micro_batch: int, packed: bool, capacity: int) -> int:
    """How many micro batches every worker makes in a step: the most that any of them needs, at least 1.

    Packed it is never more than padded, since a bin holds at least one row.

    Args:
        rows: the global batch; worker r has `rows[r::world]`.
        world: workers.
        micro_batch: rows (padded) or bins (packed) of one forward pass.
        packed: lay several rows into a bin.
        capacity: tokens of a bin, where packed; a longer row has a bin of its own length.
    """
    most = 1
    for rank in range(min(world, len(rows))):
        lengths = [len(row.ids) for row in rows[rank::world]]
        items = len(first_fit(lengths, max(capacity, *lengths))) if packed else len(lengths)
        most = max(most, -(-items // micro_batch))
    return most


def micro_batches(
    rows: Sequence[Row], *, micro_batch: int, packed: bool, capacity: int, pad_id: int, loss_on: str, count: int
) -> Iterator[dict[str, Any]]:
    """The tensors of a worker's share, a micro batch at a time; call the model with `use_cache=False` on them.

    Longest rows, or fullest bins, come first: what shares a micro batch is of like length and pads little. A step's loss is
    a sum over its rows in any order.

    Args:
        rows: the share; may be empty.
        micro_batch: rows (padded) or bins (packed) of one forward pass.
        packed: yield `input_ids, position_ids, labels` (`collate_packed`), else `input_ids, attention_mask, labels` (`collate`).
        capacity: tokens of a bin, where packed.
        count: how many to make (`micro_batches_needed`, or more); those the share does not fill are dummies.

    Raises:
        ValueError: the share needs more than `count`.
    """
    if packed:
        bins = [[rows[i] for i in one] for one in pack([len(row.ids) for row in rows], capacity)]
    else:
        bins = [[row] for row in sorted(rows, key=lambda row: -len(row.ids))]
    needed = -(-len(bins) // micro_batch)
    if needed > count:
        raise ValueError(f"{len(rows)} rows need {needed} micro batches of {micro_batch}, not {count}")
    for micro in range(count):
        part = bins[micro * micro_batch : (micro + 1) * micro_batch]
        if not part:
            part = [[Row("", [pad_id, pad_id], 0)]]
        tensors = (
            collate_packed(part, pad_id, loss_on) if packed else collate([r for b in part for r in b], pad_id, loss_on)
        )
        if micro >= needed:
            tensors["labels"].fill_(IGNORED)
        yield tensors


def mean_loss(
    model: Any, rows: Sequence[Row], *, pad_id: int, loss_on: str, micro_batch: int, world: int, rank: int
) -> float:
    """Mean loss over the learned tokens of `rows` on all workers, nats per token; NaN when there are none.

    Every worker calls it, with the model in evaluation mode.
    """
    import torch

    device = next(model.parameters()).device
    count = micro_batches_needed(rows, world=world, micro_batch=micro_batch, packed=False, capacity=0)
    mine, total = rows[rank::world], 0.0
    with torch.no_grad():
        for tensors in micro_batches(
            mine, micro_batch=micro_batch, packed=False, capacity=0, pad_id=pad_id, loss_on=loss_on, count=count
        ):
            here = {name: tensor.to(device) for name, tensor in tensors.items()}
            labels = here.pop("labels")
            total += float(token_losses(model(**here, use_cache=False).logits, labels))
    tokens = sum(learned_tokens(row, loss_on) for row in rows)
    return sum_over_workers(total, world, device) / tokens if tokens else float("nan")


def sum_over_workers(value: float, world: int, device: Any) -> float:
    """The sum of every worker's value, on all of them."""
    if world == 1:
        return value
    import torch

    tensor = torch.tensor([value], dtype=torch.float64, device=device)
    torch.distributed.all_reduce(tensor)
    return float(tensor)
