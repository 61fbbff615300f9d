"""``tenantry promote``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantry.cli.options import Output, PlaceType, output_option, spec_argument
from tenantry.cli.prepared import prepared_options, settle
from tenantry.cli.progress import step

if TYPE_CHECKING:
    from pathlib import Path


@click.command("promote")
@click.argument("environment", metavar="ENVIRONMENT")
@spec_argument
@click.option("--out", "tree", required=True, type=PlaceType(), metavar="TREE", help="Tree of the environment.")
@click.option("--revision", default="", metavar="REVISION", help="Spec to promote; what is checked out by default.")
@click.option("--after", type=PlaceType(), metavar="TREE", help="Promote what the tree of another environment has.")
@click.option("--since", default="", metavar="REVISION", help="Spec the tree was compiled from, if it does not say so.")
@prepared_options
@output_option("text", "json", "md")
def command(
    *,
    environment: str,
    spec: Path,
    tree: Path,
    revision: str,
    after: Path | None,
    since: str,
    branch: str,
    dry_run: bool,
    verify: bool,
    outputs: tuple[Output, ...],
) -> int:
    """Commit what SPEC compiles to for ENVIRONMENT into its tree, with the plan as the message. Nothing is pushed.

    The spec is taken as it is committed. The message names its revision, so that the next promotion, to this
    environment or after it to another, knows where it starts.
    """
    from tenantry.app.plan import PlanQuestion
    from tenantry.app.promote import prepare_promotion

    with step("planning"):
        prepared = prepare_promotion(
            environment,
            spec,
            tree,
            revision=revision,
            after=after,
            since=since,
            branch=branch,
            question=PlanQuestion(verify=verify),
        )
    return settle(prepared, outputs, dry_run=dry_run)
