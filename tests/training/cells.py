"""Starting groups of training processes, and reading what they wrote."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import ROOT


def run_processes(module: str, job: Path, world: int) -> None:
    """`python -m MODULE JOB` in `world` processes over gloo, to their end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(world)}
    env |= {"PYTHONPATH": str(ROOT), "DEEPSPEED_LOG_LEVEL": "warning", "HF_HUB_OFFLINE": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, str(job)], cwd=ROOT, text=True,
            env={**env, "RANK": str(rank), "LOCAL_RANK": str(rank)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for rank in range(world)
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=480)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * world, "\n".join(text[-3000:] for text in said)


def train(job: dict[str, Any], folder: Path, world: int) -> None:
    """Run a job of `tests.training.worker` in `world` processes."""
    path = folder / f"job-{world}.json"
    path.write_text(json.dumps(job))
    run_processes("tests.training.worker", path, world)


def weights(folder: Path, name: str) -> dict[str, np.ndarray]:
    """The adapter or the model that a cell saved, float32 by parameter."""
    from safetensors.torch import load_file

    kinds = ("adapter/adapter_model.safetensors", "weights/model.safetensors")
    found = load_file(next(folder / name / kind for kind in kinds if (folder / name / kind).exists()))
    return {key: value.float().numpy() for key, value in found.items()}


def result(folder: Path, name: str) -> dict[str, Any]:
    """What a cell told."""
    found: dict[str, Any] = json.loads((folder / name / "result.json").read_text())
    return found


def loss(folder: Path, name: str) -> float:
    """A cell's held-out loss."""
    return float(result(folder, name)["holdout_loss"])


def distance(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """Relative to the second, over all weights."""
    assert one.keys() == other.keys()
    apart = sum(float(((one[key] - other[key]) ** 2).sum()) for key in one)
    return float((apart / sum(float((value**2).sum()) for value in other.values())) ** 0.5)


def assert_equal_training(folder: Path, found: str, wanted: str) -> None:
    """Two cells ended with the same weights, and with the same held-out loss: a forward pass right after any write-back, so
    that a model which kept its old weights would differ."""
    assert distance(weights(folder, found), weights(folder, wanted)) < 1e-3
    assert abs(loss(folder, found) - loss(folder, wanted)) <= 1e-5
