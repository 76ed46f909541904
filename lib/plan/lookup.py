"""What is already there. Remembers what it found, so that planning again after a stage costs only the new look-ups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.plan.node import Node
from lib.store import Artifact, Store


class Lookup:
    """Finished artifacts of a store, by node."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._found: dict[tuple[str, str], Artifact] = {}
        self._told: dict[Any, Any] = {}

    def artifact(self, node: Node) -> Artifact | None:
        """The node's artifact, or None when it has still to be made."""
        if node.key is None:
            return None
        place = (node.stage, node.key)
        if place not in self._found:
            artifact = self.store.find(*place)
            if artifact is None:
                return None
            self._found[place] = artifact
        return self._found[place]

    def once(self, question: Any, ask: Callable[[], Any]) -> Any:
        """The first answer to a question about the world outside, so that one run sees one state of it.

        Args:
            question: anything hashable that names it.
            ask: called the first time; an answer of None is not kept.
        """
        if question not in self._told:
            answer = ask()
            if answer is None:
                return None
            self._told[question] = answer
        return self._told[question]

    def have(self, node: Node) -> bool:
        """Is there nothing left to do for this node?"""
        return node.path is not None or self.artifact(node) is not None

    def facts(self, node: Node) -> dict[str, Any] | None:
        """The facts of the node's artifact, or None."""
        artifact = self.artifact(node)
        return None if artifact is None else artifact.facts

    def folder(self, node: Node) -> Path:
        """The folder with the node's result.

        Raises:
            UserError: it is not there.
        """
        if node.path is not None:
            return node.path
        return self.store.need(node.stage, str(node.key)).folder
