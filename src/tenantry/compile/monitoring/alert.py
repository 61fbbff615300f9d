"""What an alert is, and how it becomes a rule of Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tenantry.compile.monitoring.view import View

PLATFORM, TENANT = "platform", "tenant"

Severity = Literal["critical", "warning", "info"]
"""``critical``: someone acts now. ``warning``: someone acts today. ``info``: shown, not sent."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert with what a person does about it.

    Texts hold placeholders of the view (``@idle@``) and fields of Prometheus (``{{ $labels.node }}``).

    Attributes:
        name: name, unique among all alerts.
        severity: how soon someone acts.
        wait: how long the expression must hold, a duration or a placeholder.
        expression: PromQL.
        summary: one line.
        description: what is so, with the labels that say where.
        meaning: what it means, for the runbook.
        commands: what to run first, for the runbook.
        tenants: what tenants notice, for the runbook.
        audience: who is told, ``platform`` or ``tenant``; alerts for tenants carry a namespace of theirs.
        needs: flags of the view without which it is left out.
    """

    name: str
    severity: Severity
    wait: str
    expression: str
    summary: str
    description: str
    meaning: str
    commands: tuple[str, ...]
    tenants: str
    audience: str = PLATFORM
    needs: tuple[str, ...] = ()


def anchor(alert: Alert) -> str:
    """Return the anchor of an alert's section in the runbook."""
    return alert.name.lower()


def rule(alert: Alert, view: View, runbook: str) -> dict[str, Any]:
    """Render an alert for a cluster.

    Args:
        alert: the alert.
        view: the cluster.
        runbook: path of the runbook in the repository.
    """
    return {
        "alert": alert.name,
        "expr": view.fill(alert.expression),
        "for": view.fill(alert.wait),
        "labels": {"severity": alert.severity, "audience": alert.audience, "platform": view.cluster.name},
        "annotations": {
            "summary": view.fill(alert.summary),
            "description": view.fill(alert.description),
            "runbook": f"{runbook}#{anchor(alert)}",
        },
    }
