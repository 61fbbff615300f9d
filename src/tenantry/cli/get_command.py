"""``tenantry get``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from tenantry.cli.options import Output, emit, environment_option, output_option, spec_argument

if TYPE_CHECKING:
    from pathlib import Path

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


EXAMPLES = """\b
Examples:
  tenantry get SPEC operators.gpu-operator.version
  tenantry get SPEC 'pools.training.capacity["nvidia.com/gpu"]'"""


@click.command("get", epilog=EXAMPLES)
@spec_argument
@click.argument("path", metavar="PATH.TO.VALUE")
@environment_option
@output_option("text", "json", "yaml")
def command(spec: Path, path: str, environment: str, outputs: tuple[Output, ...]) -> None:
    """Print one resolved value of a spec.

    Single values are printed bare and lists of them a line each, for use in a shell; maps, and texts that a line cannot
    hold, are printed as JSON, and nothing for a value that is not set. Paths begin with platform, tenants.NAME,
    workloads.NAME (as written, with defaults), or with pools.NAME, operators.NAME, entitlements.TENANT, resources,
    kubernetes (as resolved); a dot alone is everything.
    """
    from tenantry.app.value import get_value

    value = get_value(spec, path, environment)
    emit(outputs, lambda form: _render(form, value))


def _render(form: str, value: Any) -> str:
    import json

    if form == "json":
        return json.dumps(value, indent=2, ensure_ascii=False)
    if form == "yaml":
        from tenantry.io.yaml_write import dump

        return dump(value)
    plain = isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)
    if plain and not any(isinstance(item, str) and _CONTROL.search(item) for item in value):
        return "\n".join(_bare(item) for item in value)
    return _bare(value)


def _bare(value: Any) -> str:
    import json

    if value is None:
        return ""
    # Characters that steer a terminal are not printed as they are; lines of a text stay lines.
    bare = isinstance(value, str) and not _CONTROL.search(value.replace("\n", " ").replace("\t", " "))
    return str(value) if bare else json.dumps(value, ensure_ascii=isinstance(value, str))
