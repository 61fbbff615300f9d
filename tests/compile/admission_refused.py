"""Ways out of a tenant's namespace, each the smallest request that takes it, and the guard that closes it."""

from __future__ import annotations

from admission_requests import (
    ADMIN,
    ARGO,
    OWN_ACCOUNT,
    POOL_TOLERATION,
    VARIABLE,
    Body,
    Grants,
    budget,
    changed,
    claim,
    create,
    delete,
    everywhere,
    http_route,
    ingress,
    labelled,
    monitor,
    named,
    namespace,
    on_namespace,
    plain,
    pod,
    route,
    run_pod,
    service,
    update,
    with_annotation,
    without_label,
)
from admission_server import Request

Refused = tuple[str, str, Request]


def device_rows() -> list[Refused]:
    rows: list[Refused] = []
    for where, body in everywhere(env=[{"name": "A", "value": "1"}, {"name": VARIABLE, "value": "all"}]):
        rows.append((f"every GPU of the node by variable of the {where}", "devices", run_pod(body)))
    for where, body in everywhere(volumeMounts=[{"name": "v", "mountPath": "/var/run/nvidia-container-devices/all"}]):
        rows.append((f"a GPU by mount of the {where}", "devices", run_pod(body)))
    for where, body in everywhere(envFrom=[{"prefix": "NVIDIA_VISIBLE_", "configMapRef": {"name": "c"}}]):
        rows.append((f"a variable put together by envFrom of the {where}", "devices", run_pod(body)))
    singles: dict[str, Body] = {
        "the NVIDIA runtime": pod(runtimeClassName="nvidia"),
        "the NVIDIA runtime for a pod that has GPUs": pod(gpus=1, runtimeClassName="nvidia-cdi"),
        "a runtime class of another name": pod(runtimeClassName="accelerated"),
        "a device variable from a secret": pod(
            container={"env": [{"name": VARIABLE, "valueFrom": {"secretKeyRef": {}}}]}
        ),
        "a device variable given by index": pod(container={"env": [{"name": VARIABLE, "value": "0"}]}),
        "the second of two values": pod(
            container={"env": [{"name": VARIABLE, "value": "void"}, {"name": VARIABLE, "value": "all"}]}
        ),
        "an IMEX channel": pod(container={"env": [{"name": "NVIDIA_IMEX_CHANNELS", "value": "0"}]}),
        "the right to change MIG": pod(container={"env": [{"name": "NVIDIA_MIG_CONFIG_DEVICES", "value": "all"}]}),
        "RDMA devices of the node": pod(container={"env": [{"name": "NVIDIA_MOFED", "value": "enabled"}]}),
        "a GPU by annotation of the NRI plugin": pod(
            annotations={"nvidia.cdi.k8s.io/container.main": "nvidia.com/gpu=0"}
        ),
        "a GPU by CDI annotation": pod(annotations={"cdi.k8s.io/gpu": "nvidia.com/gpu=all"}),
        "a fraction of a GPU": pod(gpus=0, annotations={"gpu-fraction": "0.5"}),
        "a share of GPU memory": pod(annotations={"gpu-memory": "4096"}),
        "a resource claim": pod(resourceClaims=[{"name": "gpu", "resourceClaimName": "gpu"}]),
    }
    rows.extend((name, "devices", run_pod(body)) for name, body in singles.items())
    debug = changed(pod(), ephemeralContainers=[{"name": "d", "env": [{"name": VARIABLE, "value": "all"}]}])
    rows.append(("a GPU for a debug container", "devices", update("pods/ephemeralcontainers", pod(), debug)))
    later = pod(annotations={"cdi.k8s.io/gpu": "nvidia.com/gpu=all"})
    rows.append(("a device annotation added later", "devices", update("pods", pod(), later)))
    kinds = {
        "configmaps": named("ConfigMap", data={VARIABLE: "all"}),
        "secrets": named("Secret", data={VARIABLE: "YWxs"}),
    }
    rows.extend(
        (f"a device variable in {kind}", "device-environment", create(kind, body)) for kind, body in kinds.items()
    )
    written = named("Secret", stringData={VARIABLE: "all"})
    rows.append(("a device variable as text", "device-environment", create("secrets", written)))
    return rows


def scheduling_rows() -> list[Refused]:
    queue = "kai.scheduler/queue"
    tolerations: dict[str, Body] = {
        "the pool of another tenant": {**POOL_TOLERATION, "value": "serving"},
        "any pool": {"key": "tenantry.dev/pool", "operator": "Exists"},
        "any taint": {"operator": "Exists"},
        "any taint, with an empty key": {"key": "", "operator": "Exists"},
        "the control plane": {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"},
        "cordoned nodes": {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"},
        "a pool without value": {"key": "tenantry.dev/pool"},
        "a comma, which lists have": {**POOL_TOLERATION, "value": "training,serving"},
    }
    rows: list[Refused] = [
        (f"tolerating {name}", "pools", run_pod(pod(tolerations=[POOL_TOLERATION, item])))
        for name, item in tolerations.items()
    ]
    bare = namespace(Grants(pools=""))
    rows += [
        (
            "a pool where none is granted",
            "pools",
            run_pod(pod(tolerations=[{**POOL_TOLERATION, "value": ""}]), namespace=bare),
        ),
        ("a toleration added later", "pools", update("pods", pod(), pod(tolerations=[{"operator": "Exists"}]))),
        ("a chosen node", "pools", run_pod(pod(nodeName="serving-0.example.com"))),
        ("GPUs on the default scheduler", "queues", run_pod(pod(gpus=1, schedulerName="default-scheduler"))),
        (
            "GPUs without scheduler",
            "queues",
            run_pod(pod(container={"resources": {"limits": {"nvidia.com/mig-1g.18gb": "1"}}})),
        ),
        (
            "GPUs of an init container",
            "queues",
            run_pod(pod(initContainers=[{"name": "i", "resources": {"requests": {"nvidia.com/gpu": "1"}}}])),
        ),
        ("a scheduler of its own", "queues", run_pod(pod(schedulerName="my-scheduler"))),
        ("the queue scheduler without queue", "queues", run_pod(pod(schedulerName="kai-scheduler"))),
        (
            "a queue made from a project label",
            "queues",
            run_pod(
                pod(schedulerName="kai-scheduler", labels={"project": "speech", "kai.scheduler/node-pool": "training"})
            ),
        ),
        (
            "an empty queue where none is granted",
            "queues",
            run_pod(pod(schedulerName="kai-scheduler"), namespace=namespace(Grants(queues=""))),
        ),
        ("a forged GPU group", "queues", run_pod(pod(labels={"runai-gpu-group": "g1"}))),
        ("a forged GPU group added later", "queues", update("pods", pod(), pod(labels={"runai-gpu-group/g1": "g1"}))),
        (
            "a forged GPU group by its own account",
            "queues",
            run_pod(pod(labels={"runai-gpu-group": "g1"}), **OWN_ACCOUNT),
        ),
        ("a priority nobody granted", "queues", run_pod(pod(priorityClassName="production"))),
        ("a priority of the system", "queues", run_pod(pod(priorityClassName="system-node-critical"))),
        (
            "another tenant's queue by label of a job",
            "queue-labels",
            create("batch/jobs", named("Job", "batch/v1", labels={queue: "speech-serving"})),
        ),
        (
            "another tenant's queue by label of a custom resource",
            "queue-labels",
            create("ray.io/rayclusters", named("RayCluster", "ray.io/v1", labels={queue: "speech-serving"})),
        ),
        (
            "a queue changed later",
            "queue-labels",
            update(
                "batch/jobs",
                named("Job", labels={queue: "vision-training"}),
                named("Job", labels={queue: "speech-serving"}),
            ),
        ),
        (
            "a priority by label",
            "queue-labels",
            create("apps/deployments", named("Deployment", "apps/v1", labels={"priorityClassName": "production"})),
        ),
        (
            "a pool by label",
            "queue-labels",
            create("apps/deployments", named("Deployment", "apps/v1", labels={"kai.scheduler/node-pool": "serving"})),
        ),
        (
            "the department's queue",
            "queue-labels",
            create("batch/jobs", named("Job", labels={queue: "research-training-dept"})),
        ),
    ]
    return rows


def network_rows() -> list[Refused]:
    key = "k8s.v1.cni.cncf.io/networks"
    values = {
        "another tenant's network": "speech-roce-rail0",
        "another namespace": "speech/vision-roce-rail0",
        "one good and one bad": "vision-roce-rail0,speech-roce-rail0",
        "an at sign that hides a slash": "vision-roce-rail0@a/b",
        "an empty item": "vision-roce-rail0,",
        "another network as JSON": '[{"name":"speech-roce-rail0"}]',
        "another namespace as JSON": '[{"name":"vision-roce-rail0","namespace":"speech"}]',
        "an address of its choice": '[{"name":"vision-roce-rail0","ips":["10.0.0.1/24"]}]',
        "a key in capitals, which Go reads too": '[{"name":"vision-roce-rail0","Namespace":"speech"}]',
        "a second name": '[{"name":"vision-roce-rail0","name":"speech-roce-rail0"}]',
        "an escaped name": '[{"name":"\\u0073peech-roce-rail0"}]',
        "no name": '[{"interface":"net1"}]',
        "one object of two without name": '[{"name":"vision-roce-rail0"},{"interface":"net1"}]',
        "no list": '{"name":"vision-roce-rail0"}',
        "a quoted text": '"vision-roce-rail0"',
        "an empty name": '[{"name":""}]',
    }
    rows: list[Refused] = [
        (f"networks: {name}", "networks", run_pod(pod(annotations={key: value}))) for name, value in values.items()
    ]
    none = namespace(Grants(networks=""))
    plugins = (
        "v1.multus-cni.io/default-network",
        "k8s.ovn.org/pod-networks",
        "k8s.ovn.org/open-default-ports",
        "cni.projectcalico.org/ipAddrs",
    )
    return [
        *rows,
        (
            "networks: any where none is granted",
            "networks",
            run_pod(pod(annotations={key: "vision-roce-rail0"}), namespace=none),
        ),
        ("networks changed later", "networks", update("pods", pod(), pod(annotations={key: "speech/x"}))),
        *((f"annotation {name}", "networks", run_pod(pod(annotations={name: "x"}))) for name in plugins),
        (
            "an address changed later",
            "networks",
            update("pods", pod(annotations={plugins[1]: "a"}), pod(annotations={plugins[1]: "b"})),
        ),
        ("a Service on every node", "services", create("services", service(type="NodePort"))),
        ("a load balancer", "services", create("services", service(type="LoadBalancer"))),
        (
            "an alias of another host",
            "services",
            create("services", service(type="ExternalName", externalName="api.speech.svc")),
        ),
        ("an address of another tenant's server", "services", create("services", service(externalIPs=["10.9.8.7"]))),
        ("an address added later", "services", update("services", service(), service(externalIPs=["10.9.8.7"]))),
        (
            "a DNS name of another tenant",
            "services",
            create(
                "services",
                named(
                    "Service",
                    spec={},
                    annotations={
                        "external-dns.alpha.kubernetes.io/hostname": "vision.example.org,speech.apps.example.com"
                    },
                ),
            ),
        ),
        ("endpoints by hand", "endpoints", create("endpoints", named("Endpoints"))),
        ("an endpoint slice by hand", "endpoints", create("discovery.k8s.io/endpointslices", named("EndpointSlice"))),
        (
            "an endpoint slice from a tenant's repository",
            "endpoints",
            create("discovery.k8s.io/endpointslices", named("EndpointSlice"), **ARGO),
        ),
    ]


def host_rows() -> list[Refused]:
    ingresses: dict[str, Body] = {
        "another tenant's host": ingress(rules=[{"host": "speech.apps.example.com"}]),
        "a host that only ends alike": ingress(rules=[{"host": "evilvision.example.org"}]),
        "a wildcard": ingress(rules=[{"host": "*.vision.example.org"}]),
        "a rule without host": ingress(rules=[{"http": {"paths": []}}]),
        "a certificate for another host": ingress(tls=[{"hosts": ["speech.apps.example.com"]}]),
        "a default backend": ingress(rules=[], defaultBackend={"service": {"name": "web"}}),
        "a snippet": ingress(annotations={"nginx.ingress.kubernetes.io/configuration-snippet": "x"}),
        "an alias": ingress(annotations={"nginx.ingress.kubernetes.io/server-alias": "speech.apps.example.com"}),
        "a secret of another namespace": ingress(
            annotations={"nginx.ingress.kubernetes.io/auth-secret": "speech/users"}
        ),
        "a shared load balancer": ingress(annotations={"alb.ingress.kubernetes.io/group.name": "speech"}),
        "a DNS name": ingress(annotations={"external-dns.alpha.kubernetes.io/hostname": "speech.apps.example.com"}),
    }
    routes: dict[str, Body] = {
        "another tenant's host": route(host="speech.apps.example.com"),
        "another route's generated host": route(host="api-speech.apps.example.com"),
        "a wildcard": route(host="vision.example.org", wildcardPolicy="Subdomain"),
        "a star": route(host="*.vision.example.org"),
        "a subdomain": route(subdomain="speech"),
    }
    gateways: dict[str, Body] = {
        "every host": http_route(hostnames=[]),
        "another tenant's host": http_route(hostnames=["vision.example.org", "speech.apps.example.com"]),
        "a backend elsewhere": http_route(rules=[{"backendRefs": [{"name": "api", "namespace": "speech"}]}]),
    }
    listener = named("Gateway", spec={"listeners": [{"name": "all", "port": 80}]})
    dns = {"external-dns.alpha.kubernetes.io/hostname": "speech.apps.example.com"}
    published: dict[str, tuple[str, Body]] = {
        "routes": ("route.openshift.io/routes", named("Route", spec={}, annotations=dns)),
        "gateway-routes": (
            "gateway.networking.k8s.io/tlsroutes",
            named("TLSRoute", spec={"hostnames": ["vision.example.org"]}, annotations=dns),
        ),
        "gateways": ("gateway.networking.k8s.io/gateways", named("Gateway", spec={"listeners": []}, annotations=dns)),
    }
    return [
        *(
            (f"ingress: {name}", "ingresses", create("networking.k8s.io/ingresses", body))
            for name, body in ingresses.items()
        ),
        *((f"route: {name}", "routes", create("route.openshift.io/routes", body)) for name, body in routes.items()),
        *(
            (f"HTTP route: {name}", "gateway-routes", create("gateway.networking.k8s.io/httproutes", body))
            for name, body in gateways.items()
        ),
        ("gateway: every host", "gateways", create("gateway.networking.k8s.io/gateways", listener)),
        *(
            (f"a DNS name published by {policy}", policy, create(resource, body))
            for policy, (resource, body) in published.items()
        ),
        (
            "an ingress where no host is granted",
            "ingresses",
            create("networking.k8s.io/ingresses", ingress(), namespace=namespace(Grants(hosts=""))),
        ),
        (
            "an ingress moved later",
            "ingresses",
            update("networking.k8s.io/ingresses", ingress(), ingress(rules=[{"host": "speech.apps.example.com"}])),
        ),
    ]


def storage_rows() -> list[Refused]:
    claims: dict[str, Body] = {
        "a class nobody granted": claim(storageClassName="archive"),
        "no class, for volumes left behind": claim(storageClassName=""),
        "a volume by name": claim(volumeName="pv-of-speech"),
        "a volume by label": claim(selector={"matchLabels": {"owner": "speech"}}),
        "a source elsewhere": claim(
            dataSourceRef={"kind": "PersistentVolumeClaim", "name": "a", "namespace": "speech"}
        ),
    }
    return [
        *(
            (f"claim: {name}", "storage-claims", create("persistentvolumeclaims", body))
            for name, body in claims.items()
        ),
        (
            "claim: a volume chosen later",
            "storage-claims",
            update("persistentvolumeclaims", claim(), claim(volumeName="pv")),
        ),
        (
            "an inline share",
            "inline-volumes",
            run_pod(pod(volumes=[{"name": "v", "csi": {"driver": "nfs.csi.k8s.io"}}])),
        ),
    ]


def reserved_rows() -> list[Refused]:
    kinds = {
        "resourcequotas": "ResourceQuota",
        "limitranges": "LimitRange",
        "networking.k8s.io/networkpolicies": "NetworkPolicy",
        "rbac.authorization.k8s.io/rolebindings": "RoleBinding",
        "k8s.cni.cncf.io/network-attachment-definitions": "NetworkAttachmentDefinition",
        "k8s.ovn.org/userdefinednetworks": "UserDefinedNetwork",
        "sriovnetwork.openshift.io/sriovnetworks": "SriovNetwork",
        "kueue.x-k8s.io/localqueues": "LocalQueue",
        "scheduling.run.ai/podgroups": "PodGroup",
        "resource.k8s.io/resourceclaims": "ResourceClaim",
        "gateway.networking.k8s.io/referencegrants": "ReferenceGrant",
    }
    rows: list[Refused] = [
        (f"a {kind} of its own", "reserved-kinds", create(resource, named(kind))) for resource, kind in kinds.items()
    ]
    policy = named("NetworkPolicy", spec={"podSelector": {}})
    return [
        *rows,
        ("a network policy removed", "reserved-kinds", delete("networking.k8s.io/networkpolicies", policy)),
        (
            "a network policy opened",
            "reserved-kinds",
            update("networking.k8s.io/networkpolicies", policy, changed(policy, ingress=[{}])),
        ),
        (
            "a role binding by its own account",
            "reserved-kinds",
            create("rbac.authorization.k8s.io/rolebindings", named("RoleBinding"), **OWN_ACCOUNT),
        ),
    ]


def other_rows() -> list[Refused]:
    rows: list[Refused] = []
    for kind, resource in (("ServiceMonitor", "servicemonitors"), ("PodMonitor", "podmonitors")):
        key = "endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"
        bodies = {
            "every namespace": monitor(kind, namespaceSelector={"any": True}),
            "another namespace": monitor(kind, namespaceSelector={"matchNames": ["vision-dev", "speech"]}),
            "the token of Prometheus": monitor(kind, **{key: [{"bearerTokenFile": "/var/run/secrets/token"}]}),
            "a key of Prometheus": monitor(kind, **{key: [{"tlsConfig": {"keyFile": "/etc/key"}}]}),
        }
        rows.extend(
            (f"{kind}: {name}", resource, create(f"monitoring.coreos.com/{resource}", body))
            for name, body in bodies.items()
        )
    budgets = {
        "no disruption": budget(maxUnavailable=0),
        "no disruption in percent": budget(maxUnavailable="0%"),
        "a minimum": budget(maxUnavailable=None, minAvailable=1),
        "failing pods that stay": budget(unhealthyPodEvictionPolicy=None),
    }
    rows.extend(
        (f"budget: {name}", "disruption-budgets", create("policy/poddisruptionbudgets", body))
        for name, body in budgets.items()
    )
    rows.append(("a pod that takes a day to stop", "grace-periods", run_pod(pod(terminationGracePeriodSeconds=86400))))
    return rows


def namespace_rows() -> list[Refused]:
    mine = namespace()
    changes: dict[str, Body] = {
        "Pod Security lowered": labelled("pod-security.kubernetes.io/enforce", "privileged"),
        "Pod Security removed": without_label("pod-security.kubernetes.io/enforce"),
        "another tenant": labelled("tenantry.dev/tenant", "speech"),
        "no tenant": without_label("tenantry.dev/tenant"),
        "administrator access to devices": labelled("resource.kubernetes.io/admin-access", "true"),
        "the identity of the router": labelled("policy-group.network.openshift.io/ingress", ""),
        "a network of its own": labelled("k8s.ovn.org/primary-user-defined-network", ""),
        "another pool": with_annotation("tenantry.dev/pools", "training,serving"),
        "a default toleration": with_annotation("scheduler.alpha.kubernetes.io/defaultTolerations", "[]"),
        "an Argo CD of its own": labelled("argocd.argoproj.io/managed-by", "vision-dev"),
    }
    return [
        *((f"namespace: {name}", "namespaces", on_namespace(body, mine)) for name, body in changes.items()),
        (
            "namespace: through its status",
            "namespaces",
            on_namespace(without_label("tenantry.dev/tenant"), mine, "namespaces/status"),
        ),
        ("namespace: made a tenant's", "namespaces", on_namespace(namespace(), plain("vision-dev"))),
        ("namespace: created as a tenant's", "namespaces", on_namespace(namespace())),
        (
            "namespace: created with grants only",
            "namespaces",
            on_namespace({"metadata": {"name": "x", "annotations": {"tenantry.dev/pools": "training"}}}),
        ),
        ("namespace: deleted by its tenant", "namespaces", on_namespace(None, mine)),
        (
            "namespace: relabelled by its own account",
            "namespaces",
            on_namespace(without_label("tenantry.dev/tenant"), mine, **OWN_ACCOUNT),
        ),
        (
            "namespace: kube-system given to a tenant",
            "namespaces",
            on_namespace(plain("kube-system", **{"tenantry.dev/tenant": "vision"}), plain("kube-system"), **ADMIN),
        ),
        (
            "namespace: Argo CD's given to a tenant",
            "namespaces",
            on_namespace(plain("openshift-gitops", **{"tenantry.dev/tenant": "vision"}), **ADMIN),
        ),
    ]


REFUSED: list[Refused] = [
    *device_rows(),
    *scheduling_rows(),
    *network_rows(),
    *host_rows(),
    *storage_rows(),
    *reserved_rows(),
    *other_rows(),
    *namespace_rows(),
]
