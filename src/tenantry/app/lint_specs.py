"""Specs among what is linted: their problems, as the compiler finds them, and whether what they promise fits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.app.fit import fit_checked
from tenantry.app.spec import load
from tenantry.errors import InputError, SpecError
from tenantry.io.spec_folder import BASE
from tenantry.model.finding import Finding, Severity
from tenantry.model.problem import dotted
from tenantry.model.reading import at
from tenantry.model.spec import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from tenantry.app.fit import FitReport
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import SpecProblem


@dataclass(slots=True)
class SpecFindings:
    """What was found in specs.

    Attributes:
        findings: problems and rules ``FIT-*``; those that a waiver accepts are left out.
        notes: what was waived, and what could not be read as a spec, a sentence each.
    """

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def lint_specs(
    paths: Sequence[Path], manifests: Iterable[Manifest], environment: str = "", *, today: date | None = None
) -> SpecFindings:
    """Check every spec below the paths: a path that holds one platform is a spec as a whole.

    Args:
        paths: files and folders, as the user gave them.
        manifests: what was read below them, documents of specs among it.
        environment: overlay; empty for none.
        today: day on which waivers must hold; the current one when None.

    Raises:
        InputError: if an environment is named and there is no spec, or a spec does not have it.
    """
    found = SpecFindings()
    platforms = [item for item in manifests if item.key.api_version == API_VERSION and item.key.kind == "Platform"]
    # A platform without pools is laid over another: an environment, a scenario.
    whole = [Path(item.location.file) for item in platforms if at(item.body, "spec", "nodePools")]
    places = roots(paths, whole)
    if environment and not places:
        raise InputError(f"environment {environment!r} belongs to a spec, and there is none below the paths")
    for root in places:
        try:
            checked = load(root, environment)
        except SpecError as error:
            found.findings.extend(_problem(item) for item in error.problems)
            continue
        _take(found, fit_checked(checked, today=today))
    return found


def roots(paths: Sequence[Path], platforms: Sequence[Path]) -> list[Path]:
    """Return where specs begin: a path that holds one platform, or else the folder of each.

    What is below ``base`` belongs to the folder above, and so does all else there.

    Args:
        paths: as the user gave them.
        platforms: files that hold a platform.
    """
    chosen: dict[Path, None] = {}
    for path in paths:
        held = [file for file in platforms if file == path or path in file.parents]
        layered = {folder.parent for file in held for folder in file.parents if folder.name == BASE}
        inside = [folder for folder in layered if folder == path or path in folder.parents]
        plain = [file for file in held if not any(folder in file.parents for folder in inside)]
        if len(plain) == 1 and not inside:
            chosen[path] = None
        else:
            chosen.update(dict.fromkeys([*inside, *(file.parent for file in plain)]))
    return sorted(chosen)


def _problem(problem: SpecProblem) -> Finding:
    parts = [problem.message]
    if problem.expected:
        parts.append(f"expected {problem.expected}")
    if problem.found:
        parts.append(f"found {problem.found}")
    return Finding(
        rule=problem.rule,
        severity=Severity.ERROR,
        subject=str(problem.subject),
        message="; ".join(parts),
        location=problem.location,
        path=dotted(problem.path),
        fix=f"Did you mean {problem.nearest!r}?" if problem.nearest else "",
    )


def _take(found: SpecFindings, report: FitReport) -> None:
    for item in report.findings:
        spec = item.waiver.spec if item.waiver is not None else None
        if spec is not None:
            state = "is waived until" if item.waived else "counts again, its waiver expired on"
            found.notes.append(f"{item.finding.rule} {item.finding.subject} {state} {spec.expires}: {spec.reason}")
        if not item.waived:
            found.findings.append(item.finding)
