"""A verification for machines: JSON, SARIF 2.1.0, JUnit XML."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import msgspec

from tenantry import __version__
from tenantry.app.verification import STRENGTH_WORDS
from tenantry.cli.render.fixes import fix_data, fix_lines, fix_words, outcome, pointer
from tenantry.cli.render.verification import permission_ports, printable, step_line
from tenantry.model.claim import Impact
from tenantry.model.finding import Verdict

if TYPE_CHECKING:
    from tenantry.app.fix_edits import Edit
    from tenantry.app.verification import ChannelResult, Gap, SafeFinding, StrengthColumn, VerifyReport
    from tenantry.model.claim import Step
    from tenantry.model.problem import Location
    from tenantry.model.spec import Waiver
    from tenantry.model.tenancy import Permission, SignedFact

FORMAT_VERSION = "1.0"
MOST_IN_CASE = 20
"""Findings a JUnit case spells out."""


def as_json(report: VerifyReport) -> str:
    """Write everything a verification found."""
    body = {
        "formatVersion": FORMAT_VERSION,
        "tool": {"name": "tenantry", "version": __version__},
        "subject": report.name,
        "strength": report.strength.name.lower(),
        "verdict": _verdict(report).value,
        "blastRadiusZero": report.zero,
        "headline": report.headline,
        "objects": report.objects,
        "partial": report.partial,
        "pairs": {verdict.value: report.pairs(verdict) for verdict in Verdict},
        "tenants": [_tenant(report, name) for name in report.names],
        "matrix": [_cell(report, pair) for pair in report.cells],
        "channels": [_channel(item) for item in report.channels],
        "strengths": [_strength(column) for column in report.strengths],
        "findings": [_finding(item) for item in report.findings],
        "missing": [_gap(gap) for gap in report.gaps],
        "contract": [
            *(_permission(item, expired=False) for item in report.permissions),
            *(_permission(item, expired=True) for item in report.expired_permissions),
        ],
        "facts": [_fact(item) for item in report.facts],
        "waivers": [
            *(_waiver(item, expired=False) for item in report.waivers),
            *(_waiver(item, expired=True) for item in report.expired_waivers),
        ],
        "notRead": list(report.unread),
        "notes": list(report.notes),
    }
    try:
        # A thousand tenants make a million pairs: the standard library would hold every comma as an object of its own.
        return msgspec.json.format(msgspec.json.encode(body, enc_hook=str), indent=2).decode()
    except (TypeError, ValueError):
        # Objects from files may hold what only the standard library writes: halves of surrogate pairs, odd keys.
        return json.dumps(body, indent=2, ensure_ascii=False, default=str)


def _strength(column: StrengthColumn) -> dict[str, Any]:
    return {
        "strength": column.strength.name.lower(),
        "channels": {name: verdict.value for name, verdict in column.verdicts.items()},
        "pairs": {
            "VIOLATED": column.violated,
            "UNKNOWN": column.unknown,
            "PROVED": column.pairs - column.violated - column.unknown,
        },
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "fact": gap.fact,
        "how": list(gap.how),
        "channels": list(gap.channels),
        "findings": gap.findings,
        "state": gap.state,
        "entry": gap.entry,
    }


def _fact(item: SignedFact) -> dict[str, Any]:
    return {
        "id": item.id,
        "value": item.value,
        "evidence": item.evidence,
        "signedBy": item.signed_by,
        "expired": item.expired,
    }


def _verdict(report: VerifyReport) -> Verdict:
    verdicts = {item.verdict for item in report.channels}
    if Verdict.VIOLATED in verdicts:
        return Verdict.VIOLATED
    return Verdict.UNKNOWN if Verdict.UNKNOWN in verdicts or report.unread else Verdict.PROVED


def _tenant(report: VerifyReport, name: str) -> dict[str, Any]:
    tenant = report.tenancy.by_name[name]
    violated, unknown = report.blast(name)
    body: dict[str, Any] = {
        "name": name,
        "namespaces": list(tenant.namespaces),
        "groups": list(tenant.groups),
        "users": list(tenant.users),
        "actsOn": violated,
        "unknown": unknown,
    }
    if name in report.benchmark:
        passed, total = report.passed(name)
        checks = [
            {"id": item.id, "title": item.title, "verdict": item.verdict.value, "reason": item.reason}
            for item in report.benchmark[name]
        ]
        body["benchmark"] = {"passed": passed, "total": total, "checks": checks}
    return body


def _cell(report: VerifyReport, pair: tuple[str, str]) -> dict[str, Any]:
    cell = report.cells[pair]
    return {
        "source": pair[0],
        "target": pair[1],
        "verdict": cell.verdict.value,
        "impact": cell.impact.name if cell.impact is not None else None,
        "findings": [report.findings[index].id for index in cell.findings],
    }


def _channel(item: ChannelResult) -> dict[str, Any]:
    return {
        "id": item.id,
        "title": item.title,
        "effect": item.effect.value,
        "impact": item.impact.name,
        "verdict": item.verdict.value,
        "pairs": {"VIOLATED": item.violated, "UNKNOWN": item.unknown, "PROVED": item.proved},
        "reasons": list(item.reasons),
    }


def _finding(item: SafeFinding) -> dict[str, Any]:
    claim = item.claim
    body: dict[str, Any] = {
        "id": item.id,
        "rule": item.rule,
        "channel": claim.channel,
        "title": item.title,
        "verdict": claim.verdict.value,
        "source": claim.source,
        "target": claim.target or None,
        "effect": claim.effect.value,
        "impact": claim.impact.name,
        "message": item.message,
        "fix": claim.fix,
        "changes": fix_data(item),
        "waived": item.waived,
        "waiver": item.waiver.name if item.waiver is not None else None,
    }
    witness = claim.witness
    if witness is not None:
        places = [*item.places, *[None] * len(witness.steps)]
        body["path"] = [_step(step, place) for step, place in zip(witness.steps, places, strict=False)]
        body["details"] = dict(witness.details)
        body["assumes"] = list(witness.assumes)
    if claim.missing:
        body["missing"] = [{"fact": entry.fact, "how": entry.how} for entry in claim.missing]
    return body


def _step(step: Step, place: Location | None) -> dict[str, Any]:
    if step.by is None:
        return {"edge": step.edge, "missing": step.missing}
    key = step.by
    body: dict[str, Any] = {
        "edge": step.edge,
        "object": {
            "apiVersion": key.api_version,
            "kind": key.kind,
            "namespace": key.namespace or None,
            "name": key.name,
        },
        "pointer": pointer(step.pointer),
    }
    if place is not None:
        body.update({"file": place.file, "line": place.line})
    return body


def _permission(item: Permission, *, expired: bool) -> dict[str, Any]:
    return {
        "name": item.name,
        "from": item.source,
        "to": item.target,
        "fromNamespaces": list(item.source_namespaces),
        "fromLabels": dict(item.source_labels),
        "toNamespaces": list(item.target_namespaces),
        "toLabels": dict(item.target_labels),
        "ports": permission_ports(item),
        "reason": item.reason,
        "expires": item.expires.isoformat(),
        "expired": expired,
    }


def _waiver(item: Waiver, *, expired: bool) -> dict[str, Any]:
    return {
        "name": item.name,
        "rule": item.spec.rule,
        "subject": item.spec.subject,
        "reason": item.spec.reason,
        "approvedBy": item.spec.approved_by,
        "expires": item.spec.expires.isoformat(),
        "expired": expired,
    }


# SARIF ---------------------------------------------------------------------------------------------------------------

_LEVELS = {Impact.S0: "error", Impact.S1: "error", Impact.S2: "warning", Impact.S3: "note"}


def sarif(report: VerifyReport) -> str:
    """Write findings as SARIF 2.1.0; the path of each is a code flow."""
    index = {item.id: position for position, item in enumerate(report.channels)}
    driver = {
        "name": "tenantry",
        "version": __version__,
        "rules": [
            {
                "id": f"SAFE-{item.id}",
                "shortDescription": {"text": item.title},
                "properties": {"effect": item.effect.value, "impact": item.impact.name},
            }
            for item in report.channels
        ],
    }
    run = {
        "tool": {"driver": driver},
        "results": [_result(item, index) for item in report.findings],
        "properties": {
            "strength": report.strength.name.lower(),
            "headline": report.headline,
            "blastRadiusZero": report.zero,
        },
    }
    body = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(body, indent=2, ensure_ascii=False)


def _result(item: SafeFinding, index: dict[str, int]) -> dict[str, Any]:
    claim = item.claim
    known = claim.verdict is Verdict.VIOLATED
    text = f"{item.subject}: {item.message}" + (f" Fix: {fix_words(item)}" if fix_words(item) else "")
    result: dict[str, Any] = {
        "ruleId": item.rule,
        "ruleIndex": index.get(claim.channel, -1),
        "kind": "fail" if known else "open",
        "level": _LEVELS[claim.impact] if known else "none",
        "message": {"text": text},
        "partialFingerprints": {"tenantryFinding/v1": item.id},
        "properties": {"verdict": claim.verdict.value, "impact": claim.impact.name, "effect": claim.effect.value},
    }
    steps = claim.witness.steps if claim.witness else ()
    places = [_location(step, place) for step, place in zip(steps, item.places, strict=False)]
    if places:
        # Code scanning shows a result at one place: the last object on the way, which lets the tenant in.
        result["locations"] = [next((place for place in reversed(places) if "physicalLocation" in place), places[-1])]
        flow = {"threadFlows": [{"locations": [{"location": place} for place in places]}]}
        result["codeFlows"] = [flow]
    if item.repair is not None:
        result["properties"]["fix"] = fix_data(item)
    if item.edits and item.repair is not None:
        artifacts = [_artifact_change(edit) for edit in item.edits]
        result["fixes"] = [{"description": {"text": outcome(item.repair)}, "artifactChanges": artifacts}]
    if item.waived and item.waiver is not None:
        result["suppressions"] = [{"kind": "external", "justification": item.waiver.spec.reason}]
    return result


def _artifact_change(edit: Edit) -> dict[str, Any]:
    region = {"startLine": edit.first, "endLine": edit.last} if edit.first else {"charOffset": 0, "charLength": 0}
    return {
        "artifactLocation": {"uri": edit.file.replace("\\", "/")},
        "replacements": [{"deletedRegion": region, "insertedContent": {"text": edit.text}}],
    }


def _location(step: Step, place: Location | None) -> dict[str, Any]:
    body: dict[str, Any] = {"message": {"text": step_line(step)}}
    if step.by is not None:
        body["logicalLocations"] = [{"fullyQualifiedName": str(step.by), "kind": "resource"}]
    if place is not None:
        physical: dict[str, Any] = {"artifactLocation": {"uri": place.file.replace("\\", "/")}}
        if place.line:
            physical["region"] = {"startLine": place.line, "startColumn": max(1, place.column)}
        body["physicalLocation"] = physical
    return body


# JUnit ---------------------------------------------------------------------------------------------------------------


def junit(report: VerifyReport) -> str:
    """Write a test case per channel, which passes when it is proved for every pair."""
    by_channel: dict[str, list[SafeFinding]] = {}
    for finding in report.findings:
        by_channel.setdefault(finding.claim.channel, []).append(finding)
    cases = [_case(item, by_channel.get(item.id, [])) for item in report.channels]
    cases += [
        f'    <testcase classname="tenantry.verify" name={quoteattr(item)}>\n'
        f'      <failure type="UNKNOWN" message={quoteattr(item)}/>\n    </testcase>'
        for item in report.unread
    ]
    failures = sum("<failure" in case for case in cases)
    skipped = sum("<skipped" in case for case in cases)
    name = quoteattr(f"tenantry verify ({STRENGTH_WORDS[report.strength]})")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
        f'  <testsuite name={name} tests="{len(cases)}" failures="{failures}" skipped="{skipped}">\n'
        + "\n".join(cases)
        + "\n  </testsuite>\n</testsuites>\n"
    )


def _case(item: ChannelResult, findings: list[SafeFinding]) -> str:
    head = f'    <testcase classname="tenantry.verify.{escape(item.id)}" name={quoteattr(f"{item.id} {item.title}")}'
    if not findings:
        return head + "/>"
    counted = [finding for finding in findings if not finding.waived]
    if not counted:
        reasons = "; ".join(sorted({finding.waiver.spec.reason for finding in findings if finding.waiver}))
        return f"{head}>\n      <skipped message={quoteattr('waived: ' + reasons)}/>\n    </testcase>"
    detail = []
    for finding in counted[:MOST_IN_CASE]:
        detail.append(f"{finding.id} {finding.subject}: {finding.message}")
        steps = finding.claim.witness.steps if finding.claim.witness else ()
        detail += [f"  {number}. {step_line(step)}" for number, step in enumerate(steps, 1)]
        detail += [f"  {line}" for line in fix_lines(finding)]
    if len(counted) > MOST_IN_CASE:
        detail.append(f"and {len(counted) - MOST_IN_CASE} more")
    message = f"{item.violated} pairs violated, {item.unknown} unknown"
    body = escape(printable("\n".join(detail)), quote=False)
    return (
        f"{head}>\n      <failure type={quoteattr(item.verdict.value)} message={quoteattr(message)}>"
        f"{body}</failure>\n    </testcase>"
    )
