"""The main job with its storage in a bucket, on machines that share no folder, killed and run again."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.faults.drivers import Driver
from tests.faults.raylets import QUICK, Raylets
from tests.servers import s3_server
from tests.studies import Run, run_job, write_study

pytestmark = [pytest.mark.ray, pytest.mark.engine]
SECRET = "hunter22hunter22"
EARLIER = ("ingest", "embed", "cluster", "near", "label", "cards", "sample")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A file system on a real S3 server with the bucket `pool`, which every process started from here finds."""
    from s3fs import S3FileSystem

    with s3_server() as url:
        for name, value in {
            "ENDPOINT_URL": url, "ACCESS_KEY_ID": "nobody", "SECRET_ACCESS_KEY": SECRET, "DEFAULT_REGION": "us-east-1",
        }.items():  # fmt: skip
            monkeypatch.setenv(f"AWS_{name}", value)
        found = S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
        found.mkdir("pool")
        yield found


def contents(s3: Any, pattern: str) -> dict[str, bytes]:
    found = s3.glob(f"pool/runs/{pattern}", detail=True)
    files = sorted(
        name for name, about in found.items() if about["type"] == "file"
    )  # what looks like a folder has no content
    return {name.removeprefix("pool/runs/"): s3.cat_file(name) for name in files}


def tokens(s3: Any) -> dict[str, list[list[int]]]:
    """key -> the token ids of every answer."""
    found = {}
    for name, text in contents(s3, "artifacts/generate/*/manifest.json").items():
        file = s3.cat_file(f"pool/runs/{name.rpartition('/')[0]}/{json.loads(text)['attempt']}/generations.parquet")
        found[name.split("/")[2]] = pq.read_table(io.BytesIO(file))["tokens"].to_pylist()
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("begun", [True, False], ids=["from-mix", "from-nothing"])
def test_a_killed_study_ends_as_in_a_folder_on_machines_that_share_nothing(
    s3: Any, undisturbed: Run, tmp_path: Path, tiny_llama: Path, begun: bool
) -> None:
    for stage in EARLIER if begun else ():  # a folder's artifacts are a bucket's, file by file
        s3.put(f"{undisturbed.storage}/artifacts/{stage}", f"pool/runs/artifacts/{stage}", recursive=True)
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage="s3://pool/runs")
    mirrors = {name: tmp_path / name for name in ("one", "two", "driver", "elsewhere", "reader")}
    with Raylets(head_cpus=0, **QUICK) as cluster:
        for name in ("one", "two"):
            cluster.add(2, BALLAST_CACHE=str(mirrors[name]))

        def driver(mirror: str, *overrides: str) -> Driver:
            given = {**cluster.environment, "BALLAST_CACHE": str(mirrors[mirror])}
            return Driver(study, *overrides, address=cluster.address, **given)

        killed = driver("driver", "train.checkpoint_steps=10")
        killed.wait_for(r"train tiny none: done")
        killed.wait_until(lambda: bool(s3.glob("pool/runs/checkpoints/*/step-*/state.json")), "a checkpoint", 300)
        killed.kill()
        cluster.wait_for_peace()
        before = contents(s3, "artifacts/*/*/manifest.json")
        code, output = driver("elsewhere").to_the_end()
        assert code == 0, output[-6000:]
        cluster.wait_for_peace()

    after = contents(s3, "artifacts/*/*/manifest.json")
    assert after.items() >= before.items(), "what was finished was made again"
    assert "goes on from step" in output
    found = contents(s3, "studies/tiny/*")
    assert pq.read_table(io.BytesIO(found["studies/tiny/results.parquet"])).equals(undisturbed.results())
    answers = undisturbed.tokens()
    assert len(tokens(s3)) == 8
    assert tokens(s3) == {key: answers[key] for key in tokens(s3)}
    assert {name.rpartition("/")[2] for name in found} >= {"report.html", "summary.json", "progress.json", "log.jsonl"}
    assert contents(s3, "studies/tiny/selections/*.jsonl").keys() >= {"studies/tiny/selections/sss_b-8-0.jsonl"}
    assert contents(s3, "studies/tiny/tensorboard/*/*")
    events = [json.loads(line)["event"] for line in found["studies/tiny/log.jsonl"].splitlines()]
    assert (events.count("run_started"), events[-1]) == (2, "run_ended")
    assert not [name for name in s3.find("pool") if "/checkpoints/" in name or "/scratch/" in name or "/.probe" in name]
    told = b"".join(
        s3.cat_file(name) for name in s3.find("pool") if name.endswith((".json", ".jsonl", ".html", ".csv"))
    )
    assert SECRET.encode() not in told
    for name in ("one", "two"):  # both have worked, and neither has seen the other's files
        assert list(mirrors[name].rglob("*.parquet"))
    assert not (tmp_path / "s3:").exists()

    reader = {"BALLAST_CACHE": str(mirrors["reader"])}  # a machine that has never seen the study
    code, told_of = run_job("sweep", study, "--status", **reader)
    assert (code, "of 4, the untouched models included" in told_of) == (0, True), told_of
    assert "s3://pool/runs/studies/tiny" in told_of
    code, again = run_job("sweep", study, **reader)
    assert code == 0, again
    assert "Ray" not in again.partition("report:")[0]
    code, collected = run_job("sweep", study, "--gc", "--grace", "0h", **reader)
    assert (code, "nothing to free in s3://pool/runs" in collected) == (0, True), collected
