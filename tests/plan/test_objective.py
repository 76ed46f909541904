"""What a search looks at, and what it cannot."""

from pathlib import Path

import pytest

from lib.errors import UserError
from lib.plan import Lookup, make_plan
from lib.plan.objective import Objective
from lib.store import Store
from tests.makers import demo

HARMFUL = "source: 'builtin:harmful'"


def objective(tmp_path: Path, *overrides: str) -> Objective:
    study = demo(tmp_path, *overrides)
    found = make_plan(study, Lookup(Store(study.storage))).objective
    assert found is not None
    return found


def test_the_first_judge_that_gives_the_metric_on_the_set_that_gives_it(tmp_path: Path) -> None:
    found = objective(tmp_path, "sweep.search=random", 'evaluate.judges=["keyword:qi29", "keyword:xstest"]')
    assert (found.metric, found.judge, found.prompts, found.mode) == ("asr", "keyword:qi29", "harmful", "min")
    other = objective(tmp_path, "sweep.search={method: random, metric: refusal_rate, mode: max}")
    assert (other.prompts, other.mode) == ("plain", "max")


def test_a_grid_has_none(tmp_path: Path) -> None:
    study = demo(tmp_path)
    assert make_plan(study, Lookup(Store(study.storage))).objective is None


def test_over_the_limit_is_worse_than_anything_under_it() -> None:
    free = Objective(metric="harm_score", mode="min", judge="j", prompts="p")
    assert free.score(3.0, None) == 3.0
    held = Objective(metric="harm_score", mode="min", judge="j", prompts="p", at_most=0.1, limited=("look",))
    order = [(-5.0, 0.0), (0.2, 0.1), (40.0, 0.05), (-5.0, 0.2), (-5.0, 0.3)]
    scores = [held.score(*one) for one in order]
    assert scores == sorted(scores)
    most = Objective(metric="helpfulness", mode="max", judge="j", prompts="p", at_most=0.1, limited=("look",))
    assert most.score(9.0, 0.0) < most.score(1.0, 0.0) < most.score(9.0, 0.5)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["sweep.search={method: random, metric: harm_score}"], "is not measured by the judges of this study (they give: asr"),
        (["sweep.search={method: random, prompts: harmfull}"], "'harmfull' is not in this study (it has: harmful, lookalike"),
        (["sweep.search={method: random, judge: probe}"], "'probe' is not in this study"),
        (["sweep.search={method: random, prompts: plain}"], "'asr' is not measured on plain"),
        (
            ["sweep.search=random", f"evaluate.prompts=[{{name: a, {HARMFUL}}}, {{name: b, {HARMFUL}}}]"],
            "is measured on a and b: name one",
        ),
        (
            ["sweep.search={method: random, over_refusal_at_most: 0.1}", "evaluate.prompts=[harmful]"],
            "does not measure over_refusal",
        ),
        (["sweep.search=asha", "evaluate.judges=[probe]"], "judges inside the search"),
        (["sweep.search=asha", "sweep.seed=[0, 1]"], "would choose the luckiest"),
        (["sweep.search=asha", "sweep.selection.near_duplicates=[count, drop]"], "searches strategies, budgets and the recipe"),
        (["sweep.search=asha", "cluster.max_gpus=1"], "answers on 1 beside them, and cluster.max_gpus is 1"),
        (["sweep.search=asha", "cluster.max_gpus=4", "sweep.max_concurrent=4"], "and an engine of 1 take 5 GPUs"),
        (["sweep.search=asha", "sweep.strategy=random"], "has nothing to choose from"),
        (["sweep.search=asha", "recipe.ema={decay: 0.5, space: delta, every_n_steps: 10}"], "has its form at the end alone"),
        (["sweep.search=random", "goal={at_most: 0.5}"], "goal has a search of its own"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_at_is_refused_in_one_line(tmp_path: Path, overrides: list[str], said: str) -> None:
    study = demo(tmp_path, *overrides)
    with pytest.raises(UserError) as error:
        make_plan(study, Lookup(Store(study.storage)))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_package_is_named_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.plan.searchable.importlib.util.find_spec", lambda name: None)
    study = demo(tmp_path, "sweep.search=optuna")
    with pytest.raises(
        UserError, match=r"needs the package optuna: uv pip install -c constraints-cpu\.txt -e '\.\[cpu,search\]'"
    ):
        make_plan(study, Lookup(Store(study.storage)))
