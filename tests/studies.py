"""A tiny study that goes through every stage with the real engines, and ways to run it as a user does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import ROOT

Metrics = dict[str, list[tuple[str, dict[str, str], float]]]

STUDY = """
name: tiny
storage: {storage}
corpus: {{source: "builtin:safety", format: ballast}}
references: {{source: "builtin:references", format: ballast}}
categories: {{from: given}}
benign: {{source: "builtin:benign", format: alpaca, limit: 24, holdout: 8}}
clusters: {{k: 5}}
models: [{{name: tiny, source: {model}, template: chat}}]
sweep: {{strategy: [none, random, sss_b], budget: [8], draw: [0], seed: [0]}}
recipe: {{lora: {{r: 4}}, lr: 1e-2, steps: 60, batch: 4, max_tokens: 256, dtype: fp32}}
evaluate:
  prompts:
    - {{name: harmful, source: "builtin:harmful", limit: 6}}
    - {{name: lookalike, source: "builtin:lookalike", limit: 6}}
  judges: ["keyword:qi29", "keyword:xstest"]
  generation: {{max_tokens: 12}}
  engine: {{dtype: fp32, max_model_tokens: 256, block: 4}}
cluster: {{threads: 1}}
"""
"""One thread: tests run in two processes, and threads of two trainings that share two cores spin while they wait for each other,
which takes four times as long."""


def write_study(path: Path, *, model: Path, storage: Path | str) -> Path:
    """Write the tiny study to `path`."""
    path.write_text(STUDY.format(model=model, storage=storage))
    return path


def start_job(job: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start `python -m jobs.<job>` from the repository root, both outputs in one pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", f"jobs.{job}", *map(str, arguments)],
        cwd=ROOT, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def run_job(job: str, *arguments: object, timeout_s: float = 600, **environment: str) -> tuple[int, str]:
    """Run a job to its end; (exit code, output)."""
    process = start_job(job, *arguments, **environment)
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError(f"jobs.{job} did not end in {timeout_s} s:\n{output[-4000:]}") from None
    return process.returncode, output


@dataclass
class Head:
    """A running local cluster and the environment to talk to it."""

    env: dict[str, str]

    def script(self, verb: str) -> subprocess.CompletedProcess[str]:
        """`cluster/local.sh <verb>`."""
        return subprocess.run(
            ["cluster/local.sh", verb], cwd=ROOT, env=self.env, text=True, capture_output=True, timeout=180, check=False
        )

    def submit(self, *command: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """`ray job submit` of the working folder, followed to its end."""
        ray = Path(sys.executable).with_name("ray")
        return subprocess.run(
            [str(ray), "job", "submit", "--working-dir", ".", "--", *command],
            cwd=ROOT, env=self.env, text=True, capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def submit_study(self, *arguments: object, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """`python -m jobs.submit`, followed to its end."""
        return subprocess.run(
            [sys.executable, "-m", "jobs.submit", *map(str, arguments)],
            cwd=ROOT, env=self.env, text=True, capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip


class Scraper(threading.Thread):
    """Reads Ballast's own metrics from a node of a head while something runs there, as a Prometheus would."""

    SERIES = re.compile(r"(ray_ballast_\w+)\{(.*)\} (\S+)$")
    NODES = "import json, ray; ray.init(address={!r}, log_to_driver=False); print('nodes:' + json.dumps(ray.nodes()))"
    OWN = {"study", "cell", "state", "stage", "prompts", "judge"}

    def __init__(self, head: Head, every_s: float = 2.0) -> None:
        super().__init__(daemon=True)
        self.head, self.every_s, self.over = head, every_s, threading.Event()
        self.series: dict[str, dict[str, tuple[str, float]]] = {}
        """Name -> every series as the endpoint names it -> its kind and latest value."""

    def run(self) -> None:
        """From the start until `read` is called."""
        address = f"127.0.0.1:{self.head.env['BALLAST_HEAD_PORT']}"
        asked = subprocess.run(
            [sys.executable, "-c", self.NODES.format(address)], env=self.head.env, capture_output=True, check=True
        )
        [told] = [line for line in asked.stdout.decode().splitlines() if line.startswith("nodes:")]
        [node] = json.loads(told.removeprefix("nodes:"))
        url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        ended = False
        while not ended:
            ended = self.over.wait(self.every_s)
            with urllib.request.urlopen(url, timeout=10) as answer:
                self._keep(answer.read().decode())

    def _keep(self, text: str) -> None:
        kinds = dict(re.findall(r"^# TYPE (\S+) (\w+)$", text, flags=re.MULTILINE))
        for line in text.splitlines():
            if found := self.SERIES.match(line):
                name, tags, value = found.groups()
                self.series.setdefault(name, {})[tags] = (kinds[name], float(value))

    def read(self) -> Metrics:
        """Everything that was seen, each series at its latest: name -> [(kind, Ballast's own tags, value)]."""
        self.over.set()
        self.join(timeout=60)
        assert not self.is_alive()
        return {
            name: [
                (kind, {tag: value for tag, value in re.findall(r'(\w+)="([^"]*)"', tags) if tag in self.OWN}, number)
                for tags, (kind, number) in found.items()
            ]
            for name, found in self.series.items()
        }


@dataclass
class Run:
    """A finished run of the tiny study."""

    study: Path
    storage: Path
    output: str
    metrics: Metrics = field(default_factory=dict)
    """What the node's metrics endpoint showed of it."""

    @property
    def folder(self) -> Path:
        return self.storage / "studies" / "tiny"

    def results(self) -> pa.Table:
        return pq.read_table(self.folder / "results.parquet")

    def tokens(self) -> dict[str, list[list[int]]]:
        """key -> the token ids of every answer, over all generate artifacts."""
        found = {}
        for manifest in (self.storage / "artifacts" / "generate").glob("*/manifest.json"):
            attempt = manifest.parent / json.loads(manifest.read_text())["attempt"]
            found[manifest.parent.name] = pq.read_table(attempt / "generations.parquet")["tokens"].to_pylist()
        return found
