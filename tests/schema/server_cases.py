"""Objects that a real API server refuses or takes for what it checks in Go; end-to-end tests ask one about them."""

from __future__ import annotations

from typing import Any

from schema_data import container, pod, thing

from tenantry.model.manifest import Body

MAIN = ("spec", "containers", 0)
SECURITY = "pod-security.kubernetes.io/"
ROLE = "rbac.authorization.k8s.io"
NUMBERS = [{"port": 80}, {"port": 81}]
TEMPLATE: Body = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container()]}}


def meta(**fields: Any) -> Body:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **fields}}


def role(rule: Body, kind: str = "Role") -> Body:
    return thing(f"{ROLE}/v1", kind, rules=[{"verbs": ["get"], **rule}])


def binding(kind_of_binding: str = "RoleBinding", **subject: Any) -> Body:
    reference = {"apiGroup": ROLE, "kind": "ClusterRole", "name": "view"}
    return thing(f"{ROLE}/v1", kind_of_binding, roleRef=reference, subjects=[{"name": "a", **subject}])


def peers(*found: Body) -> Body:
    return thing("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "ingress": [{"from": list(found)}]})


def selecting(**requirement: Any) -> Body:
    return peers({"podSelector": {"matchExpressions": [{"key": "a", **requirement}]}})


def limits(**item: Any) -> Body:
    return thing("v1", "LimitRange", spec={"limits": [{"type": "Container", **item}]})


def service(**spec: Any) -> Body:
    return thing("v1", "Service", "a", spec=spec)


def claim(**spec: Any) -> Body:
    amount = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return thing("v1", "PersistentVolumeClaim", spec={**amount, **spec})


PEER = ("spec", "ingress", 0, "from", 0)
ASKED = (*PEER, "podSelector", "matchExpressions", 0)
LIMIT = ("spec", "limits", 0)

REFUSED: list[tuple[str, Body, list[tuple[str, tuple[str | int, ...]]]]] = [
    ("finalizer without a name", meta(finalizers=[""]), [("RANGE", ("metadata", "finalizers", 0))]),
    ("prefix that names cannot have", meta(generateName="Bad_"), [("NAME", ("metadata", "generateName"))]),
    (
        "owner without a uid",
        meta(ownerReferences=[{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": ""}]),
        [("RANGE", ("metadata", "ownerReferences", 0, "uid"))],
    ),
    ("key that no file can have", thing("v1", "ConfigMap", data={"a/b": "x"}), [("PATTERN", ("data", "a/b"))]),
    (
        "level of security that is none",
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "a", "labels": {f"{SECURITY}enforce": "strict"}},
        },
        [("ENUM", ("metadata", "labels", f"{SECURITY}enforce"))],
    ),
    (
        "version of security that is none",
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "a", "labels": {f"{SECURITY}warn-version": "1.30"}},
        },
        [("ENUM", ("metadata", "labels", f"{SECURITY}warn-version"))],
    ),
    (
        "deployment of anything",
        thing("apps/v1", "Deployment", spec={"selector": {}, "template": TEMPLATE}),
        [("COMBINATION", ("spec", "selector"))],
    ),
    ("runtime class without a name", pod(runtimeClassName=""), [("RANGE", ("spec", "runtimeClassName"))]),
    ("container without an image", pod({"name": "a"}), [("REQUIRED", (*MAIN, "image"))]),
    ("container with a name in capitals", pod(container() | {"name": "Main"}), [("PATTERN", (*MAIN, "name"))]),
    ("volume whose name is a map", pod(volumes=[{"name": {}}]), [("TYPE", ("spec", "volumes", 0, "name"))]),
    (
        "value from two places",
        pod(container(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])),
        [("COMBINATION", (*MAIN, "env", 0))],
    ),
    (
        "two volumes in one",
        pod(volumes=[{"name": "a", "emptyDir": {}, "configMap": {"name": "a"}}]),
        [("COMBINATION", ("spec", "volumes", 0))],
    ),
    (
        "port of a probe beyond all ports",
        pod(container(livenessProbe={"httpGet": {"port": 65536}})),
        [("RANGE", (*MAIN, "livenessProbe", "httpGet", "port"))],
    ),
    (
        "toleration of every value with a value",
        pod(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
        [("RANGE", ("spec", "tolerations", 0, "value"))],
    ),
    (
        "seconds on a toleration that evicts nobody",
        pod(tolerations=[{"key": "a", "value": "b", "effect": "NoSchedule", "tolerationSeconds": 5}]),
        [("ENUM", ("spec", "tolerations", 0, "effect"))],
    ),
    (
        "set of pods that end",
        thing(
            "apps/v1",
            "Deployment",
            spec={
                "selector": {"matchLabels": {"app": "a"}},
                "template": {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}},
            },
        ),
        [("ENUM", ("spec", "template", "spec", "restartPolicy"))],
    ),
    (
        "job of pods that never end",
        thing("batch/v1", "Job", spec={"template": TEMPLATE}),
        [("REQUIRED", ("spec", "template", "spec", "restartPolicy"))],
    ),
    (
        "same taint twice",
        thing(
            "v1",
            "Node",
            spec={"taints": [{"key": "a", "value": value, "effect": "NoSchedule"} for value in ("x", "y")]},
        ),
        [("DUPLICATE-KEY", ("spec", "taints", 1))],
    ),
    ("selection without values", selecting(operator="In"), [("REQUIRED", (*ASKED, "values"))]),
    ("selection of all with values", selecting(operator="Exists", values=["a"]), [("RANGE", (*ASKED, "values"))]),
    ("peer that is nobody", peers({}), [("COMBINATION", PEER)]),
    (
        "range of addresses that is none",
        peers({"ipBlock": {"cidr": "10.0.0.0"}}),
        [("PATTERN", (*PEER, "ipBlock", "cidr"))],
    ),
    ("rule about nothing", role({"apiGroups": [""]}), [("REQUIRED", ("rules", 0, "resources"))]),
    ("user of another group", binding(kind="User", apiGroup="v1"), [("ENUM", ("subjects", 0, "apiGroup"))]),
    (
        "account without a namespace",
        binding("ClusterRoleBinding", kind="ServiceAccount"),
        [("REQUIRED", ("subjects", 0, "namespace"))],
    ),
    ("ports without names", service(ports=NUMBERS), [("REQUIRED", ("spec", "ports", at, "name")) for at in (0, 1)]),
    ("service without ports", service(selector={"a": "b"}), [("REQUIRED", ("spec", "ports"))]),
    ("claim of nothing", claim(resources={}), [("REQUIRED", ("spec", "resources", "requests"))]),
    ("claim nobody may read", claim(accessModes=[]), [("RANGE", ("spec", "accessModes"))]),
    (
        "share that is no share",
        thing("policy/v1", "PodDisruptionBudget", spec={"minAvailable": "half"}),
        [("PATTERN", ("spec", "minAvailable"))],
    ),
    (
        "half a job",
        thing("v1", "ResourceQuota", spec={"hard": {"count/jobs.batch": "500m"}}),
        [("QUANTITY", ("spec", "hard", "count/jobs.batch"))],
    ),
    (
        "default below the request",
        limits(default={"cpu": "1"}, defaultRequest={"cpu": "2"}),
        [("QUANTITY", (*LIMIT, "defaultRequest", "cpu"))],
    ),
    (
        "default above the largest",
        limits(default={"cpu": 2}, max={"cpu": 1}),
        [("QUANTITY", (*LIMIT, "default", "cpu"))],
    ),
    (
        "default of a pod",
        thing("v1", "LimitRange", spec={"limits": [{"type": "Pod", "default": {"cpu": "1"}}]}),
        [("COMBINATION", (*LIMIT, "default"))],
    ),
    ("limit of an unknown thing", limits(max={"gpu": "1"}), [("QUANTITY", (*LIMIT, "max", "gpu"))]),
    (
        "limits of one type twice",
        thing("v1", "LimitRange", spec={"limits": [{"type": "Container"}, {"type": "Container"}]}),
        [("DUPLICATE-KEY", ("spec", "limits", 1, "type"))],
    ),
    (
        "limits of a type that is none",
        thing("v1", "LimitRange", spec={"limits": [{"type": "Containers"}]}),
        [("ENUM", (*LIMIT, "type"))],
    ),
    (
        "secret of an account without a name",
        thing("v1", "ServiceAccount", secrets=[{}]),
        [("REQUIRED", ("secrets", 0))],
    ),
]

TAKEN: list[tuple[str, Body]] = [
    ("prefix that ends in a dash", meta(generateName="a-")),
    (
        "empty value beside a reference",
        pod(container(env=[{"name": "A", "value": "", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}])),
    ),
    ("volume of no kind", pod(volumes=[{"name": "a"}])),
    ("toleration of everything", pod(tolerations=[{"operator": "Exists"}])),
    ("class that is empty", pod(priorityClassName="")),
    ("rule about paths", role({"nonResourceURLs": ["/metrics"]}, "ClusterRole")),
    ("account of the binding's own namespace", binding(kind="ServiceAccount")),
    ("account in a namespace", binding(kind="ServiceAccount", namespace="team")),
    ("service by name outside", service(type="ExternalName", externalName="db.example.com")),
    ("service without an address", service(clusterIP="None", selector={"a": "b"})),
    ("service with one port without a name", service(ports=NUMBERS[:1])),
    ("budget of nothing", thing("policy/v1", "PodDisruptionBudget", spec={})),
    ("budget named as no other object may be", thing("policy/v1", "PodDisruptionBudget", "A_b", spec={})),
    ("limits that fit", limits(min={"cpu": "1"}, defaultRequest={"cpu": "1"}, default={"cpu": "2"}, max={"cpu": "2"})),
    ("limits of devices", limits(max={"nvidia.com/gpu": "8"})),
]
