"""Read a study: YAML 1.2, then overrides, then types. Every mistake is one line that names the key.

YAML 1.2 matters: with 1.1 rules `1e-3` is a string and `no` is false. Overrides (`recipe.lr=1e-4`,
`models.0.source=/models/x`) are applied to the file's tree before it is typed, so they obey the same rules as the file.

All of a study is recorded in manifests and reports and stands on dashboards: what has the form of a secret is refused here.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from lib.errors import UserError
from lib.outgoing import holds_secret
from lib.safe_yaml import MAX_DEPTH, YAMLError, read_yaml
from lib.study.part import lay_over
from lib.study.schema import Source, Study

MAX_STUDY_BYTES = 200_000


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> Study:
    """The typed study in the file at `path` with overrides applied in their order: `key.path=value`, or a YAML file.

    Raises:
        UserError: unreadable file, bad YAML, bad override, or a value the schema refuses.
    """
    return parse_study(read_tree(path), overrides, origin=str(path))


def read_tree(path: str | Path) -> dict[str, Any]:
    """The YAML mapping in a file, untyped."""
    path = Path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"study {path} does not exist; the shipped ones are in jobs/studies/") from None
    except OSError as error:
        raise UserError(f"study {path} cannot be read: {error.strerror}") from None
    if len(raw) > MAX_STUDY_BYTES:
        raise UserError(f"study {path} has {len(raw)} bytes: a study is a small YAML file")
    try:
        tree = read_yaml(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"study {path} is not text (UTF-8): give a YAML file") from None
    except YAMLError as error:
        raise UserError(f"study {path} is not valid YAML: {_one_line(error)}") from None
    if not isinstance(tree, dict):
        raise UserError(f"study {path} holds no mapping: it starts with `name: ...`")
    return tree


def parse_study(tree: dict[str, Any], overrides: Sequence[str] = (), origin: str = "study") -> Study:
    """Type a tree after applying overrides. See `load_study`."""
    tree = expand_short_forms(copy.deepcopy(tree))
    _check_texts(tree, origin)
    for override in overrides:
        if "=" not in override and override.endswith(FILES):
            tree = lay_over(tree, expand_short_forms(read_tree(override)))
        else:
            apply_override(tree, override)
        tree = expand_short_forms(tree)
        _check_texts(tree, origin)
    try:
        return Study.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{origin}: {_explain(error)}") from None
    except RecursionError:
        raise UserError(f"{origin}: nested too deeply") from None


FILES = (".yaml", ".yml")
SOURCE_KEYS = tuple(Source.model_fields)


def expand_short_forms(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree with its short forms written out, so that an override can reach inside them.

    `corpus: {source, format}` and `corpus: [...]` become `corpus: {sources: [...]}`; a prompt set or an lm_eval task given
    by its bare name becomes its mapping, and so does a judge's model given by its source alone and a search given by its
    method. Anything unexpected is left for the schema to refuse.
    """
    tree = dict(tree)
    for pool in ("corpus", "references", "benign"):
        value = tree.get(pool)
        if isinstance(value, list):
            tree[pool] = {"sources": value}
        elif isinstance(value, dict) and "source" in value and "sources" not in value:
            own = {key: value[key] for key in SOURCE_KEYS if key in value}
            tree[pool] = {"sources": [own], **{k: v for k, v in value.items() if k not in own}}
    evaluate = tree.get("evaluate")
    if isinstance(evaluate, dict) and isinstance(evaluate.get("prompts"), list):
        prompts = [{"name": p, "source": f"builtin:{p}"} if isinstance(p, str) else p for p in evaluate["prompts"]]
        tree["evaluate"] = evaluate = {**evaluate, "prompts": prompts}
    if isinstance(evaluate, dict) and isinstance(evaluate.get("lm_eval"), list):
        tasks = [{"task": task} if isinstance(task, str) else task for task in evaluate["lm_eval"]]
        tree["evaluate"] = {**evaluate, "lm_eval": tasks}
    sweep = tree.get("sweep")
    if isinstance(sweep, dict) and isinstance(sweep.get("search"), str):
        tree["sweep"] = {**sweep, "search": {"method": sweep["search"]}}
    models = tree.get("judge_models")
    if isinstance(models, dict):
        tree["judge_models"] = {n: {"source": one} if isinstance(one, str) else one for n, one in models.items()}
    return tree


def apply_override(tree: Any, override: str) -> None:
    """Set one `key.path=value` in a tree. Values are read as YAML 1.2, list items are named by index.

    Raises:
        UserError: no `=`, a path through a scalar, a list index that is not there.
    """
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys) or len(keys) > MAX_DEPTH:
        raise UserError(f"override {override!r} is not of the form key.path=value")
    try:
        value = read_yaml(text)
    except YAMLError:
        raise UserError(f"override {override!r}: the value is not valid YAML; quote it") from None
    if (
        keys[0] == "sweep" and len(keys) > 2 and keys[1] != "search"
    ):  # an axis is itself a dotted path: sweep.recipe.lr=[...]
        keys = ["sweep", ".".join(keys[1:])] if not keys[2].isdigit() else keys
    if keys[0] in ("corpus", "references", "benign") and len(keys) > 1:
        if keys[1].isdigit():  # corpus.0.source names an item of corpus.sources
            keys.insert(1, "sources")
        elif keys[1] in SOURCE_KEYS:  # benign.source: the only one there is
            pool = tree.get(keys[0])
            sources = pool.get("sources") if isinstance(pool, dict) else None
            if isinstance(sources, list) and len(sources) > 1:
                raise UserError(
                    f"override {override!r}: {keys[0]} has {len(sources)} sources; name one of them, "
                    f"{keys[0]}.0.{'.'.join(keys[1:])}=..., or lay a file with other sources over the study"
                )
            keys[1:1] = ["sources", "0"]
    node = tree
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        where = ".".join(keys[: depth + 1])
        if isinstance(node, list):
            if not key.isdecimal() or not key.isascii() or int(key) >= len(node):
                raise UserError(
                    f"override {override!r}: {where} is no item of a list of {len(node)} (items count from 0)"
                )
            index: Any = int(key)
        elif isinstance(node, dict):
            index = key
            if not last and not isinstance(node.get(key), dict | list):
                if node.get(key) is not None and not isinstance(node.get(key), str):
                    raise UserError(f"override {override!r}: {where} holds a single value and has no parts")
                node[key] = {}
        else:
            raise UserError(f"override {override!r}: {where} is inside a single value")
        if last:
            node[index] = value
        else:
            node = node[index]


def _check_texts(value: Any, what: str, where: str = "") -> None:
    """Look at every text of a tree, keys too.

    Raises:
        UserError: one looks like a secret (the message says where, and not which), or cannot be written as UTF-8.
    """
    if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        raise UserError(f"{what}: {where or 'it'} holds half a character (a lone surrogate): write it as UTF-8")
    if isinstance(value, str) and holds_secret(value):
        raise UserError(
            f"{what}: {where or 'it'} looks like a secret, and a study is recorded and shown: take it out, and set the "
            "environment variable that its tool reads (HF_TOKEN, AWS_SECRET_ACCESS_KEY, MLFLOW_TRACKING_PASSWORD, ...)"
        )
    if isinstance(value, dict):
        for key, one in value.items():
            _check_texts(key, what, f"a key of {where}" if where else "a key")
            _check_texts(one, what, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            _check_texts(one, what, f"{where}.{number}" if where else str(number))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _explain(error: ValidationError) -> str:
    """The first mistake as a sentence: the key, what was given, what is allowed, the nearest match."""
    # An unknown key is reported before what its absence entails elsewhere.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("function-", "tag-")))
    if first["type"] == "extra_forbidden":
        allowed = sorted(_allowed(first["loc"]))
        near = difflib.get_close_matches(str(first["loc"][-1]), allowed, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"unknown key {where!r}{hint} (allowed here: {', '.join(allowed)})"
    if first["type"] == "missing":
        return f"{where!r} is missing"
    message = first["msg"].removeprefix("Value error, ")
    given = repr(first["input"])
    given = given if len(given) < 80 else given[:77] + "..."
    return f"{where or 'the study'}: {message} (given: {given})"


def _allowed(loc: tuple[int | str, ...]) -> set[str]:
    """Keys allowed beside the one at `loc`, found by walking the schema's types."""
    models: list[type[BaseModel]] = [Study]
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        found = [
            inner
            for model in models
            for name, field in model.model_fields.items()
            if part in (name, field.alias)
            for inner in _models_in(field.annotation)
        ]
        models = found or models
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
