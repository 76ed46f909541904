"""How much there is to do: rows of a pool and their lengths, before anybody has read all of it.

What has run tells it exactly, in the facts of its artifact. Before that, the first rows of some of the files are read, as
the planner does anyway to see whether they are of their format, and the rest goes by the files' sizes. Of a source that
cannot be looked into from here nothing is known, and a number is taken that the estimate names.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from lib.corpus.example import Example
from lib.corpus.reader import make_reader
from lib.corpus.records import BadRow, records
from lib.corpus.sources import is_local
from lib.generation.prompts import PromptSet
from lib.models.source import ModelSource
from lib.plan.lookup import Lookup
from lib.plan.node import Node
from lib.plan.sizes import Size, size_by_name, size_of_folder
from lib.store.place import NO_WEIGHTS

CHARS_PER_TOKEN = 4.2
"""Of English text in the vocabularies of today (32,000 to 150,000 entries)."""
FORM_TOKENS = 32
"""What a chat template puts around a prompt."""
SAMPLED_FILES, SAMPLED_ROWS = 8, 50
PACKED = {".gz": 4.0, ".xz": 5.0, ".parquet": 2.0}
"""How many bytes of text a byte of such a file holds."""
UNSEEN_ROWS, UNSEEN_CHARS = 10_000, (120, 480)
"""Rows, and characters of instruction and response, of a source that cannot be looked into from here."""


@dataclass(frozen=True)
class Pool:
    """The rows of a pool."""

    rows: int
    lengths: tuple[tuple[int, int], ...]
    """Characters of instruction and response, of some rows."""
    told: str
    """How the number of rows is known: "counted", "by file sizes", "not known"."""

    @property
    def instruction_tokens(self) -> float:
        """Mean tokens of an instruction, as an encoder reads them."""
        return fmean(2 + instruction / CHARS_PER_TOKEN for instruction, _ in self.lengths)

    def pair_tokens(self, most: int) -> float:
        """Mean tokens of an instruction and its response in a template, each pair cut at `most`."""
        return fmean(min(most, FORM_TOKENS + (i + r) / CHARS_PER_TOKEN) for i, r in self.lengths)


class Amounts:
    """What a plan's nodes work on; remembers what it found."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self._pools: dict[int, Pool] = {}
        self._sizes: dict[str, Size | None] = {}
        self._prompts: dict[int, tuple[int, float]] = {}

    def pool(self, node: Node) -> Pool:
        """The rows of an ingest node."""
        facts = self.lookup.facts(node)
        if "prompts" in node.task:
            asked: Sequence[str] = node.task["prompts"]
            return Pool(len(asked), tuple((len(text), 0) for text in asked) or ((0, 0),), "counted")
        if id(node) not in self._pools:
            self._pools[id(node)] = self._looked_into(node)
        found = self._pools[id(node)]
        return Pool(facts["rows"], found.lengths, "counted") if facts and "rows" in facts else found

    def _looked_into(self, node: Node) -> Pool:
        """A pool that nobody has read yet, by some of its first rows."""
        local = [file for file in node.task["files"] if is_local(file["path"])]
        chosen = local[:: max(1, len(local) // SAMPLED_FILES)][:SAMPLED_FILES]
        sizes, lengths = list[int](), list[tuple[int, int]]()
        for file in chosen:
            for record_bytes, examples in _first_records(file):
                sizes.append(record_bytes)
                lengths += [(len(one.instruction), len(one.response)) for one in examples]
        if not lengths:
            return Pool(UNSEEN_ROWS, (UNSEEN_CHARS,), "not known")
        packed = PACKED.get(Path(chosen[0]["path"]).suffix, 1.0)
        records_there = node.task["size_bytes"] * packed / fmean(sizes)
        rows = max(1, round(records_there * len(lengths) / len(sizes)))
        most = [file.get("limit") or 0 for file in node.task["files"]]
        return Pool(min(rows, sum(most)) if all(most) else rows, tuple(lengths), "by file sizes")

    def mix_tokens(self, mix: Node, most: int) -> float:
        """Mean tokens of a row of a tokenised mix: counted, or as its pool's rows are long."""
        facts = self.lookup.facts(mix)
        if facts is not None and "tokens" in facts and facts["rows"] + facts.get("holdout", 0):
            return float(facts["tokens"] / (facts["rows"] + facts.get("holdout", 0)))
        rows = mix.inputs["rows"]
        return self.pool(rows.inputs.get("corpus", rows)).pair_tokens(most)

    def prompts(self, asked: PromptSet) -> tuple[int, float]:
        """Prompts of a set, and their tokens in a template."""
        if id(asked) not in self._prompts:
            lengths = [len(prompt.text) for prompt in asked.prompts] or [UNSEEN_CHARS[0]]  # a hub's, not read yet
            each = FORM_TOKENS + fmean(lengths) / CHARS_PER_TOKEN
            self._prompts[id(asked)] = asked.size, asked.size * each
        return self._prompts[id(asked)]

    def size(self, node: Node) -> Size | None:
        """The size of a model node; None where nothing tells it."""
        node = node.inputs.get("base", node)  # a model made of a cell has its base's shape
        name = node.key or node.title
        if name not in self._sizes:
            self._sizes[name] = self._size(node)
        return self._sizes[name]

    def _size(self, node: Node) -> Size | None:
        source: ModelSource | None = node.task.get("source")
        here = size_of_folder(self.lookup.folder(node, *NO_WEIGHTS)) if self.lookup.have(node) else None
        return here or size_by_name(*_names(source), node.title)


def _names(source: ModelSource | None) -> list[str]:
    """What may tell the size of a model that is not here as a folder: its source, and files of its package."""
    if source is None:
        return []
    packaged = source.text.removeprefix("package:") if source.kind == "package" else None
    spec = importlib.util.find_spec(packaged) if packaged else None
    files = sorted(Path(str(spec.origin)).parent.rglob("*.gguf")) if spec else []
    text = Path(source.text).name if source.kind == "folder" else source.text
    return [text, *(path.name for path in files)]


def _first_records(file: dict[str, Any]) -> Iterator[tuple[int, list[Example]]]:
    """The first records of a file: about how many bytes each takes there, and the examples it is read as."""
    reader = make_reader(file["format"], file["columns"], file["max_chars"])
    for _, record in islice(records(file["path"]), SAMPLED_ROWS):
        if isinstance(record, BadRow):
            continue
        with suppress(BadRow):  # counted where it matters; an estimate goes without
            examples = list(reader.examples(record, ""))
            yield len(json.dumps(record, ensure_ascii=False, default=str)), examples
