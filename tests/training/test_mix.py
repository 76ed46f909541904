"""Which row at which step: cells of one seed differ in their safety rows and in nothing else."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lib.training.mix import TOKENS, Schedule, make_schedule, mix_order, tokens_digest


def test_rows_that_are_held_out_leave_the_order_of_the_others_as_it_is() -> None:
    """So that cells of one seed share it though they hold out a few others."""

    def names(held_out: set[int], safety: int) -> list[int]:
        kept = [n for n in range(40) if n not in held_out]
        order = mix_order(len(kept), safety, seed=3, epoch=1, held_out=held_out)
        return [kept[n] for n in order if n < len(kept)]

    whole = names(set(), 0)
    for held_out, safety in (({1, 7, 30}, 0), ({1, 30}, 4), (set(range(20)), 9)):
        assert names(held_out, safety) == [n for n in whole if n not in held_out]


def test_without_its_safety_rows_every_cell_has_the_same_benign_order() -> None:
    alone = mix_order(160, 0, seed=3, epoch=1)
    for safety in (1, 16, 48, 160, 500):
        order = mix_order(160, safety, seed=3, epoch=1)
        np.testing.assert_array_equal(order[order < 160], alone)


@settings(max_examples=60, deadline=None)
@given(some.integers(0, 80), some.integers(0, 80), some.integers(0, 9), some.integers(0, 3))
def test_every_row_once_an_epoch(benign: int, safety: int, seed: int, epoch: int) -> None:
    order = mix_order(benign, safety, seed, epoch)
    assert sorted(order) == list(range(benign + safety))
    np.testing.assert_array_equal(order[order < benign], mix_order(benign, 0, seed, epoch))


def test_seed_and_epoch_change_both_orders() -> None:
    first = mix_order(50, 50, seed=0, epoch=0)
    for other in (mix_order(50, 50, seed=1, epoch=0), mix_order(50, 50, seed=0, epoch=1)):
        assert not np.array_equal(first[first < 50], other[other < 50])
        assert not np.array_equal(first[first >= 50], other[other >= 50])
        assert not np.array_equal(first >= 50, other >= 50)
    np.testing.assert_array_equal(first, mix_order(50, 50, seed=0, epoch=0))


def test_safety_rows_lie_all_over_the_epoch() -> None:
    """Mean position of 40 safety rows in 400, over 50 seeds: 200 with a standard deviation of about 2.5."""
    means = [np.flatnonzero(mix_order(360, 40, seed, 0) >= 360).mean() for seed in range(50)]
    assert abs(np.mean(means) - 199.5) < 12


def test_the_order_is_frozen() -> None:
    """Another order is another result under the same key: raise the train stage's version when this changes."""
    assert mix_order(6, 2, seed=0, epoch=0).tolist() == [3, 2, 5, 7, 4, 0, 6, 1]


# ---------------------------------------------------------------- schedules


def rows_of(schedule: Schedule) -> list[int]:
    return [int(row) for step in schedule.steps for row in step]


def lengths(schedule: Schedule) -> list[int]:
    return [len(step) for step in schedule.steps]


def test_one_epoch_shows_every_row_once() -> None:
    schedule = make_schedule(16, 5, seed=0, batch=8, epochs=1, steps=None)
    assert lengths(schedule) == [8, 8, 5]
    assert rows_of(schedule) == mix_order(16, 5, 0, 0).tolist()
    assert (schedule.shown, schedule.unseen(16), schedule.rows) == (1.0, 0, 21)


def test_batches_run_across_the_end_of_an_epoch() -> None:
    schedule = make_schedule(7, 3, seed=0, batch=8, epochs=2, steps=None)
    assert lengths(schedule) == [8, 8, 4]
    assert rows_of(schedule) == [*mix_order(7, 3, 0, 0), *mix_order(7, 3, 0, 1)]


@pytest.mark.parametrize(("steps", "batch"), [(1, 4), (3, 4), (5, 4), (25, 4)])
def test_steps_are_counted_exactly_and_full(steps: int, batch: int) -> None:
    schedule = make_schedule(6, 4, seed=2, batch=batch, epochs=None, steps=steps)
    assert lengths(schedule) == [batch] * steps
    stream = np.concatenate([mix_order(6, 4, 2, epoch) for epoch in range(10)])
    assert rows_of(schedule) == stream[: steps * batch].tolist()


def test_what_is_not_seen_is_told() -> None:
    """Half an epoch of 8 benign and 8 safety rows: 8 rows are seen, and the safety rows among the rest are counted."""
    schedule = make_schedule(8, 8, seed=0, batch=4, epochs=None, steps=2)
    assert schedule.shown == 0.5
    seen = set(rows_of(schedule))
    assert schedule.unseen(8) == len(set(range(8, 16)) - seen) > 0
    assert schedule.unseen(16) == 0


@pytest.mark.parametrize(
    ("epochs", "rows", "shown"), [(0.5, 20, 10), (0.25, 10, 3), (1.5, 10, 15), (2, 10, 20), (0.001, 10, 1)]
)
def test_a_part_of_an_epoch_is_rounded_up_to_a_row(epochs: float, rows: int, shown: int) -> None:
    schedule = make_schedule(rows - 3, 3, seed=0, batch=4, epochs=epochs, steps=None)
    assert len(rows_of(schedule)) == shown
    assert schedule.shown == min(1, shown / rows)


def test_a_decimal_number_of_epochs_is_meant_as_written() -> None:
    assert len(rows_of(make_schedule(100, 0, seed=0, batch=4, epochs=1.1, steps=None))) == 110


# ---------------------------------------------------------------- identity


def tokens(*rows: tuple[list[int], int], ids: str = "abc") -> pa.Table:
    columns = [
        {"id": one, "ids": sequence, "prompt_tokens": prompt, "cut": False}
        for one, (sequence, prompt) in zip(ids, rows, strict=False)
    ]
    return pa.Table.from_pylist(columns, schema=TOKENS)


def test_the_digest_of_tokens_is_of_what_is_trained_on() -> None:
    one = tokens(([1, 2, 3], 1), ([4, 5], 1))
    assert tokens_digest(one) == tokens_digest(tokens(([1, 2, 3], 1), ([4, 5], 1), ids="xyz"))
    others = [
        tokens(([4, 5], 1), ([1, 2, 3], 1)),  # another order
        tokens(([1, 2, 3], 2), ([4, 5], 1)),  # another end of the prompt
        tokens(([1, 2], 1), ([3, 4, 5], 1)),  # another cut between rows
        tokens(([1, 2, 3], 1)),
        tokens(),
    ]
    assert len({tokens_digest(table) for table in [one, *others]}) == 6


def test_the_digest_does_not_depend_on_how_a_table_is_chunked() -> None:
    parts = pa.concat_tables([tokens(([1, 2, 3], 1)), tokens(([4, 5], 1))])
    assert tokens_digest(parts) == tokens_digest(tokens(([1, 2, 3], 1), ([4, 5], 1)))
    assert tokens_digest(parts.slice(1)) == tokens_digest(tokens(([4, 5], 1)))
