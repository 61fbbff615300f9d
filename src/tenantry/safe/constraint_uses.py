"""Who may use which of OpenShift's SecurityContextConstraints: by their own lists, or by the right to ``use`` them.

Source: OpenShift, apiserver-library-go ``pkg/securitycontextconstraints/sccmatching``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.safe.answer import Requester
from tenantry.safe.constraints import GROUP, RESOURCE
from tenantry.safe.rbac import Rule, service_account_groups, service_account_user, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.model.manifest import Manifest, ManifestKey
    from tenantry.model.problem import DocPath
    from tenantry.safe.rbac import RoleBook


class UsableConstraints:
    """Says which constraints a requester may use, and remembers it."""

    def __init__(self, constraints: Sequence[Manifest], book: RoleBook) -> None:
        """Prepare to answer.

        Args:
            constraints: all SecurityContextConstraints, by name; none where the cluster has no such kind.
            book: rights.
        """
        self._constraints = constraints
        self._uses = _uses(book) if constraints else {}
        self._usable: dict[tuple[Requester, str, str], tuple[Manifest, ...]] = {}

    def by(self, user: Requester, account: str, namespace: str, *, account_counts: bool = True) -> tuple[Manifest, ...]:
        """Return the SecurityContextConstraints a requester or a service account of a namespace may use, by name."""
        key = (user, account, namespace)
        if key not in self._usable:
            who = [user]
            if account_counts:
                who.append(Requester(service_account_user(namespace, account), service_account_groups(namespace)))
            self._usable[key] = tuple(
                item for item in self._constraints if any(self._may_use(item, each, namespace) for each in who)
            )
        return self._usable[key]

    def use_of(self, name: str, account: str, namespace: str) -> tuple[ManifestKey, DocPath] | None:
        """Return the rule that lets a service account use constraints, or None when their own lists do."""
        groups = service_account_groups(namespace)
        subjects = (f"user:{service_account_user(namespace, account)}", *(f"group:{group}" for group in groups))
        for subject in subjects:
            for scope, rule in self._uses.get(subject, ()):
                if scope in {"", namespace} and rule.allows("use", GROUP, RESOURCE, name):
                    return rule.role, rule.pointer
        return None

    def _may_use(self, item: Manifest, user: Requester, namespace: str) -> bool:
        if user.username in texts(item.body.get("users")) or set(user.groups) & set(texts(item.body.get("groups"))):
            return True
        subjects = (f"user:{user.username}", *(f"group:{group}" for group in user.groups))
        return any(
            scope in {"", namespace} and rule.allows("use", GROUP, RESOURCE, item.key.name)
            for subject in subjects
            for scope, rule in self._uses.get(subject, ())
        )


def _uses(book: RoleBook) -> dict[str, list[tuple[str, Rule]]]:
    """Return per subject the rules that let it use SecurityContextConstraints, with their scope."""
    found: dict[str, list[tuple[str, Rule]]] = {}
    for subject, grants in book.grants.items():
        for grant in grants:
            for rule in grant.rules:
                if rule.allows("use", GROUP, RESOURCE):
                    found.setdefault(subject, []).append((grant.namespace, rule))
    return found
