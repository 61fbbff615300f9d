"""OpenShift AI: the data science cluster and hardware profiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tenantry.lint.index import Index, hint
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.lint.rules.kueue import KUEUE, OPENSHIFT_KUEUE
from tenantry.model.finding import Severity
from tenantry.model.problem import nearest_name
from tenantry.model.reading import at, items, mapping, quantity, text

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

CLUSTER = "datasciencecluster.opendatahub.io"
PROFILE = "infrastructure.opendatahub.io"


def clusters(index: Index) -> list[Manifest]:
    """Return the data science clusters."""
    return index.of(CLUSTER, "DataScienceCluster")


def profiles(index: Index) -> list[Manifest]:
    """Return the hardware profiles."""
    return index.of(PROFILE, "HardwareProfile")


def _kueue_state(manifest: Manifest) -> str:
    return text(manifest.body, "spec", "components", "kueue", "managementState")


@rule(
    "LINT-RHOAI-KUEUE-MANAGED",
    Severity.ERROR,
    "The data science cluster manages Kueue itself",
    why="The schema lists Managed, admission denies it since 3.0: Kueue comes as the Red Hat build, and the cluster "
    "says Unmanaged.",
    source="opendatahub-operator, internal/webhook/datasciencecluster/v2/validating.go",
    fragments=True,
)
def _kueue_managed(index: Index) -> Iterator[Hit]:
    path: DocPath = ("spec", "components", "kueue", "managementState")
    for manifest in clusters(index):
        if _kueue_state(manifest) == "Managed":
            # v1 is also served by releases that still allowed it.
            severity = None if manifest.key.api_version.endswith("/v2") else Severity.WARNING
            fix = "Write Unmanaged with the Red Hat build of Kueue, else Removed."
            yield Hit(manifest, path, "managementState Managed is denied at admission", fix, severity)


@rule(
    "LINT-RHOAI-KUEUE-REMOVED",
    Severity.WARNING,
    "Kueue is installed, but OpenShift AI does not use it",
    why="With the component Removed, workbenches and training jobs of OpenShift AI bypass the queues.",
    source="opendatahub-operator, internal/controller/components/kueue",
)
def _kueue_removed(index: Index) -> Iterator[Hit]:
    for manifest in clusters(index):
        there = index.beside(manifest, OPENSHIFT_KUEUE, "Kueue") or index.beside(manifest, KUEUE, "LocalQueue")
        if there and _kueue_state(manifest) == "Removed":
            path = ("spec", "components", "kueue", "managementState")
            yield Hit(manifest, path, f"{there[0].key} is in the set, but Kueue is Removed", "Write Unmanaged.")


@rule(
    "LINT-RHOAI-SCHEDULING",
    Severity.ERROR,
    "A hardware profile mixes two ways of scheduling",
    why="Type Queue takes a local queue and no node settings, type Node the opposite; the API server refuses the rest.",
    source="opendatahub-operator, api/infrastructure/v1 (HardwareProfile, CEL rules)",
)
def _scheduling(index: Index) -> Iterator[Hit]:
    path: DocPath = ("spec", "scheduling")
    for profile in profiles(index):
        section = mapping(profile.body, *path)
        kind, queue, node = section.get("type"), mapping(section, "kueue"), section.get("node")
        if kind == "Queue" and not text(queue, "localQueueName"):
            yield Hit(profile, path, "type Queue needs kueue.localQueueName", "Name a LocalQueue.")
        if kind == "Queue" and node is not None:
            yield Hit(profile, (*path, "node"), "type Queue takes no node settings", "Remove node.")
        if kind == "Node" and node is None:
            yield Hit(profile, path, "type Node needs node settings", "Add node.")
        if kind == "Node" and "kueue" in section:
            yield Hit(profile, (*path, "kueue"), "type Node takes no queue", "Remove kueue.")


@rule(
    "LINT-RHOAI-QUEUE",
    Severity.WARNING,
    "A hardware profile names a local queue that no namespace has",
    why="Workloads of the profile stay suspended: the queue is looked up in the namespace of the workload.",
    source="opendatahub-operator, internal/webhook/hardwareprofile",
)
def _profile_queue(index: Index) -> Iterator[Hit]:
    known = {queue.key.name for queue in index.of(KUEUE, "LocalQueue")}
    for profile in profiles(index):
        name = text(profile.body, "spec", "scheduling", "kueue", "localQueueName")
        verdict = index.dangling(name, known) if name else None
        if verdict:
            severity, nearest = verdict
            path = ("spec", "scheduling", "kueue", "localQueueName")
            yield Hit(profile, path, f"no LocalQueue {name} is in the set{hint(nearest)}", "Correct it.", severity)


@rule(
    "LINT-RHOAI-COUNTS",
    Severity.ERROR,
    "The counts of a hardware profile contradict each other",
    why="The default lies between the least and the most; otherwise users cannot start a workload from the profile.",
    source="opendatahub-operator, api/infrastructure/v1 (HardwareIdentifier)",
    fragments=True,
)
def _counts(index: Index) -> Iterator[Hit]:
    for profile in profiles(index):
        seen: set[str] = set()
        for position, entry in enumerate(items(profile.body, "spec", "identifiers")):
            path: DocPath = ("spec", "identifiers", position)
            low, usual, high = (quantity(at(entry, name)) for name in ("minCount", "defaultCount", "maxCount"))
            if low is not None and usual is not None and usual < low:
                yield Hit(profile, (*path, "defaultCount"), "defaultCount is below minCount", "Raise it.")
            if high is not None and usual is not None and usual > high:
                yield Hit(profile, (*path, "defaultCount"), "defaultCount is above maxCount", "Lower it.")
            if high is not None and low is not None and low > high:
                yield Hit(profile, (*path, "minCount"), "minCount is above maxCount", "Lower it.")
            name = text(entry, "identifier")
            if name in seen:
                yield Hit(profile, (*path, "identifier"), f"{name} is listed twice", "List it once.")
            seen.add(name)


@rule(
    "LINT-RHOAI-IDENTIFIER",
    Severity.ERROR,
    "The identifier of an accelerator is no resource name",
    why="The identifier is put into the pod's resources as it stands; requests. belongs to quotas, and a bare "
    "profile is no resource.",
    source="opendatahub-operator, api/infrastructure/v1 (HardwareIdentifier)",
    fragments=True,
)
def _identifier(index: Index) -> Iterator[Hit]:
    for profile in profiles(index):
        for position, entry in enumerate(items(profile.body, "spec", "identifiers")):
            name = text(entry, "identifier")
            plain = name.removeprefix("requests.").removeprefix("limits.")
            accelerator = text(entry, "resourceType") == "Accelerator"
            if name and (plain != name or (accelerator and "/" not in name)):
                close = nearest_name(plain, _COMMON) or ""
                message = f"{name!r} is no extended resource{hint(close)}"
                path = ("spec", "identifiers", position, "identifier")
                yield Hit(profile, path, message, "Write the name nodes advertise, such as nvidia.com/gpu.")


_COMMON = ("nvidia.com/gpu", "nvidia.com/gpu.shared")


RULES: tuple[Rule, ...] = (
    _kueue_managed,
    _kueue_removed,
    _scheduling,
    _profile_queue,
    _counts,
    _identifier,
)
