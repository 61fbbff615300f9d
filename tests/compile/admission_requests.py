"""Requests of tenants: what must pass every guard, and the smallest objects that each guard is there to refuse."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

from admission_server import Request
from builders import ClusterBuilder, cluster

Body = dict[str, Any]
TENANT = "tenantry.dev/tenant"
POOL_TOLERATION = {"key": "tenantry.dev/pool", "operator": "Equal", "value": "training", "effect": "NoSchedule"}
VARIABLE = "NVIDIA_VISIBLE_DEVICES"
CONTROLLER: Body = {"user": "system:serviceaccount:kube-system:job-controller", "groups": ("system:serviceaccounts",)}
BINDER: Body = {
    "user": "system:serviceaccount:kube-system:persistent-volume-binder",
    "groups": ("system:serviceaccounts",),
}
OPERATOR: Body = {"user": "system:serviceaccount:kai-scheduler:binder", "groups": ("system:serviceaccounts",)}
ADMIN: Body = {"user": "grace", "groups": ("platform-admins", "system:authenticated")}
OWN_ACCOUNT: Body = {"user": "system:serviceaccount:vision-dev:builder", "groups": ("system:serviceaccounts",)}
ARGO: Body = {
    "user": "system:serviceaccount:openshift-gitops:openshift-gitops-argocd-application-controller",
    "groups": ("system:serviceaccounts",),
}


def platform(scheduler: str = "kai", distribution: str = "openshift") -> ClusterBuilder:
    """Two tenants, two node pools, one fabric; vision has the pool training, two hosts and one storage class."""
    extra = {"controlPlaneUrl": "https://runai.example.com", "clusterId": "c1"} if scheduler == "runai" else {}
    return (
        cluster()
        .on(distribution)
        .scheduler(scheduler, **extra)
        .platform(ingressDomain="apps.example.com")
        .pool("training")
        .pool("serving", mig={"3g.71gb": 2})
        .fabric("roce", pools=["training"])
        .tenant(
            "vision",
            pool="training",
            guaranteed=4,
            namespaces=["vision-dev"],
            fabrics={"roce": 110},
            priorities=["batch"],
            network={"hosts": ["vision.example.org"], "fabrics": [{"name": "roce", "vlan": 110}]},
            storage=[{"class": "fast", "capacity": "1Ti"}],
        )
        .tenant("speech", pool="serving", slices={"3g.71gb": (2, 4)}, namespaces=["speech"], priorities=["production"])
    )


class Grants(NamedTuple):
    """What the Namespace of a test grants."""

    pools: str = "training"
    queues: str = "vision-training"
    priorities: str = "batch"
    hosts: str = "vision.apps.example.com,vision.example.org"
    networks: str = "vision-roce-rail0,vision-roce-rail1"
    storage_classes: str = "fast"


def namespace(grants: Grants | None = None, **labels: str) -> Body:
    """Return the Namespace vision-dev; ``grants=Grants(...)`` sets its annotations."""
    granted = grants or Grants()
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": "vision-dev",
            "labels": {
                "kubernetes.io/metadata.name": "vision-dev",
                TENANT: "vision",
                "pod-security.kubernetes.io/enforce": "restricted",
                **labels,
            },
            "annotations": {
                f"tenantry.dev/{name.replace('_', '-')}": value for name, value in granted._asdict().items()
            },
        },
    }


def pod(
    *,
    gpus: int = 0,
    labels: Body | None = None,
    annotations: Body | None = None,
    container: Body | None = None,
    **spec: Any,
) -> Body:
    """Return a pod that every guard admits unless the arguments say otherwise."""
    main: Body = {"name": "main", "image": "registry.example.com/app"}
    body: Body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "work", "namespace": "vision-dev"},
        "spec": {"containers": [main]},
    }
    if gpus:
        main["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}, "requests": {"nvidia.com/gpu": str(gpus)}}
        body["spec"].update(schedulerName="kai-scheduler", tolerations=[POOL_TOLERATION])
        body["metadata"]["labels"] = {"kai.scheduler/queue": "vision-training"}
    main.update(container or {})
    body["spec"].update(spec)
    if labels is not None:
        body["metadata"]["labels"] = labels
    if annotations is not None:
        body["metadata"]["annotations"] = annotations
    return body


def named(
    kind: str,
    api: str = "v1",
    name: str = "it",
    *,
    labels: Body | None = None,
    annotations: Body | None = None,
    **fields: Any,
) -> Body:
    """Return an object of any kind."""
    metadata: Body = {"name": name, "namespace": "vision-dev"}
    if labels is not None:
        metadata["labels"] = labels
    if annotations is not None:
        metadata["annotations"] = annotations
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


def create(resource: str, body: Body, **who: Any) -> Request:
    return Request(resource, body, namespace=who.pop("namespace", namespace()), **who)


def update(resource: str, old: Body, new: Body, **who: Any) -> Request:
    return Request(resource, new, old, namespace=who.pop("namespace", namespace()), **who)


def delete(resource: str, old: Body, **who: Any) -> Request:
    return Request(resource, None, old, namespace=who.pop("namespace", namespace()), **who)


def run_pod(body: Body, **who: Any) -> Request:
    return create("pods", body, **who)


def everywhere(**fields: Any) -> list[tuple[str, Body]]:
    """Return pods whose only, init or ephemeral container has these fields."""
    odd = {"name": "odd", "image": "x", **fields}
    found = [("container", pod(containers=[odd]))]
    found.append(("second container", pod(containers=[{"name": "main", "image": "x"}, odd])))
    found.append(("init container", pod(initContainers=[odd])))
    found.append(("ephemeral container", pod(ephemeralContainers=[odd])))
    return found


def changed(body: Body, **spec: Any) -> Body:
    """Return a copy with other fields in its spec."""
    copy = deepcopy(body)
    copy["spec"].update(spec)
    return copy


def service(**spec: Any) -> Body:
    return named("Service", spec={"selector": {"app": "web"}, "ports": [{"port": 80}], **spec})


def ingress(*, annotations: Body | None = None, **spec: Any) -> Body:
    rules = [{"host": "shop.vision.example.org", "http": {"paths": []}}]
    return named("Ingress", "networking.k8s.io/v1", annotations=annotations, spec={"rules": rules, **spec})


def route(**spec: Any) -> Body:
    return named("Route", "route.openshift.io/v1", "web", spec={"to": {"name": "web"}, **spec})


def http_route(**spec: Any) -> Body:
    rules = [{"backendRefs": [{"name": "web", "port": 80}]}]
    hostnames = ["api.vision.example.org"]
    return named("HTTPRoute", "gateway.networking.k8s.io/v1", spec={"hostnames": hostnames, "rules": rules, **spec})


def claim(**spec: Any) -> Body:
    base = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"}
    return named("PersistentVolumeClaim", spec={**base, **spec})


def monitor(kind: str = "ServiceMonitor", **spec: Any) -> Body:
    key = "endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"
    return named(kind, "monitoring.coreos.com/v1", spec={"selector": {}, key: [{"port": "metrics"}], **spec})


def budget(**spec: Any) -> Body:
    base = {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": {}}
    merged = {key: value for key, value in {**base, **spec}.items() if value is not None}
    return named("PodDisruptionBudget", "policy/v1", spec=merged)


def labelled(key: str, value: str) -> Body:
    body = namespace()
    body["metadata"]["labels"][key] = value
    return body


def on_namespace(new: Body | None, old: Body | None = None, resource: str = "namespaces", **who: Any) -> Request:
    return Request(resource, new, old, **who)


def with_annotation(key: str, value: str) -> Body:
    body = namespace()
    body["metadata"]["annotations"][key] = value
    return body


def without_label(key: str) -> Body:
    body = namespace()
    del body["metadata"]["labels"][key]
    return body


def plain(name: str = "scratch", **labels: str) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
    }
