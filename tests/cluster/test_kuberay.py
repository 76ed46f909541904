"""The KubeRay manifests: typed against KubeRay's API, held against each other, and read by Ray's own autoscaler code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.cluster import crd, k8s
from tests.cluster.files import DOCKERFILES, KUBERAY, documents, pinned, unmarked

FILES = sorted(KUBERAY.glob("*.yaml"))
JOB, CLUSTER = KUBERAY / "rayjob.yaml", KUBERAY / "raycluster.yaml"
GPU_GROUPS = {"h100": 8, "a100-80": 8, "l4": 4}


def job() -> crd.JobSpec:
    return crd.read(documents(JOB)[0]).spec


def clusters() -> dict[str, crd.ClusterSpec]:
    return {"rayjob": job().rayClusterSpec, "raycluster": crd.read(documents(CLUSTER)[0]).spec}


def spec(which: str) -> crd.ClusterSpec:
    return clusters()[which]


def pods(cluster: crd.ClusterSpec) -> dict[str, k8s.PodSpec]:
    workers = {group.groupName: group.template.spec for group in cluster.workerGroupSpecs}
    return {"head": cluster.headGroupSpec.template.spec, **workers}


both = pytest.mark.parametrize("which", ["rayjob", "raycluster"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_document_is_of_its_kind(path: Path) -> None:
    found = documents(path)
    assert found
    for document in found:
        crd.read(document)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_place_to_fill_in_is_marked(path: Path) -> None:
    assert not unmarked(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("activeDeadlineSecond", 60), ("runtimeEnv", "e30="), ("backoffLimit", "2"), ("preRunningDeadlineSeconds", 0)],
)
def test_a_misspelt_or_mistyped_field_is_seen(key: str, value: object) -> None:
    document = documents(JOB)[0]
    document["spec"][key] = value
    with pytest.raises(ValidationError, match=key):
        crd.read(document)


def test_both_clusters_are_one_but_for_what_waits_for_work() -> None:
    ours, standing = (one.model_dump() for one in clusters().values())
    ours["workerGroupSpecs"][0] |= {"replicas": 0, "minReplicas": 0, "maxReplicas": 4}
    assert ours == standing


@both
def test_all_run_one_ray(which: str) -> None:
    found, ray = spec(which), pinned("ray")
    assert ray == pinned("ray", "gpu") == found.rayVersion
    images = {name: pod.containers[0].image for name, pod in pods(found).items()}
    assert set(images.values()) == {f"YOUR-REGISTRY/ballast-{role}:{ray}" for role in ("cpu", "gpu")}
    for name, image in images.items():
        assert ("ballast-gpu" in image) == (name in GPU_GROUPS)
    assert {path.name.removesuffix(".Dockerfile") for path in DOCKERFILES} == {"cpu", "gpu"}


@both
def test_the_head_works_for_nobody(which: str) -> None:
    head = spec(which).headGroupSpec
    assert head.rayStartParams["num-cpus"] == head.rayStartParams["num-gpus"] == "0"
    assert "nvidia.com/gpu" not in head.template.spec.containers[0].resources.limits


@both
def test_what_must_not_be_lost_is_on_demand(which: str) -> None:
    for name, pod in pods(spec(which)).items():
        assert pod.affinity is not None
        terms = pod.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
        spot = [any(wants_spot(match) for match in term.matchExpressions) for term in terms]
        assert all(spot) if name in GPU_GROUPS else not any(spot), name
        assert bool(pod.tolerations) == (name in GPU_GROUPS)


def wants_spot(match: k8s.Match) -> bool:
    label = match.key.rsplit("/", 1)[1]
    return label in ("gke-spot", "capacity-type", "capacityType") and match.operator in ("In", "Exists")


@both
def test_only_the_drivers_have_a_place_for_drivers(which: str) -> None:
    wanted = json.loads(job().entrypointResources)
    for group in spec(which).workerGroupSpecs:
        assert group.resources == (
            {name: str(count) for name, count in wanted.items()} if group.groupName == "drivers" else {}
        )


@both
def test_ray_reads_the_groups_as_meant(which: str) -> None:
    """By the code of Ray's autoscaler that reads a RayCluster."""
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    raw = documents(JOB)[0]["spec"]["rayClusterSpec"] if which == "rayjob" else documents(CLUSTER)[0]["spec"]
    found = _derive_autoscaling_config_from_ray_cr(
        {"metadata": {"name": "ballast", "namespace": "ballast"}, "spec": raw}
    )
    types = found["available_node_types"]
    assert types["headgroup"]["resources"].items() >= {"CPU": 0, "GPU": 0}.items()
    assert types["drivers"]["resources"].items() >= {"CPU": 7, "ballast_driver": 1}.items()
    for name, gpus in GPU_GROUPS.items():
        assert types[name]["resources"]["GPU"] == gpus
        assert types[name]["min_workers"] == 0, "scaled to zero when nothing runs"
        assert "ballast_driver" not in types[name]["resources"]
    assert types["h100"]["priority"] > types["a100-80"]["priority"] > types["l4"]["priority"]
    assert types["l4"]["max_workers"] == 0
    assert found["idle_timeout_minutes"] == 15


@both
def test_ray_knows_its_parameters_and_variables(which: str) -> None:
    from ray.autoscaler.v2.instance_manager import config
    from ray.dashboard.consts import RAY_JOB_START_TIMEOUT_SECONDS_ENV_VAR
    from ray.scripts.scripts import start

    options = {name.removeprefix("--") for param in start.params for name in param.opts}
    cluster = spec(which)
    for params in [cluster.headGroupSpec.rayStartParams, *(g.rayStartParams for g in cluster.workerGroupSpecs)]:
        assert set(params) <= options
    assert all(one.name in Path(config.__file__).read_text() for one in cluster.autoscalerOptions.env)
    named = {one.name for pod in pods(cluster).values() for one in pod.containers[0].env if one.name.startswith("RAY_")}
    assert named == {RAY_JOB_START_TIMEOUT_SECONDS_ENV_VAR}


@both
def test_secrets_are_only_referred_to(which: str) -> None:
    for pod in pods(spec(which)).values():
        for one in pod.containers[0].env:
            secret = re.search("TOKEN|SECRET|PASSWORD|_KEY", one.name) is not None
            assert secret == (one.valueFrom is not None), one.name


def test_no_secret_goes_by_runtime_env() -> None:
    """What a runtime environment holds can be read by anybody who sees the dashboard."""
    assert set(yaml.safe_load(job().runtimeEnvYAML)) == {"working_dir"}


@both
def test_only_the_head_may_call_kubernetes(which: str) -> None:
    found = pods(spec(which))
    accounts = {
        one["metadata"]["name"]: one for one in documents(KUBERAY / "namespace.yaml") if one["kind"] == "ServiceAccount"
    }
    assert {pod.serviceAccountName for pod in found.values()} == set(accounts)
    for name, pod in found.items():
        assert pod.serviceAccountName == ("ballast-head" if name == "head" else "ballast")
        assert name == "head" or pod.automountServiceAccountToken is False
    assert accounts["ballast"]["automountServiceAccountToken"] is False


@both
def test_every_pod_is_bounded_and_has_shared_memory(which: str) -> None:
    for pod in pods(spec(which)).values():
        resources = pod.containers[0].resources
        for name in ("memory", "ephemeral-storage", "nvidia.com/gpu"):
            assert resources.requests.get(name) == resources.limits.get(name)
        mounts = {mount.mountPath: mount.name for mount in pod.containers[0].volumeMounts}
        volumes = {volume.name: volume.emptyDir.medium for volume in pod.volumes}
        assert volumes[mounts["/dev/shm"]] == "Memory"
        assert volumes[mounts["/tmp"]] is None


def test_a_job_ends() -> None:
    found = job()
    assert found.shutdownAfterJobFinishes
    assert 0 < found.ttlSecondsAfterFinished <= 3600
    assert found.preRunningDeadlineSeconds < found.activeDeadlineSeconds <= 3 * 86400
    assert found.backoffLimit > 0, "a lost cluster is made anew: the driver goes on where it was"
    waited = {one.name: one.value for one in found.rayClusterSpec.headGroupSpec.template.spec.containers[0].env}
    assert int(str(waited["RAY_JOB_START_TIMEOUT_SECONDS"])) >= found.preRunningDeadlineSeconds


def test_nobody_gets_in_but_the_operator_and_prometheus() -> None:
    [policy] = [crd.read(one) for one in documents(KUBERAY / "namespace.yaml") if one["kind"] == "NetworkPolicy"]
    head = spec("rayjob").headGroupSpec.template.spec.containers[0]
    ports = {port.name: port.containerPort for port in head.ports}
    within, *others = policy.spec.ingress
    assert policy.spec.policyTypes == ["Ingress"]
    assert within.from_ == [k8s.Peer(podSelector=k8s.Selector())]
    assert [[port.port for port in one.ports] for one in others] == [
        [ports["dashboard"]],
        [ports["metrics"], ports["as-metrics"]],
    ]


def test_what_prometheus_scrapes_is_there() -> None:
    from ray.autoscaler._private.constants import AUTOSCALER_METRIC_PORT

    [monitor] = [crd.read(one) for one in documents(KUBERAY / "monitoring.yaml") if one["kind"] == "PodMonitor"]
    scraped = {endpoint.port for endpoint in monitor.spec.podMetricsEndpoints}
    for name, pod in pods(spec("rayjob")).items():
        ports = {port.name: port.containerPort for port in pod.containers[0].ports}
        assert scraped <= set(ports) if name == "head" else "metrics" in ports
        assert ports.get("as-metrics", AUTOSCALER_METRIC_PORT) == AUTOSCALER_METRIC_PORT
        assert ports["metrics"] == int(spec("rayjob").headGroupSpec.rayStartParams["metrics-export-port"])


def test_everything_lies_in_one_namespace() -> None:
    found = [document for path in FILES for document in documents(path)]
    [namespace] = [one["metadata"] for one in found if one["kind"] == "Namespace"]
    assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others: list[dict[str, Any]] = [one["metadata"] for one in found if one["kind"] != "Namespace"]
    assert {one["namespace"] for one in others} == {namespace["name"]}
