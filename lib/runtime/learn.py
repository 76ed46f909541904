"""What labelling learns before it labels: the nearest references, and labelers that learn from labelled rows.

One task reads what is labelled and hands on what it learned, a few megabytes, so that labelling a partition reads that
partition alone. Labelled rows of corpus and references are read range by range, in the order of their ids, and only until
there are enough: what is learned depends on no cut into partitions, and a large corpus does not have to fit in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from lib.behavior.labeler import Labeler, Learner
from lib.behavior.nearest import References, accuracy, make_references
from lib.behavior.panel import Panel
from lib.corpus.example import Example, table_examples
from lib.corpus.partitions import Part, all_parts, parts_in, read_part
from lib.embedding.stored import read_vectors, rows_of
from lib.embedding.texts import Kind, vector_id, vectors_role
from lib.store.place import Address, resolved

Folders = Mapping[str, Path]
Settings = Mapping[str, Any]
LABELLED = ("corpus", "references")
"""Input roles whose rows may come with flags."""


@dataclass(frozen=True)
class Learned:
    """What every partition is labelled with."""

    panels: Mapping[str, Panel]
    """By question; their learners have learned."""
    references: References | None
    """For nearest categories."""


def learn(addresses: Mapping[str, Address], settings: Settings) -> tuple[Learned, dict[str, Any]]:
    """Everything that has to be learned, and as facts how good it is: `nearest`, and `learned` by question and labeler.

    Args:
        addresses: artifacts `corpus`, `references` and their vectors (`vectors_role`).
        settings: of the label node: `categories`, `names`, `neighbours`, `text`, `panels`.

    Raises:
        UserError: too few labelled rows.
    """
    folders = resolved(addresses)
    facts: dict[str, Any] = {"learned": {}}
    references = None
    if settings["categories"] == "nearest":
        references = _references(folders, settings)
        facts["nearest"] = accuracy(references, settings["neighbours"])
    panels = {}
    for question, panel in settings["panels"].items():
        learned: dict[str, Labeler] = {}
        for title, labeler in panel.labelers.items():
            if isinstance(labeler, Learner):
                assert labeler.looks_at is not None
                examples, vectors = labelled_rows(folders, question, labeler.looks_at, labeler.most_rows)
                learned[title], card = labeler.learn(examples, vectors)
                facts["learned"].setdefault(question, {})[title] = card
        panels[question] = panel.learned(learned)
    return Learned(panels, references), facts


def labelled_rows(folders: Folders, question: str, kind: Kind, most: int) -> tuple[list[Example], np.ndarray]:
    """The first rows by id, of corpus and references, whose flag for a question is given, with their vectors.

    Returns:
        At most `most` examples, and float32 [N, D].
    """
    pools = [pool for pool in LABELLED if pool in folders]
    examples: list[Example] = []
    vectors: list[np.ndarray] = []
    for part in all_parts(max(part.count for pool in pools for part in parts_in(folders[pool]))):
        for pool in pools:
            table = read_part(folders[pool], part)
            flagged = None if table is None else table.filter(pc.is_valid(table[question]))
            if flagged is not None and flagged.num_rows:
                examples += table_examples(flagged)
                vectors.append(vectors_of(folders[vectors_role(pool, kind)], part, kind, flagged.to_pylist()))
        if len(examples) >= most:
            break
    if not examples:
        return [], np.empty((0, 0), np.float32)
    first = sorted(range(len(examples)), key=lambda row: (examples[row].id, getattr(examples[row], question)))[:most]
    return [examples[row] for row in first], np.concatenate(vectors)[first]


def vectors_of(folder: Path, part: Part, kind: str, rows: list[dict[str, Any]]) -> np.ndarray:
    """The vectors of these rows of one partition, float32 [N, D]."""
    ids, matrix = read_vectors(folder, part)
    wanted = [vector_id(kind, row["instruction"], row["response"]) for row in rows]
    vectors: np.ndarray = matrix[rows_of(ids, wanted)]
    return vectors


def _references(folders: Folders, settings: Settings) -> References:
    """The references that categories are taken from, under the names that labels get."""
    ids: list[str] = []
    categories: list[tuple[str, ...]] = []
    vectors: list[np.ndarray] = []
    for part in parts_in(folders["references"]):
        table = read_part(folders["references"], part, ["instruction", "response", "categories"])
        if table is not None:
            rows = table.to_pylist()
            ids += [vector_id(settings["text"], row["instruction"], row["response"]) for row in rows]
            categories += [renamed(settings, row["categories"] or ()) for row in rows]
            role = vectors_role("references", settings["text"])
            vectors.append(vectors_of(folders[role], part, settings["text"], rows))
    return make_references(ids, categories, np.concatenate(vectors))


def renamed(settings: Settings, categories: Any) -> tuple[str, ...]:
    """A row's categories under the names that labels get."""
    names = settings["names"]
    return tuple(categories) if names is None else names.of(categories)
