"""What the server makes of an object that was written: what it fills in, and what it says in other words.

Everything it may do is listed here with the reason; whatever else differs is a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from e2e_support import Tally

from tenantry.model.quantity import parse_quantity

Body = dict[str, Any]
Path = tuple[str, ...]


class _Word:
    """A value that equals no other."""

    def __init__(self, word: str) -> None:
        self.word = word

    def __repr__(self) -> str:
        return self.word


ABSENT = _Word("absent")
ANYTHING = _Word("anything")
SAME_AMOUNT = _Word("the same amount")

OWN_METADATA = frozenset({"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"})
"""What the server keeps of its own about every object."""


@dataclass(frozen=True)
class Difference:
    """A place where what is read differs from what was written.

    Attributes:
        path: from the root; list items are ``[]``.
        written: ABSENT where nothing was.
        read: ABSENT where nothing is.
    """

    path: Path
    written: Any
    read: Any


@dataclass(frozen=True)
class Listed:
    """A difference that is expected.

    Attributes:
        kinds: ``apiVersion kind``.
        below: where ``values`` stand in objects of these kinds.
        values: by dotted path what is read where nothing was written; or both, as a pair.
        reason: why the difference does no harm.
        row: under which it is counted.
    """

    kinds: tuple[str, ...]
    values: Mapping[str, Any]
    reason: str
    below: str = ""
    row: str = "defaults filled in"


POD_DEFAULTS = {
    "containers.[].imagePullPolicy": "IfNotPresent",
    "containers.[].terminationMessagePath": "/dev/termination-log",
    "containers.[].terminationMessagePolicy": "File",
    "dnsPolicy": "ClusterFirst",
    "initContainers.[].terminationMessagePath": "/dev/termination-log",
    "schedulerName": "default-scheduler",
    "serviceAccount": ANYTHING,  # the old name of serviceAccountName
    "terminationGracePeriodSeconds": 30,
    "volumes.[].configMap.defaultMode": 0o644,
    "volumes.[].projected.defaultMode": 0o644,
}
POD_REASON = "the defaults of pods are stable and mean what an empty field means"

LISTED = (
    Listed(("batch/v1 Job",), POD_DEFAULTS, POD_REASON, below="spec.template.spec"),
    Listed(("batch/v1 CronJob",), POD_DEFAULTS, POD_REASON, below="spec.jobTemplate.spec.template.spec"),
    Listed(
        ("batch/v1 Job",),
        {
            "spec.completionMode": "NonIndexed",
            "spec.completions": 1,
            "spec.manualSelector": False,
            "spec.parallelism": 1,
            "spec.podReplacementPolicy": "TerminatingOrFailed",
            "spec.suspend": False,
        },
        "one pod, once, is what a Job means that says nothing",
    ),
    Listed(
        ("batch/v1 Job",),
        {"spec.selector": ANYTHING, "spec.template.metadata": ANYTHING},
        "labels with the identity of the Job tell its pods from others'",
        row="written by controllers",
    ),
    Listed(
        ("batch/v1 CronJob",),
        {"spec.jobTemplate.metadata": {}, "spec.jobTemplate.spec.template.metadata": {}, "spec.suspend": False},
        "nothing, in other words",
    ),
    Listed(
        ("admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy",),
        {
            "spec.matchConstraints.namespaceSelector": {},
            "spec.matchConstraints.objectSelector": {},
            "spec.matchConstraints.resourceRules.[].scope": "*",
        },
        "empty selectors and the widest scope are what absent ones mean",
    ),
    Listed(
        ("v1 Namespace",),
        {"metadata.labels.kubernetes.io/metadata.name": ANYTHING, "spec": {"finalizers": ["kubernetes"]}},
        "every namespace has its name as a label, and is emptied before it goes",
        row="written by controllers",
    ),
    Listed(
        ("v1 Secret",),
        {"data": ANYTHING, "metadata.annotations.kubernetes.io/service-account.uid": ANYTHING},
        "the token controller fills in the token that the Secret was made for",
        row="written by controllers",
    ),
    Listed(
        ("v1 ResourceQuota", "v1 LimitRange"),
        {"spec.hard.*": (SAME_AMOUNT, SAME_AMOUNT), "spec.limits.[].max.*": (SAME_AMOUNT, SAME_AMOUNT)},
        "the server writes 1k for 1000 and 1536Gi for 1.5Ti; people find in the tree what they wrote in the spec",
        row="quantities in another form",
    ),
    Listed(
        ("rbac.authorization.k8s.io/v1 ClusterRoleBinding",),
        {"subjects": ([], ABSENT)},
        "nobody is bound; the list is written since an absent one would leave whoever was there",
        row="empty values left out",
    ),
    Listed(
        ("scheduling.k8s.io/v1 PriorityClass",),
        {"globalDefault": (False, ABSENT)},
        "false is what absent means; it is written for people, who look for it in a class",
        row="empty values left out",
    ),
    Listed(
        ("datasciencecluster.opendatahub.io/v2 DataScienceCluster",),
        {
            "kserve.rawDeploymentServiceConfig": "Headless",
            "kueue.defaultClusterQueueName": "default",
            "kueue.defaultLocalQueueName": "default",
            "modelregistry.registriesNamespace": "rhoai-model-registries",
            "workbenches.workbenchNamespace": "rhods-notebooks",
        },
        "of components that are off, or as the operator of every release has it",
        below="spec.components",
    ),
    Listed(
        (
            "grafana.integreatly.org/v1beta1 GrafanaDashboard",
            "grafana.integreatly.org/v1beta1 GrafanaDatasource",
            "grafana.integreatly.org/v1beta1 GrafanaFolder",
        ),
        {"spec.allowCrossNamespaceImport": False},
        "as meant: a dashboard is for the Grafana beside it",
    ),
    Listed(
        ("kueue.x-k8s.io/v1beta2 ClusterQueue",),
        {
            "spec.flavorFungibility": {"whenCanBorrow": "MayStopSearch", "whenCanPreempt": "TryNextFlavor"},
            "spec.stopPolicy": "None",
        },
        "as the model of Kueue here takes them",
    ),
    Listed(
        ("kueue.openshift.io/v1 Kueue",),
        {"spec.logLevel": "Normal", "spec.operatorLogLevel": "Normal"},
        "how much the operator of every release logs",
    ),
    Listed(("kueue.x-k8s.io/v1beta2 LocalQueue",), {"spec.stopPolicy": "None"}, "a queue that is not stopped"),
    Listed(
        ("mellanox.com/v1alpha1 NicClusterPolicy",),
        {
            f"{part}.imagePullSecrets": []
            for part in (
                *("ibKubernetes", "nvIpam", "ofedDriver", "rdmaSharedDevicePlugin", "sriovDevicePlugin"),
                *("secondaryNetwork.cniPlugins", "secondaryNetwork.multus", "secondaryNetwork.ipoib"),
            )
        },
        "no secrets, in other words",
        below="spec",
    ),
    Listed(
        ("nvidia.com/v1 ClusterPolicy",),
        {
            "cdi.default": False,
            "driver.kernelModuleType": "auto",
            "hostPaths.kubeletRootDir": "/var/lib/kubelet",
            "sandboxWorkloads.defaultWorkload": "container",
            "sandboxWorkloads.mode": "kubevirt",
            "toolkit.installDir": "/usr/local/nvidia",
        },
        "of parts that are off, or retired (cdi.default), or what the operator does anyway",
        below="spec",
    ),
    Listed(("operators.coreos.com/v1 OperatorGroup",), {"spec.upgradeStrategy": "Default"}, "no unsafe upgrades"),
    Listed(("sriovnetwork.openshift.io/v1 SriovNetwork",), {"spec.logLevel": "info"}, "what the plugin logs anyway"),
)


def differences(written: Any, read: Any) -> Iterator[Difference]:
    """Yield every difference of two objects, without the status and what the server keeps of its own."""
    for difference in _differences(written, read, ()):
        of_its_own = difference.path[0] == "metadata" and OWN_METADATA.issuperset(difference.path[1:2])
        if difference.path[0] != "status" and not of_its_own:
            yield difference


def _differences(written: Any, read: Any, path: Path) -> Iterator[Difference]:
    if isinstance(written, dict) and isinstance(read, dict):
        for key in sorted(written.keys() | read.keys()):
            yield from _differences(written.get(key, ABSENT), read.get(key, ABSENT), (*path, key))
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for one, other in zip(written, read, strict=True):
            yield from _differences(one, other, (*path, "[]"))
    # A number is not its text, and true is not one.
    elif type(written) is not type(read) or written != read:
        yield Difference(path, written, read)


def unlisted(tally: Tally, table: str, written: Body, read: Body) -> Iterator[Difference]:
    """Yield the differences that no entry of the list explains; count the others."""
    for difference in differences(written, read):
        row = row_of(written, difference)
        if row:
            tally.count(table, row, agreed=True)
        else:
            yield difference


def row_of(body: Body, difference: Difference) -> str:
    """Return under which row a difference is listed; empty if it is not."""
    kind = f"{body['apiVersion']} {body['kind']}"
    return next((entry.row for entry in LISTED if kind in entry.kinds and _is_listed(entry, difference)), "")


def _is_listed(entry: Listed, difference: Difference) -> bool:
    path = ".".join(difference.path)
    for name, value in entry.values.items():
        place = f"{entry.below}.{name}" if entry.below else name
        at_this_place = path.startswith(place[:-1]) if place.endswith(".*") else path == place
        written, read = value if isinstance(value, tuple) else (ABSENT, value)
        if at_this_place and SAME_AMOUNT in (written, read):
            return _same_amount(difference.written, difference.read)
        if at_this_place and difference.written == written and read in (ANYTHING, difference.read):
            return True
    return False


def _same_amount(one: Any, other: Any) -> bool:
    try:
        return parse_quantity(one) == parse_quantity(other)
    except (TypeError, ValueError):
        return False
