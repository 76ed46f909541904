"""A run that is killed at half: what it loses when the same command is given again, against starting from nothing.

One undisturbed run of the tiny study (`tests.studies`: every stage with its real engine, a model of two layers) takes U
seconds; another is killed with SIGKILL at U/2, and the same command given once more at once. Time lost is what both commands
took beyond U: Ray, training group and engine started again, and steps since the last checkpoint done again. Whoever keeps
nothing loses U/2. Both runs must end with the same results.

The tiny study is nearly all starts, and they are what is paid twice: a longer run loses the same seconds of more.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from tests.benchmarks.harness import Result
from tests.studies import write_study
from tests.tiny_models import make_model

TARGET = 1.5
CELLS = ("sweep.seed=[0, 1, 2]", "recipe.steps=120", "train.checkpoint_steps=20")


def run(quick: bool) -> list[Result]:
    """Seconds lost; `quick` runs only up to the selections."""
    job, more = ("sample", ()) if quick else ("sweep", CELLS)
    with tempfile.TemporaryDirectory(prefix="ballast-resume-") as place:
        model = make_model(Path(place) / "tiny")
        calm, killed = (prepare(Path(place) / name, model) for name in ("calm", "killed"))
        whole_s = command(job, calm, more)
        spent_s = command(job, killed, more, killed_after_s=whole_s / 2)
        again_s = command(job, killed, more)
        if not quick and results(calm) != results(killed):
            raise RuntimeError("the run that was killed ended with other results")
    lost, nothing = spent_s + again_s - whole_s, spent_s
    ratio = round(nothing / max(lost, 0.1), 3)
    return [
        Result(
            name="resume, time lost to a kill at half", size="selections only" if quick else "the tiny study, 7 fine-tunes",
            against="starting from nothing", ours=round(lost, 1), other=round(nothing, 1), unit="s", ratio=ratio,
            target=None if quick else TARGET, n=1, spread=(ratio, ratio),
            note=f"undisturbed {whole_s:.0f} s; {again_s:.0f} s for the same command again",
        )
    ]  # fmt: skip


def prepare(folder: Path, model: Path) -> Path:
    """The study with a storage of its own."""
    folder.mkdir()
    return write_study(folder / "study.yaml", model=model, storage=folder / "runs")


def results(study: Path) -> object:
    """What a run came to."""
    return pq.read_table(study.parent / "runs" / "studies" / "tiny" / "results.parquet")


def command(job: str, study: Path, more: tuple[str, ...], killed_after_s: float | None = None) -> float:
    """Seconds of the command that a user gives, to its end or until it is killed."""
    given = [sys.executable, "-m", f"jobs.{job}", str(study), *more]
    log, begun = study.parent / "log", time.perf_counter()
    with log.open("w") as out:
        process = subprocess.Popen(given, stdout=out, stderr=subprocess.STDOUT)
        try:
            code = process.wait(killed_after_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return time.perf_counter() - begun
    if killed_after_s is not None:
        raise RuntimeError(f"it ended with {code} before it could be killed")
    if code:
        raise RuntimeError(f"{' '.join(given)} ended with {code}:\n{log.read_text()[-4000:]}")
    return time.perf_counter() - begun
