"""Ordinary work in a tenant's namespace, and upkeep by the platform: every guard must let it pass."""

from __future__ import annotations

from admission_requests import (
    ADMIN,
    ARGO,
    BINDER,
    CONTROLLER,
    OPERATOR,
    VARIABLE,
    Grants,
    budget,
    changed,
    claim,
    create,
    delete,
    http_route,
    ingress,
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

Row = tuple[str, Request]

FULL_NODE = pod(
    gpus=8,
    annotations={"k8s.v1.cni.cncf.io/networks": "vision-roce-rail0, vision-dev/vision-roce-rail1@net2", "note": "x"},
    initContainers=[{"name": "fetch", "image": "x", "env": [{"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "all"}]}],
    priorityClassName="batch",
    volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "tmp", "emptyDir": {}}],
    terminationGracePeriodSeconds=3600,
)
SYSTEM_TOLERATIONS = [
    {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
    {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
    {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "openshift.io/sriovlegacy", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "tenantry.dev/pool", "value": "training"},
]
BOUND = pod(gpus=1, nodeName="training-0.example.com")
JSON_NETWORKS = """[
  {"name": "vision-roce-rail0", "interface": "net1"},
  {"namespace": "vision-dev", "name": "vision-roce-rail1"}
]"""

ADMITTED: list[Row] = [
    ("a pod with nothing optional", run_pod(pod())),
    ("a pod with one GPU", run_pod(pod(gpus=1))),
    ("a training pod with every granted thing", run_pod(FULL_NODE)),
    (
        "a notebook whose device variable is void",
        run_pod(pod(container={"env": [{"name": VARIABLE, "value": "void"}]})),
    ),
    ("an empty device variable", run_pod(pod(container={"env": [{"name": VARIABLE}]}))),
    ("other variables from secrets", run_pod(pod(container={"env": [{"name": "KEY", "valueFrom": {"x": {}}}]}))),
    ("envFrom without prefix", run_pod(pod(container={"envFrom": [{"configMapRef": {"name": "settings"}}]}))),
    ("envFrom with a harmless prefix", run_pod(pod(container={"envFrom": [{"prefix": "APP_", "secretRef": {}}]}))),
    ("a sandboxed runtime", run_pod(pod(runtimeClassName="kata"))),
    ("tolerations that Kubernetes adds", run_pod(pod(tolerations=SYSTEM_TOLERATIONS))),
    (
        "a processor pod on the queue scheduler",
        run_pod(pod(schedulerName="kai-scheduler", labels={"kai.scheduler/queue": "vision-training"})),
    ),
    ("the default scheduler by name", run_pod(pod(schedulerName="default-scheduler"))),
    ("networks as JSON", run_pod(pod(annotations={"k8s.v1.cni.cncf.io/networks": JSON_NETWORKS}))),
    ("an empty network annotation", run_pod(pod(annotations={"k8s.v1.cni.cncf.io/networks": ""}))),
    ("a certificate volume", run_pod(pod(volumes=[{"name": "tls", "csi": {"driver": "csi.cert-manager.io"}}]))),
    (
        "a bound pod loses its finalizer after the pool was taken away",
        update(
            "pods",
            BOUND,
            {**BOUND, "metadata": {**BOUND["metadata"], "finalizers": []}},
            namespace=namespace(Grants(pools="", queues="", networks="")),
        ),
    ),
    (
        "a bound pod gets an annotation of the platform's scheduler",
        update(
            "pods",
            BOUND,
            {**BOUND, "metadata": {**BOUND["metadata"], "annotations": {"received-resource-type": "Regular"}}},
            **OPERATOR,
        ),
    ),
    (
        "a tenant annotates a pod the network plugin has annotated",
        update(
            "pods",
            pod(annotations={"k8s.ovn.org/pod-networks": "{}"}),
            pod(annotations={"k8s.ovn.org/pod-networks": "{}", "note": "mine"}),
        ),
    ),
    (
        "a debug container",
        update(
            "pods/ephemeralcontainers",
            pod(gpus=1),
            changed(pod(gpus=1), ephemeralContainers=[{"name": "debug", "image": "busybox"}]),
        ),
    ),
    (
        "a job in its queue",
        create(
            "batch/jobs",
            named("Job", "batch/v1", labels={"kai.scheduler/queue": "vision-training", "priorityClassName": "batch"}),
        ),
    ),
    ("an event without labels", create("events", named("Event"))),
    (
        "a review, which has no metadata",
        create("authorization.k8s.io/localsubjectaccessreviews", {"kind": "LocalSubjectAccessReview", "spec": {}}),
    ),
    ("settings", create("configmaps", named("ConfigMap", data={"PATH": "x"}))),
    ("a secret", create("secrets", named("Secret", data={"password": "eA=="}))),
    ("an empty ConfigMap", create("configmaps", named("ConfigMap"))),
    ("a Service", create("services", service())),
    ("a headless Service", create("services", service(clusterIP="None"))),
    (
        "a Service with a granted DNS name",
        create(
            "services",
            {
                **service(),
                "metadata": {
                    "name": "a",
                    "annotations": {
                        "external-dns.alpha.kubernetes.io/hostname": "a.vision.example.org, vision.example.org"
                    },
                },
            },
        ),
    ),
    ("endpoints by the controller", create("endpoints", named("Endpoints"), **CONTROLLER)),
    (
        "endpoint slices by OVN",
        create(
            "discovery.k8s.io/endpointslices",
            named("EndpointSlice"),
            user="system:serviceaccount:openshift-ovn-kubernetes:ovn-kubernetes-control-plane",
        ),
    ),
    (
        "an ingress below a granted host",
        create(
            "networking.k8s.io/ingresses", ingress(tls=[{"hosts": ["shop.vision.example.org"]}, {"secretName": "x"}])
        ),
    ),
    (
        "an ingress at the tenant's own domain",
        create("networking.k8s.io/ingresses", ingress(rules=[{"host": "vision.apps.example.com"}])),
    ),
    (
        "an ingress with a secret of its own",
        create(
            "networking.k8s.io/ingresses",
            ingress(
                annotations={
                    "nginx.ingress.kubernetes.io/auth-secret": "vision-dev/users",
                    "nginx.ingress.kubernetes.io/proxy-body-size": "1g",
                }
            ),
        ),
    ),
    ("a route without host", create("route.openshift.io/routes", route())),
    (
        "a route with the host the router chose",
        create("route.openshift.io/routes", route(host="web-vision-dev.apps.example.com", wildcardPolicy="None")),
    ),
    ("a route at a granted host", create("route.openshift.io/routes", route(host="vision.example.org"))),
    ("an HTTP route", create("gateway.networking.k8s.io/httproutes", http_route())),
    (
        "a gateway for a granted host",
        create(
            "gateway.networking.k8s.io/gateways",
            named("Gateway", spec={"listeners": [{"name": "a", "hostname": "vision.example.org"}]}),
        ),
    ),
    ("a claim", create("persistentvolumeclaims", claim())),
    (
        "a claim of the default class",
        create("persistentvolumeclaims", named("PersistentVolumeClaim", spec={"accessModes": []})),
    ),
    (
        "a clone in the namespace",
        create("persistentvolumeclaims", claim(dataSourceRef={"kind": "PersistentVolumeClaim", "name": "a"})),
    ),
    ("the binder binds a claim", update("persistentvolumeclaims", claim(), claim(volumeName="pv-1"), **BINDER)),
    (
        "a bound claim grows",
        update(
            "persistentvolumeclaims",
            claim(volumeName="pv-1"),
            claim(volumeName="pv-1", resources={"requests": {"storage": "2Gi"}}),
        ),
    ),
    (
        "the scheduler makes a pod group",
        create("scheduling.run.ai/podgroups", named("PodGroup", "scheduling.run.ai/v2alpha2"), **OPERATOR),
    ),
    ("Argo CD sets the quota", create("resourcequotas", named("ResourceQuota"), **ARGO)),
    ("an administrator removes a quota", delete("resourcequotas", named("ResourceQuota"), **ADMIN)),
    (
        "the namespace controller cleans up",
        delete(
            "networking.k8s.io/networkpolicies",
            named("NetworkPolicy"),
            user="system:serviceaccount:kube-system:namespace-controller",
        ),
    ),
    ("a ServiceMonitor", create("monitoring.coreos.com/servicemonitors", monitor(tlsConfig={}))),
    (
        "a ServiceMonitor of its namespace by name",
        create("monitoring.coreos.com/servicemonitors", monitor(namespaceSelector={"matchNames": ["vision-dev"]})),
    ),
    (
        "a PodMonitor with a CA of a ConfigMap",
        create(
            "monitoring.coreos.com/podmonitors",
            monitor("PodMonitor", podMetricsEndpoints=[{"tlsConfig": {"ca": {"configMap": {}}}}]),
        ),
    ),
    ("a disruption budget", create("policy/poddisruptionbudgets", budget())),
    ("a disruption budget in percent", create("policy/poddisruptionbudgets", budget(maxUnavailable="10%"))),
    ("Argo CD creates a tenant's namespace", on_namespace(namespace(), **ARGO)),
    (
        "an administrator relabels a tenant's namespace",
        on_namespace(without_label("pod-security.kubernetes.io/enforce"), namespace(), **ADMIN),
    ),
    ("anybody creates a plain namespace", on_namespace(plain())),
    (
        "an operator sets Pod Security on its own namespace",
        on_namespace(
            plain("their-operator", **{"pod-security.kubernetes.io/enforce": "privileged"}),
            user="system:serviceaccount:their-operator:manager",
        ),
    ),
    (
        "a controller annotates a tenant's namespace",
        on_namespace(with_annotation("example.org/seen", "1"), namespace(), user="system:serviceaccount:tool:manager"),
    ),
    (
        "OpenShift gives a tenant's namespace its range of users",
        on_namespace(
            with_annotation("openshift.io/sa.scc.uid-range", "1/2"),
            namespace(),
            user="system:serviceaccount:openshift-infra:namespace-security-allocation-controller",
        ),
    ),
    (
        "the namespace controller finalizes",
        on_namespace(
            namespace(),
            namespace(),
            "namespaces/finalize",
            user="system:serviceaccount:kube-system:namespace-controller",
        ),
    ),
    ("an administrator deletes a tenant's namespace", on_namespace(None, namespace(), **ADMIN)),
    ("anybody deletes a plain namespace", on_namespace(None, plain())),
]
