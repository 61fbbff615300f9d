"""P4: images that one tenant may pull and another finds in the cache of a node or in the registry of the cluster.

Sources: Kubernetes documentation of the admission plug-in AlwaysPullImages and of
``imagePullCredentialsVerificationPolicy`` (KEP-2535); OpenShift, "Allowing pods to reference images across projects".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.model.claim import Effect, Impact, Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.attempts import Attempts
from tenantry.safe.reading import at, items, text, texts
from tenantry.safe.ruling import Outcome, Ruling, pairwise, worst
from tenantry.safe.shapes import representatives
from tenantry.safe.subjects import acts_for
from tenantry.safe.trials import Trials
from tenantry.safe.view import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.model.claim import Claim
    from tenantry.model.manifest import Body, Manifest
    from tenantry.model.tenancy import TenantIdentity
    from tenantry.safe.view import View

P4 = Ruling("P4", "private images of another tenant", Effect.READ, Impact.S1)

PULL_FACT = "images.private-pull"
_VERIFIED = frozenset({"AlwaysVerify", "NeverVerifyPreloadedImages"})
_IMAGES = "image.openshift.io"
_LAYERS = "imagestreams/layers"
_RBAC = "rbac.authorization.k8s.io"
_PULLERS = ("system:image-puller", "system:image-pusher", "system:image-builder", "registry-viewer", "registry-editor")


def cached_images(view: View) -> Iterable[Claim]:
    """Decide P4: a private image is run by its owner only, whatever lies in the caches of nodes."""
    attempts, prober = Attempts(view), Trials(view)
    verified = _verified(view)
    pulls = _pull_grants(view)
    for tenant in view.sources:
        found = _across(view, tenant, pulls)
        outcome = worst(_cache(view, attempts, prober, verified, tenant))
        if outcome.reason and found:
            yield from pairwise(P4, view, tenant.name, found, outcome.reason)
            continue
        yield outcome.claim(P4, tenant.name)
        if found:
            yield from pairwise(P4, view, tenant.name, found, outcome.reason or "no grant lets it pull their images")


def _verified(view: View) -> Manifest | None:
    """Return a kubelet configuration of all pools by which nodes check the right to every image, None without one."""
    for manifest in view.snapshot.of("machineconfiguration.openshift.io", "KubeletConfig"):
        policy = text(manifest.body, "spec", "kubeletConfig", "imagePullCredentialsVerificationPolicy")
        selector = at(manifest.body, "spec", "machineConfigPoolSelector")
        if policy in _VERIFIED and not selector:
            return manifest
    return None


def _cache(
    view: View, attempts: Attempts, prober: Trials, verified: Manifest | None, tenant: TenantIdentity
) -> Iterator[Outcome]:
    if verified is not None:
        yield Outcome.safe(f"{verified.key} has nodes check pull rights for every image")
        return
    signed = view.signed(PULL_FACT)
    if signed:
        yield Outcome.safe(f"fact {PULL_FACT}: nodes check pull rights for every container")
        return
    if view.strength is Strength.DEPLOYED:
        yield Outcome.safe(
            "every pod pulls images by its own name and secrets; only a new one would look for another's"
        )
        return
    for namespace in representatives(view, tenant):
        right = attempts.pods(tenant.name, namespace)
        if right is None:
            continue
        trial = prober.trial(namespace, [_from_cache])
        if trial.answer is Answer.UNKNOWN:
            yield Outcome.open(*trial.missing)
        elif trial.answer is Answer.ADMITTED and signed is None:
            yield Outcome.open(view.missing(PULL_FACT))
            return
        elif trial.answer is Answer.ADMITTED:
            let_in = Step(
                "admission lets the pod in", missing=f"no guard of {namespace} asks for imagePullPolicy Always"
            )
            fact = Step("nodes do not check", missing=f"fact {PULL_FACT} says cached images are run without a check")
            summary = f"a pod of {tenant.name} in {namespace} runs a private image of another from a node's cache"
            witness = Witness((*right.steps, let_in, fact), summary, (("manifest", trial.pod),))
            yield Outcome.broken(witness, "switch on AlwaysPullImages, or refuse other pull policies in tenants' pods")
            return
    yield Outcome.safe("admission lets in only pods that pull every image with their own secrets")


def _from_cache(pod: Body) -> None:
    for container in pod["spec"]["containers"]:
        container["image"] = "registry.example.com/other-tenant/private@sha256:" + "0" * 64
        container["imagePullPolicy"] = "IfNotPresent"


def _pull_grants(view: View) -> list[tuple[str, Manifest, int, object]]:
    """Return who can pull images of tenants' namespaces: owner, binding, index of the subject, subject."""
    roles = {*_PULLERS}
    for manifest in view.snapshot.of(_RBAC, "ClusterRole", "Role"):
        for rule in items(manifest.body, "rules"):
            layers = {_LAYERS, "*"} & set(texts(rule, "resources"))
            if layers and {_IMAGES, ""} & set(texts(rule, "apiGroups")) and {"get", "*"} & set(texts(rule, "verbs")):
                roles.add(manifest.key.name)
    found: list[tuple[str, Manifest, int, object]] = []
    for binding in view.snapshot.of(_RBAC, "RoleBinding"):
        owner = view.tenancy.owner(binding.key.namespace)
        if owner in view.tenancy.by_name and text(binding.body, "roleRef", "name") in roles:
            found.extend(
                (str(owner), binding, index, item) for index, item in enumerate(items(binding.body, "subjects"))
            )
    return found


def _across(view: View, tenant: TenantIdentity, pulls: list[tuple[str, Manifest, int, object]]) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for owner, binding, index, subject in pulls:
        if owner != tenant.name and owner not in found and acts_for(subject, tenant):
            step = Step("may pull images of the namespace", binding.key, ("subjects", index))
            summary = f"{binding.key} lets {tenant.name} pull images of {owner}"
            fix = f"remove {text(subject, 'name')} from {binding.key}"
            found[owner] = Outcome.broken(Witness((step,), summary), fix)
    return found
