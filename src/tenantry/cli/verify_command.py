"""``tenantry verify``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantry.cli.options import Output, emit, environment_option, output_option
from tenantry.cli.progress import step
from tenantry.errors import InputError

if TYPE_CHECKING:
    from tenantry.app.verification import VerifyReport
    from tenantry.app.verify import Subject

FOLDER = click.Path(path_type=Path)


@click.command("verify")
@click.argument("spec", required=False, type=FOLDER, metavar="[SPEC]")
@click.option(
    "--tree",
    "trees",
    multiple=True,
    type=FOLDER,
    metavar="DIR",
    help="Manifests of any origin; with SPEC, which says who owns what.",
)
@click.option("--tenancy", type=FOLDER, metavar="FILE", help="Who owns which namespaces of the tree.")
@click.option("--tenant-label", default="", metavar="KEY", help="Namespace label naming the tenant, for a tree.")
@environment_option
@click.option("--facts", multiple=True, type=FOLDER, metavar="FILE", help="Further Facts documents.")
@click.option("--contract", type=FOLDER, metavar="FILE", help="Contract document; counts before the spec's.")
@click.option("--waivers", multiple=True, type=FOLDER, metavar="FILE", help="Further Waiver documents.")
@click.option(
    "--strength",
    type=click.Choice(["deployed", "adversarial", "careless", "all"]),
    default="adversarial",
    show_default=True,
    help="What is held against a tenant: the objects as they are; everything its people could submit; that, and "
    "everything other tenants could do to their own harm. With all, findings are those of adversarial, and a table "
    "compares the three.",
)
@click.option("--channel", "channels", multiple=True, metavar="ID", help="Decide this channel only; may be repeated.")
@click.option("--tenant", default="", metavar="NAME", help="Look at what this tenant does and suffers only.")
@click.option(
    "--threshold",
    type=click.Choice(["S0", "S1", "S2", "S3"]),
    default="S3",
    show_default=True,
    help="Least impact that changes the exit code.",
)
@click.option(
    "--today", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Day on which signatures must hold."
)
@click.option(
    "--fixes/--no-fixes",
    default=True,
    show_default=True,
    help="Look for changes of objects that close a violation, and try each before it is shown.",
)
@click.option("--explain", default="", metavar="FINDING", help="Print one finding in full.")
@output_option("text", "json", "md", "sarif", "junit", "html")
def command(
    *,
    spec: Path | None,
    trees: tuple[Path, ...],
    tenancy: Path | None,
    tenant_label: str,
    environment: str,
    facts: tuple[Path, ...],
    contract: Path | None,
    waivers: tuple[Path, ...],
    strength: str,
    channels: tuple[str, ...],
    tenant: str,
    threshold: str,
    today: datetime | None,
    fixes: bool,
    explain: str,
    outputs: tuple[Output, ...],
) -> int:
    """Prove that no tenant can act on another, or show how it can.

    Compiles SPEC in memory, or reads the manifests below DIR (owners, contract and facts may still come from SPEC), and
    decides every channel of docs/channels.md for every
    ordered pair of tenants. Each verdict is PROVED, VIOLATED with the path, or UNKNOWN with the fact that is missing.
    Exit code 3 means a violation, 2 something unknown or expired.
    """
    from tenantry.app.verify import Question, verify_subject
    from tenantry.model.claim import Impact
    from tenantry.model.tenancy import Strength

    parts = [*facts, *([contract] if contract else []), *waivers]
    _check_usage(spec, trees, tree_only=bool(tenancy or tenant_label), spec_only=bool(environment))
    with step("reading"):
        subject = _subject(spec, trees, parts, tenancy=tenancy, label=tenant_label, environment=environment)
    question = Question(
        strength=Strength.ADVERSARIAL if strength == "all" else Strength[strength.upper()],
        every_strength=strength == "all",
        channels=channels,
        tenant=tenant,
        threshold=Impact[threshold],
        today=today.date() if today else None,
        fixes=fixes,
    )
    with step("verifying"):
        report = verify_subject(subject, question)
    if explain:
        click.echo(_explained(report, explain))
    else:
        emit(outputs, lambda form: _render(form, report))
    return report.exit_code


def _check_usage(spec: Path | None, trees: tuple[Path, ...], *, tree_only: bool, spec_only: bool) -> None:
    if spec is None and not trees:
        raise click.UsageError("give a SPEC, or manifests with --tree DIR")
    if tree_only and not trees:
        raise click.UsageError("--tenancy and --tenant-label say who owns a tree; a spec says so itself")
    if spec_only and spec is None:
        raise click.UsageError("--environment belongs to a spec, and none is given")


def _subject(
    spec: Path | None,
    trees: tuple[Path, ...],
    parts: list[Path],
    *,
    tenancy: Path | None,
    label: str,
    environment: str,
) -> Subject:
    from tenantry.app.verify import spec_subject, tree_subject

    compiled = spec_subject(spec, environment, () if trees else parts) if spec is not None else None
    if compiled is not None and not trees:
        return compiled
    return tree_subject(trees, spec=compiled, tenancy=tenancy, label=label, parts=parts)


def _explained(report: VerifyReport, name: str) -> str:
    from tenantry.app.safe_report import by_id
    from tenantry.cli.render.verification import explain
    from tenantry.model.problem import nearest_name

    found = by_id(report)
    fitting = [finding for key, finding in found.items() if key.casefold() == name.casefold()]
    if not fitting:
        near = nearest_name(name, found)
        hint = f"; did you mean {near}?" if near else ""
        raise InputError(f"there is no finding {name}; it may be resolved, or need other options{hint}")
    return explain(fitting[0])


def _render(form: str, report: VerifyReport) -> str:
    if form in {"json", "sarif", "junit"}:
        from tenantry.cli.render import verification_data as data

        return {"json": data.as_json, "sarif": data.sarif, "junit": data.junit}[form](report)
    if form == "html":
        from tenantry.cli.render.verification_page import html

        return html(report)
    from tenantry.cli.render import verification

    return verification.markdown(report) if form == "md" else verification.text(report)
