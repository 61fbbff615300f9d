"""What is worth knowing about a snapshot, on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantry.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.model.finding import Finding


def print_notes(findings: Sequence[Finding], notes: Iterable[str]) -> None:
    """Print findings at or above a warning, each at its place, and what of the configuration is not followed."""
    for item in findings:
        if item.severity >= Severity.WARNING:
            path = f": {item.path}" if item.path else ""
            click.echo(f"{item.location}: {item.severity.word}: {item.subject}{path}: {item.message}", err=True)
    for note in dict.fromkeys(notes):
        click.echo(f"note: {note}", err=True)
