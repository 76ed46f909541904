"""The sweep of 336 cells: how its work spreads over machines, and what is paid for meanwhile (cluster/SCALE.md)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from lib.plan.cost_pools import DOWNLOAD_MBS
from lib.plan.pricing import BYTES, Pricer
from lib.runtime.judge_chunks import CHUNK_PAIRS
from lib.runtime.train import groups_for
from tests.cluster.scale_plan import GPU, IDLE_S, MACHINE_GPUS, bill, the_plan, the_study

WORKERS = (1, 2, 4, 8)
"""Of one training group that are tried; with 8 rows a micro batch they divide the batch of 128."""


@dataclass(frozen=True)
class Sweep:
    """The 336 cells on so many GPUs: wall seconds by stage, training with so many workers a group."""

    gpus: int
    workers: int
    fetch: float
    train: float
    generate: float
    judge: float

    @property
    def wall(self) -> float:
        return self.fetch + self.train + self.generate + self.judge

    @property
    def held(self) -> int:
        """GPUs of the machines that come for it."""
        groups = groups_for(cells_of_a_model(), self.gpus, self.workers, None)
        wanted = max(groups * self.workers, min(self.gpus, engines_at_most()))
        return min(self.gpus, MACHINE_GPUS * ceil(wanted / MACHINE_GPUS))

    @property
    def paid_h(self) -> float:
        """GPU-hours from the first machine to the last one's idle time; models are fetched before any comes."""
        return self.held * (self.wall - self.fetch + IDLE_S) / 3600

    @property
    def busy(self) -> float:
        """Share of them that `lib.plan` counts as work."""
        return sum(bill(GPU, stage).seconds for stage in ("train", "generate", "judge")) / 3600 / self.paid_h


def cells_of_a_model() -> int:
    return len(the_plan(0)[0].nodes("train"))


def engines_at_most() -> int:
    """Jobs of an answering phase: the cells of a model and the model untouched."""
    return cells_of_a_model() + 1


def weights_s(title: str) -> float:
    """Reading a model's weights on to a machine."""
    plan, lookup = the_plan()
    [node] = [one for one in plan.nodes("model") if one.title == title]
    size = Pricer(plan, lookup, GPU).amounts.size(node)
    assert size is not None
    return BYTES["bf16"] * size.stored / (DOWNLOAD_MBS * 1e6)


def models() -> list[str]:
    return [model.name for model in the_study().models]


def train_s(model: int, gpus: int, workers: int) -> float:
    """A model's cells in groups of warm workers, wave by wave."""
    cells, seconds = cells_of_a_model(), GPU.seconds
    work = (bill(GPU, "train", model).seconds - seconds.group) / cells - seconds.cell
    waves = ceil(cells / groups_for(cells, gpus, workers, None))
    return weights_s(models()[model]) + seconds.group + waves * (seconds.cell + work / workers)


def generate_s(model: int, gpus: int) -> float:
    """A model's cells on its engines, wave by wave."""
    jobs = engines_at_most()
    each = (bill(GPU, "generate", model).seconds - GPU.seconds.engine) / jobs
    return GPU.seconds.engine + ceil(jobs / min(gpus, jobs)) * each


def judge_s(gpus: int) -> float:
    """All answers to the model judge, in chunks; no two answers equal."""
    plan, _ = the_plan()
    answers = sum(node.task["prompts"].size for node in plan.nodes("generate"))
    chunks = ceil(answers / CHUNK_PAIRS)
    each = (bill(GPU, "judge").seconds - GPU.seconds.engine) / chunks
    return weights_s("judge wildguard") + GPU.seconds.engine + ceil(chunks / min(gpus, chunks)) * each


def sweep(gpus: int) -> Sweep:
    """With the number of workers that ends first, and of equals the fewest."""
    count = range(len(models()))
    totals = {w: sum(train_s(m, gpus, w) for m in count) for w in WORKERS if w <= gpus}
    workers = min(totals, key=lambda w: (totals[w], w))
    fetch = sum(weights_s(node.title) for node in the_plan()[0].nodes("model"))
    generate = sum(generate_s(m, gpus) for m in count)
    return Sweep(gpus, workers, fetch, totals[workers], generate, judge_s(gpus))
