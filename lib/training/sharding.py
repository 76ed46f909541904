"""Parameters that ZeRO 3 has spread over workers, whole for a moment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any


@contextlib.contextmanager
def gathered(parameters: Sequence[Any]) -> Iterator[None]:
    """These parameters are whole on every rank inside the block, to be read and not written. Every rank has to enter it.

    Costs nothing where nothing is sharded.
    """
    if not any(hasattr(p, "ds_id") for p in parameters):
        yield
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters(list(parameters)):
        yield
