"""What dashboards are made of: panels as data, laid out for the width of a laptop."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tenantry.compile.build import content_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.compile.monitoring.view import View

WIDTH = 24
"""Columns of a Grafana dashboard."""

Kind = Literal["stat", "timeseries", "table", "bargauge"]
CONSOLE_KINDS: dict[str, str] = {"stat": "singlestat", "timeseries": "graph", "table": "table", "bargauge": "table"}
"""Panel types that the OpenShift console draws, for each of ours."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: short, with the unit when it is not obvious.
        kind: type of the Grafana panel.
        queries: pairs of PromQL and legend, with placeholders of the view.
        help: what to look for and what to do.
        unit: Grafana unit, for example ``percentunit``.
        width: columns of 24.
        needs: flags of the view without which it is left out.
    """

    title: str
    kind: Kind
    queries: tuple[tuple[str, str], ...]
    help: str
    unit: str = "short"
    width: int = 12
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Panels on one page.

    Attributes:
        name: name of the object.
        title: title for people.
        panels: panels in reading order.
        needs: flags of the view without which it is left out.
        span: time shown, counted back from now.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
    needs: tuple[str, ...] = ()
    span: str = "6h"


def grafana_json(dashboard: Dashboard, view: View, title: str = "") -> str:
    """Write a dashboard as Grafana reads it: one line, the same bytes for the same input.

    The uid is a hash of the dashboard's name and the platform, so that links survive every change of its panels.
    """
    source = {"type": "prometheus", "uid": "${datasource}"}
    panels = []
    for number, (panel, place) in enumerate(_layout([item for item in dashboard.panels if view.has(item.needs)]), 1):
        panels.append(
            {
                "datasource": source,
                "description": view.fill(panel.help),
                "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
                "gridPos": place,
                "id": number,
                "options": _options(panel),
                "targets": [_target(panel, view, index) for index in range(len(panel.queries))],
                "title": view.fill(panel.title),
                "type": panel.kind,
            }
        )
    model = {
        "annotations": {"list": []},
        "editable": False,
        "graphTooltip": 1,
        "panels": panels,
        "refresh": "1m",
        "schemaVersion": 39,
        "tags": ["tenantry"],
        "templating": {
            "list": [{"name": "datasource", "label": "Source", "type": "datasource", "query": "prometheus"}]
        },
        "time": {"from": f"now-{dashboard.span}", "to": "now"},
        "timezone": "browser",
        "title": title or dashboard.title,
        "uid": uid(view.cluster.name, dashboard.name),
    }
    return json.dumps(model, ensure_ascii=False, separators=(",", ":"))


def uid(*parts: str) -> str:
    """Return a uid of 20 characters that depends on names only; Grafana allows 40."""
    return content_hash(list(parts), 20)


def console_json(dashboard: Dashboard, view: View, variables: Sequence[dict[str, Any]] = ()) -> str:
    """Write a dashboard as the OpenShift console reads it, which knows fewer panel types than Grafana.

    Source: openshift monitoring-plugin, ``web/src/components/dashboards``; cluster-monitoring-operator manifests.
    """
    rows: list[dict[str, Any]] = []
    height = -1
    chosen = [item for item in dashboard.panels if view.has(item.needs)]
    for number, (panel, place) in enumerate(_layout(chosen), 1):
        if place["y"] != height:
            rows.append({"panels": [], "title": "", "showTitle": False})
            height = place["y"]
        rows[-1]["panels"].append(
            {
                "datasource": "prometheus",
                "description": view.fill(panel.help),
                "format": panel.unit,
                "id": number,
                "span": panel.width // 2,
                "targets": [
                    {
                        "expr": view.fill(expression),
                        "format": "table" if CONSOLE_KINDS[panel.kind] == "table" else "time_series",
                        "instant": panel.kind != "timeseries",
                        "legendFormat": legend,
                        "refId": _letter(index),
                    }
                    for index, (expression, legend) in enumerate(panel.queries)
                ],
                "title": view.fill(panel.title),
                "type": CONSOLE_KINDS[panel.kind],
                "yaxes": [{"format": panel.unit}, {"format": "short"}],
            }
        )
    model = {
        "editable": False,
        "refresh": "1m",
        "rows": rows,
        "schemaVersion": 14,
        "tags": ["tenantry"],
        "templating": {"list": list(variables)},
        "time": {"from": f"now-{dashboard.span}", "to": "now"},
        "timezone": "browser",
        "title": dashboard.title,
        "uid": uid(view.cluster.name, dashboard.name, "console"),
    }
    return json.dumps(model, ensure_ascii=False, indent=1) + "\n"


def queries(dashboard: Dashboard, view: View) -> Iterator[tuple[str, str]]:
    """Yield where and what a dashboard queries."""
    for panel in dashboard.panels:
        if view.has(panel.needs):
            where = f"dashboard {dashboard.name}, {panel.title}"
            yield from ((where, view.fill(expression)) for expression, _ in panel.queries)


def _layout(panels: Sequence[Panel]) -> Iterator[tuple[Panel, dict[str, int]]]:
    """Place panels in reading order; a panel that does not fit the rest of a row starts the next."""
    x = y = tallest = 0
    for panel in panels:
        height = 4 if panel.kind == "stat" else 8
        if x + panel.width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        yield panel, {"h": height, "w": panel.width, "x": x, "y": y}
        x, tallest = x + panel.width, max(tallest, height)


def _target(panel: Panel, view: View, index: int) -> dict[str, Any]:
    expression, legend = panel.queries[index]
    target: dict[str, Any] = {"expr": view.fill(expression), "legendFormat": legend, "refId": _letter(index)}
    if panel.kind != "timeseries":
        target["instant"] = True
    if panel.kind == "table":
        target["format"] = "table"
    return target


def _letter(index: int) -> str:
    return "ABCDEFGH"[index]


def _defaults(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.unit == "percentunit":
        defaults.update(min=0, max=1)
    elif panel.kind == "timeseries":
        defaults["min"] = 0
    return defaults


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind == "stat":
        return {"colorMode": "none", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}}
    if panel.kind == "bargauge":
        return {"displayMode": "basic", "orientation": "horizontal", "reduceOptions": {"calcs": ["lastNotNull"]}}
    return {"showHeader": True}
