"""Objects a tenant would write to reach beyond itself, as small as they can be and still do harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.safe.pods import plain_pod

if TYPE_CHECKING:
    from tenantry.model.manifest import Body

NAME = "probe"

_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io/v1"
_EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
_ALL_REQUESTS = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]
_HOOK = {
    "name": "probe.example.com",
    "clientConfig": {"url": "https://probe.example.com"},
    "rules": _ALL_REQUESTS,
    "failurePolicy": "Fail",
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
_NETWORK = {
    "priority": 0,
    "subject": {"namespaces": {}},
    "ingress": [{"action": "Allow", "from": [{"namespaces": {}}]}],
}


def _subject() -> list[Body]:
    return [{"kind": "Group", "apiGroup": _RBAC, "name": "system:authenticated"}]


def _role_ref(kind: str, name: str) -> Body:
    return {"apiGroup": _RBAC, "kind": kind, "name": name}


# API version, kind and content per plural name; kinds that are left out are tried with an empty spec.
_CONTENT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mutatingwebhookconfigurations": (_ADMISSION, "MutatingWebhookConfiguration", {"webhooks": [_HOOK]}),
    "validatingwebhookconfigurations": (_ADMISSION, "ValidatingWebhookConfiguration", {"webhooks": [_HOOK]}),
    "validatingadmissionpolicies": (
        _ADMISSION,
        "ValidatingAdmissionPolicy",
        {"spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": _ALL_REQUESTS}, "validations": []}},
    ),
    "validatingadmissionpolicybindings": (
        _ADMISSION,
        "ValidatingAdmissionPolicyBinding",
        {"spec": {"policyName": NAME, "validationActions": ["Audit"]}},
    ),
    "clusterroles": (f"{_RBAC}/v1", "ClusterRole", {"rules": _EVERYTHING}),
    "clusterrolebindings": (
        f"{_RBAC}/v1",
        "ClusterRoleBinding",
        {"roleRef": _role_ref("ClusterRole", "cluster-admin"), "subjects": _subject()},
    ),
    "roles": (f"{_RBAC}/v1", "Role", {"rules": _EVERYTHING}),
    "rolebindings": (
        f"{_RBAC}/v1",
        "RoleBinding",
        {"roleRef": _role_ref("ClusterRole", "cluster-admin"), "subjects": _subject()},
    ),
    "customresourcedefinitions": (
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        {"spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Probe", "plural": "probes"}}},
    ),
    "apiservices": (
        "apiregistration.k8s.io/v1",
        "APIService",
        {"spec": {"group": "example.com", "version": "v1", "service": {"name": NAME, "namespace": "default"}}},
    ),
    "nodes": ("v1", "Node", {"spec": {"taints": []}}),
    "persistentvolumes": (
        "v1",
        "PersistentVolume",
        {
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "",
                "hostPath": {"path": "/"},
            }
        },
    ),
    "namespaces": ("v1", "Namespace", {}),
    "projectrequests": ("project.openshift.io/v1", "ProjectRequest", {}),
    "securitycontextconstraints": (
        "security.openshift.io/v1",
        "SecurityContextConstraints",
        {"allowPrivilegedContainer": True, "groups": ["system:authenticated"], "users": [], "volumes": ["*"]},
    ),
    "adminnetworkpolicies": ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", {"spec": _NETWORK}),
    "baselineadminnetworkpolicies": (
        "policy.networking.k8s.io/v1alpha1",
        "BaselineAdminNetworkPolicy",
        {"spec": {name: value for name, value in _NETWORK.items() if name != "priority"}},
    ),
    "clusternetworkpolicies": (
        "policy.networking.k8s.io/v1alpha2",
        "ClusterNetworkPolicy",
        {"spec": {**_NETWORK, "tier": "Admin"}},
    ),
    "storageclasses": ("storage.k8s.io/v1", "StorageClass", {"provisioner": "kubernetes.io/no-provisioner"}),
    "runtimeclasses": ("node.k8s.io/v1", "RuntimeClass", {"handler": "runc"}),
    "priorityclasses": ("scheduling.k8s.io/v1", "PriorityClass", {"value": 1000000000, "globalDefault": False}),
    "secrets": ("v1", "Secret", {"type": "kubernetes.io/service-account-token", "data": {}}),
    "applications": (
        "argoproj.io/v1alpha1",
        "Application",
        {
            "spec": {
                "project": "default",
                "source": {"repoURL": "https://git.example.com/probe.git", "path": "."},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "default"},
            }
        },
    ),
    "applicationsets": ("argoproj.io/v1alpha1", "ApplicationSet", {"spec": {"generators": [], "template": {}}}),
    "appprojects": (
        "argoproj.io/v1alpha1",
        "AppProject",
        {"spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}},
    ),
    "resourcequotas": ("v1", "ResourceQuota", {"spec": {"hard": {"pods": "100000"}}}),
    "limitranges": ("v1", "LimitRange", {"spec": {"limits": []}}),
    "networkpolicies": (
        "networking.k8s.io/v1",
        "NetworkPolicy",
        {"spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}},
    ),
    "network-attachment-definitions": (
        "k8s.cni.cncf.io/v1",
        "NetworkAttachmentDefinition",
        {"spec": {"config": '{"cniVersion":"0.3.1","type":"host-device","device":"eth0"}'}},
    ),
}

_KINDS = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "replicasets": "ReplicaSet",
    "replicationcontrollers": "ReplicationController",
    "jobs": "Job",
    "cronjobs": "CronJob",
}


def sample(group: str, resource: str, namespace: str = "") -> Body:
    """Return an object of a kind, given by API group and plural name, that would do harm if it were let in."""
    plural = resource.partition("/")[0]
    metadata: Body = {"name": NAME, **({"namespace": namespace} if namespace else {})}
    if (group, plural) == ("", "pods"):
        return plain_pod(namespace, NAME)
    if plural in _CONTENT:
        version, kind, content = _CONTENT[plural]
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}
    version = f"{group}/v1" if group else "v1"
    return {"apiVersion": version, "kind": _KINDS.get(plural, _kind(plural)), "metadata": metadata, **_spec(plural)}


def _spec(plural: str) -> Body:
    labels = {"app": NAME}
    template = {"metadata": {"labels": labels}, "spec": plain_pod("")["spec"]}
    if plural == "cronjobs":
        return {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}}
    if plural in _KINDS:
        return {"spec": {"selector": {"matchLabels": labels}, "template": template}}
    return {"spec": {}}


def _kind(plural: str) -> str:
    """Return a word for a kind nothing is known of; only its plural name counts for admission."""
    singular = f"{plural[:-3]}y" if plural.endswith("ies") else plural.removesuffix("s")
    return singular[:1].upper() + singular[1:]
