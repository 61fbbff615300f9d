"""Rights that lead out of a tenant: which verbs on which kinds, by which channel, and what they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.safe.rbac import Rule

READ = ("get", "list", "watch")
CONNECT = ("create", "get")
CHANGE = ("update", "patch")
WRITE = ("create", "update", "patch", "delete", "deletecollection")
MAKE = ("create", "update", "patch")

OPERATIONS = {
    "create": "CREATE",
    "update": "UPDATE",
    "patch": "UPDATE",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
"""Operation that admission sees, per verb that writes."""


def one_per_operation(verbs: Iterable[str]) -> tuple[str, ...]:
    """Return the first verb for each operation, in order."""
    found: dict[str, str] = {}
    for verb in verbs:
        found.setdefault(OPERATIONS[verb], verb)
    return tuple(found.values())


RBAC = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
ADMIN_NETWORK = "policy.networking.k8s.io"


RELABEL = "relabel"
"""The power to change namespaces, about which admission is asked label by label."""


class Gain(Enum):
    """What using a right leads to."""

    CLUSTER = "everything on the cluster"
    NAMESPACE = "the pods and service accounts of a namespace"
    NOTHING = "nothing further"


@dataclass(frozen=True, slots=True)
class Power:
    """Verbs on kinds that reach beyond a tenant.

    Attributes:
        id: short name.
        channel: channel it belongs to.
        group: API group.
        resources: plural names.
        verbs: verbs, any of which is enough.
        effect: what it does to others.
        impact: how far.
        gain: what it leads to.
        does: what can be done, after "may".
        asks: whether an object is written, so that admission is asked.
        cluster: whether the kind lies outside namespaces, so that only rights on the whole cluster count.
    """

    id: str
    channel: str
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    effect: Effect
    impact: Impact
    gain: Gain
    does: str
    asks: bool = False
    cluster: bool = False


def _cluster(name: str, group: str, resources: str, verbs: tuple[str, ...], does: str, **other: object) -> Power:
    fields: dict[str, object] = {"effect": Effect.EXEC, "impact": Impact.S0, "gain": Gain.CLUSTER, **other}
    return Power(
        name,
        "A4",
        group,
        tuple(resources.split()),
        verbs,
        does=does,
        asks=True,
        cluster=True,
        **fields,  # type: ignore[arg-type]
    )


_TAMPER = {"effect": Effect.DENY, "impact": Impact.S2, "gain": Gain.NOTHING}
_GUARD = {"effect": Effect.WRITE, "impact": Impact.S1, "gain": Gain.NOTHING}

POD_MAKERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("pods", "replicationcontrollers", "podtemplates")),
    ("apps", ("deployments", "statefulsets", "daemonsets", "replicasets")),
    ("batch", ("jobs", "cronjobs")),
    ("apps.openshift.io", ("deploymentconfigs",)),
    ("build.openshift.io", ("builds", "buildconfigs")),
    ("jobset.x-k8s.io", ("jobsets",)),
    ("leaderworkerset.x-k8s.io", ("leaderworkersets",)),
    ("kubeflow.org", ("pytorchjobs", "mpijobs", "tfjobs", "notebooks", "xgboostjobs", "paddlejobs", "jaxjobs")),
    ("trainer.kubeflow.org", ("trainjobs",)),
    ("ray.io", ("rayclusters", "rayjobs", "rayservices")),
    ("serving.kserve.io", ("inferenceservices", "servingruntimes")),
    ("serving.knative.dev", ("services", "configurations")),
    ("tekton.dev", ("taskruns", "pipelineruns")),
    ("argoproj.io", ("workflows", "cronworkflows", "rollouts")),
    ("sparkoperator.k8s.io", ("sparkapplications", "scheduledsparkapplications", "sparkconnects")),
    ("flink.apache.org", ("flinkdeployments", "flinksessionjobs")),
    ("batch.volcano.sh", ("jobs",)),
    ("machinelearning.seldon.io", ("seldondeployments",)),
    ("mlops.seldon.io", ("models", "servers")),
    ("kubernetes.dask.org", ("daskclusters", "daskjobs", "daskworkergroups")),
    ("kubevirt.io", ("virtualmachines", "virtualmachineinstances", "virtualmachineinstancereplicasets")),
    ("nvidia.com", ("dynamographdeployments",)),
    ("apps.nvidia.com", ("nimservices", "nimcaches", "nimpipelines", "nemoguardrails")),
    ("datasciencepipelinesapplications.opendatahub.io", ("datasciencepipelinesapplications",)),
    ("workload.codeflare.dev", ("appwrappers",)),
    ("run.ai", ("trainingworkloads", "interactiveworkloads", "inferenceworkloads", "distributedworkloads")),
)
"""Kinds through which pods come into being; those of the core groups first."""

_FIXED = frozenset({("", "pods"), ("", "podtemplates")})


def pod_makers() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield every kind through which pods come into being with the verbs that are enough for it.

    Whoever changes an object that pods are made from decides what they are. A pod itself keeps what it was made with.
    """
    for group, resources in POD_MAKERS:
        for resource in resources:
            yield group, resource, ("create",) if (group, resource) in _FIXED else MAKE


POWERS: tuple[Power, ...] = (
    Power(
        "exec",
        "A2",
        "",
        ("pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy"),
        CONNECT,
        Effect.EXEC,
        Impact.S1,
        Gain.NAMESPACE,
        "run commands in, or connect to, its pods",
    ),
    Power(
        "debug",
        "A2",
        "",
        ("pods/ephemeralcontainers",),
        CHANGE,
        Effect.EXEC,
        Impact.S1,
        Gain.NAMESPACE,
        "add a container to its pods",
    ),
    Power(
        "kubelet",
        "A2",
        "",
        ("nodes/proxy",),
        CONNECT,
        Effect.EXEC,
        Impact.S0,
        Gain.CLUSTER,
        "run commands in every pod through the kubelets",
        cluster=True,
    ),
    Power("remove", "A2", "", ("pods",), ("delete", "deletecollection"), Effect.DENY, Impact.S2, Gain.NOTHING,
          "delete its pods"),
    Power("evict", "A2", "", ("pods/eviction",), ("create",), Effect.DENY, Impact.S2, Gain.NOTHING, "evict its pods"),
    Power("secrets", "A3", "", ("secrets",), READ, Effect.READ, Impact.S1, Gain.NAMESPACE, "read its secrets"),
    Power("token", "A3", "", ("serviceaccounts/token",), ("create",), Effect.EXEC, Impact.S1, Gain.NAMESPACE,
          "make tokens of its service accounts"),
    Power("logs", "A3", "", ("pods/log",), ("get",), Effect.READ, Impact.S1, Gain.NOTHING, "read what its pods print"),
    Power("plant", "A3", "", ("secrets",), MAKE, Effect.WRITE, Impact.S1, Gain.NOTHING, "write its secrets", asks=True),
    *(
        Power(
            f"run-{group}",
            "A3",
            group,
            resources,
            MAKE,
            Effect.EXEC,
            Impact.S1,
            Gain.NAMESPACE,
            "run pods there as any of its service accounts",
            asks=True,
        )
        for group, resources in POD_MAKERS
    ),
    _cluster("webhooks", ADMISSION, "mutatingwebhookconfigurations validatingwebhookconfigurations", WRITE,
             "put a webhook before every request, or take one away"),
    _cluster("guards", ADMISSION, "validatingadmissionpolicies validatingadmissionpolicybindings "
             "mutatingadmissionpolicies mutatingadmissionpolicybindings", WRITE, "undo admission guards"),
    _cluster("roles", RBAC, "clusterroles clusterrolebindings", WRITE, "change what everybody may do"),
    _cluster("kinds", "apiextensions.k8s.io", "customresourcedefinitions", WRITE, "change or delete kinds"),
    _cluster("servers", "apiregistration.k8s.io", "apiservices", WRITE, "answer requests in place of the API server"),
    _cluster("certificates", "certificates.k8s.io",
             "certificatesigningrequests/approval certificatesigningrequests/status clustertrustbundles", MAKE,
             "become anybody by a certificate"),
    _cluster("devices", "resource.k8s.io", "deviceclasses resourceslices devicetaintrules", WRITE,
             "change which devices are handed out", **_GUARD),
    _cluster("ingress-classes", "networking.k8s.io", "ingressclasses servicecidrs ipaddresses", WRITE,
             "change where traffic of everybody goes", **_GUARD),
    _cluster("gateway-classes", "gateway.networking.k8s.io", "gatewayclasses", WRITE,
             "change where traffic of everybody goes", **_GUARD),
    _cluster("egress", "k8s.ovn.org", "egressips adminpolicybasedexternalroutes clusteruserdefinednetworks "
             "routeadvertisements", WRITE, "change where traffic of everybody goes", **_GUARD),
    _cluster("configuration", "config.openshift.io", "apiservers authentications oauths networks ingresses proxies "
             "images schedulers featuregates dnses clusterversions clusteroperators nodes infrastructures projects",
             WRITE, "change how the cluster is set up"),
    _cluster("operators", "operator.openshift.io", "networks dnses kubeapiservers authentications etcds consoles "
             "storages clustercsidrivers kubecontrollermanagers kubeschedulers openshiftapiservers", WRITE,
             "change how the cluster is set up"),
    _cluster("nic-policy", "mellanox.com", "nicclusterpolicies", WRITE, "change drivers of every node"),
    _cluster("nodes", "", "nodes nodes/status", WRITE, "change nodes, their labels and taints"),
    _cluster("volumes", "", "persistentvolumes", WRITE, "claim files of nodes and data of others as volumes"),
    _cluster("namespaces", "", "namespaces", ("create", "delete", "deletecollection"),
             "make namespaces outside every guard, or delete those of others", effect=Effect.DENY, impact=Impact.S1,
             gain=Gain.NOTHING),
    _cluster(RELABEL, "", "namespaces namespaces/status namespaces/finalize", CHANGE,
             "change labels of namespaces, on which Pod Security, guards and network rules rest",
             gain=Gain.NOTHING),
    _cluster("projects", "project.openshift.io", "projectrequests", ("create",), "make namespaces outside every guard",
             effect=Effect.EXEC, impact=Impact.S1, gain=Gain.NOTHING),
    _cluster("scc", "security.openshift.io", "securitycontextconstraints", WRITE, "let privileged pods in"),
    _cluster("admin-networks", ADMIN_NETWORK,
             "adminnetworkpolicies baselineadminnetworkpolicies clusternetworkpolicies", WRITE,
             "open the network between tenants", **_GUARD),
    _cluster("classes", "storage.k8s.io",
             "storageclasses csidrivers csinodes volumeattachments volumeattributesclasses", WRITE,
             "change how volumes are made for everybody", **_GUARD),
    _cluster("runtimes", "node.k8s.io", "runtimeclasses", WRITE, "change how containers are run", **_GUARD),
    _cluster("priorities", "scheduling.k8s.io", "priorityclasses", WRITE, "preempt everybody", **_TAMPER),
    _cluster("fairness", "flowcontrol.apiserver.k8s.io", "flowschemas prioritylevelconfigurations", WRITE,
             "starve requests of others", **_TAMPER),
    _cluster("machine-config", "machineconfiguration.openshift.io",
             "machineconfigs kubeletconfigs machineconfigpools", WRITE, "change files of nodes"),
    _cluster("people", "user.openshift.io", "users groups identities useridentitymappings", WRITE, "become anybody"),
    _cluster("queues", "kueue.x-k8s.io", "clusterqueues resourceflavors cohorts", WRITE, "change shares", **_TAMPER),
    _cluster("gpu-policy", "nvidia.com", "clusterpolicies nvidiadrivers", WRITE, "change drivers of every node"),
)  # fmt: skip

BY_CHANNEL = {
    channel: tuple(item for item in POWERS if item.channel == channel)
    for channel in sorted({item.channel for item in POWERS})
}


@dataclass(frozen=True, slots=True)
class Match:
    """A power a rule gives: the first kind of the power that it allows, and the first verb for each way to write it.

    Attributes:
        power: the power.
        resource: plural name of the kind.
        verbs: verbs that are allowed, of those that admission cannot tell apart the first; never empty.
    """

    power: Power
    resource: str
    verbs: tuple[str, ...]

    @property
    def verb(self) -> str:
        """The first verb."""
        return self.verbs[0]


def powers_of(rule: Rule) -> tuple[Match, ...]:
    """Return the powers a rule gives, in the order of the table."""
    return _powers_of(rule.verbs, rule.groups, rule.resources, rule.names, bool(rule.urls))


@lru_cache(maxsize=65536)
def _powers_of(
    verbs: frozenset[str], groups: frozenset[str], resources: frozenset[str], names: frozenset[str], urls: bool
) -> tuple[Match, ...]:
    if urls:
        return ()
    found: list[Match] = []
    for power in POWERS:
        if power.group not in groups and "*" not in groups:
            continue
        found.extend(_match(power, verbs, resources, names))
    return tuple(found)


def _match(power: Power, verbs: frozenset[str], resources: frozenset[str], names: frozenset[str]) -> Iterator[Match]:
    """Yield the kinds of a power that a rule allows: of a power about which admission is asked each, else the first."""
    for resource in power.resources:
        _, _, below = resource.partition("/")
        if resource not in resources and "*" not in resources and not (below and f"*/{below}" in resources):
            continue
        allowed = [
            verb
            for verb in power.verbs
            if (verb in verbs or "*" in verbs) and not (names and verb == "deletecollection")
        ]
        if allowed:
            yield Match(power, resource, one_per_operation(allowed) if power.asks else (allowed[0],))
            if not power.asks:
                return
