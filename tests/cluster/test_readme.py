"""cluster/README.md: every command that it shows is one that its program takes, and names files that are there."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from lib.study import load_study
from tests.cluster.commands import files_of, parse_job, parse_ray, piped, shown, substituted, words_of
from tests.cluster.files import CLUSTER, KUBERAY, documents, pinned
from tests.conftest import ROOT

TEXT = (CLUSTER / "README.md").read_text()
COMMANDS = shown(TEXT)
OPERATOR = "1.7.0"
"""The release of KubeRay that the manifests are written for."""

KUBECTL = {
    "apply": {"-f"},
    "create": {"--from-literal"},
    "delete": {"-f"},
    "describe": set(),
    "get": {"-o"},
    "logs": {"--follow"},
    "port-forward": set(),
}
"""Verbs, with their options."""
KINDS = {"rayjob", "raycluster", "pods", "secret", "job", "service"}
HELM = {"install": {"--repo", "--version", "--namespace", "--create-namespace"}, "uninstall": {"--namespace"}}
DOCKER = {"build": {"-f", "-t"}, "push": set()}


def run_of(command: str) -> list[str]:
    """The words of a submitted job's command, as its driver gets them."""
    words = words_of(command)
    return words[words.index("--") + 1 :]


def options(words: list[str]) -> set[str]:
    return {word.split("=")[0] for word in words if word.startswith("-") and word != "-"}


def check(command: str, patch: pytest.MonkeyPatch) -> None:
    """Raise or fail where a program would not take a command."""
    for inner in substituted(command):
        check(inner, patch)
    for part in piped(command):
        words = words_of(part)
        for path in files_of(words):
            assert path.exists() or path.parts[-2] == "bin", f"{path} is not there"
        check_part(words, patch)


def check_part(words: list[str], patch: pytest.MonkeyPatch) -> None:
    program = Path(words[0]).name
    if program == "ray":
        given = parse_ray(["ray", *words[1:]])
        if "entrypoint" in given:
            check_job(words[words.index("--") + 1 :], patch)
        if words[1] == "exec":
            parse_ray(str(given["cmd"]).split())
    elif program == "python":
        check_job(["python", *words[1:]], patch)
    elif program == "kubectl":
        check_kubectl(words[1:])
    elif program == "helm":
        assert options(words) <= HELM[words[1]]
        assert words[2] == "kuberay-operator"
        assert "--version" not in words or words[words.index("--version") + 1] == OPERATOR
        assert words[words.index("--namespace") + 1] == "kuberay-system"
    elif program == "docker":
        assert options(words) <= DOCKER[words[1]]
    elif program == "export":
        assert all(re.fullmatch(r"[A-Z_]+=\S+", word) for word in words[1:])
    else:
        assert [program, words[1]] in (
            ["git", "archive"], ["git", "rev-parse"], ["aws", "s3"], ["aws", "ec2"], ["openssl", "rand"],
            ["base64", "-d"], ["grep", "-n"],
        ), words  # fmt: skip


def check_kubectl(words: list[str]) -> None:
    if words[0] == "-n":
        assert words[1] == "ballast"
        words = words[2:]
    verb, *rest = words
    assert options(rest) <= KUBECTL[verb], words
    if verb in ("apply", "delete") and rest[0] == "-f":
        assert documents(ROOT / rest[1])
        return
    named = [word for word in rest if not word.startswith("-")]
    assert set(re.split("[,/]", named[0])) & KINDS, words


def check_job(words: list[str], patch: pytest.MonkeyPatch) -> None:
    """A job's command, its study, and that the study takes the overrides."""
    given = parse_job(words, patch)
    load_study(ROOT / given.study, [one.replace("YOUR-BUCKET", "your-bucket") for one in given.overrides])
    assert "storage=s3://YOUR-BUCKET/ballast/runs" in given.overrides


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 25


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[:60])
def test_the_program_takes_it(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check(command, monkeypatch)


@pytest.mark.parametrize("heading", ["Kubernetes, in five commands", "AWS or GCP machines, in five commands"])
def test_five_are_five(heading: str) -> None:
    section = TEXT.split(f"## {heading}")[1]
    assert len(shown(section[: section.index("```\n") + 4])) == 5


@pytest.mark.parametrize(
    "command",
    [
        ".venv/bin/ray job submit --working-directory . -- python -m jobs.sweep jobs/studies/demo.yaml",
        ".venv/bin/ray ups -y cluster/launcher/aws.yaml",
        ".venv/bin/ray up -y cluster/launcher/azure.yaml",
        "kubectl -n ballast launch rayjob/ballast",
        "helm install kuberay-operator kuberay-operator --version 1.1.0 --namespace kuberay-system",
    ],
)
def test_a_wrong_command_is_seen(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import click

    with pytest.raises((AssertionError, KeyError, click.UsageError)):
        check(command, monkeypatch)


def test_a_wrong_option_of_a_job_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        parse_job(["python", "-m", "jobs.sweep", "jobs/studies/demo.yaml", "--dryrun"], monkeypatch)


def test_manifest_and_readme_submit_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """By KubeRay, by `ray job submit` to a standing cluster, and to the launcher's."""
    job = documents(KUBERAY / "rayjob.yaml")[0]["spec"]
    submitted = [command for command in COMMANDS if "job submit" in command]
    assert len(submitted) == 2
    for command in submitted:
        given = parse_ray(["ray", *words_of(command)[1:]])
        assert run_of(command) == job["entrypoint"].split()
        assert given["entrypoint_num_cpus"] == job["entrypointNumCpus"]
        assert json.loads(str(given["entrypoint_resources"])) == json.loads(job["entrypointResources"])
    check_job(job["entrypoint"].split(), monkeypatch)


def test_images_and_versions_are_those_of_the_manifests() -> None:
    ray = pinned("ray")
    assert set(re.findall(r"YOUR-REGISTRY/ballast-(?:cpu|gpu):(\S+)", TEXT)) == {ray}
    assert f"Ray {ray}" in TEXT
    for name in ("rayjob", "raycluster"):
        head = (KUBERAY / f"{name}.yaml").read_text()
        assert f"v{OPERATOR}" in head
        assert f"KubeRay {OPERATOR.rsplit('.', 1)[0]} " in head
    [python] = re.findall(r"FROM python:(\S+?)-", (CLUSTER / "images" / "cpu.Dockerfile").read_text())
    assert f"Python {python}" in TEXT


def test_secrets_are_made_as_the_manifests_ask_for_them() -> None:
    made = {
        words_of(command)[6]: set(re.findall(r"--from-literal=(\w+)=", command))
        for command in COMMANDS
        if "create secret" in command
    }
    spec = documents(KUBERAY / "rayjob.yaml")[0]["spec"]["rayClusterSpec"]
    asked: dict[str, set[str]] = {spec["authOptions"]["secretName"]: {"auth_token"}}
    for one in spec["headGroupSpec"]["template"]["spec"]["containers"][0]["env"]:
        if "valueFrom" in one:
            key = one["valueFrom"]["secretKeyRef"]
            asked.setdefault(key["name"], set()).add(key["key"])
    assert made == asked


def test_ray_unpacks_the_code_archive(tmp_path: Path) -> None:
    """Made by the command that is shown, of this commit; Ray drops its one folder, and `jobs` and `lib` are at the top."""
    from ray._private.runtime_env.packaging import get_top_level_dir_from_compressed_package

    [command] = [one for one in COMMANDS if one.startswith("git archive")]
    archive = tmp_path / "code.zip"
    made = subprocess.run(words_of(command), cwd=ROOT, capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("this is no clone: git archive has no commit to take the code from")
    archive.write_bytes(made.stdout)
    top = get_top_level_dir_from_compressed_package(str(archive))
    assert top == "ballast"
    names = {name.removeprefix("ballast/") for name in zipfile.ZipFile(archive).namelist()}
    assert {"jobs/sweep.py", "jobs/studies/demo.yaml", "lib/reporting/report.html.j2"} <= names
    assert {name.split("/")[0] for name in names if name} == {"jobs", "lib"}
    assert len(made.stdout) < 20e6


def test_everything_here_is_named() -> None:
    for path in CLUSTER.rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert path.name in TEXT or f"`{path.parent.name}/`" in TEXT, path.name
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert link.startswith("http") or (CLUSTER / link).exists(), link
