"""Prompt sets: what every cell is asked. One file per format in `prompt_sets/`; nothing else is edited.

A set's identity is the prompts that are really asked, in order, so `limit` and `every` change a key only where they
change what is asked.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lib.corpus.records import BadRow, records
from lib.corpus.sources import source_files
from lib.corpus.text import normalise
from lib.errors import UserError
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
    """Turns one raw record of a file into a `Prompt`.

    A format sets `name` and `columns` and defines `prompt`.
    """

    kind = "prompt format"
    package = "lib.generation.prompt_sets"
    columns: ClassVar[tuple[str, ...]] = ()

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

    @property
    def identity(self) -> str:
        """Digest of what is asked: texts, kinds, categories, order."""
        return digest_value([[p.text, p.kind, list(p.categories)] for p in self.prompts])


def load_prompts(spec: Prompts) -> PromptSet:
    """Read a prompt set of a study.

    Raises:
        UserError: missing file, wrong format, a malformed row (file and place named), or nothing left to ask.
    """
    form: PromptFormat = PromptFormat.find(spec.format)()
    found: list[Prompt] = []
    for path in source_files(spec.source):
        for place, record in records(path):
            try:
                if isinstance(record, BadRow):
                    raise record
                missing = [column for column in form.columns if column not in record]
                if missing:
                    raise BadRow(f"no {missing[0]!r}; is this format {form.name!r}?")
                prompt = form.prompt(record)
            except BadRow as reason:
                raise UserError(f"{path}, {place}: {reason}") from None
            found.append(Prompt(normalise(prompt.text), prompt.kind, tuple(sorted(prompt.categories))))
    chosen = [p for p in found if spec.kind in (None, p.kind)][:: spec.every][: spec.limit]
    if not chosen:
        raise UserError(
            f"prompt set {spec.name!r}: no prompt is left of {len(found)} in {spec.source}; see kind, every, limit"
        )
    return PromptSet(spec.name, tuple(chosen))


def texts(sets: Sequence[PromptSet]) -> list[str]:
    """All prompt texts, each once, in order."""
    return list(dict.fromkeys(p.text for one in sets for p in one.prompts))
