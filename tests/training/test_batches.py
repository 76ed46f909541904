"""Rows to tensors, and the loss over what is learned."""

import math

import pyarrow as pa
import pytest
import torch

from lib.training.batches import IGNORED, Row, collate, learned_tokens, rows_of, token_losses
from lib.training.mix import TOKENS

EOS = 2
SHORT, LONG = Row("s", [5, 6, 7, EOS], 2), Row("l", [5, 8, 8, 8, 9, EOS], 3)


def test_collate_worked_by_hand_where_the_pad_token_is_the_end_of_sequence() -> None:
    batch = collate([SHORT, LONG], EOS, "completion")
    assert batch["input_ids"].tolist() == [[5, 6, 7, EOS, EOS, EOS], [5, 8, 8, 8, 9, EOS]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]
    assert batch["labels"].tolist() == [
        [IGNORED, IGNORED, 7, EOS, IGNORED, IGNORED],
        [IGNORED, IGNORED, IGNORED, 8, 9, EOS],
    ]
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


def test_the_whole_text_is_learned_on_demand_and_padding_never() -> None:
    labels = collate([SHORT, LONG], EOS, "all")["labels"].tolist()
    assert labels == [[5, 6, 7, EOS, IGNORED, IGNORED], [5, 8, 8, 8, 9, EOS]]


@pytest.mark.parametrize(
    ("row", "loss_on", "count"),
    [
        (SHORT, "completion", 2),
        (SHORT, "all", 3),
        (LONG, "completion", 3),
        (Row("no prompt", [5, 6, 7], 0), "completion", 2),
        (Row("cut inside the prompt", [5, 6, 7], 3), "completion", 0),
    ],
)
def test_learned_tokens_are_what_the_loss_is_summed_over(row: Row, loss_on: str, count: int) -> None:
    assert learned_tokens(row, loss_on) == count
    labels = collate([row, LONG], EOS, loss_on)["labels"][0, 1:]
    assert int((labels != IGNORED).sum()) == count


def test_the_loss_worked_by_hand() -> None:
    """Two tokens in the vocabulary, logits (0, ln 3): p(1) = 3/4. One learned position, its token 0: -ln 1/4."""
    logits = torch.tensor([[[0.0, math.log(3)], [9.0, 9.0]]])
    assert token_losses(logits, torch.tensor([[IGNORED, 0]])).item() == pytest.approx(math.log(4))
    assert token_losses(logits, torch.tensor([[0, 1]])).item() == pytest.approx(math.log(4 / 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loss_is_torchs_cross_entropy_shifted_by_one(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 7, 11).to(dtype)
    labels = torch.randint(0, 11, (3, 7))
    labels[0, :4] = labels[1, 5:] = labels[2] = IGNORED
    expected = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().transpose(1, 2), labels[:, 1:], ignore_index=IGNORED, reduction="sum"
    )
    loss = token_losses(logits, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected)


def test_padding_changes_neither_loss_nor_gradient() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 6, 11)
    alone, padded = logits[:, :4].clone().requires_grad_(), logits.clone().requires_grad_()
    token_losses(alone, collate([SHORT], EOS, "completion")["labels"]).backward()
    token_losses(padded, collate([SHORT, LONG], EOS, "completion")["labels"][:1]).backward()
    assert alone.grad is not None
    assert padded.grad is not None
    torch.testing.assert_close(padded.grad[:, :4], alone.grad)
    assert padded.grad[:, 3:].abs().sum() == 0
    assert padded.grad[:, 2].abs().sum() > 0  # predicts the end of sequence


def test_nothing_learned_is_a_loss_of_zero_that_can_be_trained_on() -> None:
    logits = torch.randn(1, 3, 5, requires_grad=True)
    loss = token_losses(logits, torch.full((1, 3), IGNORED))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0


def test_rows_come_in_the_order_of_the_table() -> None:
    table = pa.Table.from_pylist(
        [
            {"id": "b", "ids": [1, 2], "prompt_tokens": 1, "cut": False},
            {"id": "a", "ids": [3], "prompt_tokens": 0, "cut": True},
        ],
        schema=TOKENS,
    )
    assert rows_of(table) == [Row("b", [1, 2], 1), Row("a", [3], 0)]
