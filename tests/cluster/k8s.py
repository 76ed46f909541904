"""Kubernetes' own objects, and the Prometheus operator's, as far as the manifests use them.

A field that is not here is refused, so that a misspelt one fails a test here and is not dropped in silence by an API server.
Names and types are those of core/v1, networking.k8s.io/v1 and monitoring.coreos.com/v1. What the restricted Pod Security
Standard asks for is not optional here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Quantity = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class Strict(BaseModel):
    """Nothing but the fields named, and of the types named: a number for a string is refused, as the API server does."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Meta(Strict):
    name: Label
    namespace: Label | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


# --- core/v1


class SecretKey(Strict):
    name: Label
    key: str
    optional: bool = False


class ValueFrom(Strict):
    secretKeyRef: SecretKey


class Env(Strict):
    name: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
    value: str | None = None
    valueFrom: ValueFrom | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Env:
        if (self.value is None) == (self.valueFrom is None):
            raise ValueError(f"{self.name}: a value or where it comes from, and not both")
        return self


class Capabilities(Strict):
    drop: list[Literal["ALL"]]


class Seccomp(Strict):
    type: Literal["RuntimeDefault"]


class ContainerSecurity(Strict):
    allowPrivilegeEscalation: Literal[False]
    privileged: Literal[False]
    runAsNonRoot: Literal[True]
    capabilities: Capabilities
    seccompProfile: Seccomp


class PodSecurity(Strict):
    runAsNonRoot: Literal[True]
    runAsUser: Positive
    runAsGroup: Positive
    fsGroup: Positive
    seccompProfile: Seccomp


Resource = Literal["cpu", "memory", "ephemeral-storage", "nvidia.com/gpu"]


class Resources(Strict):
    requests: dict[Resource, Quantity]
    limits: dict[Resource, Quantity]


class Port(Strict):
    containerPort: Annotated[int, Field(ge=1024, le=65535)]
    name: Label


class Mount(Strict):
    mountPath: Annotated[str, StringConstraints(pattern=r"^/")]
    name: Label


class EmptyDir(Strict):
    medium: Literal["Memory"] | None = None


class Volume(Strict):
    name: Label
    emptyDir: EmptyDir


class Container(Strict):
    name: Label
    image: str
    ports: list[Port] = []
    env: list[Env] = []
    securityContext: ContainerSecurity
    resources: Resources
    volumeMounts: list[Mount] = []


class Match(Strict):
    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] = []

    @model_validator(mode="after")
    def _values(self) -> Match:
        if (self.operator in ("In", "NotIn")) != bool(self.values):
            raise ValueError(f"{self.key}: {self.operator} with values {self.values}")
        return self


class Term(Strict):
    matchExpressions: Annotated[list[Match], Field(min_length=1)]


class Terms(Strict):
    nodeSelectorTerms: Annotated[list[Term], Field(min_length=1)]


class NodeAffinity(Strict):
    requiredDuringSchedulingIgnoredDuringExecution: Terms


class Affinity(Strict):
    nodeAffinity: NodeAffinity


class Toleration(Strict):
    key: str
    operator: Literal["Exists"]
    effect: Literal["NoSchedule"]


class PodSpec(Strict):
    serviceAccountName: Label | None = None
    automountServiceAccountToken: bool | None = None
    restartPolicy: Literal["Never"] | None = None
    terminationGracePeriodSeconds: Positive | None = None
    securityContext: PodSecurity
    affinity: Affinity | None = None
    tolerations: list[Toleration] = []
    containers: Annotated[list[Container], Field(min_length=1, max_length=1)]
    volumes: list[Volume] = []

    @model_validator(mode="after")
    def _mounted(self) -> PodSpec:
        there = {volume.name for volume in self.volumes}
        for container in self.containers:
            if missing := {mount.name for mount in container.volumeMounts} - there:
                raise ValueError(f"{container.name} mounts {missing}, which the pod does not have")
        return self


class Pod(Strict):
    spec: PodSpec


class Namespace(Strict):
    apiVersion: Literal["v1"]
    kind: Literal["Namespace"]
    metadata: Meta


class ServiceAccount(Strict):
    apiVersion: Literal["v1"]
    kind: Literal["ServiceAccount"]
    metadata: Meta
    automountServiceAccountToken: bool | None = None


# --- networking.k8s.io/v1


class Selector(Strict):
    matchLabels: dict[str, str] = {}
    matchExpressions: list[Match] = []


class Peer(Strict):
    podSelector: Selector | None = None
    namespaceSelector: Selector | None = None


class PolicyPort(Strict):
    protocol: Literal["TCP"]
    port: int


class Ingress(Strict):
    from_: Annotated[list[Peer], Field(alias="from", min_length=1)]
    ports: list[PolicyPort] = []


class PolicySpec(Strict):
    podSelector: Selector
    policyTypes: list[Literal["Ingress", "Egress"]]
    ingress: list[Ingress]


class NetworkPolicy(Strict):
    apiVersion: Literal["networking.k8s.io/v1"]
    kind: Literal["NetworkPolicy"]
    metadata: Meta
    spec: PolicySpec


# --- monitoring.coreos.com/v1


class Endpoint(Strict):
    port: Label
    interval: str


class PodMonitorSpec(Strict):
    selector: Selector
    podMetricsEndpoints: list[Endpoint]


class PodMonitor(Strict):
    apiVersion: Literal["monitoring.coreos.com/v1"]
    kind: Literal["PodMonitor"]
    metadata: Meta
    spec: PodMonitorSpec


Duration = Annotated[str, StringConstraints(pattern=r"^\d+[smhd]$")]


class Rule(Strict):
    alert: Annotated[str, StringConstraints(pattern=r"^Ballast[A-Z]\w+$")]
    expr: str
    for_: Annotated[Duration, Field(alias="for")]
    labels: dict[Literal["severity"], Literal["warning", "critical"]]
    annotations: dict[Literal["summary", "description"], str]


class Group(Strict):
    name: str
    rules: Annotated[list[Rule], Field(min_length=1)]


class Rules(Strict):
    """A rule file of Prometheus, and the body of a PrometheusRule."""

    groups: Annotated[list[Group], Field(min_length=1)]


class PrometheusRule(Strict):
    apiVersion: Literal["monitoring.coreos.com/v1"]
    kind: Literal["PrometheusRule"]
    metadata: Meta
    spec: Rules
