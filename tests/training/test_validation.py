"""Rows held out of the mix to choose by."""

from __future__ import annotations

import numpy as np
import pytest

from lib.errors import UserError
from lib.training.validation import validation_rows


def test_they_are_of_the_mix_in_its_proportion() -> None:
    out = validation_rows(90, 10, 20, seed=3)
    assert len(set(out.tolist())) == 20
    assert (out >= 90).sum() == 2
    assert (np.diff(out) > 0).all()
    assert out.max() < 100


def test_cells_of_one_seed_hold_out_nearly_the_same_benign_rows() -> None:
    without, with_safety = validation_rows(90, 0, 20, seed=3), validation_rows(90, 10, 20, seed=3)
    benign = set(with_safety[with_safety < 90].tolist())
    assert benign < set(without.tolist())
    assert set(validation_rows(90, 0, 20, seed=4).tolist()) != set(without.tolist())


def test_something_has_to_be_left() -> None:
    with pytest.raises(UserError, match=r"recipe.validation.rows 100 would hold out all 100 rows: lower it"):
        validation_rows(90, 10, 100, seed=0)
