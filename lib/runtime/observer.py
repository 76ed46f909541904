"""What the driver tells those who watch: the gauges of a whole study, its log, and the record that `--status` reads.

One observer goes with one session, through all stages and, of a search, all rounds. Workers and engines count what they do by
themselves (`lib/runtime/metrics`); what only the driver knows is told here: which cells wait, run, are done or have failed,
what judges found, how long stages take. Nothing here fails a run.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import StorageError
from lib.judging.judge import Judge, make_judge
from lib.plan import Cell, Lookup, Node, Plan
from lib.runtime.metrics import STATES, Meter, is_up
from lib.runtime.outputs import study_folder
from lib.statistics.metrics import overall_asr
from lib.status.journal import Journal, clean
from lib.status.record import RECORD_FILE, Expected, Record, expected, make_record, write_record
from lib.status.sender import LogSender
from lib.store.place import shared_of
from lib.study.schema import Study

STEP_S = 5.0
"""Seconds between two lines on the steps of one cell."""


class Observer:
    """Tells of one study; without one, of nothing."""

    def __init__(self, study: Study | None = None) -> None:
        self.study = study.name if study else ""
        self.meter = Meter(self.study)
        self.folder: Path | None = study_folder(study) if study else None
        self.shared = shared_of(study.storage) if study else None
        self.journal = Journal(self.folder, study=self.study, run=uuid.uuid4().hex[:8]) if self.folder else None
        self.states: dict[str, str] = {}
        """Label of a cell -> one of `STATES`."""
        self._stage, self._stage_begun = "", 0.0
        self._spent = defaultdict[str, float](float)
        self._training, self._stepped = set[str](), dict[str, float]()
        self._open = dict[str, set[str]]()
        """Label of a cell -> keys of what it lacks, once it is trained."""
        self._verdicts = dict[str, list[tuple[str, str, str]]]()
        """Key of a judge node -> (cell, prompt set, judge)."""
        self._asr = dict[tuple[str, str, str], float]()
        self._record: Record | None = None
        self._expected: tuple[int, Expected | None] | None = None
        self._last: tuple[Plan, Lookup] | None = None

    @contextlib.contextmanager
    def run(self, until: str) -> Iterator[None]:
        """A run from its start to its end."""
        started, outcome, error = time.monotonic(), "done", None
        with LogSender(self.shared, f"studies/{self.study}") if self.shared else contextlib.nullcontext():
            self.tell("run_started", until=until)
            try:
                yield
            except BaseException as raised:
                outcome = "stopped" if isinstance(raised, KeyboardInterrupt) else "failed"
                error = type(raised).__name__ if outcome == "failed" else None
                raise
            finally:
                level = "error" if error else "info"
                self.tell(
                    "run_ended", level, outcome=outcome, error=error, seconds=round(time.monotonic() - started, 1)
                )

    @contextlib.contextmanager
    def stage(self, stage: str, nodes: int, missing: int) -> Iterator[None]:
        """A stage while it works."""
        self._stage, self._stage_begun = stage, time.monotonic()
        self.tell("stage_started", nodes=nodes, missing=missing)
        try:
            yield
            self.tell("stage_ended", seconds=round(time.monotonic() - self._stage_begun, 1))
        finally:
            self._spent[stage] += time.monotonic() - self._stage_begun
            self._stage = ""

    def planned(self, plan: Plan, lookup: Lookup, failed: Mapping[str, Mapping[str, Any]]) -> None:
        """The driver has planned, all cells included.

        Args:
            failed: fine-tunes that failed (`error`) or were left, by key.
        """
        if self.folder is None:
            return
        self._last, self._open = (plan, lookup), {}
        self._verdicts = defaultdict(list)
        self.states = {cell.label: self._state(cell, lookup, failed) for cell in plan.cells}
        for cell in plan.cells:
            for (prompts, judge), node in cell.judge.items():
                if node.key is not None:
                    self._verdicts[node.key].append((cell.label, prompts, judge))
        self._write_record(plan, lookup)
        self.refresh()

    def refresh(self) -> None:
        """Set every gauge of the driver: Ray may have come up since."""
        if self._last is None or not is_up():
            return
        self._count()
        plan, lookup = self._last
        for cell in plan.cells:
            for (prompts, judge), node in cell.judge.items():
                if (cell.label, prompts, judge) not in self._asr and lookup.have(node):
                    with contextlib.suppress(
                        OSError, ValueError, StorageError
                    ):  # not to be read: who needs it will say so
                        answers = lookup.folder(cell.generate[prompts]) / "generations.parquet"
                        verdicts = pq.read_table(lookup.folder(node) / "verdicts.parquet")
                        self._found((cell.label, prompts, judge), _asr(answers, verdicts, make_judge(judge)))
        for where, value in self._asr.items():
            self.meter.set("ballast_asr", value, **dict(zip(("cell", "prompts", "judge"), where, strict=True)))

    def cell_started(self, key: str, label: str) -> None:
        """A worker group has begun on a fine-tune, or begun again."""
        self._training.add(key)
        self.states[label] = "running"
        self.tell("cell_started", cell=label, key=key)
        self._count()

    def cell_step(self, key: str, label: str, step: float, total: float, loss: float) -> None:
        """A fine-tune has made so many of its steps. Told now and then."""
        now = time.monotonic()
        if now - self._stepped.get(key, -STEP_S) >= STEP_S or step == total:
            self._stepped[key] = now
            self.tell("cell_step", cell=label, key=key, step=step, total=total, loss=loss)

    def cell_ended(self, key: str, label: str, outcome: Mapping[str, Any]) -> None:
        """A fine-tune has an outcome (`lib.runtime.cell_queue.CellQueue.finish`)."""
        self._training.discard(key)
        if "metrics" in outcome:
            metrics = outcome["metrics"]
            self.tell(
                "cell_trained", cell=label, key=key, holdout_loss=metrics["holdout_loss"], steps=metrics["steps"],
                seconds=round(metrics["wall_s"], 1),
            )  # fmt: skip
        elif "error" in outcome:
            self.states[label] = "failed"
            kind = "UserError" if outcome["user"] else "RetriableError"
            self.tell("cell_failed", "error", cell=label, key=key, error=kind, reason=clean(str(outcome["error"])))
        else:
            self.states[label] = "waiting"
            self.tell("cell_left", "warning", cell=label, key=key)
        self._count()

    def answered(self, label: str, key: str | None, said: Mapping[str, Any]) -> None:
        """A cell has answered what it was asked (`lib.runtime.cell_engine.CellEngine.answer`)."""
        if self.states.get(label) == "waiting":
            self.states[label] = "running"
        self.tell(
            "cell_answered", cell=label, key=key, tokens=said["tokens"], canary=said["canary"], nats=said["distance"],
            seconds=round(said["seconds"], 1),
        )  # fmt: skip
        self._count()

    def judged(self, node: Node, answers: Path, verdicts: pa.Table, judge: Judge, errors: int) -> None:
        """The verdicts of a judge on a set of answers are published.

        Args:
            errors: answers on which it gave none.
        """
        self.meter.add("ballast_error_rows", errors)
        places = self._verdicts.get(str(node.key), ())
        found = _asr(answers, verdicts, judge) if places else None
        for label, prompts, named in places:
            asr, n = found or (None, None)
            self._found((label, prompts, named), found)
            self.tell(
                "answers_judged", cell=label, key=node.key, prompts=prompts, judge=named, rows=verdicts.num_rows,
                errors=errors, asr=asr, n=n,
            )  # fmt: skip
            lacks = self._open.get(label, set())
            lacks.discard(str(node.key))
            if not lacks and self.states.get(label) == "running":
                self.states[label] = "done"
        self._count()

    def engine_lost(self, what: str, tries: int) -> None:
        """An engine was lost, and another one is started."""
        self.meter.add("ballast_engine_restarts")
        if self.journal:
            self.journal.write("engine_lost", "warning", stage=self._stage or None, subject=what, tries=tries)

    def ticked(self, subject: str, done: float, total: float, unit: str) -> None:
        """A line of progress was shown. Fine-tunes tell of their steps by themselves."""
        if self._stage != "train":
            self.tell("progress", subject=subject, done=done, total=total, unit=unit)

    def tell(self, event: str, level: str = "info", **fields: Any) -> None:
        """One line of the log; something has come on."""
        if self.journal:
            self.journal.write(event, level, stage=self._stage or None, **fields)
        self.meter.progress()
        for stage in {*self._spent, *([self._stage] if self._stage else [])}:
            now = time.monotonic() - self._stage_begun if stage == self._stage else 0.0
            self.meter.set("ballast_stage_seconds", self._spent[stage] + now, stage=stage)

    def _state(self, cell: Cell, lookup: Lookup, failed: Mapping[str, Mapping[str, Any]]) -> str:
        key = str(cell.train.key) if cell.train else None
        if key in failed:
            return "failed" if "error" in failed[str(key)] else "waiting"
        if cell.train is not None and not lookup.have(cell.train):
            return "running" if key in self._training else "waiting"
        rest = [*cell.generate.values(), *cell.utility.values(), *cell.judge.values()]
        missing = [node for node in rest if not lookup.have(node)]
        self._open[cell.label] = {str(node.key) for node in missing}
        if not missing:
            return "done"
        return "waiting" if cell.train is None and len(missing) == len(rest) else "running"

    def _count(self) -> None:
        counts = Counter(self.states.values())
        for state in STATES:
            self.meter.set("ballast_cells", counts[state], state=state)

    def _found(self, where: tuple[str, str, str], found: tuple[float, int] | None) -> None:
        if found is not None:
            self._asr[where] = found[0]
            self.meter.set("ballast_asr", found[0], cell=where[0], prompts=where[1], judge=where[2])

    def _write_record(self, plan: Plan, lookup: Lookup) -> None:
        assert self.folder is not None
        try:
            open_keys = sum(node.key is None for node in plan.all_nodes())
            if self._expected is None or self._expected[0] != open_keys:  # more is known than when it was told
                self._expected = (open_keys, expected(plan, lookup))
            record = make_record(plan, self._expected[1])
            if record != self._record:
                write_record(self.folder, record)
                if self.shared:
                    self.shared.send(f"studies/{self.study}", [RECORD_FILE])
                self._record = record
        except Exception as error:  # nobody's result rests on it
            logging.getLogger(__name__).debug("progress is not recorded: %r", error)


def _asr(answers: Path, verdicts: pa.Table, judge: Judge) -> tuple[float, int] | None:
    return overall_asr(pq.read_table(answers, columns=["kind"]), verdicts, judge)
