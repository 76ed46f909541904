"""What is said of a search and of the best that it found."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from lib.plan import Lookup, StoppedCell, make_plan
from lib.reporting.searched import search_facts, search_sentences, search_text
from lib.statistics.results import RESULTS, cell_id
from lib.store import Store
from tests.makers import demo, finished

SEARCH = "sweep.search={method: random, trials: 2, prompts: harmful}"


def test_the_best_is_named_with_how_many_it_is_the_best_of_and_that_its_interval_is_optimistic(tmp_path: Path) -> None:
    plan, _ = finished(demo(tmp_path, SEARCH))
    rows = [
        {
            "model": cell.model, "cell": cell_id(cell), "metric": metric, "judge": "keyword:qi29", "prompts": prompts,
            "category": "", "n": 56, "value": value / (1 + number), "low": 0.1, "high": 0.9,
        }
        for number, cell in enumerate(plan.cells)
        for metric, prompts, value in (("asr", "harmful", 0.8), ("over_refusal", "lookalike", 0.5))
    ]  # fmt: skip
    results = pa.Table.from_pylist(rows, schema=RESULTS)
    last = plan.cells[-1].label
    facts = search_facts(plan, results)
    assert facts is not None
    assert (facts["best"][0]["of"], facts["best"][0]["label"]) == (2, last)
    told = " ".join(search_sentences(facts))
    assert f"the best of 2 is {last}, asr 0.27 [0.10, 0.90]" in told
    assert "number and interval are optimistic" in told
    assert search_text(facts).count("\n") == 3

    stopped = StoppedCell(label="m random-8 lr=0.1", key="k", step=7, value=0.91)
    text = search_sentences(search_facts(replace(plan, stopped=(stopped,)), results))[-1]
    assert text == "m random-8 lr=0.1 was stopped at step 7 with asr 0.91: it is no cell and in no table."

    assert plan.objective is not None
    strict = replace(plan, objective=replace(plan.objective, at_most=0.01, limited=("lookalike",)))
    assert "which is over the limit of over-refusal, as all are" in " ".join(
        search_sentences(search_facts(strict, results))
    )


def test_a_grid_has_nothing_to_tell(tmp_path: Path) -> None:
    study = demo(tmp_path)
    plan = make_plan(study, Lookup(Store(study.storage)))
    assert search_facts(plan, pa.Table.from_pylist([], schema=RESULTS)) is None
    assert search_sentences(None) == []
    assert search_text(None) == ""
