"""Machines as Ray sees them, several on one: each is a `ray start` with a raylet of its own and all that runs under it.

Everything that is started here, and everything that these processes start, writes its log below one folder, by which it is
found again whoever its parent is by then. (A mark in the environment would not do: Ray writes titles over it.)
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

RAY = str(Path(sys.executable).with_name("ray"))
UP_S = 60.0
UP = "Ray runtime started."
TRIES = 3
"""A raylet gives its agents 15 seconds to start, which cannot be set, and dies without a word where a busy machine takes longer
(github.com/ray-project/ray/issues/65983). Then another is started, as an autoscaler would."""
WORK = re.compile(
    r"ray::(?!IDLE|DashboardAgent|RuntimeEnvAgent|_AutoscalingCoordinator|_?Stats|ActorLocationTracker|_?\w*Usage"
    r"|PlacementGroupCleaner)"
)
"""Titles of processes that do something for a driver. The others are Ray's own, one of each for a cluster, and stay with it; a
cleaner too, which Ray Train has leave from a thread of its own, whereupon it stays: what it looks after is asked by itself."""

QUICK = {
    "RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "3",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "15",
}  # fmt: skip
"""A lost machine is noticed in seconds and not in half a minute, a lost head in a quarter of one and not in a whole."""

HELD = """
import json, sys, ray
from ray.util import placement_group_table
ray.init(sys.argv[1], log_to_driver=False, logging_level="error")
groups = [group["state"] for group in placement_group_table().values() if group["state"] != "REMOVED"]
taken = ray.cluster_resources().get("CPU", 0) - ray.available_resources().get("CPU", 0)
print(json.dumps({name: held for name, held in (("groups", groups), ("cpus", taken)) if held}))
"""
"""Asked in a process of its own."""


@dataclass
class Machine:
    """One `ray start --block` and what runs under it."""

    process: subprocess.Popen[bytes]
    log: Path

    def comes_up(self) -> bool:
        """Wait until its raylet has registered; False: it died before, or was not there in `UP_S`."""
        until = time.monotonic() + UP_S
        while self.process.poll() is None and time.monotonic() < until:
            if UP in self.log.read_text(errors="replace"):
                return True
            time.sleep(0.1)
        return False

    def everything(self) -> list[psutil.Process]:
        """Its processes, raylet and workers among them."""
        try:
            mother = psutil.Process(self.process.pid)
            return [mother, *mother.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def lose(self) -> None:
        """SIGKILL of all at once: the machine is gone."""
        slay(self.everything())
        self.process.wait()


class Raylets:
    """A head and any number of further machines. Use as a context manager, which ends them.

    Args:
        head_cpus: logical CPUs of the head.
        environment: of everything that is started.
    """

    def __init__(self, head_cpus: int, **environment: str) -> None:
        self.folder = tempfile.mkdtemp(prefix="rl-")  # short: names of sockets are made from it
        self.environment = {
            "RAY_TMPDIR": self.folder, "RAY_TRAIN_V2_ENABLED": "1", "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": uuid.uuid4().hex, **environment,
        }  # fmt: skip
        self.port, self.head_cpus = free_port(), head_cpus
        self.machines = list[Machine]()
        self.head: Machine | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """What everything is started with."""
        return {**os.environ, **self.environment}

    def __enter__(self) -> Raylets:
        self.start_head()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for machine in [*self.machines, *([self.head] if self.head else [])]:
            machine.lose()
        slay(self.living())
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_head(self, *options: str) -> None:
        """A new head at the same address, which knows nothing of one that was there before."""
        size = ["--port", str(self.port), "--num-cpus", str(self.head_cpus)]
        self.head = self._start("--head", *size, "--include-dashboard", "false", *options)

    def add(self, cpus: int, *options: str, **environment: str) -> Machine:
        """One more machine, which is up.

        Args:
            environment: of it alone.
        """
        machine = self._start("--address", self.address, "--num-cpus", str(cpus), *options, **environment)
        self.machines.append(machine)
        return machine

    def _start(self, *options: str, **environment: str) -> Machine:
        for _ in range(TRIES):
            machine = self._tried(*options, **environment)
            if machine.comes_up():
                return machine
            machine.lose()
        raise AssertionError(f"no machine in {TRIES} tries: {machine.log.read_text()[-3000:]}")

    def _tried(self, *options: str, **environment: str) -> Machine:
        log = Path(self.folder) / f"{uuid.uuid4().hex[:8]}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [RAY, "start", "--block", "--disable-usage-stats", "--object-store-memory", "200000000", *options],
                env={**self.env, **environment}, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        return Machine(process, log)

    def lose_head(self) -> None:
        """SIGKILL of the head and all on it, and of the other machines, which can do nothing without it."""
        assert self.head is not None
        self.head.lose()
        for machine in self.machines:
            machine.lose()
        self.machines.clear()

    def living(self) -> list[psutil.Process]:
        """Every process of Ray that was started from here and lives."""
        return list(writing_below(self.folder))

    def strangers(self) -> list[str]:
        """What lives and should not once no driver runs: processes of lost machines, and any that hold work."""
        ours = {one.pid for machine in [self.head, *self.machines] if machine for one in machine.everything()}
        return [
            f"{one.pid} {title(one)}" for one in self.living() if one.pid not in ours or WORK.match(title(one))
        ]  # fmt: skip

    def wait_for_peace(self, timeout_s: float = 60) -> None:
        """Until there are no `strangers`."""
        until = time.monotonic() + timeout_s
        while found := self.strangers():
            assert time.monotonic() < until, f"still there {timeout_s} s later: {found}"
            time.sleep(0.2)

    def still_held(self) -> dict[str, object]:
        """CPUs that are taken and placement groups that stand, though no driver runs; empty when all is well."""
        told = subprocess.run(
            [sys.executable, "-c", HELD, self.address],
            env=self.env,
            text=True,
            capture_output=True,
            timeout=60,
            check=True,
        )
        found: dict[str, object] = json.loads(told.stdout.strip().splitlines()[-1])
        return found


def writing_below(folder: str) -> Iterator[psutil.Process]:
    """Living processes with a file below this folder open."""
    for process in psutil.process_iter():
        try:
            if any(file.path.startswith(f"{folder}/") for file in process.open_files()):
                yield process
        except psutil.Error:
            continue


def title(process: psutil.Process) -> str:
    """What Ray calls it: `ray::RayTrainWorker...`, `raylet`, ..."""
    try:
        return " ".join(process.cmdline()[:1])
    except psutil.Error:
        return ""


def slay(processes: list[psutil.Process]) -> None:
    """SIGKILL of all, each stopped first, so that none sees another die."""
    for sign in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            try:
                process.send_signal(sign)
            except psutil.Error:
                continue


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
