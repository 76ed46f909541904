"""What can be watched while a cell trains: Ray metrics for the dashboard, TensorBoard, and steps for trials and the terminal."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType
from typing import Any

from lib.errors import StorageError
from lib.runtime.metrics import METRICS, Meter
from lib.store import at
from lib.store.place import send
from lib.training.steps import StepReport

TELL_S = 1.0
"""Seconds between two messages to the queue."""
PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40S": 362.0, "A10G": 70.0, "L4": 121.0, "B200": 2250.0}
"""Dense bf16 peak of accelerators by a part of their name (data sheets). MFU is not told for others."""
TRAINING = "ballast_train_"
GAUGES = [name.removeprefix(TRAINING) for name in METRICS if name.startswith(TRAINING)]


class Watched:
    """A cell that rank 0 trains. Use as a context manager."""

    def __init__(self, job: dict[str, Any], config: dict[str, Any], model: Any) -> None:
        from tensorboardX import SummaryWriter

        self.watched = job["watched"]
        self.key, self.label, self.queue = job["key"], job["label"], config["queue"]
        self.meter = Meter(config["study"])
        self.events = SummaryWriter(str(at(job["watched"])), flush_secs=10)
        self.speed = Speed(model, job["recipe"]["method"], config["workers"])
        self.untold: list[dict[str, Any]] = []
        self.told_at = 0.0

    def __enter__(self) -> Watched:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tell()
        self.events.close()
        with suppress(StorageError, OSError):  # a curve is no result, and its folder may have been removed meanwhile
            send(self.watched, *(path.name for path in at(self.watched).iterdir()))

    def step(self, report: StepReport) -> None:
        """Tell everybody of a step."""
        seen = {**asdict(report), **self.speed.of(report)}
        self.meter.add("ballast_tokens_trained", report.tokens)
        for name in GAUGES:
            if seen.get(name) is not None:
                self.meter.set(f"{TRAINING}{name}", seen[name], cell=self.label)
                if name != "step":
                    self.events.add_scalar(name, seen[name], report.step)
        self.untold.append({name: value for name, value in seen.items() if value is not None})
        if time.monotonic() - self.told_at > TELL_S:
            self._tell()

    def say(self, text: str) -> None:
        """A line for the user."""
        self.queue.say.remote(self.key, text)

    def _tell(self) -> None:
        if self.untold:
            self.queue.report.remote(self.key, self.untold)
            self.untold, self.told_at = [], time.monotonic()


class Speed:
    """How fast a step was, and how much of the accelerator it used."""

    def __init__(self, model: Any, method: str, workers: int) -> None:
        import torch

        self.parameters, self.workers = sum(p.numel() for p in model.parameters()), workers
        self.flops_per_parameter = 6 if method == "full" else 4
        """Of a token: 2 forward, 2 back to the activations, 2 to the weights, which an adapter's base has none of."""
        self.peak: float | None = None
        self.cuda = torch.cuda.is_available()
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
            name = torch.cuda.get_device_name()
            self.peak = next((peak for part, peak in PEAK_TFLOPS.items() if part in name), None)

    def of(self, report: StepReport) -> dict[str, float | None]:
        """`tokens_per_s`, `memory_gb` and `mfu` (None where they are not known)."""
        import psutil
        import torch

        memory = torch.cuda.max_memory_allocated() if self.cuda else psutil.Process().memory_info().rss
        computed = self.flops_per_parameter * self.parameters * report.computed_tokens
        mfu = None if self.peak is None else computed / report.seconds / (self.peak * 1e12)
        return {"tokens_per_s": report.tokens / report.seconds, "memory_gb": memory / 1e9, "mfu": mfu}
