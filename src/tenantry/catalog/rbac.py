"""RBAC objects and security context constraints every cluster has although no manifest shows them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from tenantry.catalog.files import Table, read

if TYPE_CHECKING:
    from collections.abc import Iterator

RBAC_GROUP = "rbac.authorization.k8s.io"
_RBAC = f"{RBAC_GROUP}/v1"
_SCC = "security.openshift.io/v1"

Body = dict[str, Any]


@cache
def default_objects(*, openshift: bool) -> tuple[Body, ...]:
    """Return ClusterRoles, ClusterRoleBindings and SecurityContextConstraints as plain objects; never change them.

    Args:
        openshift: whether OpenShift's are wanted besides Kubernetes'.
    """
    data = read("rbac_defaults.toml")
    found = list(_objects(data["kubernetes"]))
    if openshift:
        found.extend(_objects(data["openshift"]))
    return tuple(found)


def _objects(table: Table) -> Iterator[Body]:
    for name, entry in table["cluster_roles"].items():
        yield _cluster_role(name, entry)
    for name, entry in table["cluster_role_bindings"].items():
        yield {
            "apiVersion": _RBAC,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": entry["role"]},
            "subjects": [_subject(text) for text in entry["subjects"]],
        }
    for name, entry in table.get("security_context_constraints", {}).items():
        yield {"apiVersion": _SCC, "kind": "SecurityContextConstraints", "metadata": {"name": name}, **entry}


def _cluster_role(name: str, entry: Table) -> Body:
    body: Body = {
        "apiVersion": _RBAC,
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": dict.fromkeys(entry.get("labels", ()), "true")},
        "rules": [_rule(parts) for parts in entry.get("rules", ())],
    }
    if "aggregate" in entry:
        body["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {k: "true"}} for k in entry["aggregate"]]}
    return body


def _rule(parts: list[str]) -> Body:
    verbs, groups, things = (part.split() for part in parts[:3])
    if groups == ["url"]:
        return {"verbs": verbs, "nonResourceURLs": things}
    rule = {"verbs": verbs, "apiGroups": ["" if group == "core" else group for group in groups], "resources": things}
    return {**rule, "resourceNames": parts[3].split()} if len(parts) > 3 else rule


def _subject(text: str) -> Body:
    kind, _, name = text.partition(":")
    if kind == "ServiceAccount":
        namespace, _, name = name.partition("/")
        return {"kind": kind, "namespace": namespace, "name": name}
    return {"apiGroup": RBAC_GROUP, "kind": kind, "name": name}
