"""The arithmetic of cluster/SCALE.md: `python -m tests.cluster.scale` prints its tables.

Work comes from `lib.plan`, which prices the plan of `scale.yaml` on one device: FLOPs, bytes, starts, with the constants that
`lib/plan/accelerators.py` and `lib/plan/cost*.py` state. What is added here is how that work spreads over many machines, by
the limits that the code sets (partitions, blocks, cells of a model, chunks of answers), and what is paid for meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from unittest.mock import patch

from lib.embedding.near import block_count
from lib.plan import Lookup, Node, make_plan
from lib.plan import amounts as amounts_module
from lib.plan.accelerators import ACCELERATORS, CPU, PRICED, Accelerator
from lib.plan.amounts import UNSEEN_CHARS
from lib.plan.cost import PRICES
from lib.plan.cost_pools import DOWNLOAD_MBS, ROWS_A_SECOND, pairs_s
from lib.plan.cost_training import ADAPTER_FLOPS
from lib.plan.plan import Plan
from lib.plan.pricing import BYTES, FORWARD_FLOPS, Bill, Pricer
from lib.runtime.embed import PART_ROWS
from lib.runtime.judge_chunks import CHUNK_PAIRS
from lib.runtime.train import groups_for
from lib.store import Store
from lib.study import load_study
from lib.study.schema import Study
from tests.conftest import ROOT

STUDY = Path(__file__).with_name("scale.yaml")
RESULTS = ROOT / "tests" / "benchmarks" / "results.json"
GPU = ACCELERATORS["h100"]
GPUS = (8, 64, 512)
CORPORA = {"BeaverTails 330k": 330_000, "10 million": 10_000_000, "100 million": 100_000_000}
MACHINE_GPUS, MACHINE_CORES = 8, 180
"""A pod of the group `h100` (`cluster/kuberay`)."""
DIMENSIONS = 768
"""Of all-mpnet-base-v2."""
IDLE_S = 900
"""The autoscaler's `idleTimeoutSeconds`: paid for after the last use."""
WORKERS = (1, 2, 4, 8)
"""Of one training group that are tried; with 8 rows a micro batch they divide the batch of 128."""
BUILD_POOL = "cossim on a large pool"
"""The benchmark whose peak memory is that of a pool of a million rows with vectors of 384 dimensions."""
POOL_ROWS, POOL_DIMENSIONS = 1_000_000, 384


@cache
def _study() -> Study:
    return load_study(STUDY, [])


@cache
def _plan(model: int | None = None) -> tuple[Plan, Lookup]:
    """The plan of the whole study, or of one of its models."""
    study = _study()
    if model is not None:
        study = study.model_copy(update={"models": [study.models[model]]})
    lookup = Lookup(Store(str(ROOT / "absent")))
    return make_plan(study, lookup), lookup


def bill(device: Accelerator, stage: str, model: int | None = None, *, only: Callable[[Node], bool] = bool) -> Bill:
    """What `lib.plan` says of a stage on one device."""
    plan, lookup = _plan(model)
    nodes = [node for node in plan.nodes(stage) if only(node)]
    found = Bill(stage=stage, have=0, to_run=len(nodes))
    PRICES[stage](Pricer(plan, lookup, device), found, nodes)
    return found


# --- a corpus


def of_the_corpus(node: Node) -> bool:
    return node.title not in ("benign", "prompts", "leakage benign", "duplicates")


@dataclass(frozen=True)
class Corpus:
    """Work and bytes of a safety corpus of so many rows, up to the picked rows."""

    rows: int
    embed_s: float
    """Of one GPU, without the encoder's start."""
    host_core_s: float
    """Reading, clustering, leakage, labels, cards."""
    near_core_s: float
    """Near duplicates."""

    @property
    def parts(self) -> int:
        """Encoders that can have work at once."""
        return ceil(self.rows / PART_ROWS)

    @property
    def blocks(self) -> int:
        """Of vectors, which near duplicates are looked for in."""
        return block_count(self.rows, DIMENSIONS)

    @property
    def vector_bytes(self) -> float:
        return self.rows * DIMENSIONS * BYTES["float32"]

    @property
    def near_bytes(self) -> float:
        """Read for near duplicates: each block once with every one after it."""
        return self.vector_bytes * (self.blocks + 1) / 2

    @property
    def pool_bytes(self) -> float:
        """Memory of one selection that looks at vectors, if every row is eligible; scaled from the measured pool."""
        return self.rows * (pool_row_bytes() + DIMENSIONS * BYTES["float32"])

    def seconds(self, gpus: int) -> dict[str, float]:
        """Wall time by stage on so many GPUs and the cores of their machines."""
        cores = gpus / MACHINE_GPUS * MACHINE_CORES
        # The last block is held against all others: no spread is faster than its share, two parts in blocks + 1.
        near = self.near_core_s / min(cores, (self.blocks + 1) / 2)
        reading = self.near_bytes / (min(cores, self.blocks) * DOWNLOAD_MBS * 1e6)
        return {
            "host": GPU.seconds.ingest + self.host_core_s / cores,
            "embed": GPU.seconds.encoder + self.embed_s / min(gpus, self.parts),
            "near": max(near, reading),
        }

    def dollars(self, gpus: int) -> float:
        """GPUs while they embed and until they are let go, cores by the hour."""
        used = min(gpus, MACHINE_GPUS * ceil(self.parts / MACHINE_GPUS))
        held_s = used * (self.seconds(gpus)["embed"] + IDLE_S)
        return (held_s * GPU.price + (self.host_core_s + self.near_core_s) * CPU.price / CPU.cores) / 3600


@cache
def corpus(rows: int) -> Corpus:
    with patch.object(amounts_module, "UNSEEN_ROWS", rows):
        host = [bill(CPU, stage, only=of_the_corpus) for stage in ("ingest", "cluster", "near", "label", "cards")]
        embed = bill(GPU, "embed", only=of_the_corpus)
    plan, lookup = _plan()
    return Corpus(
        rows,
        embed.seconds - GPU.seconds.encoder,
        CPU.cores * sum(one.seconds for one in host),
        CPU.cores * pairs_s(Pricer(plan, lookup, CPU), rows),
    )


@cache
def pool_row_bytes() -> float:
    """Of a row of a pool apart from its vector, measured."""
    note = json.loads(RESULTS.read_text())[BUILD_POOL]["note"]  # "peak 2.36 GiB, to be under 4"
    peak = float(note.split()[1]) * 2**30
    return peak / POOL_ROWS - POOL_DIMENSIONS * BYTES["float32"]


# --- the sweep


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
    return len(_plan(0)[0].nodes("train"))


def engines_at_most() -> int:
    """Jobs of an answering phase: the cells of a model and the model untouched."""
    return cells_of_a_model() + 1


def weights_s(title: str) -> float:
    """Reading a model's weights on to a machine."""
    plan, lookup = _plan()
    [node] = [one for one in plan.nodes("model") if one.title == title]
    size = Pricer(plan, lookup, GPU).amounts.size(node)
    assert size is not None
    return BYTES["bf16"] * size.stored / (DOWNLOAD_MBS * 1e6)


def models() -> list[str]:
    return [model.name for model in _study().models]


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
    plan, _ = _plan()
    answers = sum(node.task["prompts"].size for node in plan.nodes("generate"))
    chunks = ceil(answers / CHUNK_PAIRS)
    each = (bill(GPU, "judge").seconds - GPU.seconds.engine) / chunks
    return weights_s("judge wildguard") + GPU.seconds.engine + ceil(chunks / min(gpus, chunks)) * each


def sweep(gpus: int) -> Sweep:
    """With the number of workers that ends first, and of equals the fewest."""
    count = range(len(models()))
    totals = {w: sum(train_s(m, gpus, w) for m in count) for w in WORKERS if w <= gpus}
    workers = min(totals, key=lambda w: (totals[w], w))
    fetch = sum(weights_s(node.title) for node in _plan()[0].nodes("model"))
    generate = sum(generate_s(m, gpus) for m in count)
    return Sweep(gpus, workers, fetch, totals[workers], generate, judge_s(gpus))


# --- the tables


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def time(seconds: float) -> str:
    """`95 s`, `12 min`, `3.4 h`: two figures, which is more than such an estimate carries."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    unit, name = next((u, n) for u, n in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")) if count >= u or n == "MB")
    return f"{count / unit:.3g} {name}"


def constants() -> str:
    """What the numbers rest on, as the code has it."""
    share, took = GPU.shares, GPU.seconds
    rows = [
        (f"{GPU.title}", f"{GPU.bf16_tflops:g} TFLOP/s bf16, {GPU.fp32_tflops:g} fp32, {GPU.bandwidth_gbs:g} GB/s", "data sheet"),
        ("reached of it", f"training {share.train:.0%}, reading and answering {share.generate:.0%}, decoding {share.decode:.0%}, "
         f"embedding {share.embed:.0%}", GPU.source),
        ("starts", f"group {took.group:g} s, cell {took.cell:g} s, engine {took.engine:g} s, weights into it {took.swap:g} s, "
         f"encoder {took.encoder:g} s", GPU.source),
        ("FLOPs per parameter and token", f"adapter {ADAPTER_FLOPS}, reading {FORWARD_FLOPS}", "Kaplan et al. 2020"),
        ("rows a second, CPU stages", f"{ROWS_A_SECOND:,} on {CPU.cores} cores", CPU.source),
        ("pool of a selection", f"{pool_row_bytes():,.0f} bytes a row beside its vector", "measured, 2026-11-21"),
        ("weights and blocks, a reader", f"{DOWNLOAD_MBS} MB/s", "assumed, not measured"),
        ("rows of an unread source", f"{UNSEEN_CHARS[0]} and {UNSEEN_CHARS[1]} characters", "assumed, not measured"),
        ("price", f"${GPU.price:.2f} a GPU-hour, ${CPU.price / CPU.cores:.2f} a core-hour, on demand", f"example, {PRICED}"),
    ]  # fmt: skip
    return table(["constant", "value", "from"], rows)


def corpus_work() -> str:
    """What a corpus is, whatever it runs on."""
    head = ["corpus", "text", "vectors, float32", "embedding, GPU-hours", "host work, core-hours",
            "near duplicates, core-hours", "read for them", "a selection's memory", "partitions", "blocks"]  # fmt: skip
    rows = []
    for name, count in CORPORA.items():
        one = corpus(count)
        rows.append([
            name, size(count * sum(UNSEEN_CHARS)), size(one.vector_bytes), f"{one.embed_s / 3600:.2f}",
            f"{one.host_core_s / 3600:.2f}", f"{one.near_core_s / 3600:.2f}", size(one.near_bytes), size(one.pool_bytes),
            f"{one.parts:,}", f"{one.blocks:,}",
        ])  # fmt: skip
    return table(head, rows)


def corpus_times() -> str:
    """Wall time and cost by machines."""
    head = ["corpus", "GPUs", "host", "embedding", "near duplicates", "in all", "cost"]
    rows = []
    for name, count in CORPORA.items():
        for gpus in GPUS:
            spent = corpus(count).seconds(gpus)
            rows.append([name, f"{gpus}", *map(time, spent.values()), time(sum(spent.values())),
                         f"${corpus(count).dollars(gpus):,.0f}"])  # fmt: skip
    return table(head, rows)


def sweep_work() -> str:
    """What lib.plan says of the whole sweep on one GPU."""
    rows = []
    for stage in ("train", "generate", "judge"):
        found = bill(GPU, stage)
        rows.append(
            [
                stage,
                f"{found.to_run:,}",
                f"{found.tokens / 1e6:,.0f} M",
                f"{found.seconds / 3600:.1f}",
                size(found.disk),
            ]
        )
    return table(["stage", "artifacts", "tokens", "GPU-hours", "stays on disk"], rows)


def sweep_times() -> str:
    """The sweep by machines."""
    head = ["GPUs", "workers a group", "fetch", "train", "generate", "judge", "in all", "GPUs held", "GPU-hours paid",
            "of them at work", "cost", "weights read"]  # fmt: skip
    rows = []
    for gpus in GPUS:
        one = sweep(gpus)
        stored = DOWNLOAD_MBS * 1e6 * sum(weights_s(title) for title in (*models(), "judge wildguard"))
        rows.append([
            f"{gpus}", f"{one.workers}", time(one.fetch), time(one.train), time(one.generate), time(one.judge),
            time(one.wall), f"{one.held}", f"{one.paid_h:,.0f}", f"{one.busy:.0%}", f"${one.paid_h * GPU.price:,.0f}",
            size(stored * one.held / MACHINE_GPUS),
        ])  # fmt: skip
    return table(head, rows)


TABLES = (constants, corpus_work, corpus_times, sweep_work, sweep_times)

if __name__ == "__main__":
    print("\n\n".join(make() for make in TABLES))
