"""One run of the tiny study in which something is killed at a random moment, and the row of the table that it makes."""

from __future__ import annotations

import json
import random
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.drivers import Driver
from tests.faults.raylets import QUICK, Raylets
from tests.faults.victims import CPUS, VICTIMS
from tests.faults.witness import Witness, left_over
from tests.studies import Run

RUNS = 30
ENDS_BEFORE = 0.95
"""Share of an undisturbed run in which the moments lie: what is killed as it ends by itself tells little."""


@dataclass(frozen=True)
class Kill:
    """What a run met, and what came of it."""

    number: int
    victim: str
    at_s: float
    """Seconds after the driver was started."""
    stage: str
    """That was running."""
    lost_s: float
    """Longer than an undisturbed run on the same machines."""
    commands: int
    """How often the command was given."""
    redone: dict[str, int]
    """Stage -> units made again (a block, a partition, a small artifact); of training, times that a cell went on."""
    steps: int
    """Optimizer steps made again, at most: from the checkpoint it went on from to where the next one would have been."""
    equal: bool


def victim_of(number: int) -> str:
    """The kinds in turn."""
    return list(VICTIMS)[number % len(VICTIMS)]


def moment_of(number: int, undisturbed_s: float) -> float:
    """Seconds after the start: the run's own random number."""
    return random.Random(number).uniform(0, ENDS_BEFORE) * undisturbed_s


def run_with_a_kill(number: int, study: Path, storage: Path, undisturbed_s: float, every: int = 10) -> tuple[Kill, Run]:
    """Run a study from nothing on a head and a machine, kill, give the same command again until it succeeds.

    Args:
        every: optimizer steps between checkpoints.
    """
    victim, at_s = victim_of(number), moment_of(number, undisturbed_s)
    with Raylets(head_cpus=CPUS, **QUICK) as cluster, Witness(storage) as witness:
        cluster.add(CPUS)

        def command() -> Driver:
            return Driver(study, f"train.checkpoint_steps={every}", address=cluster.address, **cluster.environment)

        begun = time.monotonic()
        driver = command()
        output = wait(driver, at_s)
        stage = "after the end" if driver.process.poll() is not None else stage_of(output)
        VICTIMS[victim](cluster, driver)
        code, output = driver.to_the_end()
        commands = 1
        while code != 0:
            assert commands < 4, output[-6000:]
            assert code in (1, -6, -9), f"a lost process is not the user's mistake: {output[-6000:]}"
            again = command()
            code, more = again.to_the_end()
            output, commands = output + more, commands + 1
        took = time.monotonic() - begun
        cluster.wait_for_peace()
        held = cluster.still_held()
    assert held == {}, held
    assert left_over(storage) == []
    went_on = [int(step) for step in re.findall(r"goes on from step (\d+) of", output)]
    redone = {**witness.redone()}
    steps = every * len(went_on) if went_on else 0
    return Kill(
        number, victim, round(at_s, 1), stage, round(took - undisturbed_s, 1), commands, redone, steps, False
    ), Run(study, storage, output)  # fmt: skip


def wait(driver: Driver, seconds: float) -> str:
    """Let a driver run for so long, or to its end; its output so far."""
    until = driver.begun + seconds
    while time.monotonic() < until and driver.process.poll() is None:
        time.sleep(0.05)
    return driver.output


def stage_of(output: str) -> str:
    """The stage that a driver is in, by what it has said."""
    begun = re.findall(r"^\[ *[\d:]+\] (\w+): \d+ of \d+ to run", output, flags=re.MULTILINE)
    return begun[-1] if begun else "start"


def append(table: Path, kill: Kill) -> None:
    """One more row: in JSON lines, and beside them all rows as Markdown."""
    lines = table.with_suffix(".jsonl")
    lines.parent.mkdir(parents=True, exist_ok=True)
    with lines.open("a") as file:
        file.write(json.dumps(asdict(kill)) + "\n")
    rows = [Kill(**json.loads(line)) for line in lines.read_text().splitlines()]
    table.with_suffix(".md").write_text(markdown(rows))


def markdown(rows: list[Kill]) -> str:
    """The table that the README shows."""
    head = "| run | victim | at | stage hit | lost | commands | made again | equal |\n|" + "---|" * 8 + "\n"
    return head + "".join(
        f"| {row.number} | {row.victim} | {row.at_s:.0f} s | {row.stage} | {row.lost_s:.0f} s | {row.commands} | "
        f"{made_again(row)} | {'yes' if row.equal else 'NO'} |\n"
        for row in sorted(rows, key=lambda row: row.number)
    )


def made_again(row: Kill) -> str:
    """What was lost, in words."""
    said = [f"{stage} {count}" for stage, count in row.redone.items() if stage != "train"]
    if row.redone.get("train"):
        said.append(f"at most {row.steps} steps" if row.steps else "a cell from its start")
    return ", ".join(said) or "nothing"
