"""What a judge is planned with: its model, found in one place for labelers and judges, and nothing it does not ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.judging.judges.keyword import Keyword
from lib.plan import Lookup, Node, Plan
from lib.plan.judges import JudgePlanner
from lib.plan.pools import PoolPlanner
from lib.runtime.pipeline import _is_needed
from lib.store import Store
from tests.makers import demo, model_folder
from tests.plan.planned import planned, refused

WILDGUARD = 'evaluate.judges=["keyword:qi29", wildguard]'


def judges(plan: Plan, name: str) -> list[Node]:
    return [node for node in plan.nodes("judge") if node.task["judge"] == name]


def test_a_judge_without_needs_keeps_the_key_of_its_own_identity(tmp_path: Path) -> None:
    plan = planned(demo(tmp_path))
    node = next(node for node in plan.nodes("judge") if node.key)
    assert set(node.inputs) == {"generate"}
    assert set(node.task) == {"judge"}
    assert node.identity is not None
    assert set(node.identity) == {
        "judge",
        "phrases",
        "at_start",
        "case_sensitive",
        "fold_apostrophes",
        "empty_is_refusal",
        "inputs",
    }


def test_a_judges_model_is_part_of_its_key_and_its_placement_is_not(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "judge", b"judge")
    own = [WILDGUARD, f"judge_models.wildguard={folder}"]
    plan = planned(demo(tmp_path, *own))
    node = next(node for node in judges(plan, "wildguard") if node.key)
    assert node.identity is not None
    assert node.identity["inputs"] == {"generate": node.inputs["generate"].key, "model": node.inputs["model"].key}
    assert node.task == {"judge": "wildguard", "dtype": "bf16", "max_model_tokens": 4096}
    assert node.inputs["model"] in plan.nodes("model")

    def key(*more: str) -> str | None:
        return next(node.key for node in judges(planned(demo(tmp_path, *own, *more)), "wildguard") if node.key)

    other = model_folder(tmp_path / "other", b"other")
    assert key() == node.key == key("evaluate.engine.kv_cache_gb=2", "evaluate.engine.gpu_memory=0.5")
    assert len({key(), key(f"judge_models.wildguard.source={other}"), key("judge_models.wildguard.dtype=fp32")}) == 3
    without = [node.key for node in judges(planned(demo(tmp_path)), "keyword:qi29")]
    assert [node.key for node in judges(plan, "keyword:qi29")] == without, "another judge changed this one's keys"


def test_labeler_and_judge_share_one_model(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "judge", b"judge")
    plan = planned(demo(tmp_path, WILDGUARD, "behavior.refusal=wildguard", f"judge_models.wildguard={folder}"))
    [guard] = plan.nodes("guard")
    assert {id(node.inputs["model"]) for node in judges(plan, "wildguard")} == {id(guard.inputs["model"])}


def test_only_who_judges_waits_for_the_model_of_a_judge(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "judge", b"judge")
    plan = planned(demo(tmp_path, WILDGUARD, f"judge_models.wildguard={folder}"))
    model = plan.shared_node("model", "judge wildguard")
    assert [_is_needed(model, plan, until) for until in ("label", "train", "generate", "judge", "model")] == [
        False, False, False, True, True,
    ]  # fmt: skip
    trained = plan.shared_node("model", "smollm2-135m")
    assert [_is_needed(trained, plan, until) for until in ("label", "train", "judge")] == [False, True, True]


def test_one_name_for_a_hub_model_is_one_revision(tmp_path: Path) -> None:
    commit = "0" * 40
    plan = planned(demo(tmp_path, WILDGUARD, f"judge_models.wildguard=allenai/wildguard@{commit}"))
    model = judges(plan, "wildguard")[0].inputs["model"]
    assert model.identity == {"hub": f"allenai/wildguard@{commit}"}


@pytest.mark.parametrize("name", ["wildguard", "llama_guard_3", "md_judge", "harmbench"])
def test_a_judge_without_its_model_names_an_example(tmp_path: Path, name: str) -> None:
    said = refused(tmp_path, f"evaluate.judges=[{name}]")
    assert said.startswith(f"judge {name!r} asks a model: set judge_models.{name} to its folder or to ")
    assert said.endswith("@REVISION")


def test_a_model_that_nobody_asks_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "judge", b"judge")
    said = refused(tmp_path, f"judge_models.md_judge={folder}")
    assert said.startswith("judge_models.md_judge is set and neither a labeler nor a judge asks it")
    assert "name the revision" in refused(tmp_path, WILDGUARD, "judge_models.wildguard=allenai/wildguard")


def test_what_a_judge_needs_is_found_in_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keyword, "needs", ("encoder", "labelled"))
    study = demo(tmp_path)
    pools = PoolPlanner(study, Lookup(Store(study.storage)), False, [])
    answers = Node(stage="generate", title="answers", identity={"rows": 1})
    node = JudgePlanner(study, pools).node("keyword:qi29", answers.title, answers)
    assert (node.inputs["encoder"], node.inputs["references"]) == (pools.encoder, pools.pools["references"])
    assert node.identity is not None
    assert set(node.identity["inputs"]) == {"generate", "encoder", "corpus", "references"}
    study = demo(tmp_path, "references=null", "categories.from=given")
    planner = JudgePlanner(study, PoolPlanner(study, Lookup(Store(study.storage)), False, []))
    assert set(planner.node("keyword:qi29", answers.title, answers).inputs) == {"generate", "encoder", "corpus"}


def test_a_setting_that_a_judge_does_not_heed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keyword, "needs", ("model",))
    folder = model_folder(tmp_path / "judge", b"judge")
    own = [f"judge_models.keyword.source={folder}"]
    assert planned(demo(tmp_path, *own)).nodes("judge")[0].task == {"judge": "keyword:qi29"}
    said = refused(tmp_path, *own, "judge_models.keyword.dtype=fp32")
    assert said == "judge_models.keyword.dtype is no setting of this judge: remove it"
