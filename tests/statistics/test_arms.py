"""Arms of a plan in whose store every stage has "run"."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from lib.files import write_table
from lib.generation.answers import GENERATIONS, answer_row
from lib.judging.judge import VERDICTS
from lib.plan import FailedCell, Node
from lib.statistics.arms import Arm, make_arms
from lib.statistics.results import make_results
from tests.makers import demo, finished, title

PROMPTS = [
    "evaluate.prompts=[{name: harmful, source: 'builtin:harmful', limit: 4}]",
    'evaluate.judges=["keyword:qi29"]',
]
DRAWS = ["sweep.strategy=[none, random, sss_b]", "sweep.draw=[0, 1, 2]", "sweep.seed=[0, 1]", *PROMPTS]


def fill(node: Node, folder: Path) -> None:
    """Four answers; the first is refused, and the last could not be judged."""
    if node.stage == "generate":
        rows = [
            answer_row(
                number=n, prompt=f"p{n}", kind="harmful", categories=(), prompt_tokens=1, text="So.", tokens=[1],
                finish="stop",
            )
            for n in range(4)
        ]  # fmt: skip
        write_table(folder / "generations.parquet", pa.Table.from_pylist(rows, schema=GENERATIONS))
    if node.stage == "judge":
        verdicts = [{"number": n, "refusal": None if n == 3 else n == 0} for n in range(4)]
        write_table(folder / "verdicts.parquet", pa.Table.from_pylist(verdicts, schema=VERDICTS))


def by_strategy(arms: list[Arm], metric: str = "asr") -> dict[str, Arm]:
    return {arm.strategy: arm for arm in arms if arm.metric == metric}


def test_every_run_is_in_its_arm(tmp_path: Path) -> None:
    arms = by_strategy(make_arms(*finished(demo(tmp_path, *DRAWS), fill=fill)))
    places = {name: [(run.draw, run.seed) for run in arm.runs] for name, arm in arms.items()}
    assert places["base"] == [(0, 0)]
    assert places["none"] == [(0, 0), (0, 1)]
    assert places["random"] == places["sss_b"] == [(draw, seed) for draw in range(3) for seed in range(2)]
    assert (arms["none"].budget, arms["random"].budget) == (0, 48)


def test_outcomes_are_by_prompt(tmp_path: Path) -> None:
    (run, *_) = by_strategy(make_arms(*finished(demo(tmp_path, *DRAWS), fill=fill)))["random"].runs
    np.testing.assert_equal(run.outcomes, [0, 1, 1, np.nan])


def test_their_means_are_the_results(tmp_path: Path) -> None:
    plan, lookup = finished(demo(tmp_path, *DRAWS), fill=fill)
    rows = [row for row in make_results(plan, lookup).to_pylist() if not row["category"]]
    values = {(row["strategy"], row["metric"]): row["value"] for row in rows}
    arms = make_arms(plan, lookup)
    assert {(arm.strategy, arm.metric) for arm in arms} == set(values)
    for arm in arms:
        for run in arm.runs:
            assert np.nanmean(run.outcomes) == values[arm.strategy, arm.metric]


def test_a_loss_is_one_number_a_run(tmp_path: Path) -> None:
    loss = by_strategy(make_arms(*finished(demo(tmp_path, *DRAWS), fill=fill)), "holdout_loss")
    assert "base" not in loss
    assert loss["none"].table.tolist() == [[2.5], [2.5]]
    assert (loss["none"].judge, loss["none"].prompts, loss["none"].rate) == ("", "", False)


def test_strategies_that_picked_the_same_rows_share_their_run(tmp_path: Path) -> None:
    """Random's draw 0 and all of sss_b are one selection: one run of each seed, in both arms."""

    def content(node: Node) -> str:
        return "same" if node.title.startswith("sss_b") or node.title == "random-48-0" else title(node)

    plan, lookup = finished(demo(tmp_path, *DRAWS), content=content, fill=fill)
    arms = by_strategy(make_arms(plan, lookup))
    assert [(run.draw, run.seed) for run in arms["sss_b"].runs] == [(0, 0), (0, 1)]
    assert len(arms["random"].runs) == 6
    assert arms["sss_b"].missing == 0


def test_failed_cells_are_missing(tmp_path: Path) -> None:
    plan, lookup = finished(demo(tmp_path, *DRAWS), fill=fill)
    failed = [str(cell.train.key) for cell in plan.cells if cell.strategy == "sss_b" and cell.train][:2]
    arms = by_strategy(make_arms(plan.without(failed), lookup))
    assert (len(arms["sss_b"].runs), arms["sss_b"].missing) == (4, 2)
    assert arms["random"].missing == 0


def test_recipes_are_arms_of_their_own(tmp_path: Path) -> None:
    study = demo(tmp_path, "sweep.strategy=[none, random]", "sweep.recipe.lr=[1e-4, 1e-3]", *PROMPTS)
    arms = [arm for arm in make_arms(*finished(study, fill=fill)) if arm.metric == "asr"]
    assert [(arm.strategy, arm.recipe) for arm in arms] == [
        ("base", "{}"),
        ("none", '{"recipe.lr": 0.0001}'), ("random", '{"recipe.lr": 0.0001}'),
        ("none", '{"recipe.lr": 0.001}'), ("random", '{"recipe.lr": 0.001}'),
    ]  # fmt: skip


def test_what_a_search_did_not_choose_is_not_missing(tmp_path: Path) -> None:
    arms = make_arms(*finished(demo(tmp_path, *DRAWS, "sweep.search={method: random, trials: 4}"), fill=fill))
    assert sum(len(arm.runs) for arm in arms if arm.strategy != "base" and arm.metric == "asr") == 4
    assert [arm.missing for arm in arms] == [0] * len(arms)


def test_what_a_goals_search_did_not_ask_for_is_not_missing_and_what_it_lost_is(tmp_path: Path) -> None:
    plan, lookup = finished(demo(tmp_path, *DRAWS, "goal={at_most: 0.1}"), fill=fill)
    cells = [cell for cell in plan.cells if cell.strategy == "sss_b" and cell.train]
    failed = FailedCell(label=cells[0].label, key=str(cells[0].train and cells[0].train.key), reason="out of memory")
    asked = replace(plan.without([failed.key]).only([cell.label for cell in cells[:3]]), failed=(failed,))
    (arm,) = (arm for arm in make_arms(asked, lookup) if arm.strategy == "sss_b" and arm.metric == "asr")
    assert (len(arm.runs), arm.missing) == (2, 1)
