"""Fixes in words, and as data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenantry.model.change import Op
from tenantry.model.finding import Verdict

if TYPE_CHECKING:
    from tenantry.app.verification import SafeFinding
    from tenantry.model.change import Change, Fix
    from tenantry.model.problem import DocPath

SHOWN = 90
"""Length up to which a value is written out in a line."""
NOT_TRIED = "not tried"
"""Said of a fix that is words only."""


def pointer(path: DocPath) -> str:
    """Write a path inside an object as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def outcome(fix: Fix) -> str:
    """Say what was found when a fix was tried."""
    if fix.leaves is Verdict.PROVED:
        return "tried: proved afterwards"
    if fix.leaves is Verdict.UNKNOWN:
        return f"tried: no hole is left; not known is {fix.rest}"
    return f"tried: this hole is closed, the next one shows: {fix.rest}"


def change_line(change: Change) -> str:
    """Write a change on one line."""
    note = f" ({change.note})" if change.note else ""
    place = pointer(change.pointer)
    if change.op is Op.CREATE:
        return f"create {change.key}{_content(change)}{note}"
    if change.op is Op.DELETE:
        return f"delete {change.key}"
    if change.op is Op.REMOVE:
        return f"remove {place} of {change.key}"
    if change.op is Op.ADD:
        return f"add to {place} of {change.key}: {_short(change.value)}{note}"
    return f"set {place} of {change.key} to {_short(change.value)}{note}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN and "\n" not in text else f"{' '.join(text.split())[: SHOWN - 4]} ..."


def _content(change: Change) -> str:
    """Return what a new object says that people look for: what a guard lets in, what a quota bounds."""
    spec = change.value.get("spec") or {}
    for entry in spec.get("validations") or ():
        where = spec["matchConstraints"]["resourceRules"][0]
        return f": for {', '.join(where['resources'])}, {entry['expression']}"
    if spec.get("hard"):
        return ": " + ", ".join(f"{key}: {value}" for key, value in spec["hard"].items())
    if "validationActions" in spec:
        return ", which binds it"
    return f": {_short(spec)}" if spec else ""


def fix_lines(finding: SafeFinding) -> list[str]:
    """Write the fix of a finding: its changes, a line each, and that they were tried; words where there are none."""
    fix = finding.repair
    if fix is None:
        return [f"fix ({NOT_TRIED}): {finding.claim.fix}"] if finding.claim.fix else []
    if len(fix.changes) == 1:
        return [f"fix: {change_line(fix.changes[0])}", f"     {outcome(fix)}"]
    return ["fix:", *(f"  - {change_line(item)}" for item in fix.changes), f"     {outcome(fix)}"]


def fix_words(finding: SafeFinding) -> str:
    """Write the fix of a finding on one line."""
    fix = finding.repair
    if fix is None:
        return f"{finding.claim.fix} ({NOT_TRIED})" if finding.claim.fix else ""
    return f"{'; '.join(change_line(item) for item in fix.changes)} ({outcome(fix)})"


def change_data(change: Change) -> dict[str, Any]:
    """Return a change as data."""
    key = change.key
    body: dict[str, Any] = {
        "op": change.op.value,
        "object": {
            "apiVersion": key.api_version,
            "kind": key.kind,
            "namespace": key.namespace or None,
            "name": key.name,
        },
        "pointer": pointer(change.pointer),
    }
    if change.op not in {Op.DELETE, Op.REMOVE}:
        body["value"] = change.value
    if change.note:
        body["note"] = change.note
    return body


def fix_data(finding: SafeFinding) -> dict[str, Any] | None:
    """Return the changes of a fix with what was found when they were tried; None when there are only words."""
    fix = finding.repair
    if fix is None:
        return None
    return {
        "changes": [change_data(item) for item in fix.changes],
        "verified": True,
        "leaves": fix.leaves.value,
        "rest": fix.rest,
    }
