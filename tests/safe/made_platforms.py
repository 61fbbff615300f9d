"""Trees of made-up platforms: those of the benchmarks, as large as a test needs."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tenantry.app.spec import load
from tenantry.app.tenancy import spec_tenancy
from tenantry.compile.compiler import compile_cluster
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.model.tenancy import Tenancy

Body = dict[str, Any]


def platform(root: Path, folder: Path, tenants: int, pools: int, *, even: bool = False) -> tuple[list[Body], Tenancy]:
    """Compile a platform of the compile benchmark.

    Args:
        root: the folder of the project.
        folder: where its spec is written.
        tenants: how many tenants it has.
        pools: how many node pools; half of them with divided GPUs.
        even: whether all tenants are of one department and have letters for numbers. Some digits stand in texts of
            guards, so that names with and without them are not alike.

    Returns:
        Its objects, and who owns them.
    """
    sys.path.insert(0, str(root / "benchmarks"))
    try:
        benchmark = import_module("compile")
    finally:
        sys.path.pop(0)
    benchmark.make_spec(folder, tenants, pools)
    for number, file in enumerate(sorted((folder / "tenants").iterdir()) if even else ()):
        text = file.read_text("utf-8").replace(f"department-{number:02d}", "research")
        file.write_text(re.sub(rf"(tenant|team|leads)-0*{number}\b", rf"\1-{chr(ord('a') + number)}", text), "utf-8")
    made = compile_cluster(load(folder).cluster)
    bodies = [body for found in made.files().values() for body in found]
    return bodies, spec_tenancy(made.cluster.spec, snapshot_of(bodies))


def snapshot_of(bodies: list[Body]) -> Snapshot:
    """Return objects as those of one tree."""
    return Snapshot(Manifest(body, Location("tree"), index) for index, body in enumerate(bodies))
