"""Packed examples: laid out in little room, each learning exactly what it learns alone."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from lib.errors import UserError
from lib.training import adapter
from lib.training.batches import IGNORED, Row, collate, learned_tokens, token_losses
from lib.training.packing import APART, check_attention, collate_packed, first_fit, pack
from tests.tiny_models import FAMILIES, make_model

EOS = 2
A, B, C = Row("a", [5, 6, 7, EOS], 2), Row("b", [8, 9, EOS], 0), Row("c", [3, 4], 1)
WINDOW = 4
MODELS = [*FAMILIES, "mistral with a window", "qwen2 with a window"]


# ---------------------------------------------------------------- bins


def used(lengths: Sequence[int], bins: Sequence[Sequence[int]]) -> list[int]:
    return [sum(lengths[i] for i in one) for one in bins]


@settings(max_examples=200, deadline=None)
@given(some.lists(some.integers(1, 40), max_size=40), some.integers(1, 60))
def test_every_row_lies_in_one_bin_and_no_bin_is_over_full(lengths: list[int], capacity: int) -> None:
    bins, plain = pack(lengths, capacity), first_fit(lengths, capacity)
    assert sorted(itertools.chain(*bins)) == sorted(itertools.chain(*plain)) == list(range(len(lengths)))
    assert all(full <= max(capacity, *lengths) for full in used(lengths, bins))
    assert all(full <= capacity or len(one) == 1 for one, full in zip(plain, used(lengths, plain), strict=True))
    assert pack(lengths, capacity) == bins
    assert used(lengths, bins) == sorted(used(lengths, bins), reverse=True)


@settings(max_examples=200, deadline=None)
@given(some.lists(some.integers(1, 40), min_size=1, max_size=40), some.integers(1, 60))
def test_filling_evenly_costs_no_bin_and_no_width(lengths: list[int], capacity: int) -> None:
    widest = max(capacity, *lengths)
    bins, plain = pack(lengths, capacity), first_fit(lengths, widest)
    assert len(bins) <= len(plain)
    assert max(used(lengths, bins)) <= max(used(lengths, plain))
    assert len(plain) < 2 * sum(lengths) / widest + 1  # any two bins of first fit hold more than one capacity


def fewest(lengths: Sequence[int], capacity: int) -> int:
    """The least number of bins, by trying every assignment."""

    def place(rest: Sequence[int], room: tuple[int, ...], best: int) -> int:
        if len(room) >= best:
            return best
        if not rest:
            return len(room)
        for b in range(len(room)):
            if rest[0] <= room[b]:
                best = place(rest[1:], (*room[:b], room[b] - rest[0], *room[b + 1 :]), best)
        return place(rest[1:], (*room, capacity - rest[0]), best)

    return place(sorted(lengths, reverse=True), (), len(lengths) + 1)


@settings(max_examples=80, deadline=None)
@given(some.lists(some.integers(1, 20), min_size=1, max_size=8))
def test_first_fit_decreasing_keeps_its_bound(lengths: list[int]) -> None:
    """Dosa 2007: FFD <= 11/9 OPT + 6/9."""
    assert len(pack(lengths, 20)) <= (11 * fewest(lengths, 20) + 6) // 9


def test_bins_worked_by_hand() -> None:
    assert first_fit([2, 7, 3, 5], 8) == [[1], [3, 2], [0]]
    assert first_fit([2, 7, 3, 5], 10) == [[1, 2], [3, 0]]  # 10 and 7 tokens
    assert pack([2, 7, 3, 5], 10) == [[1, 0], [3, 2]]  # 9 and 8
    assert pack([4, 4, 4, 4], 12) == [[0, 1], [2, 3]]  # and not three rows in one bin beside a row alone
    assert pack([], 8) == []


def test_a_row_longer_than_the_capacity_sets_it() -> None:
    assert pack([3, 30, 9], 8) == [[1], [2, 0]]
    assert first_fit([3, 30, 9], 8) == [[1], [2], [0]]


# ---------------------------------------------------------------- tensors


def test_collate_worked_by_hand() -> None:
    batch = collate_packed([[A, C], [B]], EOS, "completion")
    assert set(batch) == {"input_ids", "position_ids", "labels"}
    assert batch["input_ids"].tolist() == [[5, 6, 7, EOS, 3, 4], [8, 9, EOS, EOS, EOS, EOS]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 0, 1], [0, 1, 2, 0, 1, 2]]
    no = IGNORED
    assert batch["labels"].tolist() == [[no, no, 7, EOS, no, 4], [no, 9, EOS, no, no, no]]
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


def test_no_example_is_asked_for_the_first_token_of_the_next() -> None:
    labels = collate_packed([[A, B, C]], EOS, "all")["labels"].tolist()
    assert labels == [[IGNORED, 6, 7, EOS, IGNORED, 9, EOS, IGNORED, 4]]


@settings(max_examples=60, deadline=None)
@given(
    some.lists(some.tuples(some.integers(1, 12), some.integers(0, 12)), min_size=1, max_size=9),
    some.sampled_from(["completion", "all"]),
)
def test_as_many_tokens_are_learned_as_are_counted(shapes: list[tuple[int, int]], loss_on: str) -> None:
    rows = [Row("", [3] * n, min(n, prompt)) for n, prompt in shapes]
    bins = [[rows[i] for i in one] for one in pack([len(row.ids) for row in rows], 16)]
    labels = collate_packed(bins, 0, loss_on)["labels"]
    assert int((labels[:, 1:] != IGNORED).sum()) == sum(learned_tokens(row, loss_on) for row in rows)


# ---------------------------------------------------------------- models


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: make_model(tmp_path_factory.mktemp(family), family) for family in FAMILIES}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are done before a second thread has woken up."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def load(folders: dict[str, Path]) -> Callable[[str, str], Any]:
    """A tiny model in float32 with this attention; `FAMILY with a window` sees the last few tokens only."""

    def loaded(kind: str, attention: str) -> Any:
        from transformers import AutoConfig, AutoModelForCausalLM

        family, _, windowed = kind.partition(" with ")
        config = AutoConfig.from_pretrained(folders[family])
        if windowed:
            config.sliding_window = WINDOW
            if family == "qwen2":
                config.use_sliding_window, config.layer_types = True, ["full_attention", "sliding_attention"]
        return AutoModelForCausalLM.from_pretrained(
            folders[family], config=config, dtype=torch.float32, attn_implementation=attention
        )

    return loaded


def some_rows(count: int, seed: int = 0) -> list[Row]:
    source = random.Random(seed)
    shapes = [(source.randint(3, 17), source.randint(0, 3)) for _ in range(count)]
    return [Row(str(n), [source.randint(3, 500) for _ in range(k)], prompt) for n, (k, prompt) in enumerate(shapes)]


def packed_bins(rows: Sequence[Row], capacity: int = 24) -> list[list[Row]]:
    return [[rows[i] for i in one] for one in pack([len(row.ids) for row in rows], capacity)]


def logits(model: Any, tensors: dict[str, Any]) -> Any:
    return model(**{name: t for name, t in tensors.items() if name != "labels"}, use_cache=False).logits


@pytest.mark.parametrize("attention", APART)
@pytest.mark.parametrize("kind", MODELS)
def test_an_example_says_in_a_bin_what_it_says_alone(load: Callable[..., Any], kind: str, attention: str) -> None:
    model, bins = load(kind, attention).eval(), packed_bins(some_rows(9))
    assert len(bins) > 1
    assert max(len(one) for one in bins) > 1
    with torch.no_grad():
        together = logits(model, collate_packed(bins, 0, "all"))
        for i, one in enumerate(bins):
            at = 0
            for row in one:
                alone = collate([row], 0, "all")
                n, expected = len(row.ids), logits(model, alone)
                torch.testing.assert_close(together[i : i + 1, at : at + n], expected, atol=1e-5, rtol=1e-5)
                labels = alone["labels"]
                torch.testing.assert_close(
                    token_losses(together[i : i + 1, at : at + n], labels), token_losses(expected, labels),
                    atol=1e-5, rtol=1e-5,
                )  # fmt: skip
                at += n


@pytest.mark.parametrize("attention", APART)
@pytest.mark.parametrize("kind", MODELS)
def test_a_neighbours_text_changes_not_one_bit(load: Callable[..., Any], kind: str, attention: str) -> None:
    model = load(kind, attention).eval()
    changed = Row("a", [9, 9, 9, 9], 2)
    before, after = ([[B, one, C], [A, B]] for one in (A, changed))
    with torch.no_grad():
        first, second = (logits(model, collate_packed(bins, 0, "all")) for bins in (before, after))
    assert torch.equal(first[0, :3], second[0, :3])
    assert torch.equal(first[0, 7:], second[0, 7:])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0, 3:7], second[0, 3:7])


def test_with_a_cache_examples_would_see_each_other(load: Callable[..., Any]) -> None:
    """Why callers say `use_cache=False`: should this fail, transformers no longer asks for it."""
    model = load("llama", "eager").eval()
    with torch.no_grad():
        first, second = (
            model(**{k: t for k, t in collate_packed([[one, C]], 0, "all").items() if k != "labels"}).logits
            for one in (A, Row("a", [9, 9, 9, 9], 2))
        )
    assert not torch.equal(first[0, 4:], second[0, 4:])


@pytest.mark.parametrize("attention", ["flash_attention_2", "flash_attention_3", "paged|sdpa"])
def test_attention_that_leaks_is_refused(attention: str) -> None:
    with pytest.raises(UserError, match=r"see each other under attention .* load the model with eager or sdpa"):
        check_attention(attention)
    for implementation in APART:
        check_attention(implementation)


def gradients(model: Any, batches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of the mean over all learned tokens, whatever the layout."""
    model.zero_grad()
    tokens = sum(int((tensors["labels"][:, 1:] != IGNORED).sum()) for tensors in batches)
    for tensors in batches:
        (token_losses(logits(model, tensors), tensors["labels"]) / tokens).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def same_gradients(model: Any, loss_on: str, capacity: int = 24) -> None:
    rows = some_rows(9)
    padded = [collate(rows[n : n + 3], 0, loss_on) for n in range(0, 9, 3)]
    bins = packed_bins(rows, capacity)
    packed = [collate_packed(bins[n : n + 2], 0, loss_on) for n in range(0, len(bins), 2)]
    expected, found = gradients(model, padded), gradients(model, packed)
    assert found
    assert found.keys() == expected.keys()
    assert max(float(g.abs().max()) for g in expected.values()) > 1e-3
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("attention", APART)
@pytest.mark.parametrize("kind", MODELS)
def test_a_packed_step_has_the_gradient_of_the_padded_one(load: Callable[..., Any], kind: str, attention: str) -> None:
    same_gradients(load(kind, attention).train(), "completion")


@pytest.mark.parametrize("attention", APART)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_so_it_has_through_an_adapter_and_gradient_checkpointing(
    load: Callable[..., Any], attention: str, checkpointing: bool
) -> None:
    base = load("llama", attention)
    adapted = adapter.attach(
        base, {"lora": {"r": 4, "alpha": 8, "dropout": 0.0, "targets": ["q_proj", "v_proj"]}}, seed=0
    ).train()
    with torch.no_grad():  # B is zero at first, and so would be the gradient of A
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.02)
    if checkpointing:
        adapted.enable_input_require_grads()
        adapted.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    same_gradients(adapted, "all")
    assert adapted.base_model.model.model.gradient_checkpointing is checkpointing
