"""What a local driver started ends with it, also when it is killed; what only looks on is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lib.runtime.reaper import writers

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="the reaper reads /proc")

DRIVER = """
import subprocess, sys, time
from lib.runtime.reaper import start_reaper
folder = sys.argv[1]
start_reaper(folder)
log = open(f"{folder}/agent.log", "w")
agent = subprocess.Popen(["sleep", "60"], stdout=log, start_new_session=True)
print(agent.pid, flush=True)
time.sleep(60)
"""


def test_who_writes_there_is_ended_with_the_driver_and_who_reads_is_not(tmp_path: Path) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    agent = psutil.Process(int(driver.stdout.readline()))
    reader = subprocess.Popen(["tail", "-f", str(tmp_path / "agent.log")], stdout=subprocess.DEVNULL)
    try:
        reaper = [
            one for one in psutil.process_iter() if one.pid != driver.pid and str(tmp_path) in _line(one, "reaper")
        ]
        assert len(reaper) == 1
        assert sorted(writers(str(tmp_path))) == sorted([driver.pid, agent.pid])
        assert agent.is_running()
        driver.kill()
        driver.wait()
        gone, _ = psutil.wait_procs([agent, *reaper], timeout=10)
        assert len(gone) == 2
        assert reader.poll() is None
    finally:
        reader.kill()
        reader.wait()


def test_the_end_of_the_folder_is_the_end_of_its_name(tmp_path: Path) -> None:
    """`session_1` is not below `session`."""
    (tmp_path / "session_1").mkdir()
    with (tmp_path / "session_1" / "log").open("w"):
        assert os.getpid() in writers(str(tmp_path / "session_1"))
        assert list(writers(str(tmp_path / "session"))) == []


def _line(process: psutil.Process, word: str) -> str:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return ""
    return line if word in line else ""
