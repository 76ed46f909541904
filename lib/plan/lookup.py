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

    def folder(self, node: Node, *only: str) -> Path:
        """The folder with the node's result, its files on this machine.

        Args:
            only: patterns of the files that are read (`lib.store.place.here`); elsewhere they may be far away.

        Raises:
            UserError: it is not there.
        """
        return self._needed(node).here(*only) if node.path is None else node.path

    def address(self, node: Node) -> str:
        """Where a worker finds the node's result (`lib.store.place.here`).

        Raises:
            UserError: it is not there.
        """
        return self._needed(node).address if node.path is None else str(node.path)

    def names(self, node: Node) -> list[str]:
        """The files of the node's result, by their names in its folder.

        Raises:
            UserError: it is not there.
        """
        if node.path is not None:
            return sorted(path.relative_to(node.path).as_posix() for path in node.path.rglob("*") if path.is_file())
        return sorted(self._needed(node).manifest["files"])

    def words(self, node: Node) -> str:
        """Where people find the node's result.

        Raises:
            UserError: it is not there.
        """
        return self._needed(node).words if node.path is None else str(node.path)

    def _needed(self, node: Node) -> Artifact:
        return self.store.need(node.stage, str(node.key))
