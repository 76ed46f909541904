"""The project's own source, as trees: what a rule about all of it is checked on."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@lru_cache(maxsize=1)
def texts() -> tuple[tuple[str, str], ...]:
    """(path from the root, text) of every module of lib and jobs."""
    paths = [path for room in ("lib", "jobs") for path in sorted((ROOT / room).rglob("*.py"))]
    return tuple((path.relative_to(ROOT).as_posix(), path.read_text()) for path in paths)


@lru_cache(maxsize=1)
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """(path from the root, tree) of every one of them."""
    return tuple((name, ast.parse(text)) for name, text in texts())


@lru_cache(maxsize=1)
def calls() -> tuple[tuple[str, str, ast.Call], ...]:
    """(path and line, the called name as it is written, the call) of every call in them."""
    return tuple(
        (f"{name}:{node.lineno}", ast.unparse(node.func), node)
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    )


def keywords(call: ast.Call) -> dict[str, str]:
    """The keywords of a call as they are written."""
    return {one.arg: ast.unparse(one.value) for one in call.keywords if one.arg}
