"""A study as a job: its command, what its metadata say, and what is refused on this machine."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from lib.errors import UserError
from lib.runtime.submission import Node, cluster_address, known_keys, make_submission, place_driver
from lib.study import load_study
from tests.makers import DEMO
from tests.studies import run_job

SHARED = "storage=/shared/runs"


def refused(*overrides: str) -> str:
    with pytest.raises(UserError) as error:
        make_submission(DEMO, overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def unplanned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of the demo takes half a second, and says nothing of its command."""
    monkeypatch.setattr("lib.runtime.submission.known_keys", lambda study: [])


@pytest.mark.usefixtures("unplanned")
def test_the_command_is_that_of_ray_job_submit() -> None:
    made = make_submission(DEMO, [SHARED, "sweep.budget=[8, 16]"])
    assert shlex.split(made.entrypoint) == [
        "python", "-m", "jobs.sweep", "jobs/studies/demo.yaml", SHARED, "sweep.budget=[8, 16]",
    ]  # fmt: skip
    assert made.metadata["ballast_command"] == made.entrypoint
    assert make_submission(DEMO, [SHARED], job="train").entrypoint.startswith("python -m jobs.train ")


@pytest.mark.usefixtures("unplanned")
def test_smoke_comes_first_and_the_study_only_if_it_is_well() -> None:
    plain, smoke = make_submission(DEMO, [SHARED]), make_submission(DEMO, [SHARED], smoke=True)
    first, then = smoke.entrypoint.split(" && ")
    assert (shlex.split(first), then) == ([*shlex.split(plain.entrypoint), "--smoke"], plain.entrypoint)
    assert smoke.digest == plain.digest, "one of them is joined by the other"


def test_metadata_say_which_study_it_is_and_which_keys() -> None:
    made = make_submission(DEMO, [SHARED])
    assert {name: made.metadata[name] for name in ("job_name", "ballast_study", "ballast_storage", "ballast_job")} == {
        "job_name": "demo", "ballast_study": "demo", "ballast_storage": "/shared/runs", "ballast_job": "sweep",
    }  # fmt: skip
    stages = {key.partition(":")[0] for key in json.loads(made.metadata["ballast_keys"])}
    assert {"model", "ingest", "embed", "cluster", "label", "sample"} <= stages
    assert all(isinstance(value, str) for value in made.metadata.values())


@pytest.mark.usefixtures("unplanned")
def test_the_digest_is_of_the_study_and_the_job() -> None:
    digest = make_submission(DEMO, [SHARED]).digest
    assert make_submission(DEMO, [SHARED, "recipe.lr=1e-3"]).digest == digest  # its own value
    others = [
        make_submission(DEMO, ["storage=/shared/other"]),
        make_submission(DEMO, [SHARED, "recipe.lr=1e-4"]),
        make_submission(DEMO, [SHARED], job="train"),
    ]
    assert len({digest, *(one.digest for one in others)}) == 4


def test_a_relative_storage_is_refused_with_the_fix() -> None:
    assert refused() == (
        "storage 'runs' is relative and would vanish with the job's folder: give one that every node sees, "
        "storage=/shared/runs or storage=s3://bucket/prefix"
    )


@pytest.mark.parametrize(
    "override",
    [
        "track.mlflow=https://me:secret@host/", "track.wandb=hf_abcdefghijklmnopqrstuv", "track.wandb=sk-abcdefghijklmnopqrst",
        "corpus.0.source=/shared/AKIAABCDEFGHIJKLMNOP/rows.jsonl",
    ],
)  # fmt: skip
def test_a_credential_is_refused_and_not_repeated(override: str) -> None:
    said = refused(SHARED, override)
    assert "looks like a secret" in said
    assert override.partition("=")[2] not in said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("recipe.lrr=1", "did you mean 'lr'"),
        ("sweep.strategy=[sssb]", "did you mean 'sss'"),
        ("evaluate.judges=[keywords]", "did you mean 'keyword'"),
        ("corpus.0.format=beavertail", "did you mean 'beavertails'"),
        ("corpus.0.source=builtin:safty", "did you mean 'safety'"),
        ("models.0.source=org/model", "name the revision"),
    ],
)
def test_a_bad_study_is_refused_here(override: str, said: str) -> None:
    assert said in refused(SHARED, override)


def test_files_that_only_the_cluster_sees_are_left_to_the_job(tmp_path: Path) -> None:
    study = load_study(DEMO, [SHARED, "benign.source=/shared/on/the/cluster.jsonl"])
    assert known_keys(study) == []
    assert (
        make_submission(DEMO, [SHARED, "benign.source=/shared/on/the/cluster.jsonl"]).metadata["ballast_keys"] == "[]"
    )


HEAD, IDLE_HEAD = Node(is_head=True, resources={"CPU": 4}), Node(is_head=True, resources={"memory": 1e9})
SPOT = Node(is_head=False, resources={"CPU": 8, "GPU": 8})
MEANT = Node(is_head=False, resources={"CPU": 4, "ballast_driver": 1})
AMONG_DRIVERS = {"entrypoint_num_cpus": 1, "entrypoint_resources": {"ballast_driver": 1}}


@pytest.mark.parametrize(
    ("nodes", "place", "where"),
    [
        ([HEAD], "auto", {}), ([HEAD, SPOT], "auto", {}), ([HEAD, SPOT, MEANT], "auto", AMONG_DRIVERS),
        ([IDLE_HEAD], "auto", AMONG_DRIVERS), ([IDLE_HEAD, MEANT], "head", {}), ([HEAD], "drivers", AMONG_DRIVERS),
    ],
)  # fmt: skip
def test_a_driver_is_placed_where_drivers_are_meant_to_be(nodes: list[Node], place: str, where: dict[str, Any]) -> None:
    assert place_driver(load_study(DEMO, ["cluster.max_gpus=0"]), nodes, place) == where


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([HEAD, SPOT], "and the cluster has its 8 on others: give a number, cluster.max_gpus=8 (0: CPUs alone)"),
        ([IDLE_HEAD], "and that one has none: give a number, cluster.max_gpus=8 (0: CPUs alone)"),
        ([HEAD], None), ([Node(is_head=True, resources={"CPU": 8, "GPU": 2})], None),
    ],
)  # fmt: skip
def test_gpus_that_a_driver_would_not_count_are_asked_for(nodes: list[Node], said: str | None) -> None:
    if said is None:
        assert place_driver(load_study(DEMO), nodes) == {}
    else:
        with pytest.raises(UserError) as error:
            place_driver(load_study(DEMO), nodes)
        assert str(error.value).endswith(said)


def test_the_address_is_given_or_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://head:8265/")
    assert cluster_address(None) == "http://head:8265"
    assert cluster_address("https://other") == "https://other"
    for wrong in ("auto", "ray://head:10001", "head:8265"):
        with pytest.raises(UserError, match="is no URL of a Ray dashboard"):
            cluster_address(wrong)
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS")
    with pytest.raises(UserError, match="give --address http://HOST:8265, or set RAY_API_SERVER_ADDRESS"):
        cluster_address(None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "storage 'runs' is relative"),
        pytest.param(
            [SHARED, "--address", "http://127.0.0.1:9"],
            "no Ray cluster answers at http://127.0.0.1:9",
            marks=pytest.mark.slow,
        ),
        pytest.param([SHARED, "--smoke", "--job", "train"], "--smoke goes through every stage", marks=pytest.mark.slow),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(arguments: list[str], said: str) -> None:
    code, output = run_job("submit", DEMO, *arguments, timeout_s=60)
    assert code == 2, output
    assert output.startswith(f"error: {said}")
    assert len(output.splitlines()) == 1
