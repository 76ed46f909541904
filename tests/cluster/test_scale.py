"""cluster/SCALE.md: its tables are those that `tests.cluster.scale` computes, and that follows `lib.plan` and the manifests."""

from __future__ import annotations

import re

import pytest

from lib.plan.cost import estimate
from lib.runtime.embed import PART_ROWS
from lib.runtime.judge_chunks import CHUNK_PAIRS
from tests.cluster import scale
from tests.cluster.files import CLUSTER, KUBERAY, documents
from tests.cluster.scale_corpus import CORPORA, corpus
from tests.cluster.scale_plan import GPU, IDLE_S, MACHINE_CORES, MACHINE_GPUS, the_plan
from tests.cluster.scale_sweep import (
    cells_of_a_model,
    engines_at_most,
    generate_s,
    judge_s,
    models,
    sweep,
    train_s,
    weights_s,
)

TEXT = (CLUSTER / "SCALE.md").read_text()


@pytest.mark.parametrize("make", scale.TABLES, ids=lambda make: make.__name__)
def test_the_table_is_as_computed(make: object) -> None:
    assert callable(make)
    assert make() in TEXT, "python -m tests.cluster.scale writes them anew"


def test_tables_are_found_again_in_the_page() -> None:
    old = re.sub(r"\$[\d,]+ \|", "$1 |", TEXT)
    assert old != TEXT
    assert scale.renewed(old) == TEXT


def test_the_sweep_is_336_cells_of_four_models() -> None:
    plan, _ = the_plan()
    assert len(plan.nodes("train")) == 336
    assert len(models()) == 4
    assert cells_of_a_model() == 84


def test_on_one_gpu_it_is_what_the_dry_run_says() -> None:
    """Apart from reading weights, which a dry run does not count, and other waves' rounding up."""
    plan, lookup = the_plan()
    said = {bill.stage: bill.seconds for bill in estimate(plan, lookup, GPU).bills}
    count = range(len(models()))
    reading = sum(weights_s(name) for name in models())
    assert sum(train_s(m, 1, 1) for m in count) - reading == pytest.approx(said["train"], rel=1e-6)
    assert sum(generate_s(m, 1) for m in count) == pytest.approx(said["generate"], rel=1e-6)
    assert judge_s(1) - weights_s("judge wildguard") == pytest.approx(said["judge"], rel=1e-6)


def test_more_machines_are_never_slower_and_never_cheaper() -> None:
    sweeps = [sweep(gpus) for gpus in scale.GPUS]
    assert [one.wall for one in sweeps] == sorted((one.wall for one in sweeps), reverse=True)
    assert [one.paid_h for one in sweeps] == sorted(one.paid_h for one in sweeps)
    assert all(0 < one.busy < 1 for one in sweeps)
    for rows in CORPORA.values():
        totals = [sum(corpus(rows).seconds(gpus).values()) for gpus in scale.GPUS]
        assert totals == sorted(totals, reverse=True)


def test_machines_are_those_of_the_manifests() -> None:
    spec = documents(KUBERAY / "rayjob.yaml")[0]["spec"]["rayClusterSpec"]
    [group] = [one for one in spec["workerGroupSpecs"] if one["groupName"] == "h100"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert (int(limits["nvidia.com/gpu"]), int(limits["cpu"])) == (MACHINE_GPUS, MACHINE_CORES)
    assert spec["autoscalerOptions"]["idleTimeoutSeconds"] == IDLE_S
    [driver] = [one for one in spec["workerGroupSpecs"] if one["groupName"] == "drivers"]
    memory = driver["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    assert f"the {memory.removesuffix('Gi')} GiB of a driver" in TEXT


def standing_still(gpus: int) -> float:
    """Share of the time after the fetch that goes into starts and reading weights."""
    starts = len(models()) * (GPU.seconds.group + GPU.seconds.engine) + GPU.seconds.engine
    reading = sum(weights_s(name) for name in (*models(), "judge wildguard"))
    one = sweep(gpus)
    return (starts + reading) / (one.wall - one.fetch)


def test_numbers_in_the_text_are_the_codes() -> None:
    """Those that stand outside the tables."""
    parts = [corpus(rows).parts for rows in CORPORA.values()]
    assert f"at {parts[0]} GPUs for 330k, {parts[1]} for 10 million" in TEXT
    halves = [(corpus(rows).blocks + 1) // 2 for rows in CORPORA.values()]
    assert f"{halves[0]}, {halves[1]} and {halves[2]}" in TEXT
    assert f"hold {PART_ROWS:,} rows" in TEXT
    assert f"{engines_at_most()} jobs" in TEXT
    assert f"chunks of {CHUNK_PAIRS} answers" in TEXT
    assert f"of 512 GPUs {sweep(512).held} are used" in TEXT
    chunks = -(-340 * 1470 // CHUNK_PAIRS)
    assert f"some {round(chunks, -1)} GPUs (chunks)" in TEXT
    shares = {gpus: standing_still(gpus) for gpus in (64, 512)}
    assert 0.18 < shares[64] < 0.24, "a fifth"
    assert 0.5 < shares[512] < 0.65, "more than half"
    first, second, _ = (sweep(gpus) for gpus in scale.GPUS)
    assert first.wall > 5 * second.wall
    assert second.paid_h / first.paid_h == pytest.approx(1.5, abs=0.1), "half as much again"
    ten, hundred = corpus(10_000_000), corpus(100_000_000)
    assert ten.pool_bytes > 26 * 2**30 > corpus(330_000).pool_bytes
    assert re.search(rf"{hundred.near_bytes / 1e12:.0f} TB from storage", TEXT)
    assert f"{hundred.vector_bytes / 1e9:.0f} GB at 100 million" in TEXT
