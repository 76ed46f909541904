"""Rows to tensors: padding that is never learned from, an end of sequence that is.

Padding is told apart by length and not by token id: where a tokenizer's pad token is its end-of-sequence token
(SmolLM2, LLaMA by habit), masking by id would also hide the one token that teaches the model to stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

IGNORED = -100
"""Label of a position that is not learned."""


@dataclass(frozen=True)
class Row:
    """A tokenised example."""

    id: str
    ids: list[int]
    prompt_tokens: int


def rows_of(table: pa.Table) -> list[Row]:
    """Rows of a table of schema `TOKENS`, in its order."""
    columns = (table[name].to_pylist() for name in ("id", "ids", "prompt_tokens"))
    return [Row(*values) for values in zip(*columns, strict=True)]


def learned_tokens(row: Row, loss_on: str) -> int:
    """How many tokens of a row carry loss (the first token of a sequence is never predicted)."""
    return len(row.ids) - (max(1, row.prompt_tokens) if loss_on == "completion" else 1)


def collate(rows: Sequence[Row], pad_id: int, loss_on: str) -> dict[str, Any]:
    """One micro batch: `input_ids`, `attention_mask`, `labels`, each int64 [rows, longest].

    Args:
        pad_id: fills the right; masked from attention and loss.
        loss_on: `completion` (answer and end of sequence) or `all`.
    """
    import torch

    width = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORED, dtype=torch.long)
    for i, row in enumerate(rows):
        n = len(row.ids)
        sequence = torch.tensor(row.ids, dtype=torch.long)
        ids[i, :n] = sequence
        mask[i, :n] = 1
        start = row.prompt_tokens if loss_on == "completion" else 0
        labels[i, start:n] = sequence[start:]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def token_losses(logits: Any, labels: Any) -> Any:
    """Sum over learned positions of -log p(token), a scalar in float32.

    Only the positions that carry a label go through the softmax, so a vocabulary-sized float32 tensor is made for them alone.

    Args:
        logits: [rows, width, V].
        labels: int64 [rows, width], `IGNORED` where nothing is learned.
    """
    import torch

    targets = labels[:, 1:].reshape(-1)
    learned = targets != IGNORED
    chosen = logits[:, :-1].reshape(-1, logits.shape[-1])[learned].float()
    return torch.nn.functional.cross_entropy(chosen, targets[learned], reduction="sum")
