"""Pod specs wherever they stand: pods, templates of workloads, the kinds of training and serving operators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tenantry.model.manifest import Manifest
from tenantry.model.problem import DocPath
from tenantry.model.reading import annotations_of, at, items, labels, mapping, quantity, text, walk

NETWORKS = "k8s.v1.cni.cncf.io/networks"
KAI_QUEUE = "kai.scheduler/queue"
KUEUE_QUEUE = "kueue.x-k8s.io/queue-name"

_TEMPLATES: Mapping[tuple[str, str], DocPath] = {
    ("", "Pod"): (),
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("batch", "Job"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}

# Groups whose kinds carry pod templates at depths that vary by kind; searched for a list of containers.
_SEARCHED = frozenset(
    {
        "kubeflow.org",
        "trainer.kubeflow.org",
        "ray.io",
        "jobset.x-k8s.io",
        "leaderworkerset.x-k8s.io",
        "serving.kserve.io",
        "serving.knative.dev",
        "workload.codeflare.dev",
        "sparkoperator.k8s.io",
    }
)


@dataclass(frozen=True, slots=True)
class Container:
    """A container and its path inside the manifest."""

    path: DocPath
    body: Mapping[str, Any]
    init: bool

    def amount(self, resource: str) -> float:
        """Units of a resource the container gets; 0 when it asks for none."""
        for part in ("limits", "requests"):
            found = quantity(at(self.body, "resources", part, resource))
            if found is not None:
                return found
        return 0.0

    @property
    def extended(self) -> dict[str, DocPath]:
        """Extended resources the container names, each with the path of the first place that names it."""
        found: dict[str, DocPath] = {}
        for part in ("limits", "requests"):
            for name in mapping(self.body, "resources", part):
                if isinstance(name, str) and is_extended(name):
                    found.setdefault(name, (*self.path, "resources", part, name))
        return found

    @property
    def privileged(self) -> bool:
        """Whether the container runs privileged."""
        return at(self.body, "securityContext", "privileged") is True

    @property
    def capabilities(self) -> frozenset[str]:
        """Capabilities added, without the prefix ``CAP_``."""
        added = items(self.body, "securityContext", "capabilities", "add")
        return frozenset(item.upper().removeprefix("CAP_") for item in added if isinstance(item, str))


@dataclass(frozen=True, slots=True)
class PodSpec:
    """A pod spec and the metadata of its pods.

    Attributes:
        manifest: the object it stands in.
        path: path of the pod spec inside it.
        spec: the pod spec.
        labels: labels of the pods, over those of the object.
        annotations: annotations of the pods.
        annotations_path: path of the annotations inside the object.
        containers: all containers, init containers first.
    """

    manifest: Manifest
    path: DocPath
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    annotations_path: DocPath
    containers: tuple[Container, ...]

    @property
    def namespace(self) -> str:
        """Namespace of the object, empty when it names none."""
        return self.manifest.key.namespace

    @property
    def resources(self) -> dict[str, DocPath]:
        """Extended resources any container names, with the path of the first place."""
        found: dict[str, DocPath] = {}
        for container in self.containers:
            for name, path in container.extended.items():
                found.setdefault(name, path)
        return found

    @property
    def uses_gpu(self) -> bool:
        """Whether the pod asks for a GPU or a part of one, or claims devices."""
        return any(is_gpu(name) for name in self.resources) or bool(items(self.spec, "resourceClaims"))


def is_extended(name: str) -> bool:
    """Whether a resource name is an extended resource: it has a domain that is not Kubernetes' own."""
    domain, slash, rest = name.partition("/")
    return bool(slash and rest) and not domain.endswith("kubernetes.io") and not domain.startswith("requests.")


def is_gpu(name: str) -> bool:
    """Whether a resource name is a GPU, a shared GPU or a MIG instance."""
    return name in {"nvidia.com/gpu", "nvidia.com/gpu.shared"} or name.startswith("nvidia.com/mig-")


def pod_specs(manifest: Manifest) -> Iterator[PodSpec]:
    """Yield the pod specs of an object."""
    key = manifest.key
    path = _TEMPLATES.get((key.group, key.kind))
    if path is not None:
        template = at(manifest.body, *path)
        if isinstance(template, dict) and isinstance(template.get("spec"), dict):
            yield _pod(manifest, path, template)
    elif key.group in _SEARCHED:
        for where, value in walk(manifest.body.get("spec"), ("spec",)):
            if (
                isinstance(value, dict)
                and where[-1] in {"spec", "predictor", "template"}
                and items(value, "containers")
            ):
                parent = at(manifest.body, *where[:-1]) if where[-1] == "spec" else {}
                yield _pod(manifest, where[:-1], {"metadata": mapping(parent, "metadata"), "spec": value}, where)


def _pod(manifest: Manifest, path: DocPath, template: Mapping[str, Any], where: DocPath | None = None) -> PodSpec:
    place = (*path, "spec") if where is None else where
    spec = template["spec"]
    containers = tuple(
        Container((*place, part, position), body, part == "initContainers")
        for part in ("initContainers", "containers")
        for position, body in enumerate(items(spec, part))
        if isinstance(body, dict)
    )
    return PodSpec(
        manifest,
        place,
        spec,
        {**labels(manifest.body), **labels(template)},
        annotations_of(template),
        (*path, "metadata", "annotations"),
        containers,
    )


def networks_of(pod: PodSpec) -> str:
    """Return the text of the annotation that attaches networks, empty without one."""
    return text(dict(pod.annotations), NETWORKS)
