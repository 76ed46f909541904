"""The main job as a user runs it, every stage with its real engine on a tiny random-weight model.

One undisturbed run, submitted to a cluster, serves the tests of its outputs, of running again, and (as the truth to
compare with) of the killed run.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.runtime.metrics import LAST_PROGRESS, METRICS
from tests.faults.drivers import Driver
from tests.faults.raylets import QUICK, Raylets, slay
from tests.faults.victims import ENGINE, WORKER, titled
from tests.faults.witness import left_over
from tests.studies import Run, run_job, write_study

pytestmark = [pytest.mark.ray, pytest.mark.engine]
STAGES = (
    "model", "ingest", "embed", "cluster", "near", "label", "cards", "sample", "mix", "train", "generate", "judge",
)  # fmt: skip


def test_every_stage_left_its_artifact(undisturbed: Run) -> None:
    made = {path.name for path in (undisturbed.storage / "artifacts").iterdir()}
    assert made == set(STAGES) - {"model"}  # the model folder and the packaged encoder are used where they lie
    assert len(list((undisturbed.storage / "artifacts" / "train").glob("*/manifest.json"))) == 3
    assert len(undisturbed.tokens()) == 4 * 2  # base and three cells, two prompt sets


def test_results_have_every_cell_with_n_and_interval(undisturbed: Run) -> None:
    rows = undisturbed.results().to_pylist()
    overall = [r for r in rows if r["category"] == "" and r["metric"] != "holdout_loss"]
    assert {r["strategy"] for r in rows} == {"base", "none", "random", "sss_b"}
    assert {(r["metric"], r["prompts"]) for r in overall} == {("asr", "harmful"), ("over_refusal", "lookalike")}
    assert all(r["n"] == 6 and 0 <= r["low"] <= r["value"] <= r["high"] <= 1 for r in overall)
    losses = [r for r in rows if r["metric"] == "holdout_loss"]
    assert [(r["strategy"], r["n"]) for r in losses] == [("none", 8), ("random", 8), ("sss_b", 8)]
    assert len({r["value"] for r in losses}) == 3, "three different mixes gave the same held-out loss"


def test_every_answer_came_from_the_weights_that_were_trained(undisturbed: Run) -> None:
    summary = json.loads((undisturbed.folder / "summary.json").read_text())
    canaries = {cell["strategy"]: cell["canary"] for cell in summary["cells"]}
    assert {canaries[s]["status"] for s in ("none", "random", "sss_b")} == {"passed"}
    assert all(canaries[s]["distance"] < 1e-3 for s in ("none", "random", "sss_b")), canaries


def test_the_adapter_is_peft_safetensors_and_trained(undisturbed: Run) -> None:
    from safetensors.numpy import load_file

    for manifest in (undisturbed.storage / "artifacts" / "train").glob("*/manifest.json"):
        adapter = manifest.parent / json.loads(manifest.read_text())["attempt"] / "adapter"
        weights = load_file(adapter / "adapter_model.safetensors")
        assert json.loads((adapter / "adapter_config.json").read_text())["r"] == 4
        assert len(weights) == 2 * 4 * 2  # A and B of four layers in two blocks
        assert all(abs(w).max() > 0 for name, w in weights.items() if "lora_B" in name)


def test_a_cell_tells_what_its_start_and_its_steps_took(undisturbed: Run) -> None:
    for manifest in (undisturbed.storage / "artifacts" / "train").glob("*/manifest.json"):
        about = json.loads(manifest.read_text())["about"]
        assert about["start_s"] > 0
        assert 0 < about["steps_s"] < about["wall_s"]


def test_selections_are_files_that_a_trainer_reads(undisturbed: Run) -> None:
    lines = (undisturbed.folder / "selections" / "sss_b-8-0.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["rank"] for row in rows] == list(range(8))
    assert {row["behavior"] for row in rows} == {"T1"}
    assert (undisturbed.folder / "selections" / "none-0-0.jsonl").read_text() == ""


def test_report_and_table_are_written(undisturbed: Run) -> None:
    html = (undisturbed.folder / "report.html").read_text()
    assert "sss_b" in html
    assert not re.search(r"(src|href)\s*=\s*[\"']?https?:|url\(\s*[\"']?https?:|<script\s", html), "it loads something"
    assert html.count("<script") <= 1, "there is one script, which the page's policy names by its digest"
    assert "report:" in undisturbed.output


def metric(run: Run, name: str, *tags: str) -> dict[tuple[str, ...], float]:
    """Values by tags; of counters the sum, of gauges the largest, over the processes that tell it."""
    kind, found = METRICS[name].kind, dict[tuple[str, ...], float]()
    for told, own, value in run.metrics.get(METRICS[name].exported, []):
        assert told == kind
        assert own["study"] == "tiny"
        at = tuple(own[tag] for tag in tags)
        found[at] = found.get(at, 0) + value if kind == "counter" else max(found.get(at, value), value)
    return found


def test_rays_metrics_endpoint_tells_what_the_run_did(undisturbed: Run) -> None:
    assert set(undisturbed.metrics) <= {one.exported for one in METRICS.values()}
    artifacts = undisturbed.storage / "artifacts"
    pools = [
        json.loads(path.read_text())["identity"]["inputs"]["pool"] for path in artifacts.glob("embed/*/manifest.json")
    ]
    rows_of = {
        pool: json.loads((artifacts / "ingest" / pool / "manifest.json").read_text())["facts"]["rows"] for pool in pools
    }
    assert metric(undisturbed, "ballast_rows_embedded") == {(): sum(rows_of.values())}
    trained = sum(sum(log["tokens"].to_pylist()) for log in training_logs(undisturbed).values())
    assert metric(undisturbed, "ballast_tokens_trained") == {(): trained}
    answers = undisturbed.tokens().values()
    assert metric(undisturbed, "ballast_tokens_generated") == {(): sum(len(one) for row in answers for one in row)}
    assert not metric(undisturbed, "ballast_error_rows")
    assert not metric(undisturbed, "ballast_engine_restarts")
    assert metric(undisturbed, "ballast_cells", "state") == {
        ("waiting",): 0, ("running",): 0, ("done",): 4, ("failed",): 0,
    }  # fmt: skip
    rows = [row for row in undisturbed.results().to_pylist() if (row["metric"], row["category"]) == ("asr", "")]
    asr = metric(undisturbed, "ballast_asr", "cell", "prompts", "judge")
    assert sorted((cell.split()[1].split("-")[0], *rest, value) for (cell, *rest), value in asr.items()) == sorted(
        (row["strategy"], row["prompts"], row["judge"], row["value"]) for row in rows
    )
    seconds = metric(undisturbed, "ballast_stage_seconds", "stage")
    assert {stage for (stage,) in seconds} == set(STAGES) - {"model"}
    assert all(value > 0 for value in seconds.values())
    (last,) = metric(undisturbed, LAST_PROGRESS).values()
    assert 0 < time.time() - last < 3600
    assert metric(undisturbed, "ballast_train_step", "cell") == {
        (f"tiny {cell}",): 60 for cell in ("none", "random-8", "sss_b-8")
    }


def test_the_log_and_the_status_tell_how_it_went(undisturbed: Run) -> None:
    log = [json.loads(line) for line in (undisturbed.folder / "log.jsonl").read_text().splitlines()]
    first = [event for event in log if event["run"] == log[0]["run"]]
    assert [first[0]["event"], first[-1]["event"], first[-1]["outcome"]] == ["run_started", "run_ended", "done"]
    assert [one["stage"] for one in first if one["event"] == "stage_ended"] == [s for s in STAGES if s != "model"]
    trained = {one["cell"]: one["key"] for one in first if one["event"] == "cell_trained"}
    keys = {path.name for path in (undisturbed.storage / "artifacts" / "train").iterdir()}
    assert set(trained) == {"tiny none", "tiny random-8", "tiny sss_b-8"}
    assert set(trained.values()) <= keys
    assert sum(one["event"] == "answers_judged" for one in first) == 4 * 2 * 2
    code, output = run_job("sweep", undisturbed.study, "--status")
    assert code == 0, output
    assert "not running: the last run ended" in output
    assert "cells: 0 waiting, 0 training, 0 trained, 0 answered, 4 judged, 0 failed (of 4" in output
    assert "errors: none\ntime left: none, everything is there" in output


def test_the_same_command_again_only_reports(undisturbed: Run) -> None:
    results, (summary, page) = (undisturbed.folder / "results.parquet").read_bytes(), reported(undisturbed)
    started = time.monotonic()
    code, output = run_job("sweep", undisturbed.study)
    assert code == 0, output
    assert time.monotonic() - started < 20
    assert "Ray started" not in output
    assert all(re.search(rf"{stage}: have (\d+) of \1", output) for stage in STAGES), output
    assert (undisturbed.folder / "results.parquet").read_bytes() == results
    assert reported(undisturbed) == (summary, page)


def reported(run: Run) -> tuple[dict[str, Any], str]:
    """Summary and report of a run, without the command that made them: a submitted study has another path."""
    summary = json.loads((run.folder / "summary.json").read_text())
    command = summary["how"].pop("command")
    page = (run.folder / "report.html").read_text()
    assert html.escape(command) in page
    return summary, page.replace(html.escape(command), "")


def test_placement_changes_nothing_that_is_there(undisturbed: Run) -> None:
    code, output = run_job("sweep", undisturbed.study, "--dry-run", "train.micro_batch=2", "encoder.batch=7")
    assert code == 0, output
    assert "will run" not in output
    code, output = run_job("sweep", undisturbed.study, "--dry-run", "recipe.lr=2e-2")
    assert re.search(r"train +0 of 3 have", output), output


@pytest.mark.slow
def test_adapters_by_the_row_serve_the_same_cell(undisturbed: Run) -> None:
    """The path that GPUs take: the adapter goes with the row and no weights are swapped."""
    overrides = ["name=rows", "evaluate.engine.adapters=rows", "sweep.strategy=[sss_b]", "evaluate.prompts.0.limit=4"]
    code, output = run_job("sweep", undisturbed.study, *overrides)
    assert code == 0, output[-6000:]
    assert "train: have 1 of 1" in output
    summary = json.loads((undisturbed.storage / "studies" / "rows" / "summary.json").read_text())
    cell = next(cell for cell in summary["cells"] if cell["strategy"] == "sss_b")
    assert cell["served"]["adapters"] == "rows"
    assert cell["canary"]["status"] == "passed"
    assert cell["canary"]["distance"] < 1e-3


def training_logs(run: Run) -> dict[str, pa.Table]:
    """Training logs by the key of their cell."""
    return {
        path.parent.parent.name: pq.read_table(path)
        for path in (run.storage / "artifacts" / "train").glob("*/*/training_log.parquet")
    }


def test_whatever_is_killed_the_results_are_the_same(undisturbed: Run, tiny_llama: Path, tmp_path: Path) -> None:
    """SIGKILL of a training worker, of the machine that trains, of the engine, the driver, and the head, one after the other."""
    storage = tmp_path / "runs"
    study = write_study(tmp_path / "study.yaml", model=tiny_llama, storage=storage)
    for stage in STAGES[1 : STAGES.index("train")]:  # what comes before costs time and is not at risk
        shutil.copytree(undisturbed.storage / "artifacts" / stage, storage / "artifacts" / stage)
    checkpoints = storage / "checkpoints"

    with Raylets(head_cpus=0, **QUICK) as cluster:  # as on a cluster, where the head does no work
        machine = cluster.add(2)
        first = Driver(study, "train.checkpoint_steps=10", address=cluster.address, **cluster.environment)
        first.wait_for(r"train tiny none: done")
        first.wait_for(r"train tiny random-8: started")
        first.wait_for_file(checkpoints, "*/step-*")
        slay(titled(cluster, WORKER))
        first.wait_for(r"train tiny random-8: lost its worker: its process was killed")
        first.wait_for(r"train tiny random-8: started \(try 2\)")
        first.wait_for(r"train tiny random-8: goes on from step [1-5]0 of 60")

        first.wait_for(r"train tiny sss_b-8: started")
        first.wait_for_file(checkpoints, "*/step-*")
        machine.lose()
        cluster.add(2)  # as an autoscaler would
        first.wait_for(r"train tiny sss_b-8: goes on from step [1-5]0 of 60")

        first.wait_for(r"starting 1 vLLM engine")
        first.wait_until(lambda: bool(titled(cluster, ENGINE)), "an engine", 120)
        engine = titled(cluster, ENGINE)
        first.wait_for(r"generate 1 of 4 cells")
        slay(engine)
        first.wait_for(r"engine lost \(.*\); starting another")
        first.wait_for(r"generate 2 of 4 cells")
        first.kill()
        cluster.wait_for_peace()  # nothing works on for a driver that is gone

        second = Driver(study, address=cluster.address, **cluster.environment)
        second.wait_for(r"starting 1 vLLM engine")
        cluster.lose_head()
        code, output = second.to_the_end(timeout_s=60)
        assert code != 0, output[-6000:]
        cluster.start_head()
        cluster.add(2)
        third = Driver(study, address=cluster.address, **cluster.environment)
        code, output = third.to_the_end()
        assert code == 0, output[-6000:]
        assert re.search(r"generate 1 of [12] cells", output), "cells that were answered were asked again"
        cluster.wait_for_peace()
        assert cluster.still_held() == {}

    unharmed(Run(study, storage, output), undisturbed)


def unharmed(killed: Run, undisturbed: Run) -> None:
    """What came of a run is what comes of an undisturbed one, and nothing else is left of it."""
    answers = undisturbed.tokens()  # of the other studies in that storage too
    assert len(killed.tokens()) == 8
    assert killed.tokens() == {key: answers[key] for key in killed.tokens()}
    assert killed.results().equals(undisturbed.results())
    assert left_over(killed.storage) == []
    for key, log in training_logs(killed).items():  # of the cells that went on in their middle too: no gap, no repeat
        assert log.equals(training_logs(undisturbed)[key])
        assert log["step"].to_pylist() == list(range(1, 61))
