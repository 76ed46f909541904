"""A tiny study that goes through every stage with the real engines, and ways to run it as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

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
"""


def write_study(path: Path, *, model: Path, storage: Path) -> Path:
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
