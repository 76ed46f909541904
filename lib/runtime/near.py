"""Near duplicates inside the corpus: one task for each block of rows, resumed by block.

A task holds two blocks at a time; only the lists that rows are looked for in are known to all, and they are fitted once, on
a sample. Which of its lists a row belongs to is worked out once for each row and kept beside the pairs until all are
found.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.corpus.partitions import Part, all_parts, parts_among
from lib.embedding.kmeans import draw
from lib.embedding.near import EXACT_ROWS, block_count, drop_near, pairs_of
from lib.embedding.near_block import MOST, PAIRS, NearBlock
from lib.embedding.near_lists import Lists, fit_lists, list_count, training_rows
from lib.embedding.rows import unit
from lib.embedding.stored import read_vectors
from lib.files import array_bytes, write_bytes, write_table
from lib.plan import Lookup, Node
from lib.runtime.cluster import BLOCK_PARTS, holding
from lib.runtime.session import Session
from lib.store import at, deliver, here
from lib.store.place import Address

SEED = 0


def find_duplicates(session: Session, lookup: Lookup, node: Node) -> str:
    """Pairs of near-duplicate instructions (schema `PAIRS`), by ranges of the ids of their later text.

    Raises:
        UserError: vectors that have no cosine.
    """
    identity, vectors = dict(node.identity or {}), node.inputs["embed"]
    facts, embedded, above = lookup.facts(vectors) or {}, lookup.address(vectors), identity["above"]
    texts = facts["texts"]
    parts = all_parts(block_count(texts, facts["dimensions"]))
    with lookup.store.attempt(node.stage, str(node.key), identity, resumable=True) as attempt:
        place, lists = attempt.folder, None

        def do(title: str, function: Any, todo: list[Part], more: Any = None) -> None:
            calls = [(embedded, attempt.address, part, more) for part in todo]
            threads = 1 if len(calls) > 1 else session.threads  # side by side, threads would wait for each other
            done = session.run_tasks(function, calls, shared=[lists], threads=threads, rows=texts)
            for number, _ in enumerate(done, start=1):
                if len(calls) > 1:
                    session.progress.tick(f"near duplicates, {title}", number, len(calls), "blocks")

        missing = [part for part in parts if not (place / part.name).exists()]
        if missing and texts > EXACT_ROWS:
            lists = _lists(session, embedded, parts_among(lookup.names(vectors)), texts, above)
            do("lists", write_probes, [part for part in parts if not (place / _probes(part)).exists()])
        do("pairs", write_pairs, missing[::-1], above)  # the last block is held against most others
        attempt.files = {part.name for part in parts}
        [counted] = session.run_tasks(count_pairs, [(attempt.address, parts)], rows=texts)
        here(attempt.address)
        search = {"lists": len(lists.centroids), "probes": lists.probes, "recall": lists.recall} if lists else {}
        attempt.facts = {"texts": texts, **counted}
        attempt.about = {"blocks": len(parts), **search}
    crowded = f", {counted['crowded']} of them in groups too large to list whole" if counted["crowded"] else ""
    return f"{counted['repeats']} of {texts} instructions nearly repeat another one{crowded}"


def _lists(session: Session, address: Address, embedded: list[Part], texts: int, above: float) -> Lists:
    """Lists fitted on a sample, in a task of their own: the driver holds the sample and nothing more."""
    blocks = [embedded[start : start + BLOCK_PARTS] for start in range(0, len(embedded), BLOCK_PARTS)]
    settings = {"texts": texts, "metric": "cosine", "workers": 1, "fit_rows": None}
    count = list_count(texts)
    with holding(session, address, blocks, settings) as ask:
        sample = draw(ask, training_rows(count), SEED)
    [lists] = session.run_tasks(fit_lists, [(sample, count, above, SEED)], threads=session.threads)
    found: Lists = lists
    return found


PROBES = ".lists.npy"


def _probes(part: Part) -> str:
    return f"{part.name}{PROBES}"


def write_probes(embedded: Address, target: Address, part: Part, _: Any, lists: Lists) -> None:
    """The lists of every row of a block."""
    _, vectors = read_vectors(here(embedded), part)
    found = lists.of(unit(vectors)) if len(vectors) else np.empty((0, lists.probes), np.int32)
    write_bytes(at(target) / _probes(part), array_bytes(found))
    deliver(target, _probes(part))


def write_pairs(embedded: Address, target: Address, part: Part, above: float, lists: Lists | None) -> None:
    """The pairs of one block with itself and those before it."""
    folder, place = here(embedded), here(target, f"*{PROBES}") if lists else at(target)

    def block(one: Part) -> NearBlock:
        return NearBlock(*read_vectors(folder, one), lists, np.load(place / _probes(one)) if lists else None)

    later = block(part)
    earlier = map(block, all_parts(part.count)[: part.index])
    pairs = pairs_of(later, chain(earlier, [later]), above) if len(later) else PAIRS.empty_table()
    write_table(place / part.name, pairs)
    deliver(target, part.name)


def count_pairs(found: Address, parts: list[Part]) -> dict[str, int]:
    """How many pairs there are, how many texts go if none is to be left, how many have more pairs than are listed."""
    place = here(found)
    tables = (pq.read_table(place / part.name) for part in parts)
    pairs, crowded = 0, 0
    for part in parts:
        later = pq.read_table(place / part.name, columns=["b"])["b"]
        counts = pc.value_counts(later).field("counts")
        pairs, crowded = pairs + len(later), crowded + int(pc.sum(pc.equal(counts, MOST)).as_py() or 0)
    return {"pairs": pairs, "repeats": len(drop_near(tables)), "crowded": crowded}
