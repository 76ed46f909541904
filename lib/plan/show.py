"""A plan as text: what is there, what will run, what it will take."""

from __future__ import annotations

from lib.plan.accelerators import ASSUMED, PRICED, Accelerator, find_accelerator
from lib.plan.cost import Estimate, estimate
from lib.plan.cost_training import ADAPTER_FLOPS, FULL_FLOPS
from lib.plan.lookup import Lookup
from lib.plan.node import STAGES
from lib.plan.plan import Plan
from lib.plan.pricing import FORWARD_FLOPS, Bill
from lib.plan.tried import read_tried
from lib.progress import duration

HEAD = ("stage", "have", "to run", "tokens", "starts")


def describe(plan: Plan, lookup: Lookup, accelerator: Accelerator | None = None, *, keys: bool = True) -> str:
    """One line per node (have / will run / key unresolved), the cells, and what is missing will take by stage.

    Args:
        accelerator: what hours are given for (None: `cpu` for a study without GPUs, else the default one).
        keys: name every node.
    """
    lines = [f"study {plan.study.name}: {len(plan.cells)} cells (the untouched models included)"]
    lines += search_lines(plan)
    for prompts in plan.prompt_sets:
        at_most = "" if prompts.unread is None else "at most "
        lines.append(f"prompts {prompts.credit}: {at_most}{prompts.size}")
    for stage in STAGES:
        nodes = plan.nodes(stage)
        if not nodes:
            continue
        have = sum(lookup.have(node) for node in nodes)
        lines.append(f"{stage:9} {have} of {len(nodes)} have")
        if keys:
            for node in nodes:
                state = "have" if lookup.have(node) else "will run"
                lines.append(f"  {state:8}  key: {(node.key or 'unresolved')[:12]:12}  {node.title}")
    for cell in plan.cells:
        also = f" (also: {', '.join(cell.also)})" if cell.also else ""
        lines.append(f"cell {cell.label}{also}")
    if plan.open_budgets:
        shares = ", ".join(plan.open_budgets)
        lines.append(
            f"budget {shares}: a share of the benign rows; its cells are known when those are read (or set benign.limit)"
        )
    if any(node.key is None for node in plan.all_nodes()):
        lines.append("key: unresolved = known only when the stage before it has run (or the hub can be asked)")
    device = accelerator or find_accelerator(None, gpus=plan.study.cluster.max_gpus != 0)
    return "\n".join([*lines, "", *bill_lines(estimate(plan, lookup, device))])


def search_lines(plan: Plan) -> list[str]:
    """What a search will do at most; nothing for a grid."""
    search = plan.study.sweep.search
    if search.method == "grid":
        return []
    looked = f"looks at {plan.objective.words}" if plan.objective else f"looks at {search.metric}"
    if not search.adaptive:
        return [f"search {search.method}: at most {search.trials} cells of each model, seed {search.seed}; {looked}"]
    models = len(plan.study.models)
    listed = "stand for as many" if read_tried(plan.study) is None else "are the ones so far"
    told = f"search {search.method}: at most {search.trials} trials of each model, seed {search.seed}; {looked}"
    return [
        told,
        f"search {search.method}: {models} training group{'s' if models > 1 else ''} and {models} more engine "
        f"start{'s' if models > 1 else ''} at least; cells are chosen as it goes, and those listed here {listed}",
    ]


def bill_lines(found: Estimate) -> list[str]:
    """The estimate as an aligned table by stage, its total with an example price, and the constants it rests on."""
    device = found.accelerator
    bills = list(found.bills)
    if device.cores and found.seconds:
        bills.insert(0, Bill(stage="ray", have=0, to_run=1, seconds=device.seconds.ray))
    rows = [(*HEAD, device.unit, "disk"), *(_row(bill, device) for bill in bills)]
    unknown = sorted({title for bill in found.bills for title in bill.unknown})
    total = Bill(
        stage="total", have=sum(b.have for b in found.bills), to_run=sum(b.to_run for b in found.bills),
        tokens=sum(b.tokens for b in bills), starts=sum(b.starts for b in bills), seconds=found.seconds,
        disk=sum(b.disk for b in bills), unknown=set(unknown),
    )  # fmt: skip
    rows.append(_row(total, device))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    lines.append(_price(found))
    if unknown:
        lines.append(f"not in time and disk: {', '.join(unknown)}, whose size is known when the model is there")
    return [*lines, *(f"taken: {note}" for note in found.notes), *constants(device)]


def _price(found: Estimate) -> str:
    device = found.accelerator
    said = f"{duration(found.seconds)} of {'' if device.cores else 'one '}{device.title}"
    if found.devices > 1:
        said += f" (at best {duration(found.seconds / found.devices)} on {found.devices} of them)"
    return f"about {said}, ${found.seconds / 3600 * device.price:,.2f} at ${device.price:.2f} an hour (an example, {PRICED})"


def constants(device: Accelerator) -> list[str]:
    """The constants behind an estimate, a line for each kind."""
    share, took = device.shares, device.seconds
    told = "" if device.source != ASSUMED else "; nothing of this was measured on one"
    return [
        f"{device.name}: {device.bf16_tflops:g} TFLOP/s in bf16, {device.fp32_tflops:g} in fp32, {device.bandwidth_gbs:g} GB/s, "
        f"{device.memory_gb:g} GB",
        f"reached of these ({device.source}): {share.train:.0%} in training, {share.generate:.0%} in answering, "
        f"{share.decode:.0%} of the bandwidth in decoding few rows, {share.embed:.0%} in embedding{told}",
        f"seconds ({device.source}): Ray {took.ray:g}, training group {took.group:g}, cell {took.cell:g}, "
        f"engine {took.engine:g}, weights into it {took.swap:g}, encoder {took.encoder:g}, reading {took.ingest:g}, "
        f"tokenising {took.mix:g}",
        f"FLOPs per parameter and token: {ADAPTER_FLOPS} for an adapter, {FULL_FLOPS} for all weights, "
        f"{FORWARD_FLOPS} more with gradient checkpointing, {FORWARD_FLOPS} for reading and answering; every answer at "
        "its longest",
    ]


def _row(bill: Bill, device: Accelerator) -> tuple[str, ...]:
    unsure = "+" if bill.unknown else ""
    hours = device.hours(bill.seconds)
    on_host = not bill.seconds and not device.cores and bill.to_run and bill.stage != "total"
    return (
        bill.stage, f"{bill.have:,}", f"{bill.to_run:,}", _count(bill.tokens), f"{bill.starts:,}" if bill.starts else "-",
        ("CPUs" if on_host else f"{hours:,.3f}{unsure}") if bill.to_run else "-",
        (f"{_bytes(bill.disk)}{unsure}") if bill.to_run else "-",
    )  # fmt: skip


def _count(number: float) -> str:
    """`1234567` -> `1.2 M`."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number:.0f}" if number else "-"


def _bytes(number: float) -> str:
    """`1234567` -> `1 MB`."""
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"
