"""What a study leaves for people: the picked rows, and whole mixes with the very rows that the mix stage trains on, and
what judges disagree on."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.corpus.example import EXAMPLES
from lib.corpus.partitions import all_parts
from lib.embedding.leakage import LEAKED_FILE, LEAKS
from lib.errors import UserError
from lib.generation.answers import GENERATIONS, answer_row
from lib.generation.prompts import Prompt
from lib.goal.verdict import GoalVerdict
from lib.judging.judge import VERDICTS
from lib.plan import Lookup, Node, Plan
from lib.reporting.examples import chosen_prompts, examples
from lib.reporting.summary import _known, _warnings
from lib.runtime.mix import _rows_of
from lib.runtime.outputs import merged_report, report, study_folder, write_exports, write_selections
from lib.runtime.pipeline import unfinished
from lib.sampling.select import SELECTION
from lib.statistics.results import cell_id
from lib.training.mix import mix_order
from tests import makers
from tests.makers import demo, example, finished

BENIGN = sorted((example(f"Task {n}?", f"Done \U0001f9ed\n{n}.") for n in range(12)), key=lambda e: e.id)
LEAKED = BENIGN[1]
PICKED = {"none": [], "random": [("Bad 1?", "No."), ("Bad 2?", '"No."')], "sss_b": [("Bad 3?", "No\u2028!")]}


def fill(node: Node, folder: Path) -> None:
    """The files that the outputs are made of."""
    if (node.stage, node.title) == ("ingest", "benign"):
        rows = [{**vars(row), "categories": []} for row in BENIGN]
        pq.write_table(pa.Table.from_pylist(rows, schema=EXAMPLES), folder / all_parts(1)[0].name)
    if (node.stage, node.title) == ("near", "leakage benign"):
        leak = {"text_id": LEAKED.text_id, "instruction": "", "prompt": "", "equal": True}
        pq.write_table(pa.Table.from_pylist([leak], schema=LEAKS), folder / LEAKED_FILE)
    if node.stage == "sample":
        picked = [
            {"rank": rank, "id": f"{rank:032x}", "instruction": asked, "response": answered, "reason": "why"}
            for rank, (asked, answered) in enumerate(PICKED[node.title.split("-")[0]])
        ]
        pq.write_table(pa.Table.from_pylist(picked, schema=SELECTION), folder / "selection.parquet")


def made(tmp_path: Path, *overrides: str) -> tuple[Plan, Lookup, Path]:
    rules = ["benign.limit=8", "benign.holdout=2", "selection.drop_leaked=true"]
    plan, lookup = finished(demo(tmp_path, *rules, *overrides), fill=fill)
    return plan, lookup, study_folder(plan.study)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_selections_are_rows_with_their_reasons(tmp_path: Path) -> None:
    plan, lookup, folder = made(tmp_path)
    write_selections(plan, lookup)
    titles = {path.name for path in (folder / "selections").iterdir()}
    assert titles == {"none-0-0.jsonl", "random-48-0.jsonl", "sss_b-48-0.jsonl"}
    assert lines(folder / "selections" / "none-0-0.jsonl") == []
    first, second = lines(folder / "selections" / "random-48-0.jsonl")
    assert list(first) == SELECTION.names
    assert (second["rank"], second["instruction"], second["response"], second["reason"]) == (
        1,
        "Bad 2?",
        '"No."',
        "why",
    )


def test_nothing_is_exported_unless_asked_for(tmp_path: Path) -> None:
    plan, lookup, folder = made(tmp_path)
    assert write_exports(plan, lookup) == ""
    assert not (folder / "export").exists()


def trained(plan: Plan, lookup: Lookup, sample: Node) -> list[tuple[str, str]]:
    """What the mix stage hands to the training of a cell, in the order of epoch 0 of seed 0."""
    rows: dict[str, list[tuple[str, str]]] = {}
    for node in plan.mixes:
        if node.inputs["rows"] is not sample and node.inputs["rows"].stage == "sample":
            continue
        identity = dict(node.identity or {})
        leaked = str(lookup.folder(node.inputs["leakage"])) if "leakage" in node.inputs else ""
        item = {
            "node": 0, "role": identity["role"], "rows": str(lookup.folder(node.inputs["rows"])), "model": "",
            "folder": "", "template": "chat", "family": "auto", "max_tokens": 9, "limit": identity.get("limit") or 0,
            "holdout": identity.get("holdout") or 0, "leaked": leaked,
        }  # fmt: skip
        tables = [table for table in _rows_of(item) if "train" in table["part"].to_pylist()]
        pairs = [(row["instruction"], row["response"]) for table in tables for row in table.to_pylist()]
        rows[identity["role"]] = pairs
    mix = rows["benign"] + rows.get("selection", [])
    return [mix[n] for n in mix_order(len(rows["benign"]), len(rows.get("selection", [])), seed=0, epoch=0)]


@pytest.mark.parametrize("drop", ["true", "false"])
def test_an_export_has_the_rows_that_the_mix_stage_trains_on_in_their_order(tmp_path: Path, drop: str) -> None:
    plan, lookup, folder = made(tmp_path, "export=alpaca", f"selection.drop_leaked={drop}")
    assert write_exports(plan, lookup) == f"3 mixes, 8 benign rows each, as alpaca in {folder / 'export'}"
    for (label, _, _), sample in plan.samples.items():
        rows = lines(folder / "export" / f"{sample.title}.alpaca.jsonl")
        assert [(row["instruction"], row["output"]) for row in rows] == trained(plan, lookup, sample)
        assert len(rows) == 8 + len(PICKED[label])
        asked = {row["instruction"] for row in rows}
        assert (LEAKED.instruction in asked) == (drop == "false")
        assert not asked & {row.instruction for row in BENIGN[-2:]}, "a held-out row is trained on"


def test_exports_need_no_stage_after_the_samples(tmp_path: Path) -> None:
    plan, lookup, folder = made(tmp_path, "export=[trl, messages]")
    for stage in ("mix", "train", "generate", "judge"):
        (Path(plan.study.storage) / "artifacts" / stage).rename(tmp_path / stage)
    write_exports(plan, lookup)
    assert len(list((folder / "export").glob("*.jsonl"))) == 6
    told = json.loads((folder / "export" / "dataset_info.json").read_text())
    assert set(told) == {f"demo-{sample.title}-messages" for sample in plan.samples.values()}
    assert all((folder / "export" / entry["file_name"]).is_file() for entry in told.values())


def test_too_few_benign_rows_are_an_error_here_as_in_the_mix(tmp_path: Path) -> None:
    plan, lookup, folder = made(tmp_path, "export=alpaca", "benign.limit=10")
    with pytest.raises(
        UserError, match=r"benign has 11 usable rows, fewer than limit 10 \+ holdout 2: lower benign\.limit"
    ):
        write_exports(plan, lookup)
    assert not (folder / "export").exists()


ASKED = ["sweep.strategy=[none]", "evaluate.prompts=[{name: harmful, source: 'builtin:harmful', limit: 4}]"]
REFUSALS = {"keyword:qi29": [True, True, False, False], "keyword:xstest": [True, False, False, False]}


def judged(node: Node, folder: Path) -> None:
    """Four answers each, on one of which the judges differ."""
    if node.stage == "generate":
        rows = [
            answer_row(
                number=n, prompt=f"p{n}", kind="harmful", categories=[], prompt_tokens=1, text="So.", tokens=[1],
                finish="stop",
            )
            for n in range(4)
        ]  # fmt: skip
        pq.write_table(pa.Table.from_pylist(rows, schema=GENERATIONS), folder / "generations.parquet")
    if node.stage == "judge":
        said = [{"number": n, "refusal": refusal} for n, refusal in enumerate(REFUSALS[str(node.task["judge"])])]
        pq.write_table(pa.Table.from_pylist(said, schema=VERDICTS), folder / "verdicts.parquet")


def test_a_report_brings_the_answers_that_judges_disagree_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.reporting.summary.make_summary", lambda plan, *_: {"study": plan.study.name})
    plan, lookup = finished(demo(tmp_path, *ASKED), fill=judged)
    text = report(plan, lookup, [])
    folder = study_folder(plan.study)
    table = pq.read_table(folder / "disagreements.parquet")
    assert list(zip(table["cell"].to_pylist(), table["number"].to_pylist(), strict=True)) == [
        (cell_id(cell), 1) for cell in plan.cells
    ]
    assert (folder / "disagreements.csv").is_file()
    assert text.endswith(str(folder / "report.html"))
    one, lookup = finished(demo(tmp_path, *ASKED, "evaluate.judges=[keyword:qi29]"), fill=judged)
    report(one, lookup, [])
    assert not list(folder.glob("disagreements.*"))


def test_one_report_over_two_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.reporting.summary.make_summary", lambda plan, *_: {"study": plan.study.name})
    plans = [finished(demo(tmp_path, *ASKED, f"name={name}"), fill=judged) for name in ("one", "two")]
    text = merged_report(plans, ["one.yaml", "two.yaml"], None)
    folder = study_folder(plans[0][0].study).with_name("one+two")
    assert text.endswith(str(folder / "report.html"))
    model = plans[0][0].study.models[0].name
    table = pq.read_table(folder / "results.parquet")
    assert set(zip(table["study"].to_pylist(), table["model"].to_pylist(), strict=True)) == {
        ("one", f"{model} (one)"),
        ("two", f"{model} (two)"),
    }
    said = json.loads((folder / "summary.json").read_text())["conclusions"]
    assert [one["advice"]["label"] for one in said] == ["none", "none"]
    merged_report(plans, [], tmp_path / "else")
    assert (tmp_path / "else" / "report.html").is_file()
    with pytest.raises(UserError, match=r"two of these studies have the same name \(one, one\): rename one"):
        merged_report([plans[0], plans[0]], [], None)


EXAMPLES_ASKED = ["sweep.strategy=[none, random]", *ASKED[1:]]


def test_examples_are_base_none_and_the_advised_arm(tmp_path: Path) -> None:
    plan, lookup = finished(demo(tmp_path, *EXAMPLES_ASKED), fill=judged)
    model = plan.study.models[0].name
    found = list(examples(plan, lookup, {model: "random-48"}))
    (prompts,) = plan.prompt_sets
    assert [one["prompt"] for one in found] == [prompts.prompts[k].text for k in chosen_prompts(prompts.prompts)]
    assert all(one["answers"] == {"base": "So.", "none": "So.", "random-48": "So."} for one in found)
    assert found[0]["categories"] == list(prompts.prompts[0].categories)
    (first, *_) = examples(plan, lookup, {model: ""})
    assert list(first["answers"]) == ["base", "none"]


def test_a_prompt_of_every_category_or_the_first_few() -> None:
    some = [
        Prompt(text=str(k), kind="harmful", categories=c) for k, c in enumerate([("a",), ("a", "b"), ("b",), ("c",)])
    ]
    assert chosen_prompts(some) == [0, 1, 3]
    assert chosen_prompts([Prompt(text="x", kind="plain")] * 9) == [0, 1, 2]


def test_the_summary_has_what_a_judge_said_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        makers, "made_up_facts",
        lambda node, content, real=makers.made_up_facts: (
            {"prepared": {"accuracy": 0.9}} if node.task.get("judge") == "keyword:xstest" else real(node, content)
        ),
    )  # fmt: skip
    assert _known(*finished(demo(tmp_path, *ASKED), fill=judged)) == {"keyword:xstest": {"accuracy": 0.9}}


def test_a_fine_tune_that_is_asked_in_two_ways_is_two_rows_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib.reporting.summary.make_summary", lambda plan, *_: {"study": plan.study.name})
    plan, lookup = finished(demo(tmp_path, *ASKED, "sweep.evaluate.generation.max_tokens=[24, 48]"), fill=judged)
    report(plan, lookup, [])
    results = pq.read_table(study_folder(plan.study) / "results.parquet")
    found = {row["cell"]: (row["strategy"], json.loads(row["recipe"])) for row in results.to_pylist()}
    told = [(strategy, recipe["evaluate.generation.max_tokens"]) for strategy, recipe in found.values()]
    assert told == [("base", 24), ("base", 48), ("none", 24), ("none", 48)]
    names = list(found)
    assert names[0].startswith("base-")
    assert names[2].partition("-")[0] == names[3].partition("-")[0] == str(plan.nodes("train")[0].key)[:12]


def test_selections_of_a_family_have_a_file_each(tmp_path: Path) -> None:
    plan, lookup, folder = made(tmp_path, "sweep.selection.near_duplicates=[count, drop]")
    write_selections(plan, lookup)
    names = {path.name for path in (folder / "selections").iterdir()}
    titles = ("none-0-0", "random-48-0", "sss_b-48-0")
    assert names == {
        f"{title}{more}.jsonl" for title in titles for more in ("", "-selection.near_duplicates=drop")
    }  # fmt: skip


def test_cells_that_failed_stand_under_the_table_and_among_the_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, lookup = finished(
        demo(tmp_path, "evaluate.prompts=[{name: harmful, source: 'builtin:harmful', limit: 4}]"), fill=judged
    )
    cells = {cell.strategy: cell for cell in plan.cells}
    lost, late = cells["random"].train, cells["sss_b"].train
    assert lost
    assert late
    come = unfinished(plan, {
        str(lost.key): {"error": "no\nmemory", "user": False}, str(late.key): {"left": "the time budget was over"},
    })  # fmt: skip
    monkeypatch.setattr(
        "lib.reporting.summary.make_summary",
        lambda plan, *_: {"study": "s", "failed": [asdict(one) for one in plan.failed], "left": list(plan.left)},
    )
    text = report(come, lookup, [])
    assert f"  smollm2-135m random-48 [{str(lost.key)[:12]}]: no memory" in text
    assert "left for another run: 1 (smollm2-135m sss_b-48)" in text
    said = list(_warnings(come, lookup, []))
    assert "smollm2-135m random-48 failed and has no results: no memory" in said
    told = pq.read_table(study_folder(plan.study) / "results.parquet")
    assert set(told["strategy"].to_pylist()) == {"base", "none"}


def test_a_sweep_over_recipes_is_reported_at_equal_usefulness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.reporting.summary.make_summary", lambda plan, *_: {"study": plan.study.name})

    def facts(node: Node, content: Any, real: Any = makers.made_up_facts) -> dict[str, Any]:
        if node.stage != "train":
            return dict(real(node, content))
        slow = node.task["recipe"]["lr"] < 1e-3
        return {
            **real(node, content),
            "holdout_loss": 2 + node.task["seed"] / 10 + (0.001 * node.task["seed"] if slow else 0),
        }

    monkeypatch.setattr(makers, "made_up_facts", facts)
    axes = ["sweep.strategy=[none, random]", "sweep.recipe.lr=[1e-3, 1e-4]", "sweep.seed=[0, 1, 2]"]
    plan, lookup = finished(demo(tmp_path, *axes, ASKED[1]), fill=judged)
    report(plan, lookup, [])
    folder = study_folder(plan.study)
    rows = pq.read_table(folder / "equal.parquet").to_pylist()
    assert [(row["strategy"], row["kind"], row["usefulness"]) for row in rows] == [
        ("none", "reference", "as useful"), ("random", "selection", "as useful"), ("none", "recipe", "as useful"),
        ("random", "both", "as useful"),
    ]  # fmt: skip
    page = (folder / "report.html").read_text()
    assert "At equal usefulness: 3 of 3 arms are shown to lose at most 2% of the likelihood" in page
    assert "Safety rows and recipe against safety rows alone: " in page
    assert (folder / "equal.csv").is_file()


def test_the_report_says_what_to_do_by_the_goal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.reporting.summary.make_summary", lambda plan, *_: {"study": plan.study.name})
    plan, lookup = finished(demo(tmp_path, "sweep.strategy=[none, random]", ASKED[1]), fill=judged)
    why = "48 rows are the smallest budget shown to meet the goal with 95% confidence"
    met = GoalVerdict(status="reached", reached=48, why=why, estimates=(), cells=1, grid=1)
    report(plan, lookup, [], {(plan.study.models[0].name, "random", "{}"): met})
    folder = study_folder(plan.study)
    said = json.loads((folder / "summary.json").read_text())["conclusions"][0]["advice"]
    assert (said["label"], said["says"]) == ("random-48", f"Take random at 48 rows: {why}.")
    assert "the one with the smallest such budget, then the safest" in (folder / "report.html").read_text()
