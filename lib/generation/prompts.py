"""Prompt sets: what every cell is asked. One file per format in `prompt_sets/`; nothing else is edited.

A format knows a published set: how its rows look on the hub and in its widespread file, where it lies, under which licence,
and how many prompts it has. A set of another size is refused, since a rate over part of a set passes for one over all of it.

A set's identity is the prompts that are really asked, in order, so `limit` and `every` change a key only where they
change what is asked, and it makes no difference whether they came from a hub or a file. What varies the asking (a system
text, a prefill) is part of it where there is one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from lib.corpus.records import BadRow, Record, records
from lib.corpus.text import normalise
from lib.errors import UserError
from lib.generation.prompt_parts import Part, Places, find_places
from lib.generation.system_prompts import system_text
from lib.registry import Plugin
from lib.store.digest import digest_value
from lib.study.schema import Prompts

HARMFUL, LOOKALIKE, PLAIN = "harmful", "lookalike", "plain"
KINDS = (HARMFUL, LOOKALIKE, PLAIN)
"""Harmful requests; benign ones that look harmful; ordinary ones."""


@dataclass(frozen=True)
class Prompt:
    """One evaluation prompt."""

    text: str
    kind: str
    categories: tuple[str, ...] = ()


class PromptFormat(Plugin):
    """Turns one raw record of a file into a `Prompt`, and knows the set that it is named after.

    A format sets `name` and `columns` and defines `prompt`; the rest is for sets that others publish.
    """

    kind = "prompt format"
    package = "lib.generation.prompt_sets"
    columns: ClassVar[tuple[str | tuple[str, ...], ...]] = ()
    """What every record must have; of columns in a tuple, one."""
    hub: ClassVar[str | None] = None
    """Its data set on the hub: what is read where the study gives no source."""
    revision: ClassVar[str] = "main"
    """The hub's revision, resolved to a commit like that of any hub source."""
    parts: ClassVar[tuple[Part, ...]] = ()
    """What it is published in; () where it is published nowhere and has no size of its own."""
    licence: ClassVar[str] = ""
    """Of the set as published; the report names it."""
    home: ClassVar[str] = ""
    """Where its file is published, for a set that is on no hub."""
    one_object: ClassVar[bool] = False
    """Is the file a JSON object that holds lists, and not a list of objects?"""

    def rows(self, found: Iterator[Record]) -> Iterator[Record]:
        """The records of one file as one per prompt: as they are, for most formats."""
        return found

    @abstractmethod
    def prompt(self, record: dict[str, Any]) -> Prompt:
        """One record as a prompt.

        Raises:
            BadRow: a value is missing or has the wrong type.
        """


@dataclass(frozen=True)
class PromptSet:
    """The prompts of one set, in the order they are asked."""

    name: str
    prompts: tuple[Prompt, ...]
    source: str = ""
    """What was read: the hub's id with its commit, or the source as the study has it."""
    licence: str = ""
    system: str | None = None
    """System text that every prompt is asked under."""
    prefill: str | None = None
    """What every answer is forced to begin with."""
    unread: int | None = None
    """Where only a hub could give the prompts and was not asked: how many there will be at most. There is no identity then."""

    @cached_property
    def identity(self) -> str | None:
        """Digest of what is asked: texts, kinds, categories, order, and what varies the asking; None if not read."""
        if self.unread is not None:
            return None
        asked = [[p.text, p.kind, list(p.categories)] for p in self.prompts]
        return digest_value({"prompts": asked, **self.variant} if self.variant else asked)

    @property
    def variant(self) -> dict[str, str]:
        """System text and prefill, where set."""
        return {key: value for key in ("system", "prefill") if (value := getattr(self, key)) is not None}

    @property
    def size(self) -> int:
        """How many prompts there are, or will be at most."""
        return len(self.prompts) if self.unread is None else self.unread

    @property
    def credit(self) -> str:
        """Where the set is from and under which licence, in one line."""
        return f"{self.name}: {', '.join(part for part in (self.source, self.licence) if part)}"


def load_prompts(spec: Prompts, *, online: bool = True) -> PromptSet:
    """Read a prompt set of a study.

    Args:
        online: hubs may be asked. Without, a set that lies on one comes back unread.

    Raises:
        UserError: nothing there, no way to the hub, a gated set, wrong format, a malformed row (file and place named),
            another number of prompts than the set has, or nothing left to ask.
    """
    form: PromptFormat = PromptFormat.find(spec.format)()
    try:
        system = None if spec.system is None else system_text(spec.system)
        places = find_places(form, spec, online=online)
        if places is None or (not online and any(place.startswith("hub:") for place, _ in places.locations)):
            most = (places and places.count) or sum(part.count for part in form.parts if part.default)
            unread = min(spec.limit or most, -(-most // spec.every)) if most else spec.limit or 0
            return PromptSet(
                spec.name, (), spec.source or f"hub:{form.hub}", form.licence, system, spec.prefill, unread
            )
        found = list(_read(form, places))
    except UserError as error:
        raise UserError(f"prompt set {spec.name!r}: {error}") from None
    _check_count(form, spec, places, len(found))
    chosen = [p for p in found if spec.kind in (None, p.kind)][:: spec.every][: spec.limit]
    if not chosen:
        raise UserError(
            f"prompt set {spec.name!r}: no prompt is left of {len(found)} in {places.source}; see kind, every, limit"
        )
    return PromptSet(spec.name, tuple(chosen), places.source, form.licence, system, spec.prefill)


def _read(form: PromptFormat, places: Places) -> Iterator[Prompt]:
    for location, part in places.locations:
        for place, record in form.rows(records(location, one_object=form.one_object)):
            try:
                if isinstance(record, BadRow):
                    raise record
                whole = part.record(record) if part else record
                if whole is None:
                    continue
                _check_columns(form, whole)
                prompt = form.prompt(whole)
            except BadRow as reason:
                raise UserError(f"{location}, {place}: {reason}") from None
            yield Prompt(normalise(prompt.text), prompt.kind, tuple(sorted(map(normalise, prompt.categories))))


def _check_columns(form: PromptFormat, record: dict[str, Any]) -> None:
    for column in form.columns:
        names = (column,) if isinstance(column, str) else column
        if not any(name in record for name in names):
            told = any(name in part.tells for part in form.parts for name in names)
            remedy = "say which part this is by split or subset" if told else f"is this format {form.name!r}?"
            raise BadRow(f"no {' or '.join(map(repr, names))}; {remedy}")


def _check_count(form: PromptFormat, spec: Prompts, places: Places, found: int) -> None:
    wanted = places.count if spec.count == "set" else spec.count
    if wanted in (None, found):
        return
    said = f"{form.name} has {wanted}" if spec.count == "set" else f"its count is {wanted}"
    raise UserError(
        f"prompt set {spec.name!r}: {places.source} holds {found} prompts and {said}: give the whole set, or set count to "
        f"{found}, or to null, to ask what is there"
    )


def texts(sets: Sequence[PromptSet]) -> list[str]:
    """All prompt texts, each once, in order."""
    return list(dict.fromkeys(p.text for one in sets for p in one.prompts))
