"""``TenancyFile``: who owns which namespaces of manifests that Tenantry did not compile."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.spec.base import Name, SpecModel

NamePattern = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9*]([-a-z0-9*]*[a-z0-9*])?$")]
"""Name of a namespace, in which ``*`` stands for any run of characters."""

Subject = Annotated[str, Field(min_length=1, max_length=253)]
"""Name of a group or user as role bindings write it."""


class Owner(SpecModel):
    """What one tenant owns and who acts for it."""

    namespaces: list[NamePattern] = []
    """Its namespaces; ``*`` stands for any run of characters."""
    groups: list[Subject] = []
    """Groups whose members act for it."""
    users: list[Subject] = []
    """Users who act for it."""


class TenancyFile(SpecModel):
    """Owners of namespaces; what it does not name is looked up by label."""

    tenants: dict[Name, Owner] = {}
    """Tenants by name."""
    platform: Owner = Owner()
    """Namespaces of the cluster, its operators and services for all, and the people who run them."""
    tenant_label: str = ""
    """Label of namespaces that names their tenant, for namespaces not named here."""
