"""Safety corpora of many rows, up to the picked ones: work, bytes, and how they spread over machines (cluster/SCALE.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from math import ceil
from unittest.mock import patch

from lib.embedding.near import block_count
from lib.plan import Node
from lib.plan import amounts as amounts_module
from lib.plan.accelerators import CPU
from lib.plan.cost_pools import DOWNLOAD_MBS, pairs_s
from lib.plan.pricing import BYTES, Pricer
from lib.runtime.embed import PART_ROWS
from tests.cluster.scale_plan import GPU, IDLE_S, MACHINE_CORES, MACHINE_GPUS, bill, the_plan
from tests.conftest import ROOT

RESULTS = ROOT / "tests" / "benchmarks" / "results.json"
CORPORA = {"BeaverTails 330k": 330_000, "10 million": 10_000_000, "100 million": 100_000_000}
DIMENSIONS = 768
"""Of all-mpnet-base-v2."""
BUILD_POOL = "cossim on a large pool"
"""The benchmark whose peak memory is that of a pool of a million rows with vectors of 384 dimensions."""
POOL_ROWS, POOL_DIMENSIONS = 1_000_000, 384


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
    plan, lookup = the_plan()
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
