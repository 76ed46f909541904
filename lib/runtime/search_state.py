"""What the driver of a search knows: the cells that it has come to, what each is worth so far, and what is written down of it."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from lib.plan.points import Point
from lib.plan.tried import Look, Looks, Tried, write_tried
from lib.runtime.look import Looker, Value
from lib.runtime.pipeline import Outcomes
from lib.runtime.session import Session
from lib.runtime.suggest import FAILED, SCORE
from lib.runtime.train import cell_job
from lib.study.schema import Study

TIME = "time"
"""How far a trial is, in the scheduler's own count."""


@dataclass
class Trial:
    """A cell that a search has come to."""

    point: Point
    label: str
    key: str
    value: Value | None = None
    failed: dict[str, Any] | None = None
    stopped: Look | None = None
    """The look that ended it."""
    looks: list[Look] = field(default_factory=list)
    held: dict[str, Any] | None = None
    """Its job, as long as what is stored of it may still end it."""
    method: str = ""
    """Its recipe's."""

    @property
    def tried(self) -> Tried | None:
        """As it is written down; None while it runs."""
        own: dict[str, Any] = {"point": self.point, "label": self.label, "key": self.key}
        if self.failed:
            return Tried(**own, state="failed")
        if self.stopped:
            return Tried(**own, state="stopped", step=self.stopped.step, value=self.stopped.value)
        return Tried(**own, state="done", value=self.value.value) if self.value else None


@dataclass
class Found:
    """What the searches of a study, one for each model, have come to so far."""

    study: Study
    looks: Looks
    trials: dict[str, Trial] = field(default_factory=dict)
    """By key."""
    over: bool = False
    """No further cell can be trained."""
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def write(self) -> None:
        """Write down what was tried."""
        with self._writing:
            told = [one.tried for one in list(self.trials.values())]
            write_tried(self.study, [one for one in told if one], self.looks)

    @property
    def failed(self) -> Outcomes:
        """Cells that failed, as the pipeline names them."""
        return {key: one.failed for key, one in self.trials.items() if one.failed}


class Searching:
    """A search that runs, for one model."""

    def __init__(self, study: Study, looker: Looker, found: Found, session: Session) -> None:
        self.study, self.looker, self.found, self.session = study, looker, found, session
        self.labels: dict[str, str] = {}
        """Of the cells to train, by key."""
        self.queue: Any = None
        self._early: list[tuple[str, Any]] = []
        rules = study.sweep.search
        self.looking = rules.method == "asha"
        self.end = rules.factor**rules.rungs if self.looking else 1
        """The time of a trial that has ended."""

    def start(self, queue: Any) -> None:
        """There is a queue now: hand on what was begun before."""
        self.queue, early = queue, self._early
        for name, argument in early:
            self._call(name, *argument)

    def _call(self, name: str, *arguments: Any) -> None:
        import ray

        if self.queue is None:
            self._early.append((name, arguments))
        else:
            ray.get(getattr(self.queue, name).remote(*arguments))

    def over(self) -> bool:
        """May no further cell be begun?"""
        left = self.session.time_left_s
        stopped = self.study.sweep.on_cell_error == "stop" and bool(self.found.failed)
        return self.found.over or stopped or (left is not None and left <= 0)

    def begin(self, point: Point) -> tuple[str, float | None, dict[str, Any]]:
        """A point's cell: known (its score), or begun now. (key, score, configuration of its trial)."""
        cell = self.looker.cell(point)
        assert cell.train is not None
        key = str(cell.train.key)
        trial = self.found.trials.setdefault(key, Trial(point, cell.label, key))
        config = {"cell": {"key": key, "label": cell.label, "study": self.study.name}}
        if trial.value is None and not trial.failed:
            trial.value = self.looker.known(point)
        if trial.value is not None and not self.looking:
            self.found.write()
            return key, self.score(trial.value), config
        if key not in self.labels:
            self.labels[key] = cell.label
            job = cell_job(self.looker.lookup, cell.train, cell.label, self.study)
            trial.method = job.recipe["method"]
            self._begin(trial, asdict(job))
        return key, None, config

    def _begin(self, trial: Trial, job: dict[str, Any]) -> None:
        rules = self.study.sweep.search
        self._call("expect", trial.key)
        if self.looking:
            job["looks"] = {"count": rules.rungs, "factor": rules.factor}
            trial.looks = self.found.looks.setdefault(self.looker.name_looks(trial.key), [])
            for look in trial.looks:  # seen before, by a driver that was killed
                self._call("tell", trial.key, self.of_look(look))
        if trial.value is not None:
            self.tell_end(trial)
        elif trial.looks:
            trial.held = job
        else:
            self._call("add", job)

    def score(self, value: Value) -> float:
        """What Tune sees of a value."""
        return self.looker.objective.score(value.value, value.over_refusal)

    def of_look(self, look: Look) -> dict[str, Any]:
        """What a trial reports of a look."""
        return {TIME: look.time, SCORE: self.score(Value(look.value, look.over_refusal)), "step": look.step}

    def tell_look(self, trial: Trial, look: Look) -> None:
        """A cell was looked at: its trial is told, and it is written down."""
        trial.looks.append(look)
        self.found.write()
        self._call("tell", trial.key, self.of_look(look))

    @property
    def lost(self) -> dict[str, Any]:
        """What the trial of a cell without a value reports."""
        return {SCORE: float("nan"), FAILED: 1, TIME: self.end}

    def tell_end(self, trial: Trial) -> None:
        """A cell has come to its end, or has failed: its trial is told, and it is written down."""
        told = self.lost
        if trial.value is not None and not trial.failed:
            told = {SCORE: self.score(trial.value), self.looker.objective.metric: trial.value.value, TIME: self.end}
        self.found.write()
        self._call("tell", trial.key, told)
        self._call("end", trial.key)

    def give_back(self, key: str, time: int) -> None:
        """A cell whose look failed does not go on, and its group is free."""
        self._call("decide", key, time, False)

    def decided(self, key: str, time: int, goes_on: bool) -> None:
        """What the scheduler says of a look."""
        trial = self.found.trials[key]
        self._call("decide", key, time, goes_on)
        look = next(one for one in trial.looks if one.time == time)
        if not goes_on:
            trial.stopped, trial.held = look, None
            self.found.write()
        elif trial.held and look is trial.looks[-1]:
            job, trial.held = trial.held, None
            self._call("add", job)
