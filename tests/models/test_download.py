"""Models from a hub that runs here: cut connections, killed processes, two at once, wrong bytes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib.models import download as module
from lib.models.download import HubFile, _claim, _host
from tests.conftest import ROOT
from tests.servers import COMMIT, ModelHub, model_hub

LARGE = random.Random(0).randbytes(24 << 20)
FILES = {
    "config.json": b"{}", "model.safetensors": LARGE, "1_Pooling/config.json": b'{"a": 1}', "tokenizer.model": b"m" * 1000,
    "pytorch_model.bin": b"pickle", "modeling.py": b"code", ".gitattributes": b"x", ".notes/x.json": b"{}",
}  # fmt: skip
WANTED = {"config.json", "model.safetensors", "1_Pooling/config.json", "tokenizer.model"}
CHUNK = 10 << 20
"""What the hub's client hands on at once; so much is what a cut can cost."""

FETCH = """
import json, sys
from pathlib import Path
from lib.models import download
from lib.models.source import materialise, resolve_model
from lib.errors import UserError
download.POLL_S = 0.1
told = []
try:
    print(json.dumps(materialise(resolve_model("org/model@" + sys.argv[1]), Path(sys.argv[2]), lambda *one: told.append(one))))
    print(json.dumps(told[-1]))
except UserError as error:
    print(json.dumps(str(error)))
"""


def start(hub: ModelHub, folder: Path) -> subprocess.Popen[str]:
    """Fetch the model in a process of its own: the hub's address is read at import."""
    env = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"} | {"HF_ENDPOINT": hub.url}
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, COMMIT, str(folder)], cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> list[object]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err[-3000:]
    return [json.loads(line) for line in out.splitlines()]


def whole(folder: Path) -> None:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {name: FILES[name] for name in WANTED}


def ranges(hub: ModelHub) -> list[str]:
    return [asked for name, asked in hub.asked if name == "model.safetensors"]


@pytest.mark.slow
def test_a_cut_connection_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with model_hub(FILES) as hub:
        hub.cuts = {"model.safetensors": [CHUNK + 5, 100, CHUNK + 7, -100]}
        facts, last = finish(start(hub, tmp_path))
    size = sum(len(FILES[name]) for name in WANTED)
    assert facts == {"from": f"org/model@{COMMIT}", "commit": COMMIT, "files": 4, "bytes": size}
    assert last == ["fetched", size, size]
    whole(tmp_path)
    assert {name for name, _ in hub.asked} == WANTED, "pickles and code are not asked for"
    assert ranges(hub) == ["", *[f"bytes={CHUNK}-"] * 2, *[f"bytes={2 * CHUNK}-"] * 2]


def test_a_killed_process_leaves_its_part_to_the_next(tmp_path: Path) -> None:
    with model_hub(FILES) as hub:
        hub.stalls = {"model.safetensors": CHUNK + 100}
        first = start(hub, tmp_path)
        until = time.monotonic() + 30
        while not any(part.stat().st_size == CHUNK for part in tmp_path.glob(".model.safetensors.*.part")):
            assert time.monotonic() < until
            time.sleep(0.02)
        first.kill()
        first.wait()
        hub.asked.clear()
        (tmp_path / ".config.json.00000000-1.part").write_bytes(b"of another machine, and of no use to anybody")
        finish(start(hub, tmp_path))
    whole(tmp_path)
    assert ranges(hub) == [f"bytes={CHUNK}-"]
    assert {name for name, _ in hub.asked} == {"model.safetensors"}, "what was whole is not asked for again"


@pytest.mark.slow
def test_two_at_once_fetch_it_once(tmp_path: Path) -> None:
    with model_hub(FILES) as hub:
        hub.cuts = {"model.safetensors": [CHUNK]}
        both = [start(hub, tmp_path) for _ in range(2)]
        said = [finish(one) for one in both]
    whole(tmp_path)
    assert said[0][0] == said[1][0]
    assert ranges(hub).count("") == 1


@pytest.mark.slow
def test_bytes_that_are_not_those_that_the_hub_names_are_refused(tmp_path: Path) -> None:
    with model_hub(FILES, wrong="tokenizer.model") as hub:
        [said] = finish(start(hub, tmp_path))
    assert str(said).startswith(
        "model org/model: what the hub sends as tokenizer.model is not what it names by its digest:"
    )
    assert [name for name, _ in hub.asked].count("tokenizer.model") == 2
    assert not (tmp_path / "tokenizer.model").exists()
    assert not list(tmp_path.glob(".tokenizer*"))


@pytest.mark.slow
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    with model_hub({**FILES, "../escaped.json": b"{}"}) as hub:
        [said] = finish(start(hub, tmp_path / "inside"))
    assert said == "model org/model: its file '../escaped.json' would not lie in its folder: take another model"
    assert hub.asked == []


def test_a_part_of_another_machine_is_taken_over_when_it_no_longer_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    monkeypatch.setattr(module, "STALE_S", 0.1)
    target = tmp_path / "a[1].json"
    part = tmp_path / f".{target.name}.00000000-1.part"
    part.write_bytes(b"some")
    own = _claim(target)
    assert own == tmp_path / f".{target.name}.{_host()}-{os.getpid()}.part"
    assert own.read_bytes() == b"some"
    assert not part.exists()
    assert _claim(target) == own
    target.write_bytes(b"all of it")
    assert _claim(target) is None


def test_a_file_is_compared_with_the_digest_that_the_hub_names(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hello\n")
    assert HubFile("f", 6, "ce013625030ba8dba906f756967f9e9ca394464a", None).is_whole(tmp_path / "f")  # git hash-object
    assert not HubFile("f", 6, "0" * 40, None).is_whole(tmp_path / "f")
    assert not HubFile("f", 6, "ce013625030ba8dba906f756967f9e9ca394464a", "0" * 64).is_whole(tmp_path / "f")
