"""What the summary says of a cell besides its numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lib.plan import Cell
from lib.reporting import summary


def cell_of(canaries: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A cell whose answers to each prompt set came with such a canary."""
    monkeypatch.setattr(summary, "cell_id", lambda cell: "cell")

    def need(stage: str, key: str) -> Any:
        facts = {"rows": {}, "steps": 1, "merge_error": 0.0, "learned_tokens": 1, "canary": canaries.get(key)}
        return SimpleNamespace(facts=facts, manifest={"identity": {"dtype": "float32", "adapters": "off"}})

    nodes: dict[str, Any] = {name: SimpleNamespace(key=name) for name in canaries}
    trained: Any = SimpleNamespace(key="trained")
    cell = Cell(model="m", strategy="none", budget=0, draw=0, seed=0, train=trained, generate=nodes)
    lookup: Any = SimpleNamespace(store=SimpleNamespace(need=need))
    return summary._cell(cell, lookup)


def test_the_canary_of_a_cell_is_the_worst_of_all_prompt_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = {"status": "passed", "distance": 0.002, "reason": ""}
    further = {"status": "passed", "distance": 0.004, "reason": ""}
    unsure = {"status": "inconclusive", "distance": 0.001, "reason": "base and cell cannot be told apart"}
    assert cell_of({"harmful": passed, "plain": further}, monkeypatch)["canary"] == further
    assert cell_of({"harmful": passed, "lookalike": unsure, "plain": further}, monkeypatch)["canary"] == unsure
