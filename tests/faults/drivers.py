"""A driver as a user starts it, watched line by line, and what it has written down so far."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.studies import start_job


class Driver:
    """A running `python -m jobs.JOB` whose output is read as it comes.

    Args:
        address: of the Ray cluster to use (None: it starts a local one).
    """

    def __init__(
        self, study: Path, *overrides: str, job: str = "sweep", address: str | None = None, **environment: str
    ) -> None:
        self.begun = time.monotonic()
        given = {**environment, **({"RAY_ADDRESS": address} if address else {})}
        self.process: subprocess.Popen[str] = start_job(job, study, *overrides, **given)
        self.lines = list[str]()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def said(self, pattern: str) -> int:
        """How many lines match."""
        return sum(1 for line in list(self.lines) if re.search(pattern, line))

    def wait_for(self, pattern: str, timeout_s: float = 300) -> None:
        """Until a line matches."""
        self.wait_until(lambda: self.said(pattern) > 0, f"a line like {pattern!r}", timeout_s)

    def wait_for_file(self, folder: Path, pattern: str, timeout_s: float = 300) -> None:
        """Until a file is there."""
        self.wait_until(lambda: bool(list(folder.glob(pattern))), f"{pattern} in {folder.name}", timeout_s)

    def wait_until(self, there: Callable[[], bool], what: str, timeout_s: float) -> None:
        """Until something is there; the driver is expected to live that long."""
        deadline = time.monotonic() + timeout_s
        while not there():
            assert self.process.poll() is None, f"ended before {what}:\n{self.output[-6000:]}"
            assert time.monotonic() < deadline, f"no {what} in {timeout_s} s:\n{self.output[-6000:]}"
            time.sleep(0.02)

    def to_the_end(self, timeout_s: float = 500) -> tuple[int, str]:
        """(exit code, output)."""
        try:
            code = self.process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the driver did not end in {timeout_s} s:\n{self.output[-6000:]}") from None
        self.thread.join(timeout=10)
        return code, self.output

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()
        self.thread.join(timeout=10)
