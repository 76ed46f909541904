"""The model stage: what an attempt leaves to the next, what is recorded, and what is told on the way."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lib.models.source import ModelSource
from lib.progress import Progress
from lib.runtime import steps
from lib.runtime.session import Session
from lib.runtime.steps import Step, model_step
from lib.runtime.told import listening, teller
from lib.store import Store
from tests.conftest import ROOT
from tests.servers import COMMIT as HUB_COMMIT
from tests.servers import model_hub
from tests.studies import write_study

COMMIT = "0123456789abcdef" * 2 + "01234567"


def step(root: Path, kind: str) -> Step:
    identity = {"hub": f"org/model@{COMMIT}"} if kind == "hub" else {"package": "p==1"}
    source = ModelSource("org/model@main", kind, identity)
    return Step("m", Store(root), "model", "k" * 32, identity, {"source": source}, {})


@pytest.mark.parametrize(("kind", "kept"), [("hub", ["a.safetensors"]), ("package", [])])
def test_a_cut_download_is_gone_on_with_and_a_cut_conversion_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, kept: list[str]
) -> None:
    seen = []

    def make(source: ModelSource, folder: Path, tell: Any) -> dict[str, Any]:
        seen.append(sorted(path.name for path in folder.rglob("*") if not path.name.startswith(".")))
        (folder / "a.safetensors").write_bytes(b"a")
        if len(seen) == 1:
            raise ConnectionError("cut")
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text("{}")
        return {"from": "x", "commit": COMMIT}

    monkeypatch.setattr(steps, "materialise", make)
    with pytest.raises(ConnectionError):
        model_step(step(tmp_path, kind))
    assert model_step(step(tmp_path, kind)) == "x"
    assert seen == [[], kept]
    made = Store(tmp_path).need("model", "k" * 32)
    assert made.facts["commit"] == COMMIT
    assert set(made.manifest["files"]) == {"a.safetensors", "1_Pooling/config.json"}


def test_a_worker_tells_now_and_then_and_at_the_end() -> None:
    class Heard:
        def __init__(self) -> None:
            self.tell, self.all = self, list[tuple[str, int, int]]()

        def remote(self, *what: Any) -> None:
            self.all.append(what)

    heard = Heard()
    tell = teller(heard, "m", every_s=60)
    for done in (1, 2, 3, 10):
        tell("fetched", done, 10)
    assert heard.all == [("model m: fetched", 1, 10), ("model m: fetched", 10, 10)]
    teller(None, "m")("fetched", 1, 10)


@pytest.mark.ray
def test_what_workers_tell_is_shown_in_mib(ray_session: Session) -> None:
    out = io.StringIO()
    shown, ray_session.progress = ray_session.progress, Progress(out, every_s=0)
    try:
        with listening(ray_session) as told:
            tell = teller(told, "org/model", every_s=0)
            tell("fetched", 3 << 20, 64 << 20)
            until = time.monotonic() + 20
            while "3 of 64 MiB" not in out.getvalue():
                assert time.monotonic() < until
                time.sleep(0.05)
            tell("fetched", 64 << 20, 64 << 20)
    finally:
        ray_session.progress = shown
    assert [line.partition("] ")[2] for line in out.getvalue().splitlines()] == [
        "model org/model: fetched: 3 of 64 MiB", "model org/model: fetched: 64 of 64 MiB",
    ]  # fmt: skip


RUN = """
import sys
from lib.progress import Progress
from lib.runtime.pipeline import run
from lib.study import load_study
plan, lookup = run(load_study(sys.argv[1], sys.argv[2:]), Progress(every_s=0.1), until="model")
for node in plan.nodes("model"):
    print(node.title, lookup.folder(node), lookup.facts(node) if node.path is None else "")
"""


@pytest.mark.slow
@pytest.mark.ray
def test_a_model_of_the_hub_is_fetched_once_by_a_worker_through_cuts(tiny_llama: Path, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in tiny_llama.iterdir() if path.is_file()}
    files["more.safetensors"] = bytes(25 << 20)
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage=tmp_path / "runs")
    with model_hub(files) as hub:
        hub.cuts = {"more.safetensors": [11 << 20, 11 << 20]}
        env = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"} | {"HF_ENDPOINT": hub.url}
        command = [sys.executable, "-c", RUN, study, f"models.0.source=org/model@{HUB_COMMIT}", "cluster.max_gpus=0"]
        said = [
            subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, timeout=200, check=True)
            for _ in range(2)
        ]
        asked = list(hub.asked)
    total = sum(len(files[name]) for name in files if name.endswith((".json", ".safetensors", ".jinja", ".txt"))) >> 20
    assert re.search(rf"model tiny: fetched: \d+ of {total} MiB", said[0].stderr), said[0].stderr
    assert f"'commit': '{HUB_COMMIT}'" in said[0].stdout
    assert "Ray started" not in said[1].stderr
    assert said[1].stdout == said[0].stdout
    assert len([1 for name, _ in asked if name == "more.safetensors"]) == 3, "once, with two cuts"
