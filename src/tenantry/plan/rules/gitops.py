"""Delivery: operators that are upgraded, what waits for a person, what Argo CD itself is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tenantry.plan.effect import Area, Certainty, Effect, Level, Mark, Return
from tenantry.plan.rule import Row, listed, plural
from tenantry.plan.rules.data import pruning, touches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tenantry.plan.rule import Context, Hit

_OPERATORS = ("Platform/*/spec/operators*", "Platform/*/spec/version", "Platform/*/spec/*")
_GITOPS = (
    "Platform/*/spec/gitops*",
    "Tenant/*/spec/repositories*",
    "Tenant/*/spec/access*",
    "Tenant/*/spec/namespaces*",
)


def _operator(context: Context, row: Row, hits: Sequence[Hit]) -> Iterator[Effect]:
    by_name: dict[str, list[Hit]] = {}
    for hit in hits:
        by_name.setdefault(hit.key.name, []).append(hit)
    for name, there in sorted(by_name.items()):
        mark = there[0].mark
        changed = {hit.touched.pointer: (hit.touched.before, hit.touched.after) for hit in there}
        said = f"operator {name} is installed: OLM pulls its ClusterServiceVersion and images"
        level, sign, back = Level.CHANGE, Mark.ADD, Return.RESTORED
        if mark is Mark.REMOVE:
            ask = " once a person confirms it" if pruning(there[0].old) == "Prune=confirm" else ""
            said = f"the Subscription {name} is deleted{ask}; OLM leaves the ClusterServiceVersion and its pods running"
            sign = Mark.REMOVE
        elif mark is Mark.CHANGE:
            sign = Mark.CHANGE
            parts = [
                f"{path.rpartition('/')[2]} {was or 'unset'} -> {now or 'unset'}"
                for path, (was, now) in changed.items()
            ]
            said = "; ".join(parts)
            if "spec/channel" in changed and _older(*changed["spec/channel"]):
                said += "; the channel is an older one and OLM never downgrades: the version that runs stays"
            elif "spec/channel" in changed:
                said += (
                    "; OLM makes an InstallPlan, approved if the list of approved versions names it; operands restart"
                )
                back = Return.LOST
            elif "spec/startingCSV" in changed:
                said += (
                    "; startingCSV acts on the first install only, an operator that runs is upgraded along its channel"
                )
                back = Return.LOST
        yield Effect(
            row.id,
            row.area,
            sign,
            level,
            f"operator {name}",
            said,
            row.certainty,
            row.source,
            context.causes((f"Platform/*/spec/operators/{name}*", *row.causes)),
            touches(there),
            way_back=back,
        )


def _older(before: Any, after: Any) -> bool:
    """Whether a channel such as v26.3 has a lower number than one such as v26.7."""
    numbers = [[int(part) for part in re.findall(r"\d+", str(channel))] for channel in (before, after)]
    return bool(numbers[0] and numbers[1]) and numbers[1] < numbers[0]


def say(
    subject: str, said: str, *, level: Level = Level.NOTE, mark: Mark | None = None
) -> Callable[[Context, Row, Sequence[Hit]], Iterable[Effect]]:
    """Make the function of a row whose differences are one effect per tenant, and one for the platform.

    Args:
        subject: what it happens to, when it is not a tenant.
        said: what happens, as a sentence.
        level: how much it matters.
        mark: sign; that of the objects when None.
    """

    def effects(context: Context, row: Row, hits: Sequence[Hit]) -> Iterator[Effect]:
        by_tenant: dict[str, list[Hit]] = {}
        for hit in hits:
            by_tenant.setdefault(tenant_of(hit), []).append(hit)
        for tenant, there in sorted(by_tenant.items()):
            marks = {hit.mark for hit in there}
            objects = sorted({str(hit.key) for hit in there})
            causes = context.causes(row.causes, tenants=[tenant] if tenant else ())
            # What a tenant brings or takes along is told by its coming or going.
            moves = tenant and (tenant in context.old_tenants) is not (tenant in context.new_tenants)
            yield Effect(
                rule=row.id,
                area=row.area,
                mark=mark or (marks.pop() if len(marks) == 1 else Mark.CHANGE),
                level=Level.NOTE if moves else level,
                subject=f"tenant {tenant}" if tenant else subject,
                message=f"{said} ({plural(len(objects), 'object')}: {listed(objects, 2)})",
                certainty=row.certainty,
                source=row.source,
                causes=causes or context.causes((f"Tenant/{tenant}*",) if tenant else ("*",)),
                touched=touches(there),
                tenants=(tenant,) if tenant else (),
            )

    return effects


def tenant_of(hit: Hit) -> str:
    """Return the tenant an object belongs to; empty for the platform."""
    labels = (hit.body.get("metadata") or {}).get("labels") or {}
    component = hit.component.removeprefix("tenant-") if hit.component.startswith("tenant-") else ""
    return str(labels.get("tenantry.dev/tenant", component))


ROWS = (
    Row(
        "EFFECT-OPERATOR",
        ("Subscription.operators.coreos.com",),
        ("", "spec/*", "metadata/*"),
        "An operator is installed, upgraded along another channel, or left running without its Subscription",
        "OLM, Subscription: startingCSV acts on the first install; deleting a Subscription leaves the CSV",
        Area.GITOPS,
        _OPERATORS,
        _operator,
    ),
    Row(
        "EFFECT-APPROVED-VERSIONS",
        ("ConfigMap", "Job.batch", "OperatorGroup.operators.coreos.com", "CronJob.batch"),
        ("", "data/*", "spec/*", "metadata/*"),
        "The list of approved versions differs: a listed one is installed, any other waits for a person",
        "OLM, InstallPlan with installPlanApproval Manual; decisions/0003",
        Area.GITOPS,
        _OPERATORS,
        say("operators", "install plans are approved by another list, by a Job of the tree"),
        when=lambda context, hit: hit.component == "operators",
        direction="of component operators",
    ),
    Row(
        "EFFECT-OPERATOR-ACCESS",
        ("ServiceAccount", "Role.*", "RoleBinding.*"),
        ("", "*"),
        "What approves install plans comes or goes",
        "decisions/0003",
        Area.GITOPS,
        _OPERATORS,
        say("operators", "accounts of the approval of install plans"),
        when=lambda context, hit: hit.component == "operators",
        direction="of component operators",
    ),
    Row(
        "EFFECT-CHART",
        ("Application.argoproj.io",),
        ("spec/source/targetRevision", "spec/source/helm/*", "spec/source/chart", "spec/source/repoURL"),
        "A Helm chart is rendered with another version or other values: its Deployments and DaemonSets roll",
        "Argo CD, Helm: the chart is templated and applied; Helm, CRDs are not upgraded",
        Area.GITOPS,
        ("Platform/*/spec/operators*", "Platform/*/spec/scheduler*", "Platform/*/spec/*"),
        say(
            "charts", "a Helm chart gets another version or other values; what it installs restarts", level=Level.CHANGE
        ),
        when=lambda context, hit: hit.key.name.startswith("chart-"),
        direction="of Applications of charts",
        certainty=Certainty.LIKELY,
    ),
    Row(
        "EFFECT-REPOSITORY",
        ("Application.argoproj.io", "ApplicationSet.argoproj.io"),
        ("spec/source/*", "spec/template/*", "spec/generators*"),
        "Argo CD reads from elsewhere: what lies there is applied, what does not is pruned",
        "Argo CD, Application source; automated prune",
        Area.GITOPS,
        _GITOPS,
        say("Argo CD", "Applications read another repository, revision or path", level=Level.CHANGE),
    ),
    Row(
        "EFFECT-APPLICATION",
        ("Application.argoproj.io", "ApplicationSet.argoproj.io"),
        ("", "spec/*", "metadata/*"),
        "Applications come, go, or sync otherwise",
        "Argo CD, Application",
        Area.GITOPS,
        _GITOPS,
        say("Argo CD", "Applications come, go or sync otherwise"),
    ),
    Row(
        "EFFECT-WINDOW",
        ("AppProject.argoproj.io",),
        ("spec/syncWindows*",),
        "Syncs are allowed at other times",
        "Argo CD, sync windows",
        Area.GITOPS,
        ("Platform/*/spec/gitops/changeWindows*",),
        say("Argo CD", "disruptive Applications sync at other times", level=Level.CHANGE),
    ),
    Row(
        "EFFECT-PROJECT",
        ("AppProject.argoproj.io",),
        ("", "spec/*", "metadata/*"),
        "Who may deploy what and where through Argo CD differs",
        "Argo CD, AppProject",
        Area.GITOPS,
        (*_GITOPS, "Tenant/*"),
        say("Argo CD", "what may be deployed through Argo CD, and by whom, differs", level=Level.CHANGE),
    ),
    Row(
        "EFFECT-ARGOCD",
        ("ArgoCD.argoproj.io", "ConfigMap", "ClusterRoleBinding.*", "Namespace"),
        ("", "*"),
        "Argo CD itself is configured otherwise: its pods restart",
        "OpenShift GitOps, ArgoCD",
        Area.GITOPS,
        (*_GITOPS, "Platform/*/spec/*"),
        say("Argo CD", "health checks, projects or accounts of Argo CD differ"),
        when=lambda context, hit: hit.component in {"argocd", "bootstrap", "apps"},
        direction="of component argocd",
    ),
)

COMPARISONS = ()
