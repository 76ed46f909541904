"""Packing: several examples in one row of a micro batch, each blind to the others, so that little of it is padding.

Packing is placement. A step keeps its examples and its loss, the mean over the learned tokens of its global batch; they
are only laid out another way. (Packers that fill rows from a stream change how many examples a step sees, and with it
the batch size, which is part of the recipe.) What remains is rounding, and with a LoRA dropout above 0 which numbers are
drawn, as with any other micro batch.

    examples a a a a  b b b  c c       bins   a a a a . .      position ids   0 1 2 3 0 1
                                              b b b c c .                     0 1 2 0 1 0

What keeps the examples of a bin apart (transformers 5.19, `masking_utils._preprocess_mask_arguments`): a sequence begins
wherever a position id is not the one before it plus 1, and attention stays inside it. This is looked for only when
`position_ids` are given, `attention_mask` is None and there is no cache. Models make a cache by themselves in training too
(`config.use_cache` is true by default; only gradient checkpointing turns it off), and then examples see each other without
a warning: **call the model with `use_cache=False`**. Eager, sdpa and flex attention build their mask from these sequences,
sliding windows included. Flash attention takes no such mask; it reads position ids only of a batch of one row
(`_is_packed_sequence`), so with more bins it leaks: `check_attention` refuses it. PEFT hands position ids on to the model
for LoRA (prompt learning drops them with a warning); DeepSpeed's engine hands on all keywords.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.errors import UserError
from lib.training.batches import IGNORED, Row

APART = ("eager", "sdpa")
"""Attention implementations tested to keep packed examples apart."""


def check_attention(implementation: str) -> None:
    """Refuse a model whose attention would let packed examples see each other.

    Args:
        implementation: the model's `config._attn_implementation`.

    Raises:
        UserError: it is not one of `APART`.
    """
    if implementation not in APART:
        raise UserError(
            f"packed examples would see each other under attention {implementation!r}: "
            f"load the model with {' or '.join(APART)}, or turn packing off"
        )


def first_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """First-fit decreasing: the longest row first, each into the first bin with room, equal lengths by index.

    At most 11/9 of the fewest possible bins, plus 6/9 (Dosa 2007). A row longer than `capacity` lies alone in its bin.

    Args:
        lengths: tokens of each row.
        capacity: tokens a bin holds.

    Returns:
        Bins of indices into `lengths`.
    """
    bins: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        place = next((b for b, left in enumerate(room) if lengths[index] <= left), len(bins))
        if place == len(bins):
            bins.append([])
            room.append(capacity)
        bins[place].append(index)
        room[place] -= lengths[index]
    return bins


def pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """As many bins as `first_fit` needs, filled evenly, the fullest first.

    Bins that are forwarded together are as wide as the fullest of them, so a last bin that is nearly empty would be nearly
    all padding. Hence the narrowest capacity that needs no more bins is used, found by bisection. It is a function of the
    lengths alone: the same rows always lie the same way.

    Args:
        lengths: tokens of each row.
        capacity: tokens a bin may hold; where a row is longer, its length is the capacity.

    Returns:
        Bins of indices into `lengths`, every index once.
    """
    if not lengths:
        return []
    high = max(capacity, *lengths)
    best = first_fit(lengths, high)
    low = max(*lengths, -(-sum(lengths) // len(best)))
    while low < high:
        middle = (low + high) // 2
        found = first_fit(lengths, middle)
        if len(found) <= len(best):
            best, high = found, middle
        else:
            low = middle + 1
    return sorted(best, key=lambda one: -sum(lengths[i] for i in one))


def collate_packed(bins: Sequence[Sequence[Row]], pad_id: int, loss_on: str) -> dict[str, Any]:
    """One micro batch: `input_ids`, `position_ids`, `labels`, each int64 [bins, width of the fullest].

    Positions begin at 0 in every example, and in the padding on the right, which is a sequence of its own that nobody
    learns from. No example's first token carries a label: the position before it, which would have to predict it, is the end
    of another example. So as many tokens are learned as `lib.training.batches.learned_tokens` counts.

    Args:
        bins: the examples of each bin, in order.
        pad_id: fills the right.
        loss_on: `completion` (answer and end of sequence) or `all`.
    """
    import torch

    shape = (len(bins), max(sum(len(row.ids) for row in rows) for rows in bins))
    ids = torch.full(shape, pad_id, dtype=torch.long)
    labels = torch.full(shape, IGNORED, dtype=torch.long)
    positions = torch.zeros(shape, dtype=torch.long)
    for i, rows in enumerate(bins):
        at = 0
        for row in rows:
            n = len(row.ids)
            sequence = torch.tensor(row.ids, dtype=torch.long)
            ids[i, at : at + n] = sequence
            positions[i, at : at + n] = torch.arange(n)
            start = max(1, row.prompt_tokens) if loss_on == "completion" else 1
            labels[i, at + start : at + n] = sequence[start:]
            at += n
        positions[i, at:] = torch.arange(shape[1] - at)
    return {"input_ids": ids, "position_ids": positions, "labels": labels}
