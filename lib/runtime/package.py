"""What travels with a submitted job: the code, the study, and the small files that the study names. Nothing else.

The package is made of what is needed, and not of the folder with this and that left out: an excluded list grows a gap
whenever somebody puts a file somewhere new, and a data set or a token that was uploaded once lies on the cluster. So
version control, environments, results and data never travel. Data that a study names by a relative path would not be there
when the job looks for it, and is refused before anything is sent.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.corpus.remote import is_remote
from lib.errors import UserError
from lib.runtime.session import ROOT
from lib.study.load import FILES
from lib.study.models import OfCell
from lib.study.schema import Study
from lib.study.variants import variants

CODE = ("lib", "jobs")
STUDIES = "submitted"
"""Where in the package study files go that lie outside the repository."""
LIMIT_BYTES = 64 << 20
"""Far under Ray's own limit of 512 MiB: every node fetches the package before it begins."""
NAMED = 3
"""So many of the largest files are named."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """Files to send, and how the job calls the study among them."""

    files: Mapping[str, Path]
    """Path in the package -> where the file lies here."""
    study: str
    overrides: tuple[str, ...]
    """As given, with the files that are laid over the study under their names in the package."""

    @property
    def size_bytes(self) -> int:
        """All of it, before it is compressed."""
        return sum(path.stat().st_size for path in self.files.values())

    def write(self, folder: Path) -> None:
        """Copy the package into an empty folder."""
        for name, path in self.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def make_package(path: Path, overrides: Sequence[str], study: Study, root: Path = ROOT) -> Package:
    """The package of a study.

    Args:
        path: the study file; it may lie anywhere, and so may files laid over it.
        overrides: of the command line, as given.
        study: what these come to.
        root: the repository.

    Raises:
        UserError: the study names data by a relative path, or the package is too big.
    """
    files = {file.relative_to(root).as_posix(): file for part in CODE for file in _code(root / part)}
    overlays = [Path(one) for one in overrides if "=" not in one and one.endswith(FILES)]
    names: dict[str, str] = {}
    for number, file in enumerate((path, *overlays)):
        inside = file.resolve().is_relative_to(root.resolve())
        name = file.resolve().relative_to(root.resolve()).as_posix() if inside else f"{STUDIES}/{number}-{file.name}"
        files[name], names[str(file)] = file, name
    for name, file in _small_files(study):
        files[name] = file
    for what, source in relative_data(study):
        if source not in files and not any(name.startswith(f"{source.rstrip('/')}/") for name in files):
            raise UserError(
                f"{what} {source!r} is relative and does not travel with the job: give an absolute path that every node "
                "sees, or s3://, gs:// or a hub id"
            )
    package = Package(
        files=files, study=names[str(path)], overrides=tuple(names.get(str(Path(one)), one) for one in overrides)
    )
    _refuse_too_big(package)
    return package


def _code(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _refuse_too_big(package: Package) -> None:
    size = package.size_bytes
    if size > LIMIT_BYTES:
        largest = sorted(package.files.items(), key=lambda item: -item[1].stat().st_size)[:NAMED]
        told = ", ".join(f"{name} ({_mib(path.stat().st_size)})" for name, path in largest)
        raise UserError(
            f"the package has {_mib(size)}, over {_mib(LIMIT_BYTES)}; its largest files are {told}: keep data outside "
            f"{' and '.join(CODE)} and name it by an absolute path"
        )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.1f} MiB"


def _small_files(study: Study) -> Iterator[tuple[str, Path]]:
    """Settings in files of their own: a DeepSpeed configuration, a taxonomy."""
    for one in variants(study):
        for name in (one.study.train.deepspeed, one.study.categories.taxonomy, one.study.categories.names_from):
            path = Path(name or "")
            if (
                path.suffix in (".json", *FILES)
                and not path.is_absolute()
                and ".." not in path.parts
                and path.is_file()
            ):
                yield path.as_posix(), path


def relative_data(study: Study) -> Iterator[tuple[str, str]]:
    """(what it is, path) of all data and models that a study names by a path relative to the working folder."""
    for what, source in inputs(study):
        path = Path(source)
        if not (path.is_absolute() or source.startswith("~")):
            yield what, source


def inputs(study: Study) -> Iterator[tuple[str, str]]:
    """(what it is, path) of all data and models that a study names by a path of a file system."""
    for what, source in dict.fromkeys(pair for one in variants(study) for pair in _sources(one.study)):
        if what.startswith("model "):  # `org/name@revision` looks like a path and is none
            if source.startswith(("/", "~", ".")) or Path(source).is_dir():
                yield what, source
        elif not source.startswith(("builtin:", "hub:")) and not is_remote(source):
            yield what, source


def _sources(study: Study) -> Iterator[tuple[str, str]]:
    pools = {"corpus": study.corpus, "references": study.references, "benign": study.benign}
    for name, pool in pools.items():
        yield from ((f"{name} source", one.source) for one in (pool.sources if pool else ()))
    yield from ((f"prompts {one.name}", one.source) for one in study.evaluate.prompts if one.source)
    yield from ((f"lm_eval {one.task}", path) for one in study.evaluate.lm_eval for path in one.data.values())
    for model in study.models:
        source = model.source.cell.from_ if isinstance(model.source, OfCell) else model.source
        yield f"model {model.name}", source
    yield from ((f"model of judge {name}", one.source) for name, one in study.judge_models.items())
    yield "model encoder", study.encoder.model
