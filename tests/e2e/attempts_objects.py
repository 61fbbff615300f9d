"""Objects other than pods at the edge of the guards that look at them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attempts import Body, Change, Deviation, Place, annotated, both, drop, labelled, named, put

from tenantry.compile.guards import grants
from tenantry.compile.guards.devices import DEVICE_VARIABLES
from tenantry.compile.guards.hosts import DNS_ANNOTATION, SECRET_ANNOTATIONS, SHARING_ANNOTATIONS
from tenantry.compile.guards.queues import CHOOSING_LABELS, GRANTS, KUEUE_QUEUE
from tenantry.model.spec import SchedulerType
from tenantry.safe.pods import plain_pod

RBAC = "rbac.authorization.k8s.io"


def thing(place: Place, api_version: str, kind: str, **content: Any) -> Body:
    """An object of a kind in a namespace."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "probe", "namespace": place.namespace},
        **content,
    }


def object_deviations(place: Place) -> list[tuple[Body, Deviation]]:
    """Every plain object with every way in which it is changed."""
    makers = (
        _services,
        _ingresses,
        _routes,
        _gateway_routes,
        _gateways,
        _claims,
        _budgets,
        _environment,
        _monitors,
        _workloads,
        _endpoints,
        _reserved,
        _labels,
    )
    return [pair for make in makers for pair in make(place)]


def _each(body: Body, row: str, changes: dict[str, Change]) -> Iterator[tuple[Body, Deviation]]:
    nothing: dict[str, Change] = {f"{body['kind']} as it is": lambda body: None}
    for deviation in named(row, {**nothing, **changes}):
        yield body, deviation


# --- what is reached from outside -------------------------------------------------------------------------------------


def _hosts(place: Place) -> list[str]:
    own, other = place.own(grants.HOSTS, "x.example.org"), place.foreign[grants.HOSTS]
    return [
        *(own, f"a.{own}", f"a.b.{own}", f"x{own}", f"x-{own}", own.upper(), other, f"{own}.evil.example"),
        *(f"*.{own}", "*.example.org", own.partition(".")[2], "example.org", f"a.{other}", "localhost"),
    ]


def _published(place: Place) -> dict[str, Change]:
    own, other = place.own(grants.HOSTS, "x.example.org"), place.foreign[grants.HOSTS]
    values = ["", own, f"a.{own}", other, f"{own},{other}", f"{own}, a.{own}", f" {own}", f"*.{own}", f"{own},"]
    return {f"DNS name {value!r}": annotated(DNS_ANNOTATION, value) for value in values}


def _services(place: Place) -> Iterator[tuple[Body, Deviation]]:
    body = thing(place, "v1", "Service", spec={"selector": {"app": "a"}, "ports": [{"port": 80}]})
    changes: dict[str, Change] = {
        f"type {kind}": put("spec", "type", value=kind) for kind in ("ClusterIP", "NodePort", "LoadBalancer", "")
    }
    changes["type ExternalName"] = both(
        put("spec", "type", value="ExternalName"), put("spec", "externalName", value="db.example.org")
    )
    changes["an external name, not of that type"] = put("spec", "externalName", value="db.example.org")
    for addresses in ([], ["10.0.0.7"], ["8.8.8.8", "8.8.4.4"]):
        changes[f"external addresses {addresses}"] = put("spec", "externalIPs", value=addresses)
    changes["a load balancer's address"] = put("spec", "loadBalancerIP", value="10.0.0.7")
    changes["headless"] = put("spec", "clusterIP", value="None")
    changes["no selector"] = drop("spec", "selector")
    yield from _each(body, "services", {**changes, **_published(place)})


def _ingresses(place: Place) -> Iterator[tuple[Body, Deviation]]:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    http = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    own = place.own(grants.HOSTS, "x.example.org")
    body = thing(place, "networking.k8s.io/v1", "Ingress", spec={"rules": [{"host": own, "http": http}]})
    changes: dict[str, Change] = {f"host {host}": put("spec", "rules", 0, "host", value=host) for host in _hosts(place)}
    changes["no host"] = drop("spec", "rules", 0, "host")
    changes["an empty host"] = put("spec", "rules", 0, "host", value="")
    changes["a second rule without host"] = put("spec", "rules", 1, value={"http": http})
    changes["a second rule of another"] = put("spec", "rules", 1, value={"host": place.foreign[grants.HOSTS]})
    changes["a default backend"] = put("spec", "defaultBackend", value=backend)
    changes["no rules, a default backend"] = both(put("spec", "defaultBackend", value=backend), drop("spec", "rules"))
    for hosts in ([own], [place.foreign[grants.HOSTS]], [own, f"*.{own}"], []):
        changes[f"tls {hosts}"] = put("spec", "tls", value=[{"hosts": hosts, "secretName": "cert"}])
    for key in (*SHARING_ANNOTATIONS, "nginx.ingress.kubernetes.io/configuration-snippet", "a-snippet", "x/server"):
        changes[f"annotation {key}"] = annotated(key, "x")
    for key in SECRET_ANNOTATIONS:
        for value in ("mine", f"{place.namespace}/mine", f"{place.other}/theirs", "/x", "", "a/b/c"):
            changes[f"annotation {key}={value}"] = annotated(key, value)
    changes["a class"] = put("spec", "ingressClassName", value="nginx")
    yield from _each(body, "ingresses", {**changes, **_published(place)})


def _routes(place: Place) -> Iterator[tuple[Body, Deviation]]:
    body = thing(place, "route.openshift.io/v1", "Route", spec={"to": {"kind": "Service", "name": "web"}})
    hosts = [*_hosts(place), "", f"probe-{place.namespace}.apps.example.com", f"probe-{place.other}.apps.example.com"]
    changes: dict[str, Change] = {f"host {host!r}": put("spec", "host", value=host) for host in hosts}
    changes[f"host *.probe-{place.namespace}"] = put("spec", "host", value=f"probe-{place.namespace}.*")
    for policy in ("None", "Subdomain", ""):
        changes[f"wildcard policy {policy}"] = put("spec", "wildcardPolicy", value=policy)
    changes["a subdomain"] = put("spec", "subdomain", value="x")
    changes["an empty subdomain"] = put("spec", "subdomain", value="")
    yield from _each(body, "routes", {**changes, **_published(place)})


def _gateway_routes(place: Place) -> Iterator[tuple[Body, Deviation]]:
    own, other = place.own(grants.HOSTS, "x.example.org"), place.foreign[grants.HOSTS]
    for kind in ("HTTPRoute", "GRPCRoute", "TLSRoute"):
        spec = {"hostnames": [own], "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]}
        body = thing(place, "gateway.networking.k8s.io/v1", kind, spec=spec)
        changes: dict[str, Change] = {f"host {host}": put("spec", "hostnames", value=[host]) for host in _hosts(place)}
        changes["no hosts"] = drop("spec", "hostnames")
        changes["an empty list of hosts"] = put("spec", "hostnames", value=[])
        changes["a good host, then another's"] = put("spec", "hostnames", value=[own, other])
        for home in (place.namespace, place.other, ""):
            changes[f"backend in {home!r}"] = put("spec", "rules", 0, "backendRefs", 0, "namespace", value=home)
        changes["no rules"] = drop("spec", "rules")
        changes["a filter that mirrors"] = put("spec", "rules", 0, "filters", value=[{"type": "RequestMirror"}])
        changes["hosts that are no list"] = put("spec", "hostnames", value=own)
        yield from _each(body, "gateway-routes", {**changes, **_published(place)})


def _gateways(place: Place) -> Iterator[tuple[Body, Deviation]]:
    own = place.own(grants.HOSTS, "x.example.org")
    listener = {"name": "web", "port": 80, "protocol": "HTTP", "hostname": own}
    body = thing(
        place, "gateway.networking.k8s.io/v1", "Gateway", spec={"gatewayClassName": "a", "listeners": [listener]}
    )
    changes: dict[str, Change] = {
        f"host {host}": put("spec", "listeners", 0, "hostname", value=host) for host in _hosts(place)
    }
    changes["no host"] = drop("spec", "listeners", 0, "hostname")
    changes["an empty host"] = put("spec", "listeners", 0, "hostname", value="")
    changes["no listeners"] = drop("spec", "listeners")
    changes["a second listener without host"] = put("spec", "listeners", 1, value={"name": "b", "port": 81})
    yield from _each(body, "gateways", {**changes, **_published(place)})


# --- storage and life -------------------------------------------------------------------------------------------------


def _claims(place: Place) -> Iterator[tuple[Body, Deviation]]:
    own, other = place.own(grants.STORAGE_CLASSES), place.foreign[grants.STORAGE_CLASSES]
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": own,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    body = thing(place, "v1", "PersistentVolumeClaim", spec=spec)
    changes: dict[str, Change] = {
        f"class {name!r}": put("spec", "storageClassName", value=name) for name in (own, other, "", f"{own}x")
    }
    changes["no class"] = drop("spec", "storageClassName")
    for name in ("", "pv-1"):
        changes[f"volume {name!r}"] = put("spec", "volumeName", value=name)
    changes["a selector"] = put("spec", "selector", value={"matchLabels": {"a": "b"}})
    changes["an empty selector"] = put("spec", "selector", value={})
    source = {"kind": "PersistentVolumeClaim", "name": "other"}
    for home in (place.namespace, place.other, "", None):
        value = {**source, **({} if home is None else {"namespace": home})}
        changes[f"a source in {home!r}"] = put("spec", "dataSourceRef", value=value)
    changes["a source of old"] = put("spec", "dataSource", value=source)
    changes["a block device"] = put("spec", "volumeMode", value="Block")
    yield from _each(body, "storage-claims", changes)


def _budgets(place: Place) -> Iterator[tuple[Body, Deviation]]:
    spec = {
        "selector": {"matchLabels": {"a": "b"}},
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    body = thing(place, "policy/v1", "PodDisruptionBudget", spec=spec)
    changes: dict[str, Change] = {
        f"maxUnavailable {value!r}": put("spec", "maxUnavailable", value=value)
        for value in (0, 1, 5, "0%", "1%", "00%", "100%", "0", "50%")
    }
    less = drop("spec", "maxUnavailable")
    changes["neither"] = less
    for value in (0, 1, "0%", "100%"):
        changes[f"minAvailable {value!r}"] = both(less, put("spec", "minAvailable", value=value))
    for policy in ("AlwaysAllow", "IfHealthyBudget", None):
        change = drop("spec", "unhealthyPodEvictionPolicy") if policy is None else _policy(policy)
        changes[f"unhealthy pods {policy}"] = change
    yield from _each(body, "disruption-budgets", changes)


def _policy(policy: str) -> Change:
    return put("spec", "unhealthyPodEvictionPolicy", value=policy)


def _environment(place: Place) -> Iterator[tuple[Body, Deviation]]:
    keys = (*DEVICE_VARIABLES, "NVIDIA_DRIVER_CAPABILITIES", "nvidia_visible_devices", "A")
    changes: dict[str, Change] = {f"key {key}": put("data", key, value="YWxs") for key in keys}
    yield from _each(thing(place, "v1", "ConfigMap", data={"a": "b"}), "device-environment", changes)
    changes |= {f"text {key}": put("stringData", key, value="all") for key in keys}
    changes["no data"] = drop("data")
    yield from _each(thing(place, "v1", "Secret", data={"a": "Yg=="}), "device-environment", changes)


def _monitors(place: Place) -> Iterator[tuple[Body, Deviation]]:
    for kind, endpoints in (("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")):
        spec = {"selector": {"matchLabels": {"a": "b"}}, endpoints: [{"port": "web"}]}
        body = thing(place, "monitoring.coreos.com/v1", kind, spec=spec)
        changes: dict[str, Change] = {
            f"namespaces {names}": put("spec", "namespaceSelector", "matchNames", value=names)
            for names in ([], [place.namespace], [place.other], [place.namespace, place.other])
        }
        for any_of_them in (True, False):
            changes[f"any namespace {any_of_them}"] = put("spec", "namespaceSelector", "any", value=any_of_them)
        changes["an empty selector"] = put("spec", "namespaceSelector", value={})
        if kind == "ServiceMonitor":
            for value in ("", "/var/run/secrets/token"):
                changes[f"token file {value!r}"] = put("spec", endpoints, 0, "bearerTokenFile", value=value)
            for field in ("caFile", "certFile", "keyFile"):
                for value in ("", "/etc/ca.crt"):
                    changes[f"{field} {value!r}"] = put("spec", endpoints, 0, "tlsConfig", field, value=value)
        changes["a second endpoint"] = put("spec", endpoints, 1, value={"port": "other", "path": "/x"})
        yield from _each(body, f"{kind.lower()}s", changes)


# --- workloads --------------------------------------------------------------------------------------------------------


def _workloads(place: Place) -> Iterator[tuple[Body, Deviation]]:
    spec = {**plain_pod("")["spec"], "restartPolicy": "Never"}
    labels = {"app": "probe"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    always = {"metadata": {"labels": labels}, "spec": {**spec, "restartPolicy": "Always"}}
    chosen = {"matchLabels": labels}
    bodies: list[tuple[Body, tuple[str, ...]]] = [
        (thing(place, "batch/v1", "Job", spec={"template": template}), ()),
        (thing(place, "apps/v1", "Deployment", spec={"selector": chosen, "template": always}), ()),
        (
            thing(place, "apps/v1", "StatefulSet", spec={"selector": chosen, "serviceName": "a", "template": always}),
            (),
        ),
        (
            thing(
                place,
                "batch/v1",
                "CronJob",
                spec={"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template}}},
            ),
            ("jobTemplate", "spec"),
        ),
    ]
    for body, above in bodies:
        inside: tuple[str | int, ...] = ("spec", *above, "template", "spec", "containers", 0, "resources")
        gpus = put(*inside, value={"limits": {place.gpu: "1"}})
        changes: dict[str, Change] = {"GPUs": gpus}
        for queue in (place.own(grants.QUEUES), place.foreign[grants.QUEUES], ""):
            changes[f"GPUs and queue {queue!r}"] = both(gpus, labelled(KUEUE_QUEUE, queue))
            changes[f"queue {queue!r}"] = labelled(KUEUE_QUEUE, queue)
        changes["GPUs of an init container"] = put(
            "spec",
            *above,
            "template",
            "spec",
            "initContainers",
            value=[{"name": "i", "image": "registry.example.com/i:1", "resources": {"limits": {place.gpu: "1"}}}],
        )
        changes["privileged, in the template"] = put(
            "spec", *above, "template", "spec", "containers", 0, "securityContext", "privileged", value=True
        )
        yield from _each(body, "queued-workloads", changes)


def _endpoints(place: Place) -> Iterator[tuple[Body, Deviation]]:
    addresses = [{"addresses": ["10.1.2.3"]}]
    piece = thing(place, "discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4", endpoints=addresses, ports=[])
    yield from _each(piece, "endpoints", {"of a service": labelled("kubernetes.io/service-name", "web")})
    old = thing(place, "v1", "Endpoints", subsets=[{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}])
    yield from _each(old, "endpoints", {})


# --- kinds of the platform --------------------------------------------------------------------------------------------


def reserved(place: Place) -> list[Body]:
    """Objects of kinds that only the platform writes."""
    everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    # Nobody is in this group: some tests really make the binding.
    subject = [{"kind": "Group", "apiGroup": RBAC, "name": "nobody-is-in-it"}]
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"}
    layer = {"topology": "Layer2", "layer2": {"role": "Secondary", "subnets": ["10.9.0.0/16"]}}
    return [
        thing(place, "v1", "LimitRange", spec={"limits": []}),
        thing(place, "v1", "ResourceQuota", spec={"hard": {"pods": "1000"}}),
        thing(place, "networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "ingress": [{}]}),
        thing(place, f"{RBAC}/v1", "Role", rules=everything),
        thing(place, f"{RBAC}/v1", "RoleBinding", roleRef=role, subjects=subject),
        thing(place, "k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", spec={"config": "{}"}),
        thing(place, "k8s.cni.cncf.io/v1beta1", "MultiNetworkPolicy", spec={"podSelector": {}}),
        thing(place, "k8s.ovn.org/v1", "UserDefinedNetwork", spec=layer),
        thing(
            place,
            "k8s.ovn.org/v1",
            "EgressFirewall",
            spec={"egress": [{"type": "Allow", "to": {"cidrSelector": "0.0.0.0/0"}}]},
        ),
        thing(place, "sriovnetwork.openshift.io/v1", "SriovNetwork", spec={"resourceName": "x"}),
        thing(place, "kueue.x-k8s.io/v1beta2", "LocalQueue", spec={"clusterQueue": "other"}),
        thing(place, "resource.k8s.io/v1", "ResourceClaim", spec={"devices": {}}),
        thing(place, "resource.k8s.io/v1", "ResourceClaimTemplate", spec={"spec": {"devices": {}}}),
        thing(place, "operators.coreos.com/v1", "OperatorGroup", spec={}),
        thing(place, "gateway.networking.k8s.io/v1", "ReferenceGrant", spec={"from": [], "to": []}),
        thing(place, "scheduling.run.ai/v2alpha2", "PodGroup", spec={"minMember": 1, "queue": "other"}),
        # Not reserved, but not a tenant's either.
        thing(place, "kueue.x-k8s.io/v1beta2", "Workload", spec={"podSets": []}),
        thing(place, "v1", "ServiceAccount"),
        thing(place, "apps/v1", "ReplicaSet", spec={"selector": {"matchLabels": {"a": "b"}}, "template": _template()}),
        thing(place, "apps/v1", "DaemonSet", spec={"selector": {"matchLabels": {"a": "b"}}, "template": _template()}),
    ]


def _template() -> Body:
    return {"metadata": {"labels": {"a": "b"}}, "spec": plain_pod("")["spec"]}


def _reserved(place: Place) -> Iterator[tuple[Body, Deviation]]:
    for body in reserved(place):
        yield from _each(body, "reserved-kinds", {})


def _labels(place: Place) -> Iterator[tuple[Body, Deviation]]:
    """Objects of several kinds with labels by which queues are chosen."""
    bodies = [
        thing(place, "v1", "ConfigMap"),
        thing(place, "v1", "ServiceAccount"),
        thing(place, "ray.io/v1", "RayCluster", spec={}),
        thing(place, "apps/v1", "Deployment", spec={"selector": {"matchLabels": {"a": "b"}}, "template": _template()}),
    ]
    changes: dict[str, Change] = {}
    for scheduler in SchedulerType:
        for key, grant in CHOOSING_LABELS[scheduler]:
            for value in (place.own(GRANTS[grant]), place.foreign[GRANTS[grant]], "", "x"):
                changes[f"{key}={value}"] = labelled(key, value)
    for body in bodies:
        yield from _each(body, "queue-labels", changes)
