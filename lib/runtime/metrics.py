"""Ballast's own numbers on Ray's metrics endpoint: one table, and a meter that records them from where the work is done.

Ray exports each under `ray_` and its name, a counter with `_total` behind it, and adds the node and the process. Counters of
several processes add up by `sum`; the time of the last progress is the `max` over those that tell it. What a process has
counted is sent when it ends too, unless it is killed from outside; then its work is mostly done again, and counted again.

Whoever watches must not be able to stop what is watched: a number that cannot be recorded is lost, and where Ray is not
started nothing is looked at or imported.
"""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass
from typing import Any, Literal

LAST_PROGRESS = "ballast_last_progress_timestamp_seconds"
STATES = ("waiting", "running", "done", "failed")
"""Of `ballast_cells`. A cell is running from its training's start until every answer of it is judged."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One row of the table."""

    name: str
    """As it is recorded: without Ray's `ray_`, and of a counter without `_total`."""
    kind: Literal["counter", "gauge"]
    help: str
    tags: tuple[str, ...] = ()
    """Besides `study`, which every one has."""
    work: bool = False
    """To count it is progress."""

    @property
    def tag_keys(self) -> tuple[str, ...]:
        """All of its tags."""
        return ("study", *self.tags)

    @property
    def exported(self) -> str:
        """Its name on the endpoint."""
        return f"ray_{self.name}{'_total' if self.kind == 'counter' else ''}"


def _training(name: str, text: str) -> Metric:
    return Metric(name=f"ballast_train_{name}", kind="gauge", help=text, tags=("cell",))


METRICS = {
    one.name: one
    for one in (
        Metric(name="ballast_rows_embedded", kind="counter", work=True,
               help="Rows of corpora, references and prompts whose text has a vector."),
        Metric(name="ballast_tokens_trained", kind="counter", work=True, help="Learned tokens, all workers."),
        Metric(name="ballast_tokens_generated", kind="counter", work=True,
               help="Tokens of answers to prompt sets and tasks; what judges and guards say is not counted."),
        Metric(name="ballast_error_rows", kind="counter",
               help="Prompts left without an answer, and answers on which a judge gave no verdict."),
        Metric(name="ballast_engine_restarts", kind="counter",
               help="vLLM engines that were lost, or served other weights than were trained, and were started anew."),
        Metric(name="ballast_cells", kind="gauge", tags=("state",),
               help="Cells of the study by state, the untouched models included; running: begun, and not all judged."),
        Metric(name="ballast_asr", kind="gauge", tags=("cell", "prompts", "judge"),
               help="asr of a cell whose answers are judged: the share without a refusal phrase, or that is harmful."),
        Metric(name="ballast_stage_seconds", kind="gauge", tags=("stage",),
               help="Seconds that this run has spent in a stage so far."),
        Metric(name=LAST_PROGRESS, kind="gauge",
               help="When a worker, an engine or the driver last came on, seconds since 1970; take the largest."),
        _training("loss", "Training loss, nats per learned token."),
        _training("lr", "Learning rate."),
        _training("gradient_norm", "Gradient norm before clipping."),
        _training("tokens_per_s", "Learned tokens per second, all workers."),
        _training("step", "Optimizer steps done."),
        _training("memory_gb", "Peak memory of the accelerator, or resident memory of the process on a CPU, GB."),
        _training("mfu", "Model FLOPs utilisation of one accelerator (0 to 1)."),
    )
}  # fmt: skip
"""By name. The dashboard and the alerts of `cluster/` are written against it."""

_instruments: dict[str, Any] = {}


class Meter:
    """Records the metrics of one study in this process. Cheap to make and to send.

    Args:
        study: its name; "" for work that belongs to no study, of which nothing is recorded.
    """

    def __init__(self, study: str) -> None:
        self.study = study
        self._progressed = 0.0

    def add(self, name: str, amount: float = 1, **tags: str) -> None:
        """Count `amount` more."""
        if amount > 0:
            self._record(METRICS[name], amount, tags)
        if METRICS[name].work:
            self.progress()

    def set(self, name: str, value: float, **tags: str) -> None:
        """The gauge's value from now on."""
        self._record(METRICS[name], value, tags)

    def progress(self) -> None:
        """Something has come on. Told at most once a second."""
        now = time.time()
        if now - self._progressed >= 1:
            self._progressed = now
            self.set(LAST_PROGRESS, now)

    def _record(self, metric: Metric, value: float, tags: dict[str, str]) -> None:
        if not self.study or not is_up():
            return
        try:
            instrument = _instruments.get(metric.name) or _instruments.setdefault(metric.name, _make(metric))
            record = instrument.inc if metric.kind == "counter" else instrument.set
            record(value, {"study": self.study, **tags})
        except Exception as error:  # whatever it is: what is watched goes on
            logging.getLogger(__name__).debug("%s is not recorded: %r", metric.name, error)


def is_up() -> bool:
    """Is Ray started in this process?"""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def _make(metric: Metric) -> Any:
    from ray.util import metrics

    kind = metrics.Counter if metric.kind == "counter" else metrics.Gauge
    return kind(metric.name, description=metric.help, tag_keys=metric.tag_keys)
