"""``tenantry lint``."""

from __future__ import annotations

from pathlib import Path

import click

from tenantry.cli.options import Output, emit, environment_option, output_option
from tenantry.cli.progress import step
from tenantry.errors import ExitCode


@click.command("lint")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option(
    "--crds",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="CustomResourceDefinitions to check against; may be repeated. Those below PATH are used too.",
)
@click.option("--kubernetes", metavar="VERSION", default=None, help="Kubernetes whose schemas apply, such as 1.33.")
@environment_option
@click.option("--complete", is_flag=True, help="PATH is all the cluster gets: references to nothing are errors.")
@click.option("--cel", is_flag=True, help="Evaluate the validation rules of CRDs too (optional dependency 'cel').")
@click.option(
    "--threshold",
    type=click.Choice(["info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="Lowest severity that makes the exit code 2.",
)
@output_option("text", "json", "md", "sarif", "junit", "html")
def command(
    *,
    paths: tuple[Path, ...],
    crds: tuple[Path, ...],
    kubernetes: str | None,
    environment: str,
    complete: bool,
    cel: bool,
    threshold: str,
    outputs: tuple[Output, ...],
) -> int:
    """Check manifests of any origin.

    Reads every YAML and JSON file below PATH: several documents in a file, Lists, and kustomize patches are understood.
    Each object is checked against its schema with unknown fields refused, strings that hold JSON or YAML are read and
    checked, and objects are checked against each other. The rules are listed in docs/rules.md.

    A spec below PATH is checked as the compiler does, and for whether what it promises fits its hardware
    (docs/fit-rules.md).
    """
    from tenantry.app.lint import DEFAULT_KUBERNETES, lint_paths
    from tenantry.cli.render.findings import RENDERERS
    from tenantry.model.finding import Severity

    with step("checking manifests"):
        report = lint_paths(
            paths,
            crds=crds,
            kubernetes=kubernetes or DEFAULT_KUBERNETES,
            complete=complete,
            cel=cel,
            environment=environment,
        )
    emit(outputs, lambda form: RENDERERS[form](report))
    found = report.at_least(Severity[threshold.upper()])
    return ExitCode.FINDINGS if found else ExitCode.CLEAN
