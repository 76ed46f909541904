"""What the price of every stage is made of: a bill, and the time of reading and decoding on a device.

Engines are counted here, over all stages: they are started for the first that needs them and go from cell to cell.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from lib.plan.accelerators import Accelerator
from lib.plan.amounts import Amounts
from lib.plan.lookup import Lookup
from lib.plan.node import Node
from lib.plan.plan import Plan
from lib.plan.sizes import Size

FORWARD_FLOPS = 2
"""FLOPs per parameter and token of a pass that learns nothing."""
BYTES = {"bf16": 2, "fp32": 4, "float32": 4, "float16": 2}


@dataclass(kw_only=True)
class Bill:
    """What is still to run of one stage."""

    stage: str
    have: int
    to_run: int
    tokens: float = 0
    starts: int = 0
    """Processes that load a model: encoders, training groups, engines."""
    seconds: float = 0
    """Of the device, all work of the stage end to end."""
    disk: float = 0
    """Bytes that stay."""
    unknown: set[str] = field(default_factory=set)
    """Models of unknown size, whose time and disk are left out."""


class Pricer:
    """One estimate on its way."""

    def __init__(self, plan: Plan, lookup: Lookup, device: Accelerator) -> None:
        self.plan, self.study, self.lookup, self.device = plan, plan.study, lookup, device
        self.amounts, self.notes = Amounts(lookup), list[str]()
        gpus = plan.study.cluster.max_gpus
        self.devices = gpus if isinstance(gpus, int) and gpus and not device.cores else 1
        self._loads: dict[tuple[Any, ...], set[Any]] = {}
        """(model, precision, adapters by the row) -> what such engines load, of all stages so far."""
        self._started: dict[tuple[Any, ...], int] = {}

    def size(self, bill: Bill, node: Node) -> Size | None:
        """A model's size; where nothing tells it, the bill says so."""
        size = self.amounts.size(node)
        if size is None:
            bill.unknown.add(node.title)
        elif size.by_name:
            self.notes.append(f"size of {node.title} told by its name: {size.stored / 1e9:.3g} billion parameters")
        return size

    def read_s(self, size: Size, tokens: float, dtype: str, share: float) -> float:
        """Seconds of a forward pass over so many tokens."""
        return FORWARD_FLOPS * size.multiplied * tokens / (self.device.flops(dtype) * share)

    def decode_s(self, size: Size, batch: float, steps: float, dtype: str) -> float:
        """Seconds in which a batch of rows grows by so many tokens each."""
        shares = self.device.shares
        reading = BYTES[dtype] * size.multiplied / (self.device.bandwidth_gbs * 1e9 * shares.decode)
        return steps * max(reading, self.read_s(size, batch, dtype, shares.generate))

    def check_fit(self, size: Size, dtype: str, title: str) -> None:
        """Note a model whose weights alone are more than an engine's memory."""
        engine = self.study.evaluate.engine
        needed, there = BYTES[dtype] * size.stored / 1e9, self.device.memory_gb * engine.tensor_parallel
        if needed > there * (1 if self.device.cores else engine.gpu_memory):
            self.notes.append(
                f"{title} has {needed:.0f} GB of weights in {dtype}, too many for {there:g} GB: raise "
                "evaluate.engine.tensor_parallel, or take a larger device"
            )

    def budget(self, sample: Node) -> int:
        """Rows of a selection: picked, or asked for."""
        return int((self.lookup.facts(sample) or {}).get("rows", sample.task["budget"]))

    def benign_rows(self, pool: Node) -> int:
        """Benign rows that train."""
        benign, found = self.study.benign, self.amounts.pool(pool)
        if benign.limit and found.told != "counted":  # a guess does not make it less
            return benign.limit
        return max(1, min(benign.limit or found.rows, found.rows - benign.holdout))

    def engine(self, node: Node) -> tuple[tuple[Any, ...], Any]:
        """What an answering engine is started for, and what it loads for a node, as far as that is known yet."""
        identity = dict(node.identity or {})
        model, trained = node.inputs["model"], node.inputs.get("train")
        by_row: str = self.study.evaluate.engine.served(gpus=bool(self.study.cluster.max_gpus))
        if trained is not None and trained.task["recipe"]["method"] == "full":
            by_row = "swap"
        dtype = identity.get("dtype", self.study.evaluate.engine.dtype)
        group = (model.key or model.title, dtype, identity.get("adapters", by_row) == "rows")
        return group, None if trained is None else trained.key or id(trained)

    def start_engines(self, bill: Bill, missing: Collection[Node]) -> None:
        """Engines that a stage needs and no stage before it has started; they go from one stage's cells to the next's."""
        tensor_parallel = self.study.evaluate.engine.tensor_parallel
        loads = dict[tuple[Any, ...], set[Any]]()
        for node in missing:
            group, loaded = self.engine(node)
            loads.setdefault(group, set()).add(loaded)
        for group, loaded_here in loads.items():
            fresh = loaded_here - self._loads.setdefault(group, set())
            self._loads[group] |= loaded_here
            bill.seconds += self.device.seconds.swap * len(fresh)
            wanted = max(1, min(len(self._loads[group]), self.devices // tensor_parallel))
            more = wanted - self._started.get(group, 0)
            self._started[group] = wanted
            bill.starts += more
            bill.seconds += more * tensor_parallel * self.device.seconds.engine
