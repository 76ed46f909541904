"""Experiment trackers that a study asks for, through Ray Tune's own integrations: a cell is a trial, its steps are results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from lib.errors import UserError
from lib.study.schema import Track

PACKAGES = {"wandb": "wandb", "mlflow": "mlflow"}


def check_trackers(track: Track) -> None:
    """Refuse a tracker whose package is not here, before anything runs.

    Raises:
        UserError: names the package and how to get it.
    """
    for name, package in PACKAGES.items():
        if getattr(track, name) is not None and find_spec(package) is None:
            raise UserError(f"track.{name} needs a package that is not installed: pip install {package}")


@contextmanager
def _without(name: str) -> Iterator[None]:
    """An environment variable is not there inside the block."""
    held = os.environ.pop(name, None)
    try:
        yield
    finally:
        if held is not None:
            os.environ[name] = held


def _quiet(callback: Callable[..., Any]) -> Any:
    """Ray's callback for Weights & Biases, as one that puts no key into a runtime environment.

    It would hand the driver's WANDB_API_KEY to the process that talks to W&B by `runtime_env`, where anybody who sees the
    dashboard can read it. That process runs on the driver's node, and has the key from that node's own environment, or
    from what `wandb login` stored there.
    """
    kind: Any = callback

    class Quiet(kind):  # type: ignore[misc]
        def _start_logging_actor(self, *given: Any, **named: Any) -> None:
            with _without("WANDB_API_KEY"):
                super()._start_logging_actor(*given, **named)

    return Quiet


def callbacks(track: Track, study: str) -> list[Any]:
    """Tune's callbacks for the trackers of a study."""
    found: list[Any] = []
    if track.wandb is not None:
        from ray.air.integrations.wandb import WandbLoggerCallback

        found.append(_quiet(WandbLoggerCallback)(project=track.wandb, group=study))
    if track.mlflow is not None:
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        found.append(MLflowLoggerCallback(tracking_uri=track.mlflow, experiment_name=study))
    return found
