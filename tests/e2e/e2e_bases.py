"""Objects of kinds that tenants and administrators write and no tree holds: what the server takes, to be spoiled."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

POD: Body = {
    "restartPolicy": "Never",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
    "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 10,
                    "podAffinityTerm": {
                        "topologyKey": "kubernetes.io/hostname",
                        "labelSelector": {"matchLabels": {"app": "train"}},
                    },
                }
            ]
        },
    },
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "train"}},
        }
    ],
    "initContainers": [{"name": "fetch", "image": "example.com/fetch:1", "command": ["fetch"]}],
    "containers": [
        {
            "name": "train",
            "image": "example.com/train:1",
            "args": ["--epochs", "3"],
            "env": [
                {"name": "MODE", "value": "fast"},
                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "main", "optional": True}}},
            ],
            "envFrom": [{"configMapRef": {"name": "settings"}}],
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "resources": {
                "requests": {"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "1"},
                "limits": {"cpu": "1", "memory": "2Gi", "nvidia.com/gpu": "1"},
            },
            "livenessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 10},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [
                {"name": "data", "mountPath": "/data", "readOnly": True},
                {"name": "scratch", "mountPath": "/scratch"},
            ],
        }
    ],
    "volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "scratch", "emptyDir": {"sizeLimit": "10Gi"}},
        {"name": "settings", "configMap": {"name": "settings", "items": [{"key": "a", "path": "a"}]}},
        {"name": "host", "hostPath": {"path": "/var/log", "type": "Directory"}},
    ],
}


def _object(api_version: str, kind: str, namespace: str = "team", **content: Any) -> Body:
    meta = {"name": "train", "labels": {"app": "train"}, "annotations": {"example.com/note": "x"}}
    if namespace:
        meta["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **content}


def _template(restart: str) -> Body:
    return {"metadata": {"labels": {"app": "train"}}, "spec": {**POD, "restartPolicy": restart}}


SELECTOR: Body = {"matchLabels": {"app": "train"}}
CLAIM: Body = {
    "accessModes": ["ReadWriteOnce"],
    "storageClassName": "fast",
    "volumeMode": "Filesystem",
    "resources": {"requests": {"storage": "10Gi"}},
}

BASES: tuple[Body, ...] = (
    _object("v1", "Pod", spec=POD),
    _object(
        "apps/v1",
        "Deployment",
        spec={
            "replicas": 2,
            "selector": SELECTOR,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}},
            "template": _template("Always"),
        },
    ),
    _object("apps/v1", "DaemonSet", spec={"selector": SELECTOR, "template": _template("Always")}),
    _object(
        "apps/v1",
        "StatefulSet",
        spec={
            "replicas": 2,
            "serviceName": "train",
            "selector": SELECTOR,
            "podManagementPolicy": "Parallel",
            "template": _template("Always"),
            "volumeClaimTemplates": [{"metadata": {"name": "cache"}, "spec": CLAIM}],
        },
    ),
    _object(
        "batch/v1",
        "Job",
        spec={
            "parallelism": 2,
            "completions": 2,
            "completionMode": "Indexed",
            "backoffLimit": 3,
            "podFailurePolicy": {
                "rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}],
            },
            "template": _template("Never"),
        },
    ),
    _object(
        "v1",
        "Service",
        spec={
            "type": "LoadBalancer",
            "selector": {"app": "train"},
            "ports": [
                {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"},
                {"name": "metrics", "port": 9400, "targetPort": 9400},
            ],
            "loadBalancerSourceRanges": ["192.0.2.0/24"],
            "sessionAffinity": "ClientIP",
            "externalTrafficPolicy": "Local",
        },
    ),
    _object("v1", "PersistentVolumeClaim", spec=CLAIM),
    _object(
        "v1",
        "PersistentVolume",
        namespace="",
        spec={
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "nfs": {"server": "192.0.2.1", "path": "/export"},
        },
    ),
    _object(
        "storage.k8s.io/v1",
        "StorageClass",
        namespace="",
        provisioner="csi.example.com",
        parameters={"tier": "gold"},
        reclaimPolicy="Delete",
        volumeBindingMode="WaitForFirstConsumer",
        allowVolumeExpansion=True,
    ),
    _object(
        "networking.k8s.io/v1",
        "Ingress",
        spec={
            "ingressClassName": "nginx",
            "tls": [{"hosts": ["train.example.com"], "secretName": "train-tls"}],
            "rules": [
                {
                    "host": "train.example.com",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "train", "port": {"number": 80}}},
                            }
                        ]
                    },
                }
            ],
        },
    ),
    _object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec={
            "podSelector": SELECTOR,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {
                    "from": [
                        {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}},
                        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                    ],
                    "ports": [{"protocol": "TCP", "port": 8000, "endPort": 8010}, {"port": "http"}],
                }
            ],
            "egress": [{"to": [{"podSelector": {}}]}],
        },
    ),
    _object("policy/v1", "PodDisruptionBudget", spec={"minAvailable": "50%", "selector": SELECTOR}),
    _object(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        spec={
            "minReplicas": 1,
            "maxReplicas": 4,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "train"},
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }
            ],
        },
    ),
    _object("node.k8s.io/v1", "RuntimeClass", namespace="", handler="nvidia"),
    _object("v1", "Node", namespace="", spec={"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}),
    _object("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "a", "leaseDurationSeconds": 15}),
    _object(
        "v1",
        "ResourceQuota",
        spec={
            "hard": {"requests.nvidia.com/gpu": "8", "pods": "20", "count/jobs.batch": "50", "limits.memory": "1Ti"},
            "scopeSelector": {
                "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]
            },
        },
    ),
    _object(
        "v1",
        "LimitRange",
        spec={
            "limits": [
                {
                    "type": "Container",
                    "default": {"memory": "1Gi"},
                    "defaultRequest": {"memory": "512Mi"},
                    "max": {"memory": "64Gi", "cpu": "32"},
                    "min": {"memory": "16Mi"},
                    "maxLimitRequestRatio": {"cpu": "10"},
                }
            ]
        },
    ),
    _object("v1", "Secret", type="Opaque", data={"key": "dmFsdWU="}, stringData={"other": "text"}, immutable=True),
    _object("v1", "ConfigMap", data={"a.conf": "x = 1\n"}, binaryData={"b": "AAE="}),
    _object(
        "rbac.authorization.k8s.io/v1",
        "Role",
        rules=[{"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["get", "list"]}],
    ),
    _object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        namespace="",
        rules=[{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
        aggregationRule={"clusterRoleSelectors": [SELECTOR]},
    ),
    _object(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        subjects=[
            {"kind": "Group", "name": "vision", "apiGroup": "rbac.authorization.k8s.io"},
            {"kind": "ServiceAccount", "name": "default", "namespace": "team"},
        ],
    ),
    _object(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        namespace="",
        webhooks=[
            {
                "name": "check.example.com",
                "clientConfig": {"service": {"name": "check", "namespace": "team", "path": "/check", "port": 443}},
                "rules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
                ],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 5,
            }
        ],
    ),
    _object("scheduling.k8s.io/v1", "PriorityClass", namespace="", value=1000, preemptionPolicy="Never"),
    _object(
        "v1",
        "Namespace",
        namespace="",
        spec={"finalizers": ["kubernetes"]},
    ),
)
