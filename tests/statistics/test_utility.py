"""Rows of results from what the harness wrote."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from lib.plan import Node
from lib.statistics.arms import make_arms
from lib.statistics.intervals import wilson
from lib.statistics.results import RESULTS, make_results
from lib.statistics.utility import utility_rows
from tests.harness_tasks import needs_harness, write_sums
from tests.makers import demo, finished
from tests.statistics.test_results import PROMPTS
from tests.statistics.test_results import fill as filled


def rows(folder: Path, results: dict[str, Any], task: str = "gsm8k", truncated: int = 0) -> list[dict[str, Any]]:
    (folder / "results.json").write_text(json.dumps({"task": task, "results": results}))
    return list(utility_rows(folder, truncated))


def stderr(value: float, n: int) -> float:
    return math.sqrt(value * (1 - value) / (n - 1))


def test_each_metric_and_filter_is_a_row_under_its_own_name(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        {
            "gsm8k": {
                "name": "gsm8k", "alias": "gsm8k", "sample_len": 8,
                "exact_match,strict-match": 0.25, "exact_match_stderr,strict-match": stderr(0.25, 8),
                "exact_match,flexible-extract": 0.5, "exact_match_stderr,flexible-extract": stderr(0.5, 8),
            }
        },
        truncated=3,
    )  # fmt: skip
    low, high = wilson(2, 8)
    assert found[0] == {
        "metric": "exact_match,strict-match", "judge": "lm_eval", "prompts": "gsm8k", "category": "", "n": 8,
        "value": 0.25, "low": low, "high": high, "worst": None, "empty": 0, "truncated": 3, "errors": 0,
    }  # fmt: skip
    assert (found[1]["metric"], found[1]["value"]) == ("exact_match,flexible-extract", 0.5)
    assert set(found[0]) < set(RESULTS.names)


def test_a_groups_whole_comes_first_and_its_tasks_are_categories(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        {
            "mmlu_anatomy": {"sample_len": 4, "acc,none": 1.0, "acc_stderr,none": 0.0},
            "mmlu": {"sample_len": 8, "sample_count": {"acc,none": 8}, "acc,none": 0.75, "acc_stderr,none": 0.2},
        },
        task="mmlu",
    )
    assert [(row["category"], row["metric"], row["n"]) for row in found] == [("", "acc", 8), ("mmlu_anatomy", "acc", 4)]
    assert (found[0]["low"], found[0]["high"]) == pytest.approx((0.75 - 1.96 * 0.2, 0.75 + 1.96 * 0.2), abs=1e-4)
    assert (found[1]["low"], found[1]["high"]) == wilson(4, 4), "four of four is no certainty"


def test_what_has_no_standard_error_has_no_interval(tmp_path: Path) -> None:
    [row] = rows(
        tmp_path, {"t": {"sample_len": 3, "word_perplexity,none": 12.5, "word_perplexity_stderr,none": "N/A"}}, "t"
    )
    assert (row["value"], row["low"], row["high"]) == (12.5, None, None)


@needs_harness
def test_they_stand_in_the_results_beside_the_judges(tmp_path: Path) -> None:
    def fill(node: Node, folder: Path) -> None:
        filled(node, folder)
        if node.stage == "utility":
            found = {
                "gsm8k": {"sample_len": 8, "exact_match,strict-match": 0.5, "exact_match_stderr,strict-match": 0.2}
            }
            (folder / "results.json").write_text(json.dumps({"task": "gsm8k", "results": found}))

    tasks = json.dumps([{"task": "gsm8k", "data": write_sums(tmp_path)}])
    plan, lookup = finished(demo(tmp_path, *PROMPTS, f"evaluate.lm_eval={tasks}"), fill=fill)
    rows = [row for row in make_results(plan, lookup).to_pylist() if row["judge"] == "lm_eval"]
    assert [(row["strategy"], row["prompts"], row["metric"], row["value"]) for row in rows] == [
        (strategy, "gsm8k", "exact_match,strict-match", 0.5) for strategy in ("base", "none", "random")
    ]
    arms = [arm for arm in make_arms(plan, lookup) if arm.judge == "lm_eval"]
    assert [(arm.strategy, arm.measure, arm.rate) for arm in arms] == [
        (strategy, ("exact_match,strict-match", "lm_eval", "gsm8k"), False) for strategy in ("base", "none", "random")
    ]
    assert [arm.table.tolist() for arm in arms] == [[[0.5]]] * 3, "one number a run, whatever the number of questions"
