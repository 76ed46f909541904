"""The images' Dockerfiles: linted, and what they install is what the rest of the project pins."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.cluster.files import DOCKERFILES, pinned
from tests.conftest import ROOT

every = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)


def instructions(path: Path) -> list[tuple[str, str]]:
    """(instruction, its arguments), continued lines joined, comments left out."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line.split(maxsplit=1)[0], " ".join(line.split(maxsplit=1)[1].split())) for line in lines]


def only(path: Path, name: str) -> list[str]:
    return [arguments for instruction, arguments in instructions(path) if instruction == name]


@every
def test_the_linter_finds_nothing(path: Path) -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{sys.exec_prefix}/bin") or shutil.which(
        "hadolint"
    )
    if hadolint is None:
        pytest.skip("hadolint is not installed: it comes with the extra `dev` (make setup)")
    done = subprocess.run([hadolint, "--no-color", str(path)], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@every
def test_bases_are_official_and_of_a_version(path: Path) -> None:
    uv, base = only(path, "FROM")
    assert re.fullmatch(r"ghcr\.io/astral-sh/uv:\d+\.\d+\.\d+ AS uv", uv)
    assert re.fullmatch(r"(python:\d+\.\d+\.\d+-slim-\w+|nvidia/cuda:\d+\.\d+\.\d+-devel-ubuntu\d\d\.\d\d)", base)


def test_both_have_one_python() -> None:
    """Ray refuses nodes whose Python differs."""
    versions = {
        path.stem: set(re.findall(r"(?:FROM python:|--python )(\d+\.\d+\.\d+)", path.read_text()))
        for path in DOCKERFILES
    }
    assert versions["cpu"] == versions["gpu"]
    [version] = versions["cpu"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version.rsplit(".", 1)[0] in ("3.11", "3.12")
    assert project["requires-python"] == ">=3.11,<3.13"


@every
def test_dependencies_are_the_projects_own_at_pinned_versions(path: Path) -> None:
    role = path.name.removesuffix(".Dockerfile")
    [install] = [run for run in only(path, "RUN") if "uv pip install" in run]
    words = install.split()
    assert words[words.index("-c") + 1] == f"constraints-{role}.txt"
    assert words[words.index("-r") + 1] == "pyproject.toml"
    extras = [words[place + 1] for place, word in enumerate(words) if word == "--extra"]
    assert extras == [role, "remote", "utility"]
    for extra in extras:
        assert extra in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    beside = words[words.index("utility") + 1 :]
    assert beside == ["boto3", "smart-open"]
    assert all(pinned(package, role) for package in beside)


def test_the_cuda_of_the_base_is_torchs() -> None:
    [_, base] = only(next(path for path in DOCKERFILES if "gpu" in path.name), "FROM")
    assert base.split(":")[1].split(".")[:2] == pinned("nvidia-cuda-runtime", "gpu").split(".")[:2]


@every
def test_nothing_of_the_project_is_copied(path: Path) -> None:
    """And what is copied is all that the build is given."""
    role = path.name.removesuffix(".Dockerfile")
    copied = [arguments for arguments in only(path, "COPY") if not arguments.startswith("--from=uv")]
    assert copied == [f"pyproject.toml constraints-{role}.txt ./"]
    given = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert given == {"pyproject.toml", "constraints-cpu.txt", "constraints-gpu.txt"}
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()


@every
def test_it_runs_as_the_user_that_the_manifests_name(path: Path) -> None:
    assert only(path, "USER") == ["1000"]
    assert any("--uid 1000" in run for run in only(path, "RUN"))
    assert any("HOME=/home/ballast" in env for env in only(path, "ENV")), "the launcher asks the image for it"


@every
def test_what_kuberay_and_the_launcher_call_is_there(path: Path) -> None:
    [packages] = [run for run in only(path, "RUN") if "apt-get install" in run]
    assert {"wget", "rsync", "g++"} <= set(packages.split())
    assert ("openssh-client" in packages) == ("cpu" in path.name), "the head starts the launcher's workers"
