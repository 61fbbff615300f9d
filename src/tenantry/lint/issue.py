"""What a rule reports: an object, a path inside it, what is wrong, and the smallest fix."""

from __future__ import annotations

from dataclasses import dataclass

from tenantry.model.finding import Severity, Verdict
from tenantry.model.manifest import Manifest
from tenantry.model.problem import DocPath, dotted


@dataclass(frozen=True, slots=True)
class LintIssue:
    """One statement of one rule about one manifest. The caller turns the path into a line and column.

    Attributes:
        rule: stable identifier such as ``LINT-SRIOV-PREFIX``.
        severity: how bad it is.
        manifest: the object concerned.
        path: path inside the object; it may name a field that is missing, then its parent is the place to show.
        message: what is wrong and what follows from it, in one or two sentences.
        fix: the smallest change that resolves it; empty when unknown.
        source: where the rule comes from.
        inner: path inside the JSON or YAML text that stands at ``path``; empty for ordinary fields.
        verdict: ``VIOLATED`` for a defect, ``UNKNOWN`` when a fact is missing.
    """

    rule: str
    severity: Severity
    manifest: Manifest
    path: DocPath
    message: str
    fix: str = ""
    source: str = ""
    inner: DocPath = ()
    verdict: Verdict = Verdict.VIOLATED

    def sort_key(self) -> tuple[str, int, tuple[str, ...], str, str, str, str]:
        """Order of issues everywhere: file, document, place in a List, path, rule, inner path, message."""
        place = self.manifest.location.file, self.manifest.document, tuple(map(str, self.manifest.pointer))
        return (*place, dotted(self.path), self.rule, dotted(self.inner), self.message)
