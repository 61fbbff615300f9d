"""Metrics, alerts, dashboards: what is exported, what is asked for, and whether the question makes sense."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tenantry.lint.index import Index, hint
from tenantry.lint.mig import settings
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.model.finding import Severity
from tenantry.model.problem import nearest_name
from tenantry.model.reading import at, items, labels, mapping, string_map, text, walk

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

MONITORING = "monitoring.coreos.com"
GRAFANA = "grafana.integreatly.org"
CSV_KEY = "dcgm-metrics.csv"

_FIELD = re.compile(r"\bDCGM_(?:FI|EXP)_[A-Z0-9_]+\b")
_TYPES = frozenset({"gauge", "counter", "label", "histogram", "summary"})
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')


def csv_texts(index: Index) -> list[tuple[Manifest, str, str]]:
    """Return the texts that list the fields of the DCGM exporter: the ConfigMap, the key, the text."""
    return [
        (manifest, key, source)
        for manifest, key, source in index.config_texts
        if key == CSV_KEY or (key.endswith(".csv") and _FIELD.search(source))
    ]


def csv_fields(source: str) -> list[tuple[int, list[str]]]:
    """Return the rows of a CSV text with their line numbers; comments and empty lines are left out."""
    rows = []
    for number, line in enumerate(source.splitlines(), start=1):
        plain = line.strip()
        if plain and not plain.startswith("#"):
            rows.append((number, [part.strip() for part in plain.split(",", 2)]))
    return rows


@rule(
    "LINT-DCGM-CSV",
    Severity.ERROR,
    "The list of DCGM fields has a row the exporter cannot read",
    why="The exporter stops on a malformed row: no GPU metric at all. A row is field, Prometheus type, help.",
    source="NVIDIA dcgm-exporter, internal/pkg/counters (ReadCSV); etc/default-counters.csv",
    fragments=True,
)
def _csv_rows(index: Index) -> Iterator[Hit]:
    for manifest, key, source in csv_texts(index):
        seen: set[str] = set()
        for number, row in csv_fields(source):
            message = _row_fault(row, seen)
            if message:
                fix = "Write the row as: DCGM_FI_DEV_GPU_TEMP, gauge, GPU temperature (in C)."
                yield Hit(manifest, ("data", key), f"line {number}: {message}", fix, inner=(number - 1,))
            seen.add(row[0])


def _row_fault(row: list[str], seen: set[str]) -> str:
    if len(row) < 3:
        return f"{len(row)} of 3 columns"
    if row[1] not in _TYPES:
        return f"{row[1]!r} is no type: gauge, counter or label"
    if row[0] in seen:
        return f"{row[0]} is listed already"
    return "" if re.fullmatch(r"(?:DCGM|DCP)_[A-Za-z0-9_]+", row[0]) else f"{row[0]!r} is no DCGM field"


@rule(
    "LINT-DCGM-FIELD",
    Severity.WARNING,
    "The list of DCGM fields names one that is not known",
    why="A field DCGM does not have makes the exporter stop, or is skipped with a log line.",
    source="NVIDIA DCGM, field identifiers; dcgm-exporter, etc/default-counters.csv",
    fragments=True,
)
def _csv_known(index: Index) -> Iterator[Hit]:
    known = {metric.name for metric in index.context.metrics if metric.exporter == "dcgm"}
    for manifest, key, source in csv_texts(index):
        for number, row in csv_fields(source):
            close = nearest_name(row[0], known) if row[0].startswith("DCGM") and row[0] not in known else None
            # DCGM has hundreds of fields; only a name that is nearly a known one is called a slip.
            if close and _slip(row[0], close):
                message = f"line {number}: {row[0]} is not known{hint(close)}"
                yield Hit(manifest, ("data", key), message, f"Write {close}.", inner=(number - 1,))


def _slip(written: str, known: str) -> bool:
    """Whether two names differ by one edit, or by case: a typing error rather than another field."""
    if written.casefold() == known.casefold():
        return True
    if abs(len(written) - len(known)) > 1:
        return False
    start = 0
    while start < min(len(written), len(known)) and written[start] == known[start]:
        start += 1
    rest, other = written[start:], known[start:]
    swapped = len(rest) == len(other) and rest[:2] == other[1::-1] and rest[2:] == other[2:]
    return swapped or rest[1:] == other[1:] or rest[1:] == other or rest == other[1:]


def expressions(index: Index) -> list[tuple[Manifest, DocPath, str, bool]]:
    """Return PromQL expressions: the object, the path, the text, and whether it is an alert or recording rule."""
    return index.shared("expressions", lambda found: list(_expressions(found)))


def _expressions(index: Index) -> Iterator[tuple[Manifest, DocPath, str, bool]]:
    for manifest in index.of(MONITORING, "PrometheusRule"):
        for group, body in enumerate(items(manifest.body, "spec", "groups")):
            for position, entry in enumerate(items(body, "rules")):
                expression = at(entry, "expr")
                if isinstance(expression, str | int):
                    path: DocPath = ("spec", "groups", group, "rules", position, "expr")
                    yield manifest, path, str(expression), True
    for manifest, path, source in dashboard_texts(index):
        for _, value in walk(index.json(source).value):
            if isinstance(value, dict) and isinstance(value.get("expr"), str):
                yield manifest, path, value["expr"], False


def dashboard_texts(index: Index) -> list[tuple[Manifest, DocPath, str]]:
    """Return dashboards held as JSON: of GrafanaDashboard, and of ConfigMaps that Grafana or the console reads."""
    found: list[tuple[Manifest, DocPath, str]] = []
    for manifest in index.of(GRAFANA, "GrafanaDashboard"):
        source = at(manifest.body, "spec", "json")
        if isinstance(source, str):
            found.append((manifest, ("spec", "json"), source))
    for manifest in index.of("", "ConfigMap"):
        marks = labels(manifest.body)
        if "grafana_dashboard" in marks or "console.openshift.io/dashboard" in marks:
            found += [
                (manifest, ("data", key), source)
                for key, source in string_map(manifest.body, "data").items()
                if key.endswith(".json")
            ]
    return found


def _exported(index: Index, near: Manifest) -> tuple[frozenset[str], bool]:
    """Return the DCGM fields exported where an object lives, and whether that is known rather than assumed."""
    scope = index.scope(near)
    lists = [entry for entry in csv_texts(index) if index.scope(entry[0]) == scope]
    named = {
        text(found.values, "dcgmExporter", "config", "name")
        for found in settings(index)
        if index.scope(found.manifest) == scope
    }
    used = [entry for entry in lists if entry[0].key.name in named] or (lists if not named - {""} else [])
    if used:
        return frozenset(row[0] for _, _, source in used for _, row in csv_fields(source)), True
    default = frozenset(metric.name for metric in index.context.metrics if metric.exporter == "dcgm" and metric.default)
    return default, named == {""}


@rule(
    "LINT-DCGM-ALERT",
    Severity.ERROR,
    "An alert asks for a metric that is not exported",
    why="The expression is empty for ever: the alert never fires, and nobody notices.",
    source="NVIDIA dcgm-exporter, etc/default-counters.csv",
)
def _alert_metric(index: Index) -> Iterator[Hit]:
    for manifest, path, expression, alerting in expressions(index):
        if not alerting:
            continue
        for name, known in _missing(index, manifest, expression):
            message = f"{name} is not exported, so the expression is empty"
            severity = None if known else Severity.INFO
            yield Hit(manifest, path, message, f"Add {name} to {CSV_KEY}.", severity)


@rule(
    "LINT-DCGM-PANEL",
    Severity.WARNING,
    "A dashboard asks for a metric that is not exported",
    why="The panel stays empty.",
    source="NVIDIA dcgm-exporter, etc/default-counters.csv",
)
def _panel_metric(index: Index) -> Iterator[Hit]:
    found: dict[tuple[int, str], Hit] = {}
    for manifest, path, expression, alerting in expressions(index):
        for name, known in () if alerting else _missing(index, manifest, expression):
            severity = None if known else Severity.INFO
            hit = Hit(manifest, path, f"{name} is not exported", f"Add {name} to {CSV_KEY}.", severity)
            found.setdefault((id(manifest), name), hit)
    yield from found.values()


def _missing(index: Index, manifest: Manifest, expression: str) -> Iterator[tuple[str, bool]]:
    names = sorted(set(_FIELD.findall(expression)))
    if names:
        exported, known = _exported(index, manifest)
        yield from ((name, known) for name in names if name not in exported)


@rule(
    "LINT-MON-RULE",
    Severity.ERROR,
    "A rule is incomplete, or its expression does not close its brackets",
    why="Prometheus refuses the whole file of rules; the operator then drops the PrometheusRule.",
    source="Prometheus, pkg/rulefmt",
    fragments=True,
)
def _rule_form(index: Index) -> Iterator[Hit]:
    for manifest in index.of(MONITORING, "PrometheusRule"):
        for group, body in enumerate(items(manifest.body, "spec", "groups")):
            for position, entry in enumerate(items(body, "rules")):
                path: DocPath = ("spec", "groups", group, "rules", position)
                if bool(text(entry, "alert")) == bool(text(entry, "record")):
                    message = "a rule is either an alert or a record"
                    yield Hit(manifest, path, message, "Write one of alert and record.")
                expression = at(entry, "expr")
                message = "there is no expr" if expression in (None, "") else _bracket_fault(str(expression))
                if message:
                    yield Hit(manifest, (*path, "expr"), message, "Complete the expression.")


def _bracket_fault(expression: str) -> str:
    """Return what is wrong with the brackets of a PromQL expression; strings and comments do not count."""
    if "{{" in _STRING.sub("", expression):
        return ""  # a chart's template
    plain = re.sub(r"(?m)#.*$", "", _STRING.sub('""', expression))
    opened: list[str] = []
    closes = {")": "(", "]": "[", "}": "{"}
    for character in plain:
        if character in "([{":
            opened.append(character)
        elif character in closes and (not opened or opened.pop() != closes[character]):
            return f"{character!r} closes nothing"
    return f"{opened[-1]!r} is not closed" if opened else ""


@rule(
    "LINT-MON-UNIT",
    Severity.WARNING,
    "A threshold is in another unit than the metric",
    why="Profiling metrics are shares from 0 to 1, utilisation is in per cent from 0 to 100: the comparison is "
    "always true or always false.",
    source="NVIDIA DCGM, field identifiers (profiling metrics)",
    fragments=True,
)
def _threshold_unit(index: Index) -> Iterator[Hit]:
    units = {metric.name: metric.unit for metric in index.context.metrics if metric.exporter == "dcgm"}
    for manifest, path, expression, alerting in expressions(index):
        if not alerting or "*" in expression or "/" in expression:
            continue
        for name in sorted(set(_FIELD.findall(expression))):
            limits = _thresholds(name, expression)
            if units.get(name) == "ratio" and any(limit > 1 for limit in limits):
                message = f"{name} lies between 0 and 1, the threshold does not"
                yield Hit(manifest, path, message, "Divide the threshold by 100.")
            elif units.get(name) == "percent" and any(0 < limit < 1 for limit in limits):
                message = f"{name} lies between 0 and 100, the threshold is below 1"
                yield Hit(manifest, path, message, "Multiply the threshold by 100.")


def _thresholds(name: str, expression: str) -> list[float]:
    plain = re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]", "", _STRING.sub('""', expression))
    found = []
    # The metric may stand inside functions: leave their closing brackets out and read up to the comparison.
    for match in re.finditer(
        rf"\b{name}\b[\s)]*(?:(?:by|without)\s*\([^()]*\)\s*)?(?P<rest>[<>=!].*)", plain, re.DOTALL
    ):
        number = re.match(r"(?:==|!=|>=|<=|>|<)\s*(?:bool\s+)?([0-9.]+(?:[eE][+-]?[0-9]+)?)", match["rest"])
        if number and number[1].strip("."):
            found.append(float(number[1]))
    return found


@rule(
    "LINT-MON-XID",
    Severity.WARNING,
    "The code of the last XID error is treated as a count",
    why="DCGM_FI_DEV_XID_ERRORS is a gauge that holds a code; its increase or rate says nothing.",
    source="NVIDIA DCGM, field identifiers (XID errors)",
    fragments=True,
)
def _xid_count(index: Index) -> Iterator[Hit]:
    for manifest, path, expression, _ in expressions(index):
        if re.search(r"\b(?:increase|i?rate)\s*\(\s*DCGM_FI_DEV_XID_ERRORS\b", expression):
            message = "the metric is the code of the last error, not a number of errors"
            yield Hit(manifest, path, message, "Compare the code, or use DCGM_EXP_XID_ERRORS_COUNT.")


@rule(
    "LINT-MON-HOSTNAME",
    Severity.WARNING,
    "An expression relies on a label the exporter renamed",
    why="The label Hostname became hostname after dcgm-exporter 4.8.2; with the other version the result is empty.",
    source="NVIDIA dcgm-exporter, pull request 655",
    fragments=True,
)
def _renamed_label(index: Index) -> Iterator[Hit]:
    found: dict[int, Hit] = {}
    for manifest, path, expression, _ in expressions(index):
        old, new = re.search(r"\bHostname\b", expression), re.search(r"\bhostname\b", expression)
        if _FIELD.search(expression) and old and not new:
            message = "newer exporters call the label hostname"
            found.setdefault(id(manifest), Hit(manifest, path, message, "Use both names, or instance and node."))
    yield from found.values()


@rule(
    "LINT-MON-NEEDS",
    Severity.WARNING,
    "An alert asks for a metric that is switched off",
    why="gpu_operator_node_* come from the node status exporter, which is off unless the ClusterPolicy enables it.",
    source="NVIDIA gpu-operator, cmd/nvidia-validator/metrics.go; api/nvidia/v1 (nodeStatusExporter)",
)
def _switched_off(index: Index) -> Iterator[Hit]:
    for manifest, path, expression, alerting in expressions(index):
        if not alerting or not re.search(r"\bgpu_operator_node_[a-z]", expression):
            continue
        near = [found for found in settings(index) if index.scope(found.manifest) == index.scope(manifest)]
        if near and not any(at(found.values, "nodeStatusExporter", "enabled") is True for found in near):
            message = "the node status exporter is not enabled"
            yield Hit(manifest, path, message, "Write nodeStatusExporter.enabled: true in the ClusterPolicy.")


@rule(
    "LINT-MON-TWICE",
    Severity.WARNING,
    "GPU metrics are scraped twice",
    why="The operator makes a ServiceMonitor of its own when dcgmExporter.serviceMonitor is enabled; every sum "
    "doubles.",
    source="NVIDIA gpu-operator, assets/state-dcgm-exporter",
)
def _scraped_twice(index: Index) -> Iterator[Hit]:
    for monitor in index.whole(MONITORING, "ServiceMonitor"):
        chosen = text(monitor.body, "spec", "selector", "matchLabels", "app")
        if chosen != "nvidia-dcgm-exporter":
            continue
        for found in settings(index):
            on = at(found.values, "dcgmExporter", "serviceMonitor", "enabled") is True
            if on and index.scope(found.manifest) == index.scope(monitor):
                message = f"{found.manifest.key} makes a ServiceMonitor for the same service"
                yield Hit(monitor, ("spec", "selector"), message, "Keep one of the two.")


@rule(
    "LINT-MON-DASHBOARD",
    Severity.ERROR,
    "A dashboard cannot be read",
    why="Grafana shows no dashboard; the operator reports an error in its status.",
    source="grafana-operator, api/v1beta1 (GrafanaDashboard)",
    fragments=True,
)
def _dashboard_readable(index: Index) -> Iterator[Hit]:
    for manifest, path, source in dashboard_texts(index):
        parsed = index.json(source)
        if parsed.error:
            yield Hit(manifest, path, f"the dashboard is not JSON: {parsed.error}", "Correct the text.")
        elif not isinstance(parsed.value, dict):
            yield Hit(manifest, path, "the dashboard holds no JSON object", "Write a dashboard.")
        elif not text(parsed.value, "title"):
            yield Hit(manifest, path, "the dashboard has no title", "Add a title.", inner=("title",))


@rule(
    "LINT-MON-DASHBOARD-SOURCE",
    Severity.WARNING,
    "A GrafanaDashboard has no content, or several",
    why="The operator takes one source and passes over the others.",
    source="grafana-operator, controllers/content",
)
def _dashboard_source(index: Index) -> Iterator[Hit]:
    kinds = ("json", "gzipJson", "url", "jsonnet", "jsonnetLib", "configMapRef", "grafanaCom", "oci")
    for manifest in index.of(GRAFANA, "GrafanaDashboard"):
        spec = mapping(manifest.body, "spec")
        given = [kind for kind in kinds if spec.get(kind)]
        if len(given) != 1:
            message = f"{' and '.join(given)} are given" if given else "there is no content"
            yield Hit(manifest, ("spec",), message, "Give one source, such as json.")


RULES: tuple[Rule, ...] = (
    _csv_rows,
    _csv_known,
    _alert_metric,
    _panel_metric,
    _rule_form,
    _threshold_unit,
    _xid_count,
    _renamed_label,
    _switched_off,
    _scraped_twice,
    _dashboard_readable,
    _dashboard_source,
)
