"""Start-up: seconds from the command to the first stage at work, the first time and again.

The command is the demo's, into an empty storage. Work begins when the first artifact is begun, which its manifest tells (when
it appeared, less how long it took); the run is ended as soon as it is there. "First" is with nothing in HOME, so that
no cache of any package is there; the machine's cache of files is not emptied.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.harness import Result
from tests.makers import DEMO

LIMIT_S, PATIENCE_S = 15.0, 240.0


def run(quick: bool) -> list[Result]:
    """Seconds of the first start, and of those after it."""
    pairs = 1 if quick else 3
    with tempfile.TemporaryDirectory(prefix="ballast-start-home-") as home:
        times = [start(home) for _ in range(pairs + 1)]
    return [_result("start-up, the first time", times[:1]), _result("start-up, again", times[1:])]


def _result(name: str, times: list[float]) -> Result:
    middle = statistics.median(times)
    return Result(
        name=name, size="the demo, to its first stage", against="the limit", ours=round(middle, 2), other=LIMIT_S, unit="s",
        ratio=round(LIMIT_S / middle, 3), target=1, n=len(times),
        spread=(round(LIMIT_S / max(times), 3), round(LIMIT_S / min(times), 3)),
    )  # fmt: skip


def start(home: str) -> float:
    """Seconds from a command to its first stage at work."""
    with tempfile.TemporaryDirectory(prefix="ballast-start-") as storage:
        given = [sys.executable, "-m", "jobs.sweep", str(DEMO), f"storage={storage}", "cluster.max_gpus=0"]
        begun = time.time()
        process = subprocess.Popen(
            given, env={**os.environ, "HOME": home}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            return first_work(Path(storage), process) - begun
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def first_work(storage: Path, process: subprocess.Popen[bytes]) -> float:
    """When the first artifact was begun, of the wall clock."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise RuntimeError(f"the run ended with {process.returncode} before its first artifact")
        for path in (storage / "artifacts").glob("*/*/manifest.json"):
            return path.stat().st_mtime - float(json.loads(path.read_text())["about"]["wall_s"])
        time.sleep(0.05)
    raise RuntimeError(f"no artifact in {PATIENCE_S:.0f} s")
