"""Which tasks lm-evaluation-harness has, told from its YAML files alone.

A plan must know a task's data set, splits and few-shot examples, and refuse a name that is none; importing the harness and
letting it index its 14,000 files takes twelve seconds. So files are found by their names first, and all of them are read only for
what is not found so. What a name comes to (task, group of tasks, or tag) and which settings a group passes on follow the
harness' own factory; a test holds the two against each other.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lib.errors import UserError, unknown

INSTALL = "uv pip install -c constraints-cpu.txt -e '.[cpu,utility]' (on a GPU machine: gpu in both places)"
GROUP_KEYS = {"group", "group_alias", "task", "aggregate_metric_list", "metadata"}
"""Keys of a group's file that are about the group; all others are settings of its tasks."""
HEAD = re.compile(rb"^[\"']?(task|group|class)[\"']?[ \t]*:[ \t]*[\"']?([^\"'\r\n#\[{]*)", re.MULTILINE)
TAG = re.compile(rb"^[\"']?tag[\"']?[ \t]*:", re.MULTILINE)
INCLUDED = re.compile(rb"^[\"']?include[\"']?[ \t]*:", re.MULTILINE)
NOT_TASKS = {".py", ".md", ".json", ".jsonl", ".txt", ".sh", ".csv", ".pyc", ".png"}


@dataclass(frozen=True)
class Leaf:
    """One task that questions are asked of."""

    name: str
    config: Mapping[str, Any]
    """As its file has it, includes followed; functions are `FOLDER/module.function`, below the harness' task folder."""


@dataclass(frozen=True)
class Entry:
    """What a name comes to."""

    name: str
    leaves: tuple[Leaf, ...]
    folders: tuple[str, ...]
    """Folders below the harness' task folder in which everything that is needed is defined."""


def harness_version() -> str:
    """The installed version.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.metadata.version("lm-eval")
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"evaluate.lm_eval needs the package lm-eval: {INSTALL}") from None


@lru_cache(maxsize=1)
def task_folder() -> Path:
    """The folder with the harness' task files.

    Raises:
        UserError: it is not installed.
    """
    harness_version()
    spec = importlib.util.find_spec("lm_eval")
    assert spec
    assert spec.submodule_search_locations
    return (Path(spec.submodule_search_locations[0]) / "tasks").resolve()  # task files include each other by real paths


@lru_cache(maxsize=256)
def find_task(name: str) -> Entry:
    """The task, group or tag of this name.

    Raises:
        UserError: the harness is not installed, or has none of this name (the message has the nearest match).
    """
    catalogue = _Catalogue(task_folder())
    leaves = tuple(catalogue.leaves(name, {}))
    return Entry(name, leaves, tuple(sorted(catalogue.folders)))


class _Catalogue:
    """The task files, read as far as a name needs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders: set[str] = set()

    def leaves(self, name: str, settings: Mapping[str, Any]) -> Iterator[Leaf]:
        path = self._find(name)
        if path is None:
            for tagged in self._tagged(name):
                yield from self.leaves(tagged, settings)
            return
        self._note(path)
        config = read_task(path)
        if "group" in config and "class" not in config:
            passed = {key: value for key, value in config.items() if key not in GROUP_KEYS} | dict(settings)
            yield from self._members(config.get("task"), name, passed)
        else:
            yield Leaf(name, {**config, **settings, "task": settings.get("task", name)})

    def _members(self, members: Any, group: str, settings: Mapping[str, Any]) -> Iterator[Leaf]:
        for member in [members] if isinstance(members, str) else members or ():
            if isinstance(member, str):
                yield from self.leaves(member, settings)
                continue
            inner = {key: value for key, value in member.items() if key != "group"}
            if "group" in member and self._find(member["group"]) is None:
                passed = {key: value for key, value in member.items() if key not in GROUP_KEYS} | dict(settings)
                yield from self._members(member.get("task"), f"{group}::{member['group']}", passed)
            elif "group" in member:
                yield from self.leaves(member["group"], {**settings, **inner})
            elif self._find(member["task"]) is None and not self._is_tag(member["task"]):
                yield Leaf(f"{group}::{member['task']}", {**settings, **member})
            else:
                own = {key: value for key, value in {**settings, **member}.items() if key != "task"}
                yield from self.leaves(member["task"], own)

    def _find(self, name: str) -> Path | None:
        """The file of a task or group: first among those called like it, then among all."""
        for path in _by_stem(self.root).get(name, ()):
            if _head(path.read_bytes()) == name:
                return path
        return _index(self.root).get(name)

    def _is_tag(self, name: str) -> bool:
        try:
            return bool(self._tagged(name))
        except UserError:
            return False

    def _tagged(self, tag: str) -> list[str]:
        """The names of the tasks with this tag, which may stand in a file that they include."""
        word, files = tag.encode(), _texts(self.root)
        named = [file for file in files if word in file.text and TAG.search(file.text)]
        above = tuple({f"{file.path.parent}/" for file in named})
        found = {}
        for file in (file for file in files if file.path.suffix == ".yaml"):
            if word not in file.text and not (file.includes and str(file.path).startswith(above)):
                continue
            config = read_task(file.path)
            tags = config.get("tag")
            if "group" not in config and "task" in config and tag in ([tags] if isinstance(tags, str) else tags or ()):
                found[str(config["task"])] = file.path
        if not found:
            raise unknown_task(tag)
        for path in found.values():
            self._note(path)
        return sorted(found)

    def _note(self, path: Path) -> None:
        self.folders.add(path.parent.relative_to(self.root).as_posix())


EVALUATING = {"eval", "exec", "parse_expr", "sympify"}
"""Functions that run a text as Python. SymPy's two do: they rewrite it a little and call `eval`."""


def evaluating_file(entry: Entry) -> str | None:
    """The file, below the harness' task folder, in which the code beside a task runs some text as Python; None: there is none.

    Tasks whose scoring does that to an answer should say so (`unsafe_code`), and not all of them do.
    """
    root = task_folder()
    for folder in entry.folders:
        for path in sorted((root / folder).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_bytes())):
                called = node.func if isinstance(node, ast.Call) else None
                plain = called.id if isinstance(called, ast.Name) else None
                inner = called.attr if isinstance(called, ast.Attribute) else None
                if plain in EVALUATING or inner in EVALUATING - {"eval", "exec"}:
                    return path.relative_to(root).as_posix()
    return None


def unknown_task(name: str) -> UserError:
    """An error with the nearest match, and not with all of 14,000 names."""
    error = str(unknown("lm_eval task", name, _index(task_folder())))
    return UserError(
        f"{error.partition(' (choose from')[0]} (lm_eval {harness_version()} lists its tasks: lm-eval ls tasks)"
    )


def read_task(path: Path) -> dict[str, Any]:
    """A task file with what it includes; its own keys win. Functions are named and not imported."""
    root = task_folder()
    config = _load(path)
    merged: dict[str, Any] = {}
    includes = config.pop("include", [])
    for include in [includes] if isinstance(includes, str) else includes:
        inner = read_task((path.parent / include).resolve())
        inner.pop("task_list", None)
        merged |= inner
    return merged | {key: _named(value, path.parent, root) for key, value in config.items()}


class _Function(str):
    """A function that a task file names, as it names it."""


def _load(path: Path) -> dict[str, Any]:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    Loader.add_constructor("!function", lambda loader, node: _Function(node.value))
    with path.open("rb") as file:
        found = yaml.load(file, Loader=Loader)
    return found if isinstance(found, dict) else {}


def _named(value: Any, folder: Path, root: Path) -> Any:
    if isinstance(value, _Function):
        return f"{folder.relative_to(root).as_posix()}/{value}"
    if isinstance(value, dict):
        return {key: _named(one, folder, root) for key, one in value.items()}
    return [_named(one, folder, root) for one in value] if isinstance(value, list) else value


@lru_cache(maxsize=1)
def _by_stem(root: Path) -> dict[str, list[Path]]:
    """Task files by their names without ending and leading `_`, in the harness' order."""
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*.yaml")):
        found.setdefault(path.stem.lstrip("_"), []).append(path)
    return found


@dataclass(frozen=True)
class _File:
    path: Path
    text: bytes
    includes: bool


@lru_cache(maxsize=1)
def _texts(root: Path) -> list[_File]:
    """All task files, and what they include, in the harness' order."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.suffix not in NOT_TASKS and path.is_file():
            text = path.read_bytes()
            found.append(_File(path, text, INCLUDED.search(text) is not None))
    return found


@lru_cache(maxsize=1)
def _index(root: Path) -> dict[str, Path]:
    """Every task and group that has a file, by name."""
    found: dict[str, Path] = {}
    for file in _texts(root):
        if file.path.suffix == ".yaml":
            found.setdefault(_head(file.text), file.path)
    found.pop("", None)
    return found


def _head(text: bytes) -> str:
    """The name that a file defines, "" where it defines none."""
    found = {match[1]: match[2].decode().strip() for match in HEAD.finditer(text)}
    return found.get(b"task", "") if b"class" in found else found.get(b"group") or found.get(b"task", "")
