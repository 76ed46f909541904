"""The moving average under DeepSpeed is its definition: on every ZeRO preset, in one process and in two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.cells import assert_equal_training, distance, loss, train, weights

STEPS = 11
EMAS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "shadow": {"decay": 0.8},
    "late": {"decay": 0.5, "every_n_steps": 3, "start_step": 2},
    "in_loop": {"decay": 0.6, "every_n_steps": 2, "mode": "in_loop"},
    "in_loop_live": {"decay": 0.6, "every_n_steps": 4, "mode": "in_loop", "evaluate": "live"},
}
PRESETS = ("zero0", "zero2", "zero3")
"""ZeRO 1 keeps its masters where ZeRO 2 does."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    """Every average by definition, by DeepSpeed alone, and by two processes; folders by name."""
    folder = tmp_path_factory.mktemp("ema")
    recipes = {name: {"steps": STEPS, "ema": ema} for name, ema in EMAS.items()}
    wanted = [{"name": f"definition-{name}", "recipe": recipe, "definition": True} for name, recipe in recipes.items()]
    alone = [
        {"name": f"{preset}-1-{name}", "recipe": recipe, "preset": preset}
        for preset in PRESETS
        for name, recipe in recipes.items()
    ]
    coarse = [
        {"name": f"{preset}-bf16-{name}", "recipe": {**recipes[name], "dtype": "bf16"}, "preset": preset}
        for preset in PRESETS
        for name in ("none", "in_loop", "shadow")
    ]
    together = [{**cell, "name": cell["name"].replace("-1-", "-2-")} for cell in alone]
    job = {"model": str(tiny_llama), "out": str(folder)}
    train({**job, "cells": wanted + alone + coarse}, folder, 1)
    train({**job, "cells": together}, folder, 2)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", EMAS)
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("preset", PRESETS)
def test_it_is_its_definition(trained: Path, preset: str, world: int, name: str) -> None:
    assert_equal_training(trained, f"{preset}-{world}-{name}", f"definition-{name}")


@pytest.mark.slow
def test_the_averages_of_this_test_differ_from_each_other_by_more_than_its_tolerance(trained: Path) -> None:
    found = {name: weights(trained, f"definition-{name}") for name in EMAS}
    for name in EMAS:
        for other in EMAS:
            assert name == other or distance(found[name], found[other]) > 0.01
    losses = [loss(trained, f"definition-{name}") for name in ("none", "shadow", "in_loop")]
    assert min(abs(a - b) for i, a in enumerate(losses) for b in losses[:i]) > 5e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in_loop", "shadow"])
@pytest.mark.parametrize("preset", PRESETS)
def test_in_bf16_the_average_reaches_the_model(trained: Path, preset: str, name: str) -> None:
    """It moves the saved weights as far as in float32: a write to the masters alone would move a shadow's by nothing."""
    moved = distance(weights(trained, f"{preset}-bf16-{name}"), weights(trained, f"{preset}-bf16-none"))
    wanted = distance(weights(trained, f"definition-{name}"), weights(trained, "definition-none"))
    assert 0.7 < moved / wanted < 1.4


def test_in_the_loop_at_every_step_is_a_smaller_learning_rate() -> None:
    """theta' = d theta + (1 - d)(theta + u) = theta + (1 - d) u, decay of the weights included (why it is refused)."""
    import torch

    def run(lr: float, decay: float | None) -> torch.Tensor:
        torch.manual_seed(0)
        x, y = torch.randn(32, 6, dtype=torch.float64), torch.randn(32, dtype=torch.float64)
        theta = torch.randn(6, dtype=torch.float64, requires_grad=True)
        average = theta.detach().clone()
        optimizer = torch.optim.AdamW([theta], lr=lr, weight_decay=0.1)
        for _ in range(25):
            optimizer.zero_grad()
            ((x @ theta - y) ** 2).mean().backward()
            optimizer.step()
            if decay is not None:
                average = decay * average + (1 - decay) * theta.detach()
                theta.data.copy_(average)
        return theta.detach()

    assert torch.allclose(run(0.05, 0.7), run(0.05 * 0.3, None), atol=1e-12)
    assert not torch.allclose(run(0.05, 0.7), run(0.05, None), atol=1e-2)


def test_an_average_that_would_never_be_updated_is_refused() -> None:
    from lib.errors import UserError
    from lib.training.ema import Ema

    settings = {"decay": 0.9, "every_n_steps": 8, "start_step": 4, "mode": "shadow", "evaluate": "ema"}
    with pytest.raises(UserError, match="its first update comes at step 12 and there are 11 steps"):
        Ema(None, settings, 11)
