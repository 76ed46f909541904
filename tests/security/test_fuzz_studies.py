"""The study parser, given anything: a study, or one line that says what is wrong."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from lib.corpus.taxonomy import load_taxonomy
from lib.errors import UserError
from lib.study.load import load_study, parse_study, read_tree
from lib.study.schema import Study
from tests.makers import DEMO
from tests.security.fuzz import mutated, odd_texts, said_in_one_line, tiers, values

TEXT = DEMO.read_text()
TREE = read_tree(DEMO)
FORGETTING = read_tree(DEMO.with_name("forgetting.yaml"))
TAXONOMY = "name: fruit\nlevels:\n  kind: [Citrus]\n  fruit: {Lemon: Citrus}\nfrom:\n  b: {C: Lemon, M: null}\n"
KEYS = sorted({key for model in (Study, *Study.__subclasses__()) for key in model.model_fields})
MORE = [
    "strategy", "budget", "draw", "seed", "recipe.lr", "evaluate.generation.temperature", "name", "source", "format", "types",
    "lr", "ema", "lora", "judges", "prompts", "lm_eval", "goal", "cell", "from", "columns", "0", "-1", "taxonomy", "validation",
]  # fmt: skip


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in a tree."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(found for key, value in inner for found in places(value, (*path, key)))]


def changed(tree: Any, path: tuple[Any, ...], what: str, value: Any, key: str) -> Any:
    """The tree with one thing replaced, removed or added."""
    if not path:
        return {**tree, key: value} if what == "add" else value if what == "replace" else tree
    tree = copy.deepcopy(tree)
    node = tree
    for one in path[:-1]:
        node = node[one]
    if what == "replace":
        node[path[-1]] = value
    elif what == "remove":
        del node[path[-1]]
    elif isinstance(node[path[-1]], dict):
        node[path[-1]][key] = value
    elif isinstance(node[path[-1]], list):
        node[path[-1]].append(value)
    return tree


plausible = st.one_of(
    values,
    st.sampled_from(["none", "sss_b", "0.5%", "101%", "1e-3", "T1", "auto", "package:", "builtin:x", "hub:a/b", "{}", "6h"]),
    st.sampled_from([[], {}, [[]], {"name": "sss", "types": {"T1": 0.5, "T2": 0.5}}, {"types": []}, [None], 0, -1, 1e308, 2**63]),
)  # fmt: skip
keys = st.one_of(odd_texts, st.sampled_from(KEYS + MORE))
kinds = st.sampled_from(["replace", "replace", "remove", "add"])
edits = st.lists(st.tuples(st.integers(0, 10_000), kinds, plausible, keys), min_size=1, max_size=3)
dotted = st.lists(keys, min_size=1, max_size=4).map(".".join)
overrides = st.lists(
    st.one_of(
        st.tuples(dotted, st.one_of(odd_texts, plausible.map(str))).map("=".join),
        st.tuples(st.sampled_from([".".join(map(str, path)) for path in places(TREE) if path]), plausible.map(str)).map(
            "=".join
        ),
        odd_texts,
    ),
    max_size=3,
)


def check_tree(base: Any, changes: list[tuple[int, str, Any, str]], given: list[str]) -> None:
    tree = base
    for place, what, value, key in changes:
        if isinstance(tree, dict):
            paths = places(tree)
            tree = changed(tree, paths[place % len(paths)], what, value, key)
    if not isinstance(tree, dict):
        return
    before = copy.deepcopy(tree)
    try:
        study = parse_study(tree, [one for one in given if not one.endswith((".yaml", ".yml"))])
    except UserError as error:
        said_in_one_line(error)
    else:
        assert isinstance(study, Study)
        study.model_dump_json(by_alias=True)  # what every report holds
    assert repr(before) == repr(tree), "what is given is not changed"


def check_text(text: str, given: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_bytes(text.encode(errors="surrogatepass"))
        try:
            assert isinstance(load_study(path, [one for one in given if not one.endswith((".yaml", ".yml"))]), Study)
        except UserError as error:
            said_in_one_line(error)


def check_taxonomy(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.yaml"
        path.write_bytes(text.encode(errors="surrogatepass"))
        try:
            load_taxonomy(str(path))
        except UserError as error:
            said_in_one_line(error)


PIECES = [
    "a", ": ", "- ", "\n", "  ", "&a", "*a", "!!int ", "!x ", "[", "]", "{", "}", ",", "? ", "| ", "> ", "'", '"', "<<: ",
    "---\n", "...\n", "%YAML 1.1\n", "#", "0x1", "1e5", ".inf", "name", "corpus", "\t", "\ufeff", "2001-01-01", "=", "~",
]  # fmt: skip
SYNTAX = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
texts = st.one_of(mutated(TEXT), SYNTAX, odd_texts, st.text(max_size=100))

test_trees, test_trees_at_length = tiers(base=st.sampled_from([TREE, FORGETTING]), changes=edits, given=overrides)(
    check_tree
)
test_texts, test_texts_at_length = tiers(text=texts, given=overrides)(check_text)
test_taxonomies, test_taxonomies_at_length = tiers(text=st.one_of(mutated(TAXONOMY), SYNTAX))(check_taxonomy)
