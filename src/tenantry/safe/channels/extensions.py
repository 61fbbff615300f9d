"""Webhooks, aggregated API servers and operators: code that acts on requests of everybody."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tenantry.model.claim import Effect, Impact, Missing, Step, Witness
from tenantry.safe.admission import GROUP as ADMISSION
from tenantry.safe.admission import items, mapping
from tenantry.safe.channels.host import runs_pods
from tenantry.safe.matching import selector_of
from tenantry.safe.powers import MAKE, RBAC
from tenantry.safe.ruling import Ruling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

A5 = Ruling("A5", "webhooks and API servers answered by a tenant", Effect.WRITE, Impact.S0)
A7 = Ruling("A7", "operators that act for a tenant outside its namespaces", Effect.WRITE, Impact.S1)

OPERATORS = "operators.reviewed"
WEBHOOKS = "webhooks.reviewed"


def webhooks(view: View) -> Iterator[Claim]:
    """Let no webhook, aggregated API server or conversion be answered by pods of a tenant.

    Webhooks that change objects in namespaces of tenants can hand out what admission refuses; what they change cannot
    be seen, so somebody signs for it.
    """
    served = list(_served(view))
    changing = [item for item in view.snapshot.of(ADMISSION, "MutatingWebhookConfiguration") if _reaches(view, item)]
    for tenant in view.sources:
        own = next((item for item in served if view.tenancy.owner(item[2]) == tenant.name), None)
        if own is not None:
            manifest, pointer, namespace = own
            step = Step(f"requests of everybody are answered by a Service in {namespace}", manifest.key, tuple(pointer))
            runs = view.may(tenant.name, "create", "", "pods", namespace)
            summary = f"{tenant.name} answers requests of everybody through {manifest.key}"
            witness = Witness((step, *(runs.steps if runs else ())), summary)
            fix = f"move the Service of {manifest.key} into a namespace of the platform"
            yield A5.violated(tenant.name, witness, fix)
        elif changing and view.signed(WEBHOOKS) is not True:
            names = ", ".join(str(item.key) for item in changing)
            fact = view.missing(WEBHOOKS)
            yield A5.unknown(tenant.name, [replace(fact, how=f"{fact.how} ({names})")])
        else:
            signed = f", and fact {WEBHOOKS} is signed" if changing else ""
            yield A5.proved(tenant.name, f"none of {len(served)} webhooks and servers is in its namespaces{signed}")


def _served(view: View) -> Iterator[tuple[Manifest, list[str | int], str]]:
    """Yield what the API server asks somebody else about, with the namespace of who answers."""
    for manifest in view.snapshot.of(ADMISSION, "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        entries = manifest.body.get("webhooks")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            for below, namespace in _answering(mapping(mapping(entry).get("clientConfig"))):
                yield manifest, ["webhooks", index, "clientConfig", *below], namespace
    for manifest in view.snapshot.of("apiregistration.k8s.io", "APIService"):
        service = mapping(mapping(manifest.body.get("spec")).get("service"))
        if isinstance(service.get("namespace"), str):
            yield manifest, ["spec", "service", "namespace"], service["namespace"]
    for manifest in view.snapshot.of("apiextensions.k8s.io", "CustomResourceDefinition"):
        webhook = mapping(mapping(mapping(manifest.body.get("spec")).get("conversion")).get("webhook"))
        for below, namespace in _answering(mapping(webhook.get("clientConfig"))):
            yield manifest, ["spec", "conversion", "webhook", "clientConfig", *below], namespace


def _answering(client: Body) -> Iterator[tuple[list[str | int], str]]:
    """Yield the namespace a webhook is answered from: that of its Service, or of the Service its address names."""
    service = mapping(client.get("service"))
    if isinstance(service.get("namespace"), str):
        yield ["service", "namespace"], service["namespace"]
    url = client.get("url")
    host = (urlsplit(url).hostname or "") if isinstance(url, str) else ""
    parts = host.removesuffix(".").split(".")
    if "svc" in parts[2:3]:
        yield ["url"], parts[1]


def _reaches(view: View, manifest: Manifest) -> bool:
    """Whether a webhook may look at objects in a namespace of a tenant."""
    for entry in items(manifest.body.get("webhooks")):
        selector = selector_of(entry.get("namespaceSelector"))
        for tenant in view.tenants:
            for name in tenant.namespaces:
                if selector is None or selector.matches(view.envelope(name).labels):
                    return True
    return False


# API groups whose kinds Kubernetes itself acts on; other channels decide them.
_BUILT_IN = frozenset(
    {
        *("", "apps", "batch", "autoscaling", "policy", "networking.k8s.io", RBAC, "coordination.k8s.io"),
        *("discovery.k8s.io", "events.k8s.io", "resource.k8s.io", "storage.k8s.io", "extensions", "metrics.k8s.io"),
        *("authorization.k8s.io", "authentication.k8s.io", "certificates.k8s.io", "scheduling.k8s.io", "node.k8s.io"),
        *("security.openshift.io", "project.openshift.io", "authorization.openshift.io", "oauth.openshift.io"),
        *("route.openshift.io", "apps.openshift.io", "build.openshift.io", "image.openshift.io"),
        *("template.openshift.io", "user.openshift.io", "quota.openshift.io", "config.openshift.io"),
        *("console.openshift.io", "helm.openshift.io"),
    }
)  # fmt: skip


def operators(view: View) -> Iterator[Claim]:
    """Let no custom resource a tenant may write make an operator act outside the tenant's namespaces.

    What operators do with their resources is in no object, so somebody who looked signs for it.
    """
    signed = view.signed(OPERATORS)
    for tenant in view.sources:
        kinds, right = _custom_kinds(view, tenant.name, tenant.namespaces)
        if not kinds and not (missing := view.unknown_roles(tenant.name)):
            yield A7.proved(tenant.name, "it has no right to write custom resources")
        elif not kinds:
            yield A7.unknown(tenant.name, missing)
        elif signed:
            yield A7.proved(tenant.name, f"fact {OPERATORS} is signed for the custom resources it may write")
        elif signed is False and right is not None:
            witness = Witness(right, f"{tenant.name} may write {', '.join(kinds)}, whose operators were found unsafe")
            yield A7.violated(tenant.name, witness, "take the right to write these kinds away")
        else:
            fact = view.missing(OPERATORS)
            yield A7.unknown(tenant.name, [replace(fact, how=f"{fact.how} (here: {', '.join(kinds)})")])


# Kinds, or all kinds of a group, that are known to be about something else than pods.
_WITHOUT_PODS = (
    *(f"{kind}.monitoring.coreos.com" for kind in ("servicemonitors", "podmonitors", "probes", "prometheusrules")),
    *(".gateway.networking.k8s.io", ".snapshot.storage.k8s.io", ".k8s.cni.cncf.io", ".kueue.x-k8s.io"),
    *(".scheduling.run.ai", ".k8s.ovn.org", ".networking.istio.io", ".sriovnetwork.openshift.io"),
)


def unknown_makers(view: View, tenant: TenantIdentity) -> tuple[Missing, ...]:
    """Return what is missing of a tenant that makes custom resources only: operators may make pods of these."""
    if view.signed(OPERATORS) is True or any(runs_pods(view, tenant.name, name) for name in tenant.namespaces):
        return ()
    written, _ = _custom_kinds(view, tenant.name, tenant.namespaces)
    kinds = [kind for kind in written if not kind.endswith(_WITHOUT_PODS)]
    if not kinds:
        return ()
    fact = view.missing(OPERATORS)
    return (replace(fact, how=f"{fact.how} (here: {', '.join(kinds)}, of which pods may be made)"),)


def _custom_kinds(
    view: View, tenant: str, namespaces: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[Step, ...] | None]:
    """Return the kinds of custom resources a tenant may write in its namespaces, and the path to one right."""
    kinds: dict[str, tuple[Step, ...]] = {}
    for held in view.reach(tenant).rights.all():
        if held.grant.namespace and held.grant.namespace not in namespaces:
            continue
        for rule in held.grant.rules:
            if not rule.verbs & {*MAKE, "*"} or rule.urls:
                continue
            for group in sorted(rule.groups - _BUILT_IN):
                for resource in sorted(name for name in rule.resources if "/" not in name):
                    kinds.setdefault(f"{resource}.{group}", held.steps(rule))
    return tuple(sorted(kinds)), next(iter(kinds.values()), None)
