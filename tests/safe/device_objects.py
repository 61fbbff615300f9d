"""Objects of GPUs and secondary networks, in clusters of two tenants, red and blue.

Everything is a plain manifest; rights, admission and analyses are the real ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import safe_clusters
from holes import RED_BLUE, Case, Hole, worst
from safe_clusters import Body, bind, obj, role, rule
from share_objects import quota

from tenantry.model.manifest import key_of
from tenantry.model.tenancy import Strength
from tenantry.safe.channels import CHANNELS
from tenantry.safe.verify import verify
from tenantry.safe.view import View

if TYPE_CHECKING:
    from tenantry.model.claim import Claim

TENANTS = ("blue", "red")
OPERATOR_NAMESPACE = "gpu-operator"
SRIOV_NAMESPACE = "sriov"


def manifest(api_version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> Body:
    metadata = {key: fields.pop(key) for key in ("labels", "annotations") if key in fields}
    return obj(kind, name, namespace, api_version, metadata=metadata, **fields)


Told = TypeVar("Told", Hole, Case)


def in_red_and_blue(table: list[Told]) -> list[Told]:
    """Return a table about red, which acts, and blue."""
    return [replace(item, world=RED_BLUE) for item in table]


# --- tenants ----------------------------------------------------------------------------------------------------------

POD_RIGHTS = rule("create get list delete", "pods")


def namespace(name: str, profile: str = "", **labels: str) -> Body:
    owned = {"tenant": name} if name in TENANTS else {}
    return safe_clusters.space(name, profile, **owned, **labels)


def rights(tenant: str, *rules: Body, inside: str = "") -> list[Body]:
    """A role of a tenant's group in a namespace (its own when not named)."""
    home = inside or tenant
    name = f"{tenant}-{len(rules)}-{home}"
    return [role(name, home, *rules), bind(name, f"Role/{name}", f"group:{tenant}", namespace=home)]


def world(*objects: Body | list[Body], profile: str = "") -> list[Body]:
    """Two tenants that may create pods in their namespaces, and further objects; later ones replace earlier ones."""
    bodies: list[Body] = [namespace(OPERATOR_NAMESPACE), namespace(SRIOV_NAMESPACE)]
    for tenant in TENANTS:
        bodies += [namespace(tenant, profile), *rights(tenant, POD_RIGHTS)]
    for item in objects:
        bodies += item if isinstance(item, list) else [item]
    return bodies


def guard(name: str, expression: str, *resources: str, group: str = "") -> list[Body]:
    """An admission policy that refuses what does not satisfy a CEL expression, in namespaces of tenants."""
    selected = {"namespaceSelector": {"matchExpressions": [{"key": "tenant", "operator": "Exists"}]}}
    return safe_clusters.guard(name, expression, resources=resources or ("pods",), groups=[group], constraints=selected)


def no(tenant: str, resource: str) -> Body:
    """A quota that grants none of a resource."""
    return quota(tenant, "devices", **{f"requests.{resource}": "0"})


def pod(tenant: str, name: str = "work", limits: Mapping[str, str] | None = None, **fields: Any) -> Body:
    annotations = fields.pop("annotations", {})
    container: Body = {"name": "main", "image": "registry.example.com/main:1", **fields.pop("container", {})}
    if limits:
        container["resources"] = {"limits": dict(limits), "requests": dict(limits)}
    return manifest("v1", "Pod", name, tenant, annotations=annotations, spec={"containers": [container], **fields})


# --- nodes and operators ----------------------------------------------------------------------------------------------


def node(name: str = "gpu-1", *, taint: str = "", allocatable: Mapping[str, str] | None = None, **labels: str) -> Body:
    key, _, value = taint.partition("=")
    spec = {"taints": [{"key": key, "value": value, "effect": "NoSchedule"}]} if taint else {}
    status = {"allocatable": dict(allocatable)} if allocatable is not None else {}
    return manifest("v1", "Node", name, labels=dict(labels), spec=spec, status=status)


def labelled_node(name: str, labels: Mapping[str, str], taint: str = "") -> Body:
    return {**node(name, taint=taint), "metadata": {"name": name, "labels": dict(labels)}}


def subscription(csv: str = "gpu-operator-certified.v26.7.0", channel: str = "v26.7") -> Body:
    spec = {"name": "gpu-operator-certified", "channel": channel, "source": "certified-operators"}
    if csv:
        spec["startingCSV"] = csv
    return manifest("operators.coreos.com/v1alpha1", "Subscription", "gpu", OPERATOR_NAMESPACE, spec=spec)


def cluster_policy(**spec: Any) -> Body:
    return manifest("nvidia.com/v1", "ClusterPolicy", "gpu-cluster-policy", spec=spec)


def toolkit(**variables: str) -> Body:
    """A part of a ClusterPolicy: variables of the container toolkit."""
    return {"enabled": True, "env": [{"name": name, "value": value} for name, value in variables.items()]}


def plugin_config(**texts: str) -> Body:
    data = {key.replace("_", "-"): value for key, value in texts.items()}
    return manifest("v1", "ConfigMap", "plugin", OPERATOR_NAMESPACE, data=data)


SLICED = """version: v1
sharing:
  timeSlicing:
    renameByDefault: true
    resources:
      - name: nvidia.com/gpu
        replicas: 4
"""
MPS = SLICED.replace("timeSlicing", "mps")
UNSHARED = "version: v1\n# timeSlicing: is not used here\n"
CDI = {"enabled": True, "nriPluginEnabled": False}


# --- secondary networks -----------------------------------------------------------------------------------------------


def network_definition(home: str, name: str = "net", resource: str = "", **config: Any) -> Body:
    annotations = {"k8s.v1.cni.cncf.io/resourceName": resource} if resource else {}
    written = json.dumps({"cniVersion": "0.3.1", "name": name, **config})
    return manifest(
        "k8s.cni.cncf.io/v1",
        "NetworkAttachmentDefinition",
        name,
        home,
        annotations=annotations,
        spec={"config": written},
    )


def sriov_network(tenant: str, vlan: int | None = 100, resource: str = "fast", **spec: Any) -> Body:
    fields = {"resourceName": resource, "networkNamespace": tenant, "spoofChk": "on", "trust": "off", **spec}
    if vlan is not None:
        fields["vlan"] = vlan
    api = "sriovnetwork.openshift.io/v1"
    return manifest(api, "SriovNetwork", f"{tenant}-{resource}", SRIOV_NAMESPACE, spec=fields)


def node_policy(resource: str = "fast", name: str = "", **spec: Any) -> Body:
    api = "sriovnetwork.openshift.io/v1"
    fields = {
        "resourceName": resource,
        "nodeSelector": {"pool": "a"},
        "nicSelector": {"vendor": "15b3", "deviceID": "1021"},
        "numVfs": 8,
        "deviceType": "netdevice",
        **spec,
    }
    return manifest(api, "SriovNetworkNodePolicy", name or resource, SRIOV_NAMESPACE, spec=fields)


def pool_config(mode: str, **labels: str) -> Body:
    api = "sriovnetwork.openshift.io/v1"
    spec = {"nodeSelector": {"matchLabels": labels or {"pool": "a"}}, "rdmaMode": mode}
    return manifest(api, "SriovNetworkPoolConfig", f"pool-{mode}", SRIOV_NAMESPACE, spec=spec)


# --- asking -----------------------------------------------------------------------------------------------------------


def view(
    bodies: Iterable[Body],
    facts: Mapping[str, str | bool] | None = None,
    strength: Strength = Strength.ADVERSARIAL,
    *,
    without: Iterable[Body] = (),
    live: bool = False,
) -> View:
    gone = {key_of(body) for body in without}
    kept = [body for body in bodies if key_of(body) not in gone]
    return RED_BLUE.view(list(kept), facts=facts, strength=strength, live=live)


def claims(channel: str, seen: View) -> tuple[Claim, ...]:
    return verify(seen, [item for item in CHANNELS if item.id == channel])


def of_red(channel: str, seen: View) -> Claim:
    """The worst claim about red acting on blue."""
    return worst(seen, channel, RED_BLUE)
