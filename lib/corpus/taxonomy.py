"""Harm taxonomies, kept as data: the names of each level, what lies above each name, and other taxonomies' names for it.

A taxonomy is one YAML file (`lib/corpus/taxonomies/*.yaml`, or a user's own). Its levels go from broad to narrow; the
broadest is a list of names, every other maps its names to the one above:

    name: fruit
    levels:
      kind: [Citrus, Berry]
      fruit: {Lemon: Citrus, Currant: Berry}
    from:
      botany: {Citrus limon: Lemon, Malus domestica: null}

Names are unique over all levels, so that a row's category says by itself which level it is of. `from` translates another
taxonomy's names into these. Taxonomies cut the same harms along different lines, so a translation is the nearest
counterpart and no equation: it goes one way, it may be broader, and null says that somebody looked and found none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from lib.errors import UserError, unknown
from lib.safe_yaml import YAMLError, read_yaml
from lib.study.part import Name, Part

SHIPPED = Path(__file__).parent / "taxonomies"


@dataclass(frozen=True)
class Taxonomy:
    """Names of harm categories in levels, broad to narrow."""

    name: str
    levels: Mapping[str, tuple[str, ...]]
    """Level -> its names, in the order of the file."""
    parents: Mapping[str, str]
    """Name -> the name above it; those of the broadest level have none."""
    mappings: Mapping[str, Mapping[str, str | None]]
    """Other taxonomy -> its name -> ours, or None where there is no counterpart."""

    def level_of(self, category: str) -> str:
        """The level a category is of.

        Raises:
            UserError: no such category.
        """
        for level, names in self.levels.items():
            if category in names:
                return level
        raise unknown(
            f"category of taxonomy {self.name}:", category, [c for names in self.levels.values() for c in names]
        )

    def at_level(self, category: str, level: str) -> str:
        """The category of a level that another one of the same or a narrower level belongs to.

        Raises:
            UserError: no such category or level, or a level narrower than the category is.
        """
        if level not in self.levels:
            raise unknown(f"level of taxonomy {self.name}:", level, self.levels)
        own, order = self.level_of(category), list(self.levels)
        if order.index(own) < order.index(level):
            raise UserError(
                f"taxonomy {self.name}: {category!r} is of level {own}, broader than {level}; ask for {own}"
            )
        while category not in self.levels[level]:
            category = self.parents[category]
        return category

    def translate(self, category: str, from_taxonomy: str) -> str | None:
        """The nearest counterpart here of another taxonomy's category; None where there is none.

        Raises:
            UserError: nothing is known about names of that taxonomy.
        """
        if from_taxonomy == self.name:
            return category
        if from_taxonomy not in self.mappings:
            raise unknown(f"mapping to taxonomy {self.name} from", from_taxonomy, self.mappings)
        return self.mappings[from_taxonomy].get(category)


class _File(Part):
    """A taxonomy as its file has it."""

    name: Name
    levels: Annotated[dict[str, list[str] | dict[str, str]], Field(min_length=1)]
    from_: Annotated[dict[str, dict[str, str | None]], Field(alias="from")] = {}


def load_taxonomy(name_or_path: str) -> Taxonomy:
    """A shipped taxonomy by name, or one's own by the path of its YAML file.

    Raises:
        UserError: no such taxonomy, or a file that is none: a duplicate name, an unknown parent or level, a cycle.
    """
    shipped = {path.stem: path for path in SHIPPED.glob("*.yaml")}
    if name_or_path in shipped:
        return _shipped(shipped[name_or_path])
    if not name_or_path.lower().endswith((".yaml", ".yml")):
        raise unknown("taxonomy (or path of a .yaml file)", name_or_path, shipped)
    return _load(Path(name_or_path))


@lru_cache
def _shipped(path: Path) -> Taxonomy:
    return _load(path)


def _load(path: Path) -> Taxonomy:
    try:
        tree = read_yaml(path.expanduser().read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"taxonomy {path} does not exist") from None
    except (OSError, ValueError, RuntimeError, YAMLError) as error:  # RuntimeError: the home of nobody
        raise UserError(f"taxonomy {path} cannot be read: {' '.join(str(error).split())[:300]}") from None
    try:
        file = _File.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"taxonomy {path}: {where}: {first['msg']} (see lib/corpus/taxonomies)") from None
    return _checked(file, path)


def _checked(file: _File, path: Path) -> Taxonomy:
    """The taxonomy of a file whose names, links and mappings hold together."""

    def refused(what: str) -> UserError:
        return UserError(f"taxonomy {path}: {what}")

    levels = {level: tuple(names) for level, names in file.levels.items()}
    seen: dict[str, str] = {}
    for level, names in levels.items():
        for name in names:
            if name in seen:
                raise refused(f"{name!r} is there twice, in level {seen[name]} and in {level}; names are unique")
            seen[name] = level
    order = list(levels)
    parents: dict[str, str] = {}
    for level, above in zip(order, [None, *order], strict=False):
        links = file.levels[level]
        if isinstance(links, dict):
            parents |= links
        if (above is None) == isinstance(links, dict):
            form = "a list of names" if above is None else f"a mapping of its names to those of level {above}"
            raise refused(f"level {level} is {form}")
    for name, parent in parents.items():
        if parent not in seen:
            raise refused(f"{name!r} has the unknown parent {parent!r}")
        chain = [name]
        while chain[-1] in parents:
            chain.append(parents[chain[-1]])
            if chain[-1] in chain[:-1]:
                raise refused(f"{' -> '.join(map(repr, chain[chain.index(chain[-1]) :]))} is a cycle")
    for name, parent in parents.items():
        if order.index(seen[parent]) != order.index(seen[name]) - 1:
            raise refused(f"{name!r} of level {seen[name]} has a parent of level {seen[parent]}, not of the one above")
    for other, mapping in file.from_.items():
        for theirs, ours in mapping.items():
            if ours is not None and ours not in seen:
                raise refused(f"{theirs!r} of {other} is mapped to the unknown {ours!r}")
    return Taxonomy(file.name, levels, parents, file.from_)
