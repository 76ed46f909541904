"""Hash partitions: which file of an artifact holds which ids.

Partition i of P holds the ids whose leading 32 bits lie in the i-th of P equal ranges, and its file is named after i and
P. Two artifacts cut into different numbers of partitions can so be read side by side range by range: what belongs to one
partition of the first lies in the few overlapping ones of the second. How many partitions there are is placement: the
rows of an artifact, taken together, do not depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.corpus.text import PREFIX

BITS = 4 * PREFIX
_NAME = re.compile(r"part-(\d+)-of-(\d+)\.parquet")


@dataclass(frozen=True, order=True)
class Part:
    """A range of ids: the `index`-th of `count` equal ones."""

    count: int
    index: int

    @property
    def name(self) -> str:
        """Its file's name."""
        return f"part-{self.index:05d}-of-{self.count:05d}.parquet"

    @property
    def bounds(self) -> tuple[int, int]:
        """The leading bits that belong to it: from the first (included) to the second (excluded)."""
        return -(-(self.index << BITS) // self.count), -(-((self.index + 1) << BITS) // self.count)

    def overlaps(self, other: Part) -> bool:
        """Can an id belong to both?"""
        (low, high), (other_low, other_high) = self.bounds, other.bounds
        return low < other_high and other_low < high


def partition_of(any_id: str, count: int) -> int:
    """Which of `count` partitions an id belongs to."""
    return int(any_id[:PREFIX], 16) * count >> BITS


def all_parts(count: int) -> list[Part]:
    """The partitions of a whole artifact, in order."""
    return [Part(count, index) for index in range(count)]


def parts_in(folder: Path) -> list[Part]:
    """The partitions that an artifact has files for, in order (an empty one has none)."""
    return parts_among(path.name for path in folder.iterdir())


def parts_among(names: Iterable[str]) -> list[Part]:
    """The partitions that some names of files are of, in order."""
    matches = map(_NAME.fullmatch, names)
    return sorted(Part(int(found[2]), int(found[1])) for found in matches if found)


def inside(table: pa.Table, part: Part, key: str) -> pa.Table:
    """The rows of a table whose id, in column `key`, belongs to `part`."""
    return table.filter(_within(part, pc.field(key)))


def _within(part: Part, one: pc.Expression) -> pc.Expression:
    """Does an id belong to a partition? Of a sorted file, Parquet then reads the row groups that may hold some."""
    low, high = part.bounds
    above = one >= f"{low:0{PREFIX}x}"
    return above & (one < f"{high:0{PREFIX}x}") if high < 1 << BITS else above


def read_part(folder: Path, part: Part, columns: Sequence[str] | None = None, key: str = "id") -> pa.Table | None:
    """The rows of an artifact that belong to `part`, whatever partitions the artifact itself is cut into.

    Args:
        key: the id column that rows are sorted by.

    Returns:
        None when there is no such row.
    """
    tables = []
    for other in parts_in(folder):
        if not part.overlaps(other):
            continue
        wanted = None if columns is None else list(dict.fromkeys([*columns, key]))
        within = None if other == part else _within(part, pc.field(key))
        table = pq.read_table(folder / other.name, columns=wanted, filters=within)
        if table.num_rows:
            tables.append(table if columns is None else table.select(list(columns)))
    return pa.concat_tables(tables) if tables else None


def read_all(folder: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """All partitions of an artifact as one table, in order of id."""
    names = None if columns is None else list(columns)
    return pa.concat_tables([pq.read_table(folder / part.name, columns=names) for part in parts_in(folder)])
