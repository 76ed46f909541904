"""Text of others inside Markdown, so that it stays text.

Inside a code span or a fenced block neither Markdown nor HTML is read, and what ends one is a run of as many backticks as
began it: so each begins with one more than the longest run in the text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from lib.reporting.words import one_line


def code(text: object) -> str:
    """A code span of any text, on one line; a dash for none."""
    shown = one_line(str(text))
    if not shown:
        return "–"
    ticks = "`" * (_longest_run(shown) + 1)
    pad = " " if len(ticks) > 1 else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def fenced(language: str, text: str) -> str:
    """A block of code of any text."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def yaml(tree: Mapping[str, Any]) -> str:
    """A tree as a study has it; what is not ASCII is escaped."""
    from ruamel.yaml import YAML

    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style, writer.allow_unicode, writer.sort_base_mapping_type_on_output = False, False, False
    out = io.StringIO()
    writer.dump(dict(tree), out)
    return out.getvalue()


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
