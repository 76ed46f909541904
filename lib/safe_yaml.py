"""YAML 1.2 of strangers: texts, numbers, truth values, lists and mappings of them, and nothing else.

A YAML file can ask for more than it shows. Tags name types of a program; the safe reader refuses those that are not of YAML
itself, and what is left of them (dates, bytes, sets, ordered pairs) is refused here, since nothing in this project means
one. Aliases let a file of ten lines stand for a billion values, and merges (`<<`) write them out while it is read. So the
file is first read into nodes, in which an alias is a link, and counted as if all links were written out.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

__all__ = ["MAX_DEPTH", "MAX_VALUES", "YAMLError", "read_yaml"]

MAX_VALUES = 50_000
"""Values of a file with its aliases written out."""
MAX_DEPTH = 40
MAX_INTEGER = 2**63


def read_yaml(text: str) -> Any:
    """What a text of YAML says.

    Raises:
        YAMLError: it is no YAML, holds another kind of value or a key that is no text, repeats a key, or is too large or
            too deep.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # an anchor that is given twice is legal, and would be told past `lib/outgoing`
            _count(_reader().compose(io.StringIO(text)))
            tree = _reader().load(io.StringIO(text))
    except YAMLError:
        raise
    except RecursionError:
        raise YAMLError("nested too deeply") from None
    except Exception as error:
        # What constructs values lets errors of its own through: of an impossible date, a huge integer, `!!int ''`, `!!bool x`.
        raise YAMLError(f"a value in it cannot be read ({error})") from None
    _check(tree, "")
    return tree


def _reader() -> YAML:
    reader = YAML(typ="safe", pure=True)
    reader.version = (1, 2)
    reader.allow_duplicate_keys = False
    return reader


def _count(root: Any) -> None:
    """Refuse nodes that come to too much, each alias counted as often as it stands there."""
    sizes: dict[int, tuple[int, int]] = {}
    """Of a node by its identity: values below it with itself, and levels."""
    above: set[int] = set()
    waiting = [(root, False)] if root is not None else []
    while waiting:
        node, seen = waiting.pop()
        if id(node) in sizes:
            continue
        inner = node.value if isinstance(node.value, list) else []
        parts = [part for one in inner for part in (one if isinstance(one, tuple) else (one,))]
        if seen:
            above.discard(id(node))
            told = [sizes[id(part)] for part in parts]
            values, depth = 1 + sum(size for size, _ in told), 1 + max((level for _, level in told), default=0)
            if values > MAX_VALUES:
                raise YAMLError(f"it holds more than {MAX_VALUES} values with its aliases written out")
            if depth > MAX_DEPTH:
                raise YAMLError(f"nested too deeply, over {MAX_DEPTH} levels")
            sizes[id(node)] = (values, depth)
            continue
        if id(node) in above:
            raise YAMLError("an alias in it holds itself")
        above.add(id(node))
        waiting.append((node, True))
        waiting += [(part, False) for part in parts]


def _check(value: Any, where: str) -> None:
    named = where[:100] or "it"
    if isinstance(value, dict):
        for key, one in value.items():
            if not isinstance(key, str):
                raise YAMLError(f"the key {str(key)[:40]!r} of {named} is no text: quote it")
            _check(one, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            _check(one, f"{where}.{number}" if where else str(number))
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise YAMLError(f"{named} is a number of more than 64 bits")
    elif not isinstance(value, str | int | float | None):
        raise YAMLError(f"{named} is a {type(value).__name__} to YAML: quote it, if it is meant as a text")
