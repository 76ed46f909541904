"""What an adaptive search has tried: `<storage>/searches/<study>.json`.

A search does not go on from this file: it asks its sampler the same questions again and finds the answers in the store. The file
says which cells the study means, so that the rest of the pipeline, a later report and a plan go over them and no others; it
holds for one study and is passed over when anything that decides what is tried has changed. What was seen of cells on their way
(`looks`) is kept by cell and stays true.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lib.errors import UserError
from lib.files import storage_errors
from lib.plan.cell import StoppedCell
from lib.plan.points import Point
from lib.store import digest_value
from lib.store.place import shared_of
from lib.study.schema import Study

PLACED = {"storage", "train", "cluster", "track", "export"}
"""Parts of a study that decide nothing of what is tried."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One trial."""

    point: Point
    label: str
    key: str
    """Of the fine-tune."""
    state: Literal["done", "failed", "stopped"]
    step: int = 0
    """Where it was stopped."""
    value: float | None = None
    """Of what the search looks at."""

    @property
    def stopped(self) -> StoppedCell:
        """The trial as a report names it."""
        return StoppedCell(label=self.label, key=self.key, step=self.step, value=self.value or 0.0)


@dataclass(frozen=True)
class Look:
    """What was seen of a cell on its way."""

    time: int
    """Which look it was, in the scheduler's own count."""
    step: int
    value: float
    over_refusal: float | None


Looks = dict[str, list[Look]]
"""By the cell's key and what was looked at (`look_name`)."""


def look_name(key: str, judged: Mapping[str, Any]) -> str:
    """Names the looks at a cell.

    Args:
        judged: what else decides the value: prompt sets, judge, decoding.
    """
    return f"{key}-{digest_value(judged)[:16]}"


def read_tried(study: Study) -> list[Tried] | None:
    """What the search of this very study has tried; None where nothing is known."""
    told = _read(study)
    if told.get("digest") != _digest(study):
        return None
    return [Tried(**{**one, "point": Point(**one["point"])}) for one in told["tried"]]


def read_looks(study: Study) -> Looks:
    """What any search of a study of this name has seen."""
    return {name: [Look(**one) for one in looks] for name, looks in _read(study).get("looks", {}).items()}


def write_tried(study: Study, tried: Iterable[Tried], looks: Looks) -> None:
    """Write down what was tried so far.

    Raises:
        UserError: the storage cannot be written.
    """
    told = {
        "study": study.name, "digest": _digest(study), "tried": [asdict(one) for one in tried],
        "looks": {name: [asdict(one) for one in found] for name, found in looks.items()},
    }  # fmt: skip
    shared = shared_of(study.storage)
    with storage_errors(shared.root):
        shared.write(_name(study), f"{json.dumps(told, indent=1)}\n".encode())


def _digest(study: Study) -> str:
    return digest_value(study.model_dump(mode="json", by_alias=True, exclude=PLACED))


def _name(study: Study) -> str:
    return f"searches/{study.name}.json"


def _read(study: Study) -> dict[str, Any]:
    shared = shared_of(study.storage)
    try:
        text = shared.read(_name(study))
        if text is None:
            return {}
        told = json.loads(text)
        assert isinstance(told, dict)
        return told
    except (OSError, ValueError, AssertionError):
        raise UserError(
            f"{shared.words}/{_name(study)} cannot be read: remove it, and the search begins from what is stored"
        ) from None
