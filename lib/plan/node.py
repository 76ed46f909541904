"""A node: one unit of work with a content key, and the artifact it makes.

Two kinds of thing describe a node and are kept apart by hand. `identity` is everything the result depends on; the key is
its digest. `task` is what the work needs besides (paths, batch sizes, worker counts): it may differ between machines and
must not change the result. A node whose identity rests on another's outcome (which rows a sample picked) has no key until
that outcome exists; planning again then gives it one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib.store import digest_value

STAGES = (
    "model", "ingest", "embed", "cluster", "near", "guard", "label", "cards", "sample", "mix", "train", "generate", "judge",
    "utility",
)  # fmt: skip
"""In the order they run."""

VERSIONS = dict.fromkeys(STAGES, 1) | {
    "ingest": 3,
    "embed": 2,
    "near": 2,
    "label": 4,
    "sample": 4,
    "mix": 2,
    "train": 4,
    "generate": 3,
    "judge": 2,
}
"""Raise a stage's number when its code comes to give another result for the same identity."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One unit of work."""

    stage: str
    title: str
    identity: Mapping[str, Any] | None
    """None: not known yet."""
    inputs: Mapping[str, Node] = field(default_factory=dict)
    """Nodes whose artifacts this one reads, by role."""
    task: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None
    """A folder that serves as this node's result as it is (a model folder): nothing runs."""
    key: str | None = field(init=False)

    def __post_init__(self) -> None:
        key = None
        if self.identity is not None:
            key = digest_value({"stage": self.stage, "version": VERSIONS[self.stage], "identity": dict(self.identity)})
        object.__setattr__(self, "key", key)


def keys_of(inputs: Mapping[str, Node]) -> dict[str, str] | None:
    """The keys of all inputs by role, or None when one of them has none yet."""
    keys = {role: node.key for role, node in inputs.items()}
    return None if None in keys.values() else {role: str(key) for role, key in keys.items()}


def identity_with(inputs: Mapping[str, Node], **identity: Any) -> dict[str, Any] | None:
    """An identity that includes the inputs' keys; None when one of them has no key yet."""
    keys = keys_of(inputs)
    return None if keys is None else {**identity, "inputs": keys}
