"""What documents say of the code is so: messages are searched for by their text, and a threat model without tests is a wish."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

import pytest

from tests.security.sources import ROOT, modules

HOLE = "…"


def rows() -> list[str]:
    """The first cell of every row of the table under Troubleshooting."""
    section = (ROOT / "README.md").read_text().partition("\n## Troubleshooting\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE)


@lru_cache(maxsize=1)
def templates() -> list[str]:
    """Every text of the code, with its values left out."""
    found = []
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(one.value) if isinstance(one, ast.Constant) else HOLE for one in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_twelve_are_explained() -> None:
    assert len(rows()) == 12
    assert len(set(rows())) == 12


@pytest.mark.parametrize("message", rows())
def test_a_message_that_is_explained_is_one_of_the_code(message: str) -> None:
    pieces = [re.escape(piece.strip()) for piece in message.split(HOLE) if piece.strip()]
    wanted = re.compile(".*".join(pieces), re.DOTALL)
    assert any(wanted.search(text) and HOLE in text for text in templates()), message


def test_the_tests_that_the_threat_model_names_are_there() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    named = set(re.findall(r"`((?:tests/[\w/]+/)?test_\w+)(?:\.py)?`", text))
    assert len(named) > 10
    files = {path.stem: path for path in (ROOT / "tests").rglob("test_*.py")}
    assert not {one for one in named if one.rpartition("/")[2] not in files}
