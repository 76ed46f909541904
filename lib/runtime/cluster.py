"""The cluster stage: k-means with the vectors held by long-lived actors.

A holder reads its blocks once and keeps them; questions go out, sums come back (`lib.embedding.kmeans.Ask`). Which holder
has which block is placement: answers are taken in block order, so any number of holders gives the same clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from lib.corpus.partitions import Part, inside, parts_among
from lib.embedding.block import Block
from lib.embedding.choose_k import choose_k
from lib.embedding.kmeans import Ask, draw, fit, in_process, inertia
from lib.embedding.search import Metric
from lib.embedding.stored import read_vectors
from lib.errors import RetriableError
from lib.files import array_bytes, write_bytes, write_table
from lib.plan import Lookup, Node
from lib.runtime.session import SMALL_ROWS, Session, remote_errors
from lib.store import here
from lib.store.place import Address

T = TypeVar("T")

BLOCK_PARTS = 8
"""Embed partitions of one block: 131,072 rows."""
FIT_ROWS_PER_CLUSTER = 256
"""Rows of the fit where the study names none: FAISS' own rule (Johnson et al. 2019)."""
K_SAMPLE = 16_384
"""Texts on which a list of k is compared."""


def read_blocks(folder: Path, blocks: list[list[Part]], metric: Metric) -> list[Block]:
    """The vectors of some blocks, each of some partitions of an embed artifact."""
    found = []
    for parts in blocks:
        read = [read_vectors(folder, part) for part in parts]
        ids = pa.concat_arrays([one for one, _ in read])
        found.append(Block(ids, np.concatenate([matrix for _, matrix in read]), metric))
    return found


class Holder:
    """A Ray actor with the vectors of some blocks: kept between iterations, or read for each question."""

    def __init__(
        self, embedded: Address, blocks: list[list[Part]], metric: Metric, threads: int, keep: bool = True
    ) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        self.folder, self.parts, self.metric, self.keep = here(embedded), blocks, metric, keep
        self.blocks: dict[int, Block] = {}

    def ready(self) -> bool:
        """Answers once there is a place for it."""
        return True

    def answer(self, question: Callable[[Block], T], number: int) -> T:
        """The question put to one block of this holder."""
        block = self.blocks.get(number)
        if block is None:
            [block] = read_blocks(self.folder, [self.parts[number]], self.metric)
            if self.keep:
                self.blocks[number] = block
        return question(block)


@dataclass(frozen=True)
class Holders:
    """`Ask` over actors."""

    actors: list[Any]
    blocks: int

    def __call__(self, question: Callable[[Block], T], /) -> Iterable[T]:
        import ray

        asked = ray.put(question)
        count = len(self.actors)
        answers = [self.actors[i % count].answer.remote(asked, i // count) for i in range(self.blocks)]
        return self._in_order(answers)

    def _in_order(self, answers: list[Any]) -> Iterator[Any]:
        import ray

        answers.reverse()
        while answers:
            yield ray.get(answers.pop())


@contextmanager
def holding(session: Session, embedded: Address, blocks: list[list[Part]], settings: dict[str, Any]) -> Iterator[Ask]:
    """`Ask` over the blocks of an embed artifact: in this process when they are few, else in actors."""
    if settings["texts"] <= SMALL_ROWS:
        yield in_process(read_blocks(here(embedded), blocks, settings["metric"]))
        return
    import ray

    session.start()
    count = min(len(blocks), settings["workers"])
    environment = {"env_vars": {"OMP_NUM_THREADS": str(session.threads)}}
    actor = ray.remote(num_cpus=1, num_gpus=1 if session.gpus else 0, runtime_env=environment)(Holder)
    keep = settings["fit_rows"] == "all"  # a fit on a sample goes over the blocks a few times, not once an iteration
    actors = [
        actor.options(name=session.named("vectors to cluster")).remote(
            embedded, blocks[i::count], settings["metric"], session.threads, keep
        )
        for i in range(count)
    ]
    try:
        with remote_errors():
            up, _ = ray.wait(
                [one.ready.remote() for one in actors], num_returns=count, timeout=session.cluster.start_deadline_s
            )
            if len(up) < count:
                raise RetriableError(
                    f"{len(up)} of clusters.workers {count} found a place in {session.cluster.start_deadline_s} s: lower it"
                )
            ray.get(up)
            yield Holders(actors, len(blocks))
    finally:
        for one in actors:
            ray.kill(one)


def cluster_corpus(session: Session, lookup: Lookup, node: Node) -> str:
    """Clusters under the names of the vectors' partitions (schema `CLUSTERS`) and `centroids.npy`."""
    settings = dict(node.identity or {})
    parts = parts_among(lookup.names(node.inputs["embed"]))
    blocks = [parts[start : start + BLOCK_PARTS] for start in range(0, len(parts), BLOCK_PARTS)]
    placed = {**settings, **node.task, "texts": (lookup.facts(node.inputs["embed"]) or {})["texts"]}
    with (
        lookup.store.attempt(node.stage, str(node.key), settings) as attempt,
        holding(session, lookup.address(node.inputs["embed"]), blocks, placed) as ask,
    ):
        tried, scores = settings["k"], None
        if isinstance(tried, list):
            sample = draw(ask, K_SAMPLE, settings["seed"])
            settings["k"], scores = choose_k(sample, tried, metric=settings["metric"], seed=settings["seed"])
        rows = {None: FIT_ROWS_PER_CLUSTER * settings["k"], "all": None}.get(settings["fit_rows"], settings["fit_rows"])
        found = fit(ask, fit_rows=rows, **{name: settings[name] for name in ("k", "metric", "iterations", "seed")})
        total, texts = 0.0, 0
        for number, table in enumerate(ask(lambda block: block.final(found.fitted, found.order))):
            for part in blocks[number]:
                write_table(attempt.folder / part.name, inside(table, part, "text_id"))
            total, texts = total + inertia(table), texts + table.num_rows
        write_bytes(attempt.folder / "centroids.npy", array_bytes(found.centroids))
        sizes = found.sizes.tolist()
        attempt.facts = {
            "texts": texts, "inertia": total, "k": settings["k"], "sizes": sizes, "iterations": found.iterations,
            "fit_rows": found.fit_rows, "k_scores": scores,
        }  # fmt: skip
    chosen = f" (of {tried} by silhouette)" if isinstance(tried, list) else ""
    return f"{len(sizes)} clusters{chosen} of {texts} texts, sizes {max(sizes)} to {min(sizes)}"
