"""What may be killed, found by what it is and not by a number that was noted before."""

from __future__ import annotations

from collections.abc import Callable

import psutil

from tests.faults.drivers import Driver
from tests.faults.raylets import WORK, Raylets, slay, title

WORKER, ENGINE = "ray::RayTrainWorker", "ray::CellEngine"
CPUS = 2
"""Of a machine that takes a lost one's place."""


def titled(cluster: Raylets, prefix: str) -> list[psutil.Process]:
    """The processes that Ray calls so. Looking takes a while: who wants to kill at a moment looks before it."""
    return [process for process in cluster.living() if title(process).startswith(prefix)]


def kill_titled(cluster: Raylets, prefix: str) -> bool:
    """SIGKILL of the processes that Ray calls so; False: there is none."""
    found = titled(cluster, prefix)
    slay(found)
    return bool(found)


def strike_worker(cluster: Raylets, driver: Driver) -> None:
    """A training worker, or else whatever works on the machines at that moment."""
    del driver
    if not kill_titled(cluster, WORKER):
        slay([one for machine in cluster.machines for one in machine.everything() if WORK.match(title(one))])


def strike_engine(cluster: Raylets, driver: Driver) -> None:
    """The engine, as soon as there is one."""
    driver.wait_until(lambda: kill_titled(cluster, ENGINE) or driver.said("report:") > 0, "an engine", 400)


def strike_machine(cluster: Raylets, driver: Driver) -> None:
    """A machine with all that is on it; another one comes, as from an autoscaler."""
    del driver
    cluster.machines.pop().lose()
    cluster.add(CPUS)


def strike_driver(cluster: Raylets, driver: Driver) -> None:
    """The driver."""
    del cluster
    driver.kill()


def strike_head(cluster: Raylets, driver: Driver) -> None:
    """The head, and so the cluster; a new one comes at the same address."""
    cluster.lose_head()
    driver.to_the_end(timeout_s=90)
    cluster.start_head()
    cluster.add(CPUS)


VICTIMS: dict[str, Callable[[Raylets, Driver], None]] = {
    "worker": strike_worker, "engine": strike_engine, "machine": strike_machine, "driver": strike_driver, "head": strike_head,
}  # fmt: skip
"""What is killed -> how, whatever runs at that moment."""
