"""``tenantry rollback``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantry.cli.options import Output, PlaceType, environment_option, output_option, spec_argument
from tenantry.cli.prepared import prepared_options, settle
from tenantry.cli.progress import step

if TYPE_CHECKING:
    from pathlib import Path


@click.command("rollback")
@click.argument("revision", metavar="REVISION")
@spec_argument
@environment_option
@click.option(
    "--out", "tree", type=PlaceType(), metavar="TREE", help="Its tree in the same repository, to compile anew."
)
@prepared_options
@output_option("text", "json", "md")
def command(
    *,
    revision: str,
    spec: Path,
    environment: str,
    tree: Path | None,
    branch: str,
    dry_run: bool,
    verify: bool,
    outputs: tuple[Output, ...],
) -> int:
    """Commit SPEC as it was at REVISION, with the plan of the way back as the message. Nothing is pushed.

    History is kept: the commit comes on top. What was lost on the way here and does not come back is said.
    """
    from tenantry.app.plan import PlanQuestion
    from tenantry.app.promote import prepare_rollback

    with step("planning"):
        prepared = prepare_rollback(
            revision, spec, environment, tree=tree, branch=branch, question=PlanQuestion(verify=verify)
        )
    return settle(prepared, outputs, dry_run=dry_run)
