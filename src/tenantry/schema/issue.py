"""What the engine says about an object: one issue per thing wrong, with its path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.model.finding import Finding, Severity, Verdict
from tenantry.model.problem import DocPath, Location, dotted

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest


@dataclass(frozen=True, slots=True)
class SchemaIssue:
    """One thing wrong with one object.

    Attributes:
        rule: identifier from :mod:`tenantry.schema.rules`.
        path: path from the root of the object to the value concerned; for a missing field, to where it belongs.
        message: one sentence: what is wrong and what follows from it.
        severity: how bad it is.
        expected: what would have been accepted; empty when the message says it all.
        found: what stands there; empty for something missing.
        nearest: the closest valid name, or None.
        fix: the smallest change that resolves it; empty when unknown.
        verdict: ``UNKNOWN`` when the rule could not be evaluated.
        at_key: whether the key, not the value, at ``path`` is at fault.
    """

    rule: str
    path: DocPath
    message: str
    severity: Severity = Severity.ERROR
    expected: str = ""
    found: str = ""
    nearest: str | None = None
    fix: str = ""
    verdict: Verdict = Verdict.VIOLATED
    at_key: bool = False

    def sort_key(self) -> tuple[tuple[tuple[int, int, str], ...], str, str]:
        """Order inside one object: path, then rule, then message. Indices sort as numbers."""
        steps = tuple((0, step, "") if isinstance(step, int) else (1, 0, step) for step in self.path)
        return (steps, self.rule, self.message)

    def finding(self, manifest: Manifest, location: Location | None = None) -> Finding:
        """Turn the issue into a finding.

        Args:
            manifest: the object that was checked.
            location: where ``path`` stands in the file, if the caller knows; else the start of the document.
        """
        return Finding(
            rule=self.rule,
            severity=self.severity,
            subject=str(manifest.key),
            message=self.message,
            location=location or manifest.location,
            path=dotted(self.path),
            fix=self.fix,
            verdict=self.verdict,
        )
