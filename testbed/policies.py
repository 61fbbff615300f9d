"""Admission policies that tests make, and waiting until those that are written are enforced."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.control_plane import Cluster

Body = dict[str, Any]

_numbers = count(1)


def policy(
    name: str,
    *,
    resources: list[str],
    operations: list[str],
    names: Sequence[str] = (),
    groups: Sequence[str] = ("*",),
    **spec: Any,
) -> tuple[Body, Body]:
    """Return an admission policy with a binding that denies; it refuses everything unless ``spec`` says otherwise."""
    rule = {
        "apiGroups": list(groups),
        "apiVersions": ["*"],
        "operations": operations,
        "resources": resources,
        **({"resourceNames": list(names)} if names else {}),
    }
    version, meta = "admissionregistration.k8s.io/v1", {"name": name}
    body = {
        "failurePolicy": "Fail",
        "matchConstraints": {"matchPolicy": "Equivalent", "resourceRules": [rule]},
        "validations": [{"expression": "false", "message": name, "reason": "Forbidden"}],
        **spec,
    }
    bound = {"policyName": name, "validationActions": ["Deny"]}
    return (
        {"apiVersion": version, "kind": "ValidatingAdmissionPolicy", "metadata": meta, "spec": body},
        {"apiVersion": version, "kind": "ValidatingAdmissionPolicyBinding", "metadata": meta, "spec": bound},
    )


def settle(cluster: Cluster) -> None:
    """Wait until every admission policy that is written now is enforced.

    The server takes policies up all together, about once a second; so a last one that refuses shows that all do. Each
    call makes one of another name: the one before goes on refusing for a while after it is deleted.
    """
    name = f"testbed-settled-{next(_numbers)}"
    made = policy(name, resources=["configmaps"], operations=["CREATE"], names=[name], groups=[""])
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}
    for body in made:
        cluster.api.create(body).expect()
    cluster.until("the admission policies", lambda: f"'{name}'" in cluster.api.create(probe, dry_run=True).message)
    for body in reversed(made):
        cluster.api.delete(body).expect()
