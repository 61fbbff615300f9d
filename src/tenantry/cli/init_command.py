"""``tenantry init``."""

from __future__ import annotations

from pathlib import Path

import click


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    del ctx, param
    from tenantry.app.examples import example_names

    return [name for name in example_names() if name.startswith(incomplete)]


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--example", metavar="NAME", default=None, shell_complete=_complete, help="Example to start from.")
def command(directory: Path, example: str | None) -> None:
    """Start a spec in DIR from an example, with the JSON Schema for the editor beside it."""
    from tenantry.app.examples import DEFAULT_EXAMPLE, initialise

    name = example or DEFAULT_EXAMPLE
    written = initialise(directory, name)
    click.echo(f"wrote {len(written)} files to {directory} from example {name}")
    click.echo(f"next: tenantry compile {directory} --out TREE")
