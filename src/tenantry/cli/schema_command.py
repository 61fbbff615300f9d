"""``tenantry schema``."""

from __future__ import annotations

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of spec documents.

    Editors with the YAML language server read it through the first line of a document:
    `# yaml-language-server: $schema=tenantry.schema.json`.
    """
    import json

    from tenantry.app.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
