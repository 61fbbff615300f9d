"""What is worth knowing about a snapshot, on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantry.model.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.model.finding import Finding


SHOWN = 12
"""Findings that are printed; a large cluster has hundreds."""


def print_notes(findings: Sequence[Finding], notes: Iterable[str]) -> None:
    """Print the worst findings, each at its place, and what of the configuration is not followed."""
    worth = [item for item in findings if item.severity >= Severity.WARNING]
    for item in sorted(worth, key=lambda item: -item.severity)[:SHOWN]:
        path = f": {item.path}" if item.path else ""
        click.echo(f"{item.location}: {item.severity.word}: {item.subject}{path}: {item.message}", err=True)
    if len(worth) > SHOWN:
        click.echo(f"note: {len(worth) - SHOWN} more findings; --output json lists them", err=True)
    for note in dict.fromkeys(notes):
        click.echo(f"note: {note}", err=True)
