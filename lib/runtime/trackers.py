"""Experiment trackers that a study asks for, through Ray Tune's own integrations: a cell is a trial, its steps are results."""

from __future__ import annotations

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


def callbacks(track: Track, study: str) -> list[Any]:
    """Tune's callbacks for the trackers of a study."""
    found: list[Any] = []
    if track.wandb is not None:
        from ray.air.integrations.wandb import WandbLoggerCallback

        found.append(WandbLoggerCallback(project=track.wandb, group=study))
    if track.mlflow is not None:
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        found.append(MLflowLoggerCallback(tracking_uri=track.mlflow, experiment_name=study))
    return found
