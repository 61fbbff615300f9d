"""Names that break, fields that cannot be changed, and what dies with objects that are removed."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tenantry.catalog.changes import immutable_fields
from tenantry.plan.effect import Area, Effect, Level, Mark, Return
from tenantry.plan.rule import Comparison, Row, kind_of, listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.catalog.changes import ImmutableField
    from tenantry.model.manifest import Body
    from tenantry.plan.effect import Touched
    from tenantry.plan.rule import Context, Hit

SYNC_OPTIONS = "argocd.argoproj.io/sync-options"


def immutable(hit: Hit) -> ImmutableField | None:
    """Return the entry that says a changed field cannot be changed."""
    if hit.mark is not Mark.CHANGE:
        return None
    for entry in immutable_fields():
        if entry.kind != kind_of(hit.key) or not fnmatchcase(hit.touched.pointer, entry.path):
            continue
        if any(fnmatchcase(hit.touched.pointer, path) for path in entry.exceptions):
            continue
        if entry.when and not (hit.old or {}).get(entry.when):
            continue
        return entry
    return None


def replaces(body: Body) -> bool:
    """Whether Argo CD replaces the object."""
    return "Replace=true" in _annotations(body).get(SYNC_OPTIONS, "")


def hooked(body: Body) -> bool:
    """Whether the object is a hook, which Argo CD deletes and makes again at every sync."""
    return "argocd.argoproj.io/hook" in _annotations(body)


def _annotations(body: Body) -> dict[str, str]:
    return (body.get("metadata") or {}).get("annotations") or {}


def _refused(context: Context, row: Row, hits: Sequence[Hit]) -> Iterator[Effect]:
    by_object: dict[str, list[Hit]] = {}
    for hit in hits:
        by_object.setdefault(str(hit.key), []).append(hit)
    for name, there in sorted(by_object.items()):
        entry = immutable(there[0])
        fields = listed(sorted({hit.touched.pointer for hit in there}))
        again = replaces(there[0].body)
        yield Effect(
            rule=row.id,
            area=row.area,
            mark=Mark.CHANGE if again else Mark.DISRUPT,
            level=Level.CHANGE if again else Level.DISRUPTIVE,
            subject=name,
            message=f"{fields} cannot be changed: "
            + (
                "Argo CD deletes and makes the object again"
                if again
                else "the sync fails until a person deletes the object"
            ),
            source=entry.source if entry else row.source,
            causes=context.causes(row.causes),
            touched=tuple(hit.touched for hit in there),
            way_back=Return.AGAIN,
        )


def _namespaces(context: Context, row: Row, hits: Sequence[Hit]) -> Iterator[Effect]:
    for hit in hits:
        name = hit.key.name
        tenant = ((hit.body.get("metadata") or {}).get("labels") or {}).get("tenantry.dev/tenant", "")
        gone = hit.mark is Mark.REMOVE
        options = pruning(hit.old) if gone else ""
        kept = options == "Prune=false"
        ask = " once a person confirms it in Argo CD" if options == "Prune=confirm" else ""
        said = f"namespace {name} is made"
        if gone:
            said = f"namespace {name} is no more in the tree and stays in the cluster (Prune=false)"
            if not kept:
                said = (
                    f"namespace {name} is deleted{ask}, and everything in it: pods, secrets, claims; volumes whose "
                    "reclaim policy is Delete lose their data"
                )
        yield Effect(
            rule="EFFECT-NAMESPACE-REMOVED" if gone else "EFFECT-NAMESPACE-ADDED",
            area=row.area,
            mark=Mark.DISRUPT if gone and not kept else Mark.ADD,
            level=Level.DISRUPTIVE if gone and not kept else Level.CHANGE,
            subject=f"tenant {tenant}" if tenant else f"namespace {name}",
            message=said,
            source=row.source,
            causes=context.causes(
                (f"Tenant/{tenant}/spec/namespaces*", f"Tenant/{tenant}") if tenant else ("Platform/*",)
            ),
            touched=(hit.touched,),
            tenants=(tenant,) if tenant else (),
            way_back=Return.LOST if gone and not kept else Return.RESTORED,
        )


def pruning(body: Body | None) -> str:
    """Return what an object says about being pruned: ``Prune=false``, ``Prune=confirm`` or nothing."""
    annotations = ((body or {}).get("metadata") or {}).get("annotations") or {}
    options = [item.strip() for item in annotations.get(SYNC_OPTIONS, "").split(",")]
    return next((item for item in options if item in {"Prune=false", "Prune=confirm"}), "")


def _definitions(context: Context, row: Row, hits: Sequence[Hit]) -> Iterator[Effect]:
    for hit in hits:
        ask = " once a person confirms it" if pruning(hit.old) == "Prune=confirm" else ""
        yield Effect(
            row.id,
            row.area,
            Mark.DISRUPT,
            Level.DISRUPTIVE,
            str(hit.key),
            f"the definition is deleted{ask}, and every object of its kind in the cluster",
            source=row.source,
            causes=context.causes(row.causes),
            touched=(hit.touched,),
            way_back=Return.LOST,
        )


ROWS = (
    Row(
        "EFFECT-IMMUTABLE",
        ("*",),
        ("*",),
        "A field that cannot be changed differs",
        "catalog/data/plan.toml, each field with its source",
        Area.DATA,
        ("Platform/*", "Tenant/*"),
        _refused,
        marks=frozenset({Mark.CHANGE}),
        when=lambda context, hit: immutable(hit) is not None and not hooked(hit.body),
        direction="fields that cannot be changed",
    ),
    Row(
        "EFFECT-NAMESPACE",
        ("Namespace",),
        ("",),
        "A namespace is made, or deleted with everything in it",
        "Kubernetes, namespaces: deleting one deletes every object in it; Argo CD, sync options Prune=confirm",
        Area.DATA,
        (),
        _namespaces,
        marks=frozenset({Mark.ADD, Mark.REMOVE}),
    ),
    Row(
        "EFFECT-CRD-REMOVED",
        ("CustomResourceDefinition.apiextensions.k8s.io",),
        ("",),
        "A definition is deleted, and all objects of its kind",
        "Kubernetes, CustomResourceDefinition: deleting one deletes its objects",
        Area.DATA,
        ("Platform/*",),
        _definitions,
        marks=frozenset({Mark.REMOVE}),
    ),
)


def _names(context: Context, rule: Comparison) -> Iterator[Effect]:
    """Extended resources by which pods, quotas and profiles ask for GPUs and functions."""
    before, after = set(context.old.cluster.resources), set(context.new.cluster.resources)
    for resource in sorted(before - after):
        pools = [pool.name for pool in context.old.cluster.pools if pool.capacity(resource)]
        tenants = sorted(tenant.name for tenant in context.old.cluster.tenants if tenant.limits.get(resource, 0))
        yield Effect(
            "EFFECT-RESOURCE-NAME",
            rule.area,
            Mark.DISRUPT,
            Level.DISRUPTIVE,
            resource,
            f"no node offers {resource} any more: pods that ask for it wait for ever, and {_quotas(tenants)} "
            "and hardware profiles that name it bound nothing",
            source=rule.source,
            causes=context.causes(rule.causes),
            tenants=tuple(tenants),
            pools=tuple(pools),
            way_back=Return.RESTORED,
        )
    for resource in sorted(after - before):
        pools = [pool.name for pool in context.new.cluster.pools if pool.capacity(resource)]
        yield Effect(
            "EFFECT-RESOURCE-NAME",
            rule.area,
            Mark.ADD,
            Level.CHANGE,
            resource,
            f"{resource} is a new name that pods ask for, in {listed(pools) or 'no pool'}",
            source=rule.source,
            causes=context.causes(rule.causes),
            pools=tuple(pools),
        )


def _quotas(tenants: Sequence[str]) -> str:
    return f"quotas of {plural(len(tenants), 'tenant')}" if tenants else "quotas"


def touches(hits: Sequence[Hit]) -> tuple[Touched, ...]:
    """Return what was touched, in a stable order."""
    return tuple(sorted((hit.touched for hit in hits), key=lambda item: (item.key, item.pointer)))


COMPARISONS = (
    Comparison(
        "EFFECT-RESOURCE-NAMES",
        "Names of extended resources appear and disappear",
        "NVIDIA k8s-device-plugin: gpu, gpu.shared and mig-<profile>; SR-IOV Network Operator: <prefix>/<resourceName>",
        Area.DATA,
        (
            "Platform/*/spec/nodePools/*/sharing*",
            "Platform/*/spec/fabrics*",
            "Platform/*/spec/nodePools*",
            "Platform/*/spec/operators*",
        ),
        _names,
    ),
)
