"""A study as a job that can be submitted: command, metadata, and what is refused here rather than there.

A study is refused on this machine, before anything is uploaded, for all that can be told from here. Files that only the
cluster sees cannot: where a study names such, the job itself looks at them first.

What is written into a job can be read by anybody who may see the dashboard. Metadata therefore hold names, digests and
keys, and a study or override with something in it that looks like a credential is refused: those come from the
environment of the cluster (a Secret, a service account), never with a job.
"""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.errors import UserError
from lib.location import is_anywhere
from lib.runtime.package import Package, inputs, make_package
from lib.store import Store, digest_value
from lib.study import load_study
from lib.study.schema import Study

JOBS = ("sweep", "embed", "label", "sample", "train", "generate", "judge", "report")
LOOKED_AT_BYTES = 2 << 30
"""A study whose files here are larger is planned by the job alone: their digests would take minutes."""
MAX_KEYS = 40


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is submitted."""

    study: Study
    package: Package
    entrypoint: str
    digest: str
    """Of the study and the job: two submissions with one digest would do the same work."""
    metadata: Mapping[str, str]


def make_submission(path: Path, overrides: Sequence[str], *, job: str = "sweep", smoke: bool = False) -> Submission:
    """The submission of `python -m jobs.JOB STUDY [overrides]`.

    Args:
        smoke: run every stage on a few rows first, and the study only where that succeeds.

    Raises:
        UserError: the study is wrong, its storage relative, a credential is in it, or its package is too big.
    """
    study = load_study(path, overrides)
    storage = study.storage
    if not is_anywhere(storage):
        raise UserError(
            f"storage {storage!r} is relative and would vanish with the job's folder: give one that every node sees, "
            "storage=/shared/runs or storage=s3://bucket/prefix"
        )
    tree = study.model_dump(mode="json", by_alias=True)
    package = make_package(path, overrides, study)
    keys = known_keys(study)
    digest = digest_value([job, tree])
    command = ["python", "-m", f"jobs.{job}", package.study, *package.overrides]
    whole = shlex.join(command)
    metadata = {
        "job_name": study.name,
        "ballast_study": study.name,
        "ballast_storage": storage,
        "ballast_job": job,
        "ballast_digest": digest,
        "ballast_command": whole,
        "ballast_keys": json.dumps(keys[:MAX_KEYS]),
    }
    entrypoint = f"{shlex.join([*command, '--smoke'])} && {whole}" if smoke else whole
    return Submission(study=study, package=package, entrypoint=entrypoint, digest=digest, metadata=metadata)


def known_keys(study: Study) -> list[str]:
    """`stage:key` of what can be told before anything ran, from a plan against an empty store; [] where the study names files
    that are not here, or too much to look at.

    Raises:
        UserError: the plan is refused.
    """
    size = 0
    for _, source in inputs(study):
        path = Path(source).expanduser()
        if not path.exists():
            return []
        size += sum(one.stat().st_size for one in (path.rglob("*") if path.is_dir() else (path,)) if one.is_file())
    if size > LOOKED_AT_BYTES:
        return []
    from lib.plan import Lookup, make_plan

    with tempfile.TemporaryDirectory() as nothing:  # the storage is the cluster's: it may not be seen from here
        plan = make_plan(study.model_copy(update={"storage": nothing}), Lookup(Store(nothing)))
    return [f"{node.stage}:{node.key[:12]}" for node in plan.all_nodes() if node.key]


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of the cluster."""

    is_head: bool
    resources: Mapping[str, float]

    @property
    def gpus(self) -> float:
        return self.resources.get("GPU", 0)


DRIVER = "ballast_driver"
"""The custom resource of machines that are meant for drivers (`cluster/`): on demand, and never taken away."""
PLACES = ("auto", "drivers", "head")


def place_driver(study: Study, nodes: Sequence[Node], place: str = "auto") -> dict[str, Any]:
    """Where the driver is to run, as arguments of a submission.

    Machines for drivers are asked for by their resource. There may be none yet, where they come when they are asked for: a
    head that offers no CPUs works for nobody and tells such a cluster. Elsewhere nothing is asked for, and Ray then keeps the
    driver on its head: with CPUs asked for instead, it might come to lie on a machine that is soon taken away.

    Args:
        place: `drivers` or `head` (`auto`: as above).

    Raises:
        UserError: `cluster.max_gpus: auto` would count the GPUs of a machine that is not the one with GPUs.
    """
    idle_head = any(node.is_head and not node.resources.get("CPU") for node in nodes)
    among_drivers = (
        idle_head or any(node.resources.get(DRIVER) for node in nodes) if place == "auto" else place == "drivers"
    )
    gpus = sum(node.gpus for node in nodes)
    counted = 0 if among_drivers else sum(node.gpus for node in nodes if node.is_head)
    if study.cluster.max_gpus == "auto" and not counted and (gpus or among_drivers):
        there = f"the cluster has its {gpus:g} on others" if gpus else "that one has none"
        raise UserError(
            f"cluster.max_gpus is auto, which counts the GPUs of the driver's own machine, and {there}: give a number, "
            f"cluster.max_gpus={gpus or 8:g} (0: CPUs alone)"
        )
    return {"entrypoint_num_cpus": 1, "entrypoint_resources": {DRIVER: 1}} if among_drivers else {}


def cluster_address(given: str | None) -> str:
    """The URL of the cluster's dashboard.

    Raises:
        UserError: none is given, or it is none.
    """
    address = given or os.environ.get("RAY_API_SERVER_ADDRESS", "")
    if not address:
        raise UserError("no cluster: give --address http://HOST:8265, or set RAY_API_SERVER_ADDRESS")
    if not address.startswith(("http://", "https://")):
        raise UserError(f"--address {address!r} is no URL of a Ray dashboard: http://HOST:8265")
    return address.rstrip("/")
