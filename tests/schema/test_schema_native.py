"""Kubernetes' own kinds: schemas from the bundle and the checks the server makes in Go."""

from __future__ import annotations

from typing import Any

import pytest
from schema_data import check, container, native, pod, said, thing

from tenantry.catalog.kubernetes import bundled_minors, kubernetes_schemas
from tenantry.model.manifest import Body, Manifest
from tenantry.model.problem import Location
from tenantry.schema import SchemaSet
from tenantry.schema.rules import RULES

TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container()]}}
ONCE = {"spec": {"containers": [container()], "restartPolicy": "Never"}}
SELECTOR = {"matchLabels": {"app": "a"}}
RULES_OF_ROLE = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]


def labelled(labels: dict[str, Any], kind: str = "ConfigMap") -> Body:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "labels": labels}}


def quota(hard: dict[str, Any]) -> Body:
    return thing("v1", "ResourceQuota", spec={"hard": hard})


def deployment(spec: dict[str, Any]) -> Body:
    return thing("apps/v1", "Deployment", spec=spec)


GOOD = [
    labelled({"pod-security.kubernetes.io/enforce": "baseline"}, "Namespace"),
    thing("v1", "ConfigMap", data={"a": "b"}, binaryData={"c": "aGk="}),
    thing("v1", "Secret", stringData={"a": "b"}, type="Opaque"),
    thing("v1", "ServiceAccount", imagePullSecrets=[{"name": "a"}]),
    thing("v1", "Service", "svc", spec={"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http"}]}),
    thing(
        "v1",
        "PersistentVolumeClaim",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    ),
    quota({"requests.nvidia.com/gpu": 8, "requests.cpu": "4", "count/jobs.batch": "5"}),
    thing(
        "v1", "LimitRange", spec={"limits": [{"type": "Container", "default": {"cpu": "1"}, "max": {"memory": "1Gi"}}]}
    ),
    thing(
        "v1", "Node", metadata={"name": "gpu-1.example.com"}, spec={"taints": [{"key": "a", "effect": "NoSchedule"}]}
    ),
    pod(container(resources={"limits": {"nvidia.com/gpu": 1, "cpu": "500m"}}), tolerations=[{"operator": "Exists"}]),
    deployment({"selector": SELECTOR, "template": TEMPLATE}),
    thing("apps/v1", "DaemonSet", spec={"selector": SELECTOR, "template": TEMPLATE}),
    thing(
        "apps/v1",
        "StatefulSet",
        spec={
            "selector": SELECTOR,
            "serviceName": "a",
            "template": TEMPLATE
            | {"spec": {"containers": [container(volumeMounts=[{"name": "d", "mountPath": "/d"}])]}},
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "d"},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                }
            ],
        },
    ),
    thing("batch/v1", "Job", spec={"template": {"spec": {"containers": [container()], "restartPolicy": "Never"}}}),
    thing("batch/v1", "CronJob", spec={"schedule": "* * * * *", "jobTemplate": {"spec": {"template": ONCE}}}),
    thing("rbac.authorization.k8s.io/v1", "Role", "system:a", rules=RULES_OF_ROLE),
    thing("rbac.authorization.k8s.io/v1", "ClusterRole", "a:b", rules=RULES_OF_ROLE),
    thing(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "a",
        subjects=[{"kind": "Group", "name": "g"}],
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
    ),
    thing("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}),
    thing(
        "networking.k8s.io/v1",
        "Ingress",
        spec={
            "rules": [
                {
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "a", "port": {"number": 80}}},
                            }
                        ]
                    }
                }
            ]
        },
    ),
    thing("policy/v1", "PodDisruptionBudget", spec={"minAvailable": "50%", "selector": SELECTOR}),
    thing("scheduling.k8s.io/v1", "PriorityClass", value=1000, preemptionPolicy="Never"),
    thing("storage.k8s.io/v1", "StorageClass", provisioner="example.com/a", volumeBindingMode="WaitForFirstConsumer"),
    thing(
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicy",
        spec={
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                ]
            },
            "validations": [{"expression": "true", "message": "m"}],
        },
    ),
    thing(
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicyBinding",
        spec={"policyName": "a", "validationActions": ["Deny"], "matchResources": {"namespaceSelector": SELECTOR}},
    ),
    thing(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        spec={"maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "a"}},
    ),
    thing(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "widgets.example.dev",
        spec={
            "group": "example.dev",
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {
                                "spec": {
                                    "type": "object",
                                    "default": {"a": [1]},
                                    "x-kubernetes-preserve-unknown-fields": True,
                                }
                            },
                        }
                    },
                }
            ],
        },
    ),
]


@pytest.mark.parametrize("body", GOOD, ids=lambda body: str(body["kind"]))
def test_an_ordinary_object_is_clean(body: Any) -> None:
    assert check(native(), body) == []


@pytest.mark.parametrize("minor", bundled_minors())
def test_ordinary_objects_are_clean_in_every_bundled_minor(minor: str) -> None:
    schemas = SchemaSet.build([], kubernetes_schemas(minor))
    absent = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"} if minor == "1.29" else set()
    assert {body["kind"]: check(schemas, body) for body in GOOD if body["kind"] not in absent} == {
        body["kind"]: [] for body in GOOD if body["kind"] not in absent
    }


MAIN = ("spec", "containers", 0)
TCP, UDP = {"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}

BAD: list[tuple[str, Any, list[tuple[str, tuple[str | int, ...]]]]] = [
    (
        "unknown field of a container",
        pod(container(imagePullPolice="Always")),
        [("UNKNOWN-FIELD", (*MAIN, "imagePullPolice"))],
    ),
    (
        "unknown field of metadata",
        thing("v1", "Pod") | {"metadata": {"name": "a", "namespaces": "b"}, "spec": {"containers": [container()]}},
        [("UNKNOWN-FIELD", ("metadata", "namespaces"))],
    ),
    (
        "number as environment value",
        pod(container(env=[{"name": "A", "value": 1}])),
        [("TYPE", (*MAIN, "env", 0, "value"))],
    ),
    (
        "text as replicas",
        deployment({"replicas": "1", "selector": SELECTOR, "template": TEMPLATE}),
        [("TYPE", ("spec", "replicas"))],
    ),
    (
        "negative replicas",
        deployment({"replicas": -1, "selector": SELECTOR, "template": TEMPLATE}),
        [("RANGE", ("spec", "replicas"))],
    ),
    (
        "port beyond 65535",
        pod(container(ports=[{"containerPort": 70000}])),
        [("RANGE", (*MAIN, "ports", 0, "containerPort"))],
    ),
    (
        "pull rule that does not exist",
        pod(container(imagePullPolicy="Sometimes")),
        [("ENUM", (*MAIN, "imagePullPolicy"))],
    ),
    (
        "item of a list that is no option",
        thing("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "policyTypes": ["ingress"]}),
        [("ENUM", ("spec", "policyTypes", 0))],
    ),
    ("no containers", thing("v1", "Pod", spec={}), [("REQUIRED", ("spec", "containers"))]),
    ("number in a ConfigMap", thing("v1", "ConfigMap", data={"a": 1}), [("TYPE", ("data", "a"))]),
    ("secret that is not base64", thing("v1", "Secret", data={"a": "not base64!"}), [("PATTERN", ("data", "a"))]),
    ("two containers of one name", pod(container(), container()), [("DUPLICATE-KEY", ("spec", "containers", 1))]),
    (
        "variable set twice",
        pod(container(env=[{"name": "A"}, {"name": "B"}, {"name": "A"}])),
        [("DUPLICATE-KEY", (*MAIN, "env", 2))],
    ),
    (
        "port named twice, once without protocol",
        pod(container(ports=[TCP, UDP, TCP | {"protocol": "TCP"}])),
        [("DUPLICATE-KEY", (*MAIN, "ports", 2))],
    ),
    (
        "service port twice",
        thing("v1", "Service", "s", spec={"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]}),
        [("DUPLICATE-KEY", ("spec", "ports", 1))],
    ),
    (
        "quantity that is none",
        pod(container(resources={"limits": {"cpu": "1 core"}})),
        [("QUANTITY", (*MAIN, "resources", "limits", "cpu"))],
    ),
    (
        "boolean as quantity",
        pod(container(resources={"limits": {"cpu": True}})),
        [("TYPE", (*MAIN, "resources", "limits", "cpu"))],
    ),
    (
        "negative request",
        pod(container(resources={"requests": {"cpu": "-1"}})),
        [("QUANTITY", (*MAIN, "resources", "requests", "cpu"))],
    ),
    (
        "request above limit",
        pod(container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1500m"}})),
        [("QUANTITY", (*MAIN, "resources", "requests", "cpu"))],
    ),
    (
        "GPU requested without limit",
        pod(container(resources={"requests": {"nvidia.com/gpu": 1}})),
        [("QUANTITY", (*MAIN, "resources", "requests", "nvidia.com/gpu"))],
    ),
    (
        "more GPUs allowed than requested",
        pod(container(resources={"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}})),
        [("QUANTITY", (*MAIN, "resources", "requests", "nvidia.com/gpu"))],
    ),
    (
        "half a GPU",
        pod(container(resources={"limits": {"nvidia.com/gpu": "500m"}})),
        [("QUANTITY", (*MAIN, "resources", "limits", "nvidia.com/gpu"))],
    ),
    (
        "device without its domain",
        pod(container(resources={"limits": {"gpu": 1}})),
        [("QUANTITY", (*MAIN, "resources", "limits", "gpu"))],
    ),
    (
        "mount of a volume that is not there",
        pod(container(volumeMounts=[{"name": "d", "mountPath": "/d"}])),
        [("REFERENCE", (*MAIN, "volumeMounts", 0, "name"))],
    ),
    (
        "selector that misses its own pods",
        deployment({"selector": {"matchLabels": {"app": "b"}}, "template": TEMPLATE}),
        [("REFERENCE", ("spec", "selector", "matchLabels", "app"))],
    ),
    (
        "GPU quota without 'requests.'",
        quota({"nvidia.com/gpu": 8}),
        [("QUOTA-KEY", ("spec", "hard", "nvidia.com/gpu"))],
    ),
    (
        "GPU quota by limits",
        quota({"limits.nvidia.com/gpu": 8}),
        [("QUOTA-KEY", ("spec", "hard", "limits.nvidia.com/gpu"))],
    ),
    ("quota of nothing", quota({"gpus": 8}), [("QUOTA-KEY", ("spec", "hard", "gpus"))]),
    ("negative quota", quota({"pods": "-1"}), [("QUANTITY", ("spec", "hard", "pods"))]),
    ("label value with a space", labelled({"a": "b c"}), [("LABEL", ("metadata", "labels", "a"))]),
    ("label value of 64 characters", labelled({"a": "x" * 64}), [("LABEL", ("metadata", "labels", "a"))]),
    ("label value that is a number", labelled({"a": 8}), [("LABEL", ("metadata", "labels", "a"))]),
    ("label key with two slashes", labelled({"a/b/c": ""}), [("LABEL", ("metadata", "labels", "a/b/c"))]),
    (
        "label key of 64 characters",
        labelled({f"a/{'x' * 64}": ""}),
        [("LABEL", ("metadata", "labels", f"a/{'x' * 64}"))],
    ),
    (
        "annotation that is a boolean",
        thing("v1", "ConfigMap") | {"metadata": {"name": "a", "annotations": {"a": True}}},
        [("LABEL", ("metadata", "annotations", "a"))],
    ),
    ("node selector that is a boolean", pod(nodeSelector={"gpu": True}), [("LABEL", ("spec", "nodeSelector", "gpu"))]),
    (
        "label of a pod template",
        deployment({"selector": SELECTOR, "template": TEMPLATE | {"metadata": {"labels": {"app": "a", "-": ""}}}}),
        [("LABEL", ("spec", "template", "metadata", "labels", "-"))],
    ),
    ("no name", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}, [("NAME", ("metadata", "name"))]),
    ("no metadata", {"apiVersion": "v1", "kind": "ConfigMap"}, [("NAME", ("metadata", "name"))]),
    ("capitals in a name", thing("v1", "ConfigMap", "Team"), [("NAME", ("metadata", "name"))]),
    ("dot in a namespace's name", thing("v1", "Namespace", "a.b"), [("NAME", ("metadata", "name"))]),
    (
        "service name that begins with a digit",
        thing("v1", "Service", "1a", spec={"ports": [{"port": 1}]}),
        [("NAME", ("metadata", "name"))],
    ),
    ("slash in a role's name", thing("rbac.authorization.k8s.io/v1", "Role", "a/b"), [("NAME", ("metadata", "name"))]),
    ("name of 254 characters", thing("v1", "ConfigMap", "a" * 254), [("NAME", ("metadata", "name"))]),
    ("namespace that cannot be", thing("v1", "ConfigMap", namespace="Team_A"), [("NAME", ("metadata", "namespace"))]),
    (
        "namespace on a cluster role",
        thing("rbac.authorization.k8s.io/v1", "ClusterRole", namespace="a"),
        [("SCOPE", ("metadata", "namespace"))],
    ),
    (
        "CRD with another name than its own",
        thing(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "widget.example.dev",
            spec={
                "group": "example.dev",
                "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets"},
                "versions": [{"name": "v1", "served": True, "storage": True}],
            },
        ),
        [("NAME", ("metadata", "name"))],
    ),
]


@pytest.mark.parametrize(("body", "expected"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_the_server_refuses_is_reported_where_it_stands(body: Any, expected: Any) -> None:
    issues = check(native(), body)
    assert said(issues) == expected
    assert all(issue.rule in RULES and issue.message for issue in issues)


FINE: list[tuple[str, Any]] = [
    ("set without a service", thing("apps/v1", "StatefulSet", spec={"selector": SELECTOR, "template": TEMPLATE})),
    ("network policy of all pods", thing("networking.k8s.io/v1", "NetworkPolicy", spec={"policyTypes": ["Ingress"]})),
    ("generated name", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}}),
    (
        "fields set to null",
        thing("v1", "ConfigMap", data=None) | {"metadata": {"name": "a", "creationTimestamp": None}},
    ),
    ("same port on two protocols", pod(container(ports=[TCP, UDP]))),
    ("quantity as a number", pod(container(resources={"limits": {"cpu": 0.5, "memory": 1e9}}))),
    ("GPU limit alone", pod(container(resources={"limits": {"nvidia.com/mig-1g.18gb": 2}}))),
    ("huge pages", pod(container(resources={"limits": {"hugepages-1Gi": "2Gi", "memory": "1Gi"}}))),
    ("prefix of a label key of 253 characters", labelled({f"{'a' * 253}/b": ""})),
    (
        "annotation key in capitals",
        thing("v1", "ConfigMap") | {"metadata": {"name": "a", "annotations": {"Example.com/A": "any text"}}},
    ),
    ("quota of a device class", quota({"gpu.nvidia.com.deviceclass.resource.k8s.io/devices": 8})),
    ("quota of a storage class", quota({"fast.storageclass.storage.k8s.io/requests.storage": "1Ti"})),
    (
        "selector by expressions",
        deployment({"selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "template": TEMPLATE}),
    ),
]


@pytest.mark.parametrize("body", [case[1] for case in FINE], ids=[case[0] for case in FINE])
def test_what_the_server_accepts_is_clean(body: Any) -> None:
    assert check(native(), body) == []


def test_a_strategic_patch_may_delete_items_and_leave_out_what_is_required() -> None:
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a"},
        "spec": {
            "template": {"spec": {"containers": [{"name": "old", "$patch": "delete"}, {"name": "a", "args": None}]}}
        },
    }
    assert check(native(), patch, partial=True) == []
    patch["spec"] = {"replica": 1}
    assert said(check(native(), patch, partial=True)) == [("UNKNOWN-FIELD", ("spec", "replica"))]


def test_a_kind_newer_than_the_cluster_is_reported_with_what_it_serves() -> None:
    (issue,) = check(native(), thing("resource.k8s.io/v1", "ResourceClaim"))
    assert issue.rule == "LINT-SCHEMA-VERSION"
    assert "served: resource.k8s.io/v1alpha3, resource.k8s.io/v1beta1" in issue.message
    assert (
        said(
            check(
                SchemaSet.build([], kubernetes_schemas("1.34")), thing("resource.k8s.io/v1", "ResourceClaim", spec={})
            )
        )
        == []
    )


def test_without_kubernetes_schemas_native_kinds_are_not_judged() -> None:
    schemas = SchemaSet.build([])
    assert check(schemas, thing("v1", "Pod", spec={"typo": 1})) == []
    assert not schemas.knows("v1", "Pod")


def test_a_finding_carries_the_object_and_the_path() -> None:
    manifest = Manifest(pod(container(imagePullPolice="x")), Location("a.yaml", 3))
    (issue,) = native().check(manifest)
    finding = issue.finding(manifest, Location("a.yaml", 9, 5))
    assert (finding.subject, finding.path) == ("Pod x", "spec.containers[0].imagePullPolice")
    assert str(finding.location) == "a.yaml:9:5"
    assert str(issue.finding(manifest).location) == "a.yaml:3:0"
