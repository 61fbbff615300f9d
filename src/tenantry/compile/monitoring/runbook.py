"""The runbook of a platform and the table of alerts in the documentation, both written from the alerts themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.monitoring.alerts import CONCERNS, active
from tenantry.compile.monitoring.routes import platform_route
from tenantry.compile.monitoring.scrape import operator_namespace
from tenantry.compile.monitoring.view import FLAGS
from tenantry.compile.monitoring.xid import XIDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.compile.monitoring.alert import Alert
    from tenantry.compile.monitoring.view import View

PATH = "platform/monitoring/RUNBOOK.md"
"""Path in the tree."""


def runbook(view: View) -> str:
    """Write the runbook: a section per alert, the XID codes, and where alerts go."""
    return "\n".join(_runbook_lines(view)) + "\n"


def _runbook_lines(view: View) -> Iterator[str]:
    yield "# Runbook"
    yield ""
    names = _namespaces(view)
    yield f"What to do when an alert of platform {view.cluster.name} fires. NODE, NAMESPACE, POD and other words in"
    yield "capitals stand for what the alert names. Driver, MIG manager and device plugin of a node run in:"
    yield ""
    yield "```shell"
    yield f"kubectl -n {names['GPU_OPERATOR_NAMESPACE']} get pods --field-selector spec.nodeName=NODE"
    yield "```"
    for _, title, alerts in active(view):
        yield ""
        yield f"## {title}"
        for alert in alerts:
            yield from _section(alert, view, names)
    yield ""
    yield "## XID codes"
    yield ""
    yield "| code | meaning | action |"
    yield "| --- | --- | --- |"
    for item in XIDS:
        yield f"| {item.code} | {item.meaning} | {item.action} |"
    yield ""
    yield "## Where alerts go"
    yield ""
    yield "Alerts for tenants reach the contacts of the tenant by e-mail; informational ones are only shown. Alerts for"
    yield "the platform need this route in the configuration of Alertmanager, which holds secrets and stays out of Git:"
    yield ""
    yield "```yaml"
    yield from platform_route(view).splitlines()
    yield "```"


def _section(alert: Alert, view: View, names: dict[str, str]) -> Iterator[str]:
    yield ""
    yield f"### {alert.name}"
    yield ""
    yield f"{alert.severity.capitalize()}, for the {alert.audience}, after {view.fill(alert.wait)}."
    yield ""
    yield view.fill(alert.meaning)
    yield ""
    yield "```shell"
    for command in alert.commands:
        text = command
        for word, value in names.items():
            text = text.replace(word, value)
        yield text
    yield "```"
    yield ""
    yield f"Tenants: {view.fill(alert.tenants)}"


def _namespaces(view: View) -> dict[str, str]:
    cluster = view.cluster
    names = {"ARGOCD_NAMESPACE": cluster.argocd_namespace}
    for word, operator in (
        ("GPU_OPERATOR_NAMESPACE", "gpu-operator"),
        ("SRIOV_NAMESPACE", "sriov-network-operator"),
    ):
        if operator in cluster.operators:
            names[word] = operator_namespace(cluster, operator)
    return names


def alert_table() -> str:
    """Write the table of all alerts as Markdown; an alert with an expression per scheduler is one line."""
    wording = {"@idle@": "`idleMinutes`", "@starvation@": "`starvationMinutes`", "0s": "at once"}
    lines = ["| alert | severity | after | told | where | usual cause |", "| --- | --- | --- | --- | --- | --- |"]
    for _, _, alerts in CONCERNS:
        for name in dict.fromkeys(alert.name for alert in alerts):
            same = [alert for alert in alerts if alert.name == name]
            where = " or ".join(_where(alert) for alert in same) or "everywhere"
            first = same[0]
            wait, cause = wording.get(first.wait, first.wait), first.meaning.split(". ")[0].removesuffix(".")
            lines.append(f"| {name} | {first.severity} | {wait} | {first.audience} | {where} | {cause} |")
    return "\n".join(lines) + "\n"


def _where(alert: Alert) -> str:
    return ", ".join(FLAGS[need] for need in alert.needs if need != "tenants")
