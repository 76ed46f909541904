"""Tokenising the mixes: the driver's way for few rows gives what Ray Data gives for many."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.corpus.example import EXAMPLES
from lib.corpus.partitions import all_parts
from lib.errors import UserError
from lib.plan import Lookup, Node
from lib.runtime import mix as stage
from lib.runtime.session import Session
from lib.sampling.select import SELECTION
from lib.store import Store
from tests.makers import example

BENIGN = sorted((example(f"Task {n}?", f"Done {'well ' * n}.") for n in range(12)), key=lambda e: e.id)


@pytest.fixture
def lookup(tmp_path: Path) -> Lookup:
    return Lookup(Store(tmp_path))


@pytest.fixture
def inputs(lookup: Lookup, tiny_llama: Path) -> dict[str, Node]:
    """Benign rows, a selection of three and an empty one, and the model whose tokenizer cuts them."""
    nodes = {name: Node(stage="ingest" if name == "benign" else "sample", title=name, identity={"of": name})
             for name in ("benign", "three", "none")}  # fmt: skip
    rows = [{**vars(row), "categories": list(row.categories)} for row in BENIGN]
    [part] = all_parts(1)
    with lookup.store.attempt("ingest", str(nodes["benign"].key), {}) as attempt:
        pq.write_table(pa.Table.from_pylist(rows, schema=EXAMPLES), attempt.folder / part.name)
        attempt.facts = {"rows": len(rows)}
    for name, count in (("three", 3), ("none", 0)):
        picked = [
            {"id": f"{n:032x}", "instruction": f"Bad {n}?", "response": "No.", "categories": [], "rank": n}
            for n in range(count)
        ]
        with lookup.store.attempt("sample", str(nodes[name].key), {}) as attempt:
            pq.write_table(pa.Table.from_pylist(picked, schema=SELECTION), attempt.folder / "selection.parquet")
            attempt.facts = {"rows": count}
    return {**nodes, "model": Node(stage="model", title="model", identity={"model": 1}, path=tiny_llama)}


def mixes(inputs: dict[str, Node], name: str, max_tokens: int = 64) -> list[Node]:
    common = {"template": "chat", "max_tokens": max_tokens, "name": name}
    return [
        Node(
            stage="mix", title=f"{name} {rows}", inputs={"rows": inputs[rows], "model": inputs["model"]},
            identity={**common, "of": rows, "role": "benign", "limit": 8, "holdout": 2} if rows == "benign"
            else {**common, "of": rows, "role": "selection"},
        )
        for rows in ("benign", "three", "none")
    ]  # fmt: skip


@pytest.mark.ray
def test_ray_data_and_the_driver_write_the_same_tokens(
    ray_session: Session, lookup: Lookup, inputs: dict[str, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, spread = mixes(inputs, "here"), mixes(inputs, "spread")
    said = stage.mix(ray_session, lookup, here)
    assert said == "here benign: 8 rows, here three: 3 rows, here none: 0 rows"
    monkeypatch.setattr(stage, "SMALL_ROWS", 0)
    assert stage.mix(ray_session, lookup, spread) == said.replace("here", "spread")
    for one, other in zip(here, spread, strict=True):
        assert lookup.facts(one) == lookup.facts(other)
        for file in ("train.parquet", "holdout.parquet"):
            assert pq.read_table(lookup.folder(one) / file).equals(pq.read_table(lookup.folder(other) / file))
    assert (lookup.facts(here[0]) or {})["holdout"] == 2


def test_rows_without_anything_to_learn_name_the_setting(
    ray_session: Session, lookup: Lookup, inputs: dict[str, Node]
) -> None:
    with pytest.raises(UserError, match=r"every training row.s prompt fills recipe\.max_tokens"):
        stage.mix(ray_session, lookup, mixes(inputs, "short", max_tokens=4))
    assert not list((lookup.store.root / "artifacts" / "mix").glob("*/manifest.json"))
