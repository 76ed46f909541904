"""A model to fine-tune may itself be a fine-tune of the study."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.errors import UserError
from lib.plan import Lookup, Node, make_plan
from lib.store import Store
from lib.study import Study, load_study
from tests.makers import finished

FORGETTING = "jobs/studies/forgetting.yaml"
FIRST = "smollm2-aligned (made first)"


def study(tmp_path: Path, *overrides: str) -> Study:
    small = ["sweep.recipe.lr=[1e-3]", "sweep.recipe.batch=[8]"]
    return load_study(FORGETTING, [f"storage={tmp_path / 'runs'}", *small, *overrides])


def with_config(node: Node, folder: Path) -> None:
    """What a plan reads of a model folder."""
    if node.stage == "model":
        (folder / "config.json").write_text('{"model_type": "llama", "vocab_size": 49152}')


def test_it_is_trained_before_the_cells_and_not_one_of_them(tmp_path: Path) -> None:
    plan = make_plan(study(tmp_path), Lookup(Store(tmp_path / "runs")))
    assert list(plan.first) == [FIRST]
    assert [cell.label.split(" ")[1] for cell in plan.cells] == ["base", "none", "sss_b-24", "none", "sss_b-24"]
    assert plan.shared_node("model", "smollm2-aligned").key is None
    assert plan.every_label[0] == FIRST
    assert {node.title for node in plan.nodes("sample")} == {"none-0-0", "sss_b-24-0", "sss_b-160-0"}


def test_once_it_is_trained_everything_has_a_key(tmp_path: Path) -> None:
    plan, lookup = finished(study(tmp_path), fill=with_config)
    assert all(node.key for node in plan.all_nodes())
    first = plan.first[FIRST]
    model = plan.shared_node("model", "smollm2-aligned")
    assert model.inputs["cell"] is first
    assert model.task["merge_error"] == (lookup.facts(first) or {})["merge_error"]
    assert first.identity is not None
    assert first.identity["benign"] is None, "it is trained on safety rows alone"
    for cell in plan.cells:
        if cell.train:
            assert cell.train.identity is not None
            assert cell.train.identity["model"] == model.key


def test_how_it_is_made_is_part_of_every_cell(tmp_path: Path) -> None:
    one, _ = finished(study(tmp_path), fill=with_config)
    other, _ = finished(study(tmp_path, "models.0.source.cell.recipe.lr=5e-4"), fill=with_config)
    keys = [{cell.train.key for cell in plan.cells if cell.train} for plan in (one, other)]
    assert not keys[0] & keys[1]


def test_with_benign_rows_it_is_another_model(tmp_path: Path) -> None:
    one, _ = finished(study(tmp_path), fill=with_config)
    other, _ = finished(study(tmp_path, "models.0.source.cell.benign=true"), fill=with_config)
    assert one.first[FIRST].key != other.first[FIRST].key


def test_a_share_of_rows_that_nobody_has_counted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"selection.budget 5% is a share of benign rows .*: give a count, or set benign.limit"
    ):
        make_plan(
            study(tmp_path, "models.0.source.cell.selection.budget='5%'", "benign.limit=null"),
            Lookup(Store(tmp_path / "runs")),
        )
