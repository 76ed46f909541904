"""The arithmetic of cluster/SCALE.md: `python -m tests.cluster.scale` writes its tables anew.

Work comes from `lib.plan`, which prices the plan of `scale.yaml` on one device: FLOPs, bytes, starts, with the constants that
`lib/plan/accelerators.py` and `lib/plan/cost*.py` state. What is added (`scale_corpus`, `scale_sweep`) is how that work spreads
over many machines, by the limits that the code sets (partitions, blocks, cells of a model, chunks of answers), and what is
paid for meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lib.plan.accelerators import CPU, PRICED
from lib.plan.amounts import UNSEEN_CHARS
from lib.plan.cost_pools import DOWNLOAD_MBS, ROWS_A_SECOND
from lib.plan.cost_training import ADAPTER_FLOPS
from lib.plan.pricing import FORWARD_FLOPS
from tests.cluster.files import CLUSTER
from tests.cluster.scale_corpus import CORPORA, corpus, pool_row_bytes
from tests.cluster.scale_plan import GPU, MACHINE_GPUS, bill
from tests.cluster.scale_sweep import models, sweep, weights_s

PAGE = CLUSTER / "SCALE.md"
GPUS = (8, 64, 512)


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


def renewed(text: str) -> str:
    """The page with its tables as they are now; each is told by its first line."""
    for make in TABLES:
        found = make()
        head = re.escape(found.splitlines()[0])
        text, count = re.subn(rf"^{head}\n(?:\|.*\n)*", lambda _, new=found: f"{new}\n", text, flags=re.MULTILINE)
        assert count == 1, f"{PAGE.name} has no table of {make.__name__}"
    return text


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
