"""cluster/SCALE.md: its tables are those that `tests.cluster.scale` computes, and that follows `lib.plan` and the manifests."""

from __future__ import annotations

import re

import pytest

from lib.plan.cost import estimate
from tests.cluster import scale
from tests.cluster.files import CLUSTER, KUBERAY, documents

TEXT = (CLUSTER / "SCALE.md").read_text()


@pytest.mark.parametrize("make", scale.TABLES, ids=lambda make: make.__name__)
def test_the_table_is_as_computed(make: object) -> None:
    assert callable(make)
    assert make() in TEXT, "python -m tests.cluster.scale prints the tables as they are now"


def test_the_sweep_is_336_cells_of_four_models() -> None:
    plan, _ = scale._plan()
    assert len(plan.nodes("train")) == 336
    assert len(scale.models()) == 4
    assert scale.cells_of_a_model() == 84


def test_on_one_gpu_it_is_what_the_dry_run_says() -> None:
    """Apart from reading weights, which a dry run does not count, and other waves' rounding up."""
    plan, lookup = scale._plan()
    said = {bill.stage: bill.seconds for bill in estimate(plan, lookup, scale.GPU).bills}
    count = range(len(scale.models()))
    reading = sum(scale.weights_s(name) for name in scale.models())
    assert sum(scale.train_s(m, 1, 1) for m in count) - reading == pytest.approx(said["train"], rel=1e-6)
    assert sum(scale.generate_s(m, 1) for m in count) == pytest.approx(said["generate"], rel=1e-6)
    assert scale.judge_s(1) - scale.weights_s("judge wildguard") == pytest.approx(said["judge"], rel=1e-6)


def test_more_machines_are_never_slower_and_never_cheaper() -> None:
    sweeps = [scale.sweep(gpus) for gpus in scale.GPUS]
    assert [one.wall for one in sweeps] == sorted((one.wall for one in sweeps), reverse=True)
    assert [one.paid_h for one in sweeps] == sorted(one.paid_h for one in sweeps)
    assert all(0 < one.busy < 1 for one in sweeps)
    for rows in scale.CORPORA.values():
        totals = [sum(scale.corpus(rows).seconds(gpus).values()) for gpus in scale.GPUS]
        assert totals == sorted(totals, reverse=True)


def test_machines_are_those_of_the_manifests() -> None:
    spec = documents(KUBERAY / "rayjob.yaml")[0]["spec"]["rayClusterSpec"]
    [group] = [one for one in spec["workerGroupSpecs"] if one["groupName"] == "h100"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert (int(limits["nvidia.com/gpu"]), int(limits["cpu"])) == (scale.MACHINE_GPUS, scale.MACHINE_CORES)
    assert spec["autoscalerOptions"]["idleTimeoutSeconds"] == scale.IDLE_S
    [driver] = [one for one in spec["workerGroupSpecs"] if one["groupName"] == "drivers"]
    memory = driver["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    assert f"the {memory.removesuffix('Gi')} GiB of a driver" in TEXT


def standing_still(gpus: int) -> float:
    """Share of the time after the fetch that goes into starts and reading weights."""
    starts = len(scale.models()) * (scale.GPU.seconds.group + scale.GPU.seconds.engine) + scale.GPU.seconds.engine
    reading = sum(scale.weights_s(name) for name in (*scale.models(), "judge wildguard"))
    one = scale.sweep(gpus)
    return (starts + reading) / (one.wall - one.fetch)


def test_numbers_in_the_text_are_the_codes() -> None:
    """Those that stand outside the tables."""
    parts = [scale.corpus(rows).parts for rows in scale.CORPORA.values()]
    assert f"at {parts[0]} GPUs for 330k, {parts[1]} for 10 million" in TEXT
    halves = [(scale.corpus(rows).blocks + 1) // 2 for rows in scale.CORPORA.values()]
    assert f"{halves[0]}, {halves[1]} and {halves[2]}" in TEXT
    assert f"hold {scale.PART_ROWS:,} rows" in TEXT
    assert f"{scale.engines_at_most()} jobs" in TEXT
    assert f"chunks of {scale.CHUNK_PAIRS} answers" in TEXT
    assert f"of 512 GPUs {scale.sweep(512).held} are used" in TEXT
    chunks = -(-340 * 1470 // scale.CHUNK_PAIRS)
    assert f"some {round(chunks, -1)} GPUs (chunks)" in TEXT
    shares = {gpus: standing_still(gpus) for gpus in (64, 512)}
    assert 0.18 < shares[64] < 0.24, "a fifth"
    assert 0.5 < shares[512] < 0.65, "more than half"
    first, second, _ = (scale.sweep(gpus) for gpus in scale.GPUS)
    assert first.wall > 5 * second.wall
    assert second.paid_h / first.paid_h == pytest.approx(1.5, abs=0.1), "half as much again"
    ten, hundred = scale.corpus(10_000_000), scale.corpus(100_000_000)
    assert ten.pool_bytes > 28 * 2**30 > scale.corpus(330_000).pool_bytes
    assert re.search(rf"{hundred.near_bytes / 1e12:.0f} TB from storage", TEXT)
    assert f"{hundred.vector_bytes / 1e9:.0f} GB at 100 million" in TEXT
