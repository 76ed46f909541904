"""The custom resources ray.io/v1 of KubeRay v1.7.0, as far as the manifests use them.

A field that is not here is refused. Names and types are those of KubeRay's API reference for v1.7.0 (docs.ray.io, "KubeRay
CRD API reference").
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import StringConstraints, model_validator

from tests.cluster.k8s import (
    ContainerSecurity,
    Count,
    Env,
    Label,
    Meta,
    Namespace,
    NetworkPolicy,
    Pod,
    PodMonitor,
    Positive,
    PrometheusRule,
    Quantity,
    Resources,
    ServiceAccount,
    Strict,
)  # fmt: skip

Params = dict[Annotated[str, StringConstraints(pattern=r"^[a-z]+(-[a-z]+)*$")], str]


class AuthOptions(Strict):
    mode: Literal["token"]
    secretName: Label


class AutoscalerOptions(Strict):
    version: Literal["v1", "v2"]
    upscalingMode: Literal["Default", "Aggressive", "Conservative"]
    idleTimeoutSeconds: Positive
    env: list[Env] = []
    securityContext: ContainerSecurity
    resources: Resources


class HeadGroup(Strict):
    serviceType: Literal["ClusterIP"]
    rayStartParams: Params
    template: Pod


class WorkerGroup(Strict):
    groupName: Label
    replicas: Count
    minReplicas: Count
    maxReplicas: Count
    priority: int = 0
    rayStartParams: Params
    resources: dict[str, Quantity] = {}
    template: Pod

    @model_validator(mode="after")
    def _bounds(self) -> WorkerGroup:
        if not self.minReplicas <= self.replicas <= self.maxReplicas:
            raise ValueError(f"{self.groupName}: {self.replicas} is not in {self.minReplicas} to {self.maxReplicas}")
        return self


class ClusterSpec(Strict):
    rayVersion: str
    authOptions: AuthOptions
    enableInTreeAutoscaling: Literal[True]
    autoscalerOptions: AutoscalerOptions
    headGroupSpec: HeadGroup
    workerGroupSpecs: list[WorkerGroup]


class RayCluster(Strict):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayCluster"]
    metadata: Meta
    spec: ClusterSpec


class JobSpec(Strict):
    entrypoint: str
    runtimeEnvYAML: str
    entrypointNumCpus: float
    entrypointResources: str
    backoffLimit: Count
    preRunningDeadlineSeconds: Positive
    activeDeadlineSeconds: Positive
    shutdownAfterJobFinishes: bool
    ttlSecondsAfterFinished: Count
    submissionMode: Literal["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]
    submitterPodTemplate: Pod
    rayClusterSpec: ClusterSpec


class RayJob(Strict):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: Meta
    spec: JobSpec


KINDS: dict[str, type[Strict]] = {
    kind.__name__: kind
    for kind in (Namespace, ServiceAccount, NetworkPolicy, PodMonitor, PrometheusRule, RayCluster, RayJob)
}


def read(document: dict[str, Any]) -> Any:
    """A manifest as what its `kind` says it is."""
    return KINDS[document["kind"]].model_validate(document)
