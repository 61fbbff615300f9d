"""``tenantry demo``."""

from __future__ import annotations

from pathlib import Path

import click

from tenantry.errors import ExitCode


@click.command("demo")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True, metavar="DIR")
def command(out: Path) -> int:
    """Compile the Dell AI Factory example, lint the tree, decide what fits, and draw it as a page."""
    from tenantry.app.demo import demo
    from tenantry.cli.render import findings, fit, summary, tree
    from tenantry.model.finding import Severity

    result = demo(out, lambda text: click.echo(text, err=True))
    page = out / "summary.html"
    page.write_text(summary.summary_page(result.tree, str(result.target)), "utf-8")
    click.echo(tree.text(result.tree, str(result.target)))
    click.echo("")
    if result.crds is None:
        click.echo("note: set TENANTRY_SHARED to a folder with crds/ to check custom resources too")
    click.echo("lint: " + findings.text(result.report))
    misfit = result.fit.at_least(Severity.WARNING)
    click.echo("fit: " + (fit.findings_text(result.fit) if misfit else fit.summary(result.fit)))
    click.echo(f"page: {page}")
    return ExitCode.FINDINGS if misfit or result.report.at_least(Severity.WARNING) else ExitCode.CLEAN
