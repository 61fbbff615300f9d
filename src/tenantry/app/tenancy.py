"""Who owns what: from the tenants of a spec, from labels of namespaces, or from a tenancy file.

Every namespace must have an owner. One that nobody owns is an error: taken as the platform's it would be trusted, taken
as a service for all it would be a hole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantry.errors import InputError
from tenantry.model.spec.tenancy_file import Owner, TenancyFile
from tenantry.model.tenancy import PLATFORM, Tenancy, TenantIdentity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.model.snapshot import Snapshot
    from tenantry.model.spec import Spec

SYSTEM = ("default", "kube-node-lease", "kube-public", "kube-system")
"""Namespaces every cluster has."""

# OpenShift refuses projects of these names to users (oc new-project: "cannot request a project starting with
# 'openshift-' or 'kube-'").
RESERVED = re.compile(r"(openshift|kube)(-.*)?\Z")

RBAC = "rbac.authorization.k8s.io"


def spec_tenancy(spec: Spec, snapshot: Snapshot) -> Tenancy:
    """Return the owners a spec states: tenants own the namespaces they list, the platform every other one."""
    tenants = [
        TenantIdentity(
            tenant.name,
            tuple(sorted(item.name for item in tenant.spec.namespaces)),
            groups=tuple(sorted({grant.group for grant in tenant.spec.access})),
        )
        for tenant in spec.tenants
    ]
    owned = {name for tenant in tenants for name in tenant.namespaces}
    return Tenancy(
        tenants=tuple(sorted(tenants, key=lambda item: item.name)),
        platform=frozenset({*SYSTEM, *snapshot.namespaces} - owned),
        administrators=frozenset(spec.platform.spec.gitops.admin_groups),
    )


def stated_tenancy(tenancy: Tenancy | None) -> TenancyFile:
    """Return what a tenancy file would say that states the same owners; an empty one for None."""
    if tenancy is None:
        return TenancyFile()
    owners = {
        tenant.name: Owner(namespaces=list(tenant.namespaces), groups=list(tenant.groups), users=list(tenant.users))
        for tenant in tenancy.tenants
    }
    platform = Owner(namespaces=sorted(tenancy.platform), groups=sorted(tenancy.administrators))
    return TenancyFile(tenants=owners, platform=platform)


def found_tenancy(snapshot: Snapshot, stated: TenancyFile, label: str) -> tuple[Tenancy, tuple[str, ...]]:
    """Return the owners of manifests of any origin, and notes on what was concluded.

    A namespace belongs to whom the file says, else to the tenant its label names (``platform`` stands for the
    platform), else to the platform if its name is reserved for it. Groups and users whom role bindings let act in the
    namespaces of a tenant act for that tenant, unless the file says who they are.

    Args:
        snapshot: the objects.
        stated: the tenancy file; empty when there is none.
        label: label of namespaces that names their tenant; empty for none.

    Raises:
        InputError: if a namespace has no owner or two, or there is no tenant at all; names all such namespaces.
    """
    owners = _owners(snapshot, stated, label)
    names = sorted({*owners.values(), *stated.tenants} - {PLATFORM})
    if not names:
        raise InputError(f"no namespace belongs to a tenant; {_how(label)}")
    people = _people(snapshot, owners, stated)
    tenants = tuple(
        TenantIdentity(
            name,
            tuple(sorted(namespace for namespace, owner in owners.items() if owner == name)),
            groups=tuple(sorted(people.groups.get(name, ()))),
            users=tuple(sorted(people.users.get(name, ()))),
        )
        for name in names
    )
    platform = frozenset(namespace for namespace, owner in owners.items() if owner == PLATFORM)
    administrators = frozenset((*stated.platform.groups, *stated.platform.users))
    return Tenancy(tenants, platform, administrators), tuple(people.notes)


def _owners(snapshot: Snapshot, stated: TenancyFile, label: str) -> dict[str, str]:
    labels = {item.key.name: _labels(item.body) for item in snapshot.of("", "Namespace")}
    owners: dict[str, str] = {}
    twice, nobody = [], []
    for namespace in sorted({*SYSTEM, *snapshot.namespaces}):
        claimed = _stated(namespace, stated)
        if len(claimed) > 1:
            twice.append(f"{namespace} ({', '.join(claimed)})")
        elif claimed:
            owners[namespace] = claimed[0]
        elif label and labels.get(namespace, {}).get(label):
            owners[namespace] = labels[namespace][label]
        elif RESERVED.match(namespace) or namespace in SYSTEM:
            owners[namespace] = PLATFORM
        else:
            nobody.append(namespace)
    if twice:
        raise InputError(f"the tenancy file gives {_list(twice, 'namespace')} to more than one owner")
    if nobody:
        raise InputError(f"nobody owns {_list(nobody, 'namespace')}; {_how(label)}")
    return owners


def _stated(namespace: str, stated: TenancyFile) -> list[str]:
    """Return the owners a file names; a name written out counts before a pattern."""
    wanted = {name: owner.namespaces for name, owner in stated.tenants.items()}
    wanted[PLATFORM] = stated.platform.namespaces
    exact = sorted(name for name, patterns in wanted.items() if namespace in patterns)
    return exact or sorted(
        name for name, patterns in wanted.items() if any(matches(namespace, pattern) for pattern in patterns)
    )


def matches(text: str, pattern: str) -> bool:
    """Whether text is what a pattern describes, in which ``*`` stands for any run of characters."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def _how(label: str) -> str:
    by_label = f"label each {label}=TENANT (or {label}={PLATFORM}), or " if label else ""
    return f"{by_label}list them in a file given with --tenancy, under tenants.NAME.namespaces or platform.namespaces"


def _list(names: list[str], noun: str) -> str:
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"{noun}{'s' if len(names) > 1 else ''} {shown}"


def _labels(body: Mapping[str, object]) -> Mapping[str, str]:
    metadata = body.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    if not isinstance(labels, dict):
        return {}
    return {key: value for key, value in labels.items() if isinstance(value, str)}


@dataclass(slots=True)
class _People:
    """Groups and users per tenant, and what was concluded about them."""

    groups: dict[str, set[str]] = field(default_factory=dict)
    users: dict[str, set[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def _people(snapshot: Snapshot, owners: Mapping[str, str], stated: TenancyFile) -> _People:
    people = _People(
        {name: set(owner.groups) for name, owner in stated.tenants.items()},
        {name: set(owner.users) for name, owner in stated.tenants.items()},
    )
    every = [*stated.tenants.values(), stated.platform]
    known = {"Group": {name for owner in every for name in owner.groups}}
    known["User"] = {name for owner in every for name in owner.users}
    bound: dict[tuple[str, str], set[str]] = {}
    for kind, name, namespace in _subjects(snapshot):
        owner = owners.get(namespace, PLATFORM)
        if owner != PLATFORM and name not in known[kind] and not name.startswith("system:"):
            bound.setdefault((kind, name), set()).add(owner)
    for (kind, name), tenants in sorted(bound.items()):
        place = people.groups if kind == "Group" else people.users
        for tenant in tenants:
            place.setdefault(tenant, set()).add(name)
        if len(tenants) > 1:
            people.notes.append(
                f"{kind} {name} acts in the namespaces of {', '.join(sorted(tenants))} and is taken as one of each; "
                "if it runs the platform, list it under platform in a file given with --tenancy"
            )
    return people


def _subjects(snapshot: Snapshot) -> Iterable[tuple[str, str, str]]:
    """Yield kind, name and namespace of every group and user some RoleBinding names."""
    for binding in snapshot.of(RBAC, "RoleBinding"):
        subjects = binding.body.get("subjects")
        for subject in subjects if isinstance(subjects, list) else ():
            if not isinstance(subject, dict):
                continue
            kind, name = subject.get("kind"), subject.get("name")
            if isinstance(kind, str) and kind in {"Group", "User"} and isinstance(name, str) and name:
                yield kind, name, binding.key.namespace
