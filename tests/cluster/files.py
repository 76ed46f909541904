"""What lies under cluster/, read as the tools that take it read it (YAML 1.1, as kubectl and `ray up` do)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

CLUSTER = ROOT / "cluster"
KUBERAY = CLUSTER / "kuberay"
LAUNCHERS = sorted((CLUSTER / "launcher").glob("*.yaml"))
DOCKERFILES = sorted((CLUSTER / "images").glob("*.Dockerfile"))


def documents(path: Path) -> list[dict[str, Any]]:
    """All documents of a YAML file; a key given twice is refused, as newer API servers do."""

    class Loader(yaml.SafeLoader):
        pass

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        keys = [loader.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{path.name}: a key twice among {keys}"
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return [one for one in yaml.load_all(path.read_text(), Loader) if one]


def pinned(package: str, extra: str = "cpu") -> str:
    """The version of a package in a constraints file."""
    found = re.search(rf"^{re.escape(package)}==(\S+)$", (ROOT / f"constraints-{extra}.txt").read_text(), re.MULTILINE)
    assert found, f"{package} is not in constraints-{extra}.txt"
    return found[1]


def unmarked(path: Path) -> list[str]:
    """Lines with a place that has to be filled in (`YOUR-...`) that no EDIT on it, or shortly above it, points at."""
    lines = path.read_text().splitlines()
    return [
        line
        for number, line in enumerate(lines)
        if "YOUR-" in line and not any("EDIT" in near for near in lines[max(0, number - 4) : number + 1])
    ]
