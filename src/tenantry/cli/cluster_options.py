"""Options of commands that ask about a cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantry.app.cluster_view import ClusterView

F = TypeVar("F", bound="Callable[..., Any]")
VERSIONS = ("0.15", "0.16", "0.17")

_OPTIONS = (
    click.option(
        "--snapshot",
        "paths",
        multiple=True,
        required=True,
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="Manifests as kubectl prints them, or the zip a KAI scheduler serves at /get-snapshot; may be repeated.",
    ),
    click.option(
        "--pool-label", default="", metavar="KEY", help="Label of node pools; as the cluster says by default."
    ),
    click.option(
        "--at",
        "moment",
        type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]),
        metavar="YYYY-MM-DDTHH:MM:SS",
        help="Moment that is looked at, in UTC; the newest in the snapshot by default.",
    ),
    click.option(
        "--scheduler-version",
        "version",
        type=click.Choice(VERSIONS),
        default=VERSIONS[-1],
        show_default=True,
        help="Version of the KAI scheduler.",
    ),
    click.option(
        "--as-tenant",
        "tenant",
        default="",
        metavar="NAME",
        help="Show what this tenant may see: names of other tenants become neutral, numbers stay.",
    ),
)


def cluster_options(function: F) -> F:
    """Add the options that say which cluster is meant and who asks."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def cluster_of(
    paths: Sequence[Path], *, pool_label: str, moment: datetime | None, version: str
) -> Callable[[], ClusterView]:
    """Return what gives the cluster that the options name."""
    from tenantry.app.cluster_view import snapshot_view
    from tenantry.cli.progress import step

    def read() -> ClusterView:
        second = int(moment.replace(tzinfo=UTC).timestamp()) if moment is not None else None
        with step("reading the snapshot"):
            return snapshot_view(paths, pool_label=pool_label, at_time=second, version=version)

    return read
