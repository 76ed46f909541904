"""The driver of the search: which cells it has trained, what it tells the search of them, and what it says in the end."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lib.errors import GoalMissed, UserError
from lib.plan import Cell, Lookup, Node, Plan
from lib.progress import Progress
from lib.runtime import goal as driver
from lib.runtime.pipeline import Outcomes
from lib.statistics.results import RESULTS
from lib.study.schema import Study
from tests.makers import demo, finished, title

GRID = ("sweep.strategy=[none, sss]", "sweep.budget=[8, 16, 24, 32, 40, 48]", "sweep.draw=[0, 1, 2, 3, 4, 5, 6, 7]")


class World:
    """A pipeline that runs in no time: what it was asked to go through, and results by budget."""

    def __init__(
        self,
        asr: dict[int, float],
        fails: Collection[str] = (),
        more: Callable[[Cell], dict[tuple[str, str, str], float]] = lambda _: {},
    ) -> None:
        self.asr, self.fails, self.more = asr, fails, more
        self.chosen: list[set[str] | None] = []
        self.reported: list[str] = []
        self.told: Any = None
        self.said = io.StringIO()

    def run(
        self, study: Study, progress: Progress, *, chosen: Any = None, failed: Outcomes | None = None, **_: Any
    ) -> None:
        self.chosen.append(None if chosen is None else set(chosen))
        if failed is not None:
            plan = driver.make_plan(study, Lookup(driver.Store(study.storage)))
            lost = {key: {"error": "out of memory"} for key, label in plan.labels.items() if label in self.fails}
            failed |= {key: one for key, one in lost.items() if plan.labels[key] in (chosen or ())}

    def results(self, plan: Plan, lookup: Lookup) -> pa.Table:
        rows = []
        for cell in plan.cells:
            wobble = (7 * cell.draw + cell.budget) % 5 / 1000
            told = {"asr": self.asr.get(cell.budget, 0.6) + wobble, "over_refusal": 0.01 + wobble}
            for metric, value in told.items():
                rows.append(
                    {
                        "metric": metric,
                        "judge": "keyword:qi29",
                        "prompts": "set",
                        "category": "",
                        "n": 500,
                        "value": value,
                    }
                )
            rows += [
                {"metric": metric, "judge": judge, "prompts": prompts, "category": "", "n": 500, "value": value}
                for (metric, judge, prompts), value in self.more(cell).items()
            ]
            if cell.train is not None:
                rows.append(
                    {
                        "metric": "holdout_loss",
                        "judge": "",
                        "prompts": "",
                        "category": "",
                        "n": 32,
                        "value": 2.0 + wobble,
                    }
                )
        return pa.Table.from_pylist(rows, schema=RESULTS)

    def finish(self, plan: Plan, lookup: Lookup, goal: Any) -> None:
        self.reported, self.told = [cell.label for cell in plan.cells], goal


def search(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    world: World,
    *overrides: str,
    content: Callable[[Node], str] = title,
) -> Any:
    study = demo(tmp_path, *GRID, *overrides)
    finished(study, content=content)
    monkeypatch.setattr(driver, "run", world.run)
    monkeypatch.setattr(driver, "make_results", world.results)
    return driver.search_budgets(study, Progress(world.said), world.finish)


GOAL = "goal={at_most: 0.1, over_refusal_at_most: 0.1, utility_drop_at_most: 0.05}"


def test_the_smallest_budget_is_found_with_part_of_the_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World({8: 0.5, 16: 0.3, 24: 0.04, 32: 0.03, 40: 0.02, 48: 0.02})
    [(key, verdict)] = search(tmp_path, monkeypatch, world, GOAL).items()
    assert key[1] == "sss"
    assert (verdict.status, verdict.reached) == ("reached", 24)
    assert world.chosen[:2] == [None, {"smollm2-135m none"}], "first what all cells share, then the reference"
    asked = set[str]().union(*(one for one in world.chosen if one))
    assert len(asked) - 1 == verdict.cells <= verdict.grid / 2 == 24
    assert set(world.reported) == {"smollm2-135m base", *asked}
    assert world.told == {key: verdict}, "the report says what to do by it"
    assert "goal, smollm2-135m sss: 24 rows are the smallest budget shown to meet the goal" in capsys.readouterr().out
    written = json.loads((tmp_path / "runs" / "studies" / "demo" / "goal.json").read_text())
    assert written["smollm2-135m sss"]["reached"] == 24


def test_a_goal_that_no_budget_meets_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(dict.fromkeys((8, 16, 24, 32, 40, 48), 0.5))
    with pytest.raises(GoalMissed, match="1 of 1 models; smollm2-135m, sss: not reached"):
        search(tmp_path, monkeypatch, world, GOAL)
    assert world.reported


def test_a_cell_that_failed_is_told_as_failed_and_another_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World({8: 0.5, 16: 0.3, 24: 0.04, 32: 0.03, 40: 0.02, 48: 0.02}, fails={"smollm2-135m sss-24 draw 3"})
    [verdict] = search(tmp_path, monkeypatch, world, GOAL).values()
    assert verdict.reached == 24
    assert "smollm2-135m sss-24 draw 3" not in world.reported


def test_of_draws_crossed_with_seeds_only_runs_that_share_neither_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 24 rows the pool is used up: every draw is the same selection, and only the seeds are different runs."""

    def content(node: Node) -> str:
        return "all rows" if node.title.startswith("random-24") else node.title

    grid = ["sweep.strategy=[none, random]", "sweep.budget=[8, 16, 24]", "sweep.draw=[0, 1, 2, 3]"]
    world = World({8: 0.5, 16: 0.1, 24: 0.1})
    with pytest.raises(GoalMissed):
        search(
            tmp_path, monkeypatch, world, "goal={at_most: 0.1}", *grid, "sweep.seed=[0, 1, 2, 3, 4]", content=content
        )
    asked = set[str]().union(*(one for one in world.chosen if one))
    pairs = {"", " draw 1 seed 1", " draw 2 seed 2", " draw 3 seed 3"}
    for budget, allowed in ((8, pairs), (16, pairs), (24, {"", " seed 1", " seed 2", " seed 3"})):
        head = f"smollm2-135m random-{budget}"
        own = {label.removeprefix(head) for label in asked if label.startswith(head)}
        assert own <= allowed
        assert len(own) > 1 or budget == 8
    assert world.said.getvalue().count("goal: 4 of 20 runs a budget count, those that share neither draw nor seed") == 1


def test_a_limit_of_a_score_is_a_number_and_no_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def more(cell: Cell) -> dict[tuple[str, str, str], float]:
        return {("harm_score", "keyword:qi29", "set"): 2.0 - cell.budget / 32 + cell.draw / 100}

    world = World({}, more=more)
    [verdict] = search(tmp_path, monkeypatch, world, "goal={metric: harm_score, at_most: 1.4}").values()
    assert verdict.reached == 24
    assert "harm_score set 1.28" in verdict.why, "in its own units, not in percent"


def harness(cell: Cell, **scores: float) -> dict[tuple[str, str, str], float]:
    """Perplexity, of which safety rows cost much, and the scores that are given."""
    told = {"word_perplexity": 12.0 if cell.strategy == "none" else 20.0, **scores}
    return {(metric, "lm_eval", "task"): value for metric, value in told.items()}


@pytest.mark.parametrize(("lost", "reached"), [(0.0, 24), (0.2, None)])
def test_usefulness_is_told_by_scores_of_which_more_is_better_and_by_no_perplexity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: float, reached: int | None
) -> None:
    """`acc_norm` is split off acc, and perplexity is lower where it is better."""

    def more(cell: Cell) -> dict[tuple[str, str, str], float]:
        if cell.strategy == "none":
            return harness(cell, acc=0.5, acc_norm=0.1)
        return harness(cell, acc=0.5 - lost + cell.draw / 1000, acc_norm=0.9)

    world = World({8: 0.5, 16: 0.3, 24: 0.04, 32: 0.03, 40: 0.02, 48: 0.02}, more=more)
    with pytest.raises(GoalMissed) if reached is None else contextlib.nullcontext():
        search(tmp_path, monkeypatch, world, GOAL)
    assert [verdict.reached for verdict in world.told.values()] == [reached]


def test_a_usefulness_that_no_task_tells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UserError, match=r"needs a score of which more is better, and evaluate\.lm_eval gives word_perplexity"
    ):
        search(tmp_path, monkeypatch, World({}, more=harness), GOAL)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["goal={metric: harm_score, at_most: 1}"], "goal.metric 'harm_score' is not measured by the first judge"),
        ([GOAL, "sweep.strategy=[sss]"], "held against strategy none: add none to sweep.strategy"),
        ([GOAL, "sweep.time_budget=1h"], "sweep.time_budget does not go with a goal"),
    ],
)
def test_a_goal_that_the_study_cannot_measure_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        search(tmp_path, monkeypatch, World({}), *overrides)
