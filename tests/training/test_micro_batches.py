"""Every worker makes as many micro batches as the busiest needs, and together they hold each row once."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from lib.training.batches import IGNORED, Row, learned_tokens, token_losses
from lib.training.micro_batches import micro_batches, micro_batches_needed

SETTINGS: dict[str, Any] = {"pad_id": 0, "loss_on": "all"}


def made(rows: list[Row], **plan: Any) -> list[dict[str, Any]]:
    return list(micro_batches(rows, **SETTINGS, **plan))


def learned(batches: list[dict[str, Any]]) -> list[int]:
    """The learned tokens of some micro batches, sorted."""
    labels = [tensors["labels"][:, 1:] for tensors in batches]
    return sorted(int(token) for one in labels for token in one[one != IGNORED])


def holds_rows(tensors: dict[str, Any]) -> bool:
    """Is it no dummy? (These rows have ids above 0, and dummies nothing but padding.)"""
    return bool(tensors["input_ids"].any())


@settings(max_examples=150, deadline=None)
@given(
    lengths=some.lists(some.integers(1, 20), min_size=1, max_size=24),
    world=some.integers(1, 4),
    micro_batch=some.integers(1, 5),
    packed=some.booleans(),
)
def test_workers_agree_and_share_out_every_token(
    lengths: list[int], world: int, micro_batch: int, packed: bool
) -> None:
    rows = [Row(str(i), [100 * i + k + 1 for k in range(n)], 0) for i, n in enumerate(lengths)]
    plan: dict[str, Any] = {"micro_batch": micro_batch, "packed": packed, "capacity": 16}
    count = micro_batches_needed(rows, world=world, **plan)
    shares = [made(rows[rank::world], count=count, **plan) for rank in range(world)]
    assert {len(share) for share in shares} == {count}
    everything = [tensors for share in shares for tensors in share]
    assert learned(everything) == sorted(token for row in rows for token in row.ids[1:])
    assert len(learned(everything)) == sum(learned_tokens(row, "all") for row in rows)
    assert all(len(tensors["labels"]) <= micro_batch for tensors in everything)
    assert count == 1 or any(holds_rows(share[-1]) for share in shares), "one less would have done"


@settings(max_examples=100, deadline=None)
@given(some.lists(some.integers(1, 40), max_size=24), some.integers(1, 4), some.integers(1, 5), some.integers(1, 60))
def test_packed_never_needs_more_than_padded(lengths: list[int], world: int, micro_batch: int, capacity: int) -> None:
    rows = [Row("", [3] * n, 0) for n in lengths]
    packed, padded = (
        micro_batches_needed(rows, world=world, micro_batch=micro_batch, packed=kind, capacity=capacity)
        for kind in (True, False)
    )
    assert 1 <= packed <= padded


def test_the_busiest_worker_counts() -> None:
    """Rank 0 has the long rows: two bins of ten; rank 1 packs its own into one."""
    rows = [Row("", [3] * n, 0) for n in (9, 2, 9, 3)]
    plan: dict[str, Any] = {"micro_batch": 1, "packed": True, "capacity": 10}
    assert micro_batches_needed(rows, world=2, **plan) == 2
    second = made(rows[1::2], count=2, **plan)
    assert second[0]["input_ids"].shape == (1, 5)
    assert second[1]["input_ids"].shape == (1, 2)
    assert learned(second[1:]) == []


def test_padded_rows_of_like_length_lie_together() -> None:
    rows = [Row("", [3] * n, 0) for n in (2, 9, 3, 8)]
    batches = made(rows, micro_batch=2, packed=False, capacity=10, count=2)
    assert [tuple(tensors["input_ids"].shape) for tensors in batches] == [(2, 9), (2, 3)]
    assert [set(tensors) for tensors in batches] == [{"input_ids", "attention_mask", "labels"}] * 2


def test_a_row_longer_than_the_capacity_is_kept_whole() -> None:
    rows = [Row("", list(range(1, 31)), 0), Row("", [40, 41], 0)]
    plan: dict[str, Any] = {"micro_batch": 1, "packed": True, "capacity": 8}
    assert micro_batches_needed(rows, world=1, **plan) == 2
    assert [tuple(tensors["input_ids"].shape) for tensors in made(rows, count=2, **plan)] == [(1, 30), (1, 2)]


@pytest.mark.parametrize("packed", [False, True])
def test_an_empty_share_is_dummies_that_add_nothing(packed: bool, tiny_llama: Any) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    batches = made([], micro_batch=4, packed=packed, capacity=16, count=3)
    assert len(batches) == 3
    for tensors in batches:
        labels = tensors.pop("labels")
        assert (labels == IGNORED).all()
        loss = token_losses(model(**tensors, use_cache=False).logits, labels)
        loss.backward()
        assert loss.item() == 0
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


def test_too_few_is_refused_before_anything_is_made() -> None:
    rows = [Row("", [3, 4], 0)] * 5
    with pytest.raises(ValueError, match="5 rows need 3 micro batches of 2, not 2"):
        made(rows, micro_batch=2, packed=False, capacity=8, count=2)
