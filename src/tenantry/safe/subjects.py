"""Whether a subject of a binding is, or holds, somebody who acts for a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.safe.rbac import EVERYBODY, SERVICE_ACCOUNTS
from tenantry.safe.reading import text

if TYPE_CHECKING:
    from tenantry.model.tenancy import TenantIdentity


def acts_for(subject: object, tenant: TenantIdentity) -> bool:
    """Return whether rights given to a subject are rights of a tenant."""
    kind, name = text(subject, "kind"), text(subject, "name")
    if kind == "ServiceAccount":
        return text(subject, "namespace") in tenant.namespaces
    if kind == "User":
        return name in tenant.users or any(
            name.startswith(f"system:serviceaccount:{namespace}:") for namespace in tenant.namespaces
        )
    if kind != "Group":
        return False
    accounts = {f"{SERVICE_ACCOUNTS}:{namespace}" for namespace in tenant.namespaces}
    return name in EVERYBODY or name in accounts or name in tenant.groups
