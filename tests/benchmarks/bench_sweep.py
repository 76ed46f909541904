"""Twelve cells of one base model as one sweep, against the same cells as twelve runs that share nothing.

Every side is the command that a user gives, into an empty storage (`sweep_run`); what is compared is the clock's total without
the seconds of the train artifacts (from the data of a cell to its saved weights, as their manifests have them). Of the twelve
separate runs one is made and counted twelve times, since all would take most of an hour; it also answers for the untouched
model, as that command does.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from tests.benchmarks.harness import Result
from tests.benchmarks.sweep_run import DRAWS, SEEDS, SHORT, SMALL, STEPS, STRATEGIES, command, overrides, shared
from tests.tiny_models import make_model

TARGET, START_LIMIT_S = 4.0, 5.0


def run(quick: bool) -> list[Result]:
    """One sweep, and a separate run."""
    if quick:
        with tempfile.TemporaryDirectory(prefix="ballast-sweep-model-") as place:
            small = (*SMALL, f"models.0.source={make_model(Path(place) / 'tiny')}")
            cells, one = 2, command(overrides(("random",), (0, 1), (0,), small))
            alone = command(overrides(("random",), (0,), (0,), small))
    else:
        cells, one = len(STRATEGIES) * len(DRAWS) * len(SEEDS), shared()
        alone = command(overrides(STRATEGIES[1:], DRAWS[1:2], SEEDS[1:], SHORT))
    size = f"{cells} cells, " + ("8 prompts, 2 steps" if quick else f"the demo's size but {STEPS} steps")
    note = f"1 of {cells} separate runs measured, times {cells}; training {one.training:.0f} s beside it"
    warm = one.starts[1:]
    start, ratio = statistics.median(warm), round(cells * alone.rest / one.rest, 3)
    return [
        Result(
            name=f"{cells}-cell sweep, all but training", size=size, against="separate runs without sharing",
            ours=round(one.rest, 1), other=round(cells * alone.rest, 1), unit="s", ratio=ratio, target=TARGET, n=1,
            spread=(ratio, ratio), note=note,
        ),
        Result(
            name="a cell's start in a warm group", size=f"{len(warm)} cells after the first, {size}", against="the limit",
            ours=round(start, 2), other=START_LIMIT_S, unit="s", ratio=round(START_LIMIT_S / start, 3), target=1, n=len(warm),
            spread=(round(START_LIMIT_S / max(warm), 3), round(START_LIMIT_S / min(warm), 3)),
            note=f"the first, which loads the base: {one.starts[0]:.1f} s",
        ),
    ]  # fmt: skip
