"""``tenantry compile``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantry.cli.options import Output, PlaceType, emit, environment_option, output_option, spec_argument
from tenantry.cli.progress import step
from tenantry.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.app.compile import CompiledTree


@click.command("compile")
@spec_argument
@click.option("--out", required=True, type=PlaceType(), metavar="TREE", help="Folder of the tree.")
@environment_option
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 when TREE differs from the spec.")
@click.option("--force", is_flag=True, help="Replace TREE even if it holds files that Tenantry did not write.")
@output_option("text", "json", "md", "html")
def command(*, spec: Path, out: Path, environment: str, check: bool, force: bool, outputs: tuple[Output, ...]) -> int:
    """Compile SPEC into the GitOps tree that Argo CD syncs.

    The tree is written beside TREE and swapped in whole: an error leaves the old one untouched. The same spec gives the
    same bytes.
    """
    from tenantry.app.compile import compile_spec, differences, keep_apart, write

    keep_apart(spec, out)
    with step("compiling"):
        tree = compile_spec(spec, environment)
    if check:
        if not out.exists():
            click.echo(f"{out} does not exist; compile without --check to write it", err=True)
            return ExitCode.FINDINGS
        changed = differences(tree, out)
        for line in changed:
            click.echo(line)
        click.echo(f"{out} {'differs from the spec' if changed else 'equals the spec'}", err=True)
        return ExitCode.FINDINGS if changed else ExitCode.CLEAN
    with step("writing"):
        write(tree, out, force=force)
    _say_what_does_not_fit(tree, spec, environment)
    from tenantry.cli.render.tree import RENDERERS

    emit(outputs, lambda form: RENDERERS[form](tree, str(out)))
    return ExitCode.CLEAN


def _say_what_does_not_fit(tree: CompiledTree, spec: Path, environment: str) -> None:
    """Point to what can be compiled and still cannot work; changes are looked for where it is asked about."""
    from tenantry.app.fit import misfits

    found = misfits(tree.compilation.cluster)
    if found:
        chosen = f" -e {environment}" if environment else ""
        counts = ", ".join(f"{rule} x {count}" if count > 1 else rule for rule, count in found.items())
        click.echo(f"warning: not everything that is promised fits ({counts}): tenantry fit {spec}{chosen}", err=True)
