"""Findings in every format: terminal text, JSON, Markdown, SARIF 2.1.0, JUnit XML, HTML."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from tenantry import __version__
from tenantry.model.finding import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.app.lint import LintReport
    from tenantry.model.finding import Finding

FORMAT_VERSION = "1.0"
MARKS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def summary(report: LintReport) -> str:
    """Return the one line that says it all."""
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    found = f"{errors} errors, {warnings} warnings" if report.findings else "0 findings"
    extra = report.count(Severity.INFO)
    if extra:
        found += f", {extra} notes"
    return f"{found} in {report.manifests} objects of {report.files} files (Kubernetes {report.kubernetes} schemas)"


def text(report: LintReport) -> str:
    """Write findings for a terminal, a paragraph each, the summary last."""
    lines: list[str] = []
    for item in report.findings:
        label = "unknown" if item.verdict is Verdict.UNKNOWN else MARKS[item.severity]
        lines.append(f"{item.location}: {label}: {item.message}")
        lines.append(f"    {item.subject}{': ' + item.path if item.path else ''}  [{item.rule}]")
        if item.fix:
            lines.append(f"    fix: {item.fix}")
    if report.findings:
        lines.append("")
    lines.extend(f"note: {note}" for note in report.notes)
    if report.unchecked:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in list(report.unchecked.items())[:8])
        more = f" and {len(report.unchecked) - 8} more kinds" if len(report.unchecked) > 8 else ""
        lines.append(f"note: no schema for {kinds}{more}; give their CustomResourceDefinitions with --crds")
    lines.append(summary(report))
    return "\n".join(lines)


def as_json(report: LintReport) -> str:
    """Write findings for machines."""
    body = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "kubernetes": report.kubernetes,
        "counts": {
            "files": report.files,
            "manifests": report.manifests,
            "errors": report.count(Severity.ERROR),
            "warnings": report.count(Severity.WARNING),
            "notes": report.count(Severity.INFO),
        },
        "unchecked": report.unchecked,
        "notes": list(report.notes),
        "findings": [plain_finding(item) for item in report.findings],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def plain_finding(item: Finding) -> dict[str, Any]:
    """Return a finding as outputs for machines hold it."""
    return {
        "rule": item.rule,
        "severity": item.severity.word,
        "verdict": item.verdict.value,
        "subject": item.subject,
        "message": item.message,
        "file": item.location.file,
        "line": item.location.line,
        "column": item.location.column,
        "path": item.path,
        "fix": item.fix,
        "source": item.source,
    }


def markdown(report: LintReport) -> str:
    """Write findings as a Markdown table."""
    lines = [f"**{summary(report)}**", ""]
    if report.findings:
        lines += ["| | where | object | what | fix | rule |", "|---|---|---|---|---|---|"]
        for item in report.findings:
            cells = (MARKS[item.severity], str(item.location), item.subject, item.message, item.fix, item.rule)
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def sarif(report: LintReport) -> str:
    """Write findings as SARIF 2.1.0, for code scanning."""
    rules = sorted({item.rule for item in report.findings})
    index = {rule: position for position, rule in enumerate(rules)}
    levels = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    results = []
    for item in report.findings:
        place: dict[str, Any] = {"artifactLocation": {"uri": item.location.file.replace("\\", "/")}}
        if item.location.line:
            place["region"] = {"startLine": item.location.line, "startColumn": max(1, item.location.column)}
        message = item.message + (f" Fix: {item.fix}" if item.fix else "")
        results.append(
            {
                "ruleId": item.rule,
                "ruleIndex": index[item.rule],
                "level": levels[item.severity],
                "message": {"text": message},
                "locations": [{"physicalLocation": place, "logicalLocations": [{"fullyQualifiedName": item.subject}]}],
                "properties": {"path": item.path, "verdict": item.verdict.value},
            }
        )
    driver = {"name": "tenantry", "version": __version__, "rules": [{"id": rule} for rule in rules]}
    body = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)


def junit(report: LintReport) -> str:
    """Write findings as JUnit XML: a test case per finding, or one that passed."""
    failed = [item for item in report.findings if item.severity is not Severity.INFO]
    cases = []
    for item in failed:
        detail = f"{item.location}: {item.subject}: {item.path}\n{item.message}\n{item.fix}"
        name = quoteattr(f"{item.rule} {item.subject}")
        cases.append(
            f"    <testcase classname={quoteattr(item.location.file)} name={name}>\n"
            f"      <failure type={quoteattr(item.rule)} message={quoteattr(item.message)}>{escape(detail)}</failure>\n"
            "    </testcase>"
        )
    if not cases:
        cases = [f'    <testcase classname="tenantry.lint" name={quoteattr(summary(report))}/>']
    count = max(1, len(failed))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
        f'  <testsuite name="tenantry lint" tests="{count}" failures="{len(failed)}">\n'
        + "\n".join(cases)
        + "\n  </testsuite>\n</testsuites>\n"
    )


def html(report: LintReport) -> str:
    """Write findings as a self-contained page."""
    from tenantry.cli.render.page import page

    rows = "".join(
        f'<tr class="{MARKS[item.severity]}"><td>{MARKS[item.severity]}</td><td><code>{escape(str(item.location))}'
        f"</code></td><td>{escape(item.subject)}<br><code>{escape(item.path)}</code></td>"
        f"<td>{escape(item.message)}{'<br><b>Fix:</b> ' + escape(item.fix) if item.fix else ''}</td>"
        f"<td><code>{escape(item.rule)}</code></td></tr>"
        for item in report.findings
    )
    table = (
        f"<table><tr><th></th><th>Where</th><th>Object</th><th>What</th><th>Rule</th></tr>{rows}</table>"
        if rows
        else "<p>Nothing was found.</p>"
    )
    return page("Lint", f"<p class=lead>{escape(summary(report))}</p>{table}")


RENDERERS: Mapping[str, Callable[[LintReport], str]] = {
    "text": text,
    "json": as_json,
    "md": markdown,
    "sarif": sarif,
    "junit": junit,
    "html": html,
}
