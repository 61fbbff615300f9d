"""One resolved value of a spec, by its path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tenantry.app.spec import load
from tenantry.errors import InputError
from tenantry.model.problem import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.model.cluster import Cluster, ClusterTenant, Pool


def get_value(folder: Path, path: str, environment: str = "") -> Any:
    """Return the value at a dotted path of the resolved spec.

    The document has ``platform``, ``tenants.<name>``, ``workloads.<name>`` as written with defaults filled in, and
    ``pools.<name>``, ``operators.<name>``, ``entitlements.<tenant>``, ``resources`` as resolved against the catalog.
    List items are named by index (``[0]`` or ``.0``) or by their ``name``.

    Raises:
        InputError: if the path names nothing; says which step failed and what there is.
        SpecError: if the spec has problems.
    """
    value: Any = resolved(load(folder, environment).cluster)
    walked = ""
    for step in _steps(path):
        value = _step(value, step, walked)
        walked = f"{walked}.{step}" if walked else step
    return value


def resolved(cluster: Cluster) -> dict[str, Any]:
    """Return the resolved spec as one plain document."""
    spec = cluster.spec
    return {
        "platform": {"name": spec.platform.name, **spec.platform.spec.model_dump(mode="json", by_alias=True)},
        "tenants": {item.name: item.spec.model_dump(mode="json", by_alias=True) for item in spec.tenants},
        "workloads": {item.name: item.spec.model_dump(mode="json", by_alias=True) for item in spec.workloads},
        "pools": {pool.name: _pool(pool) for pool in cluster.pools},
        "operators": {
            name: {"version": chosen.version, "channel": chosen.channel, "startingCSV": chosen.csv}
            for name, chosen in sorted(cluster.operators.items())
        },
        "entitlements": {tenant.name: _entitlements(tenant) for tenant in cluster.tenants},
        "resources": list(cluster.resources),
        "kubernetes": cluster.kubernetes_minor,
    }


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "nodes": pool.nodes,
        "server": pool.server.id,
        "gpu": pool.gpu.id,
        "gpusPerNode": pool.gpus_per_node,
        "gpus": pool.nodes * pool.gpus_per_node,
        "driver": pool.driver,
        "mode": pool.mode.value,
        "nodeSelector": pool.node_selector,
        "perNode": {item.name: item.per_node for item in pool.resources},
        "capacity": {item.name: pool.capacity(item.name) for item in pool.resources},
    }


def _entitlements(tenant: ClusterTenant) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in tenant.entitlements:
        found.setdefault(item.pool, {})[item.resource] = {
            "guaranteed": item.guaranteed,
            "limit": item.limit,
            "overQuotaWeight": item.weight,
        }
    return found


_STEP = re.compile(
    r"""\[\s*"(?P<a>[^"]*)"\s*\]|\[\s*'(?P<b>[^']*)'\s*\]|\[\s*(?P<c>[^\]\["'\s]+)\s*\]|\.?"(?P<d>[^"]*)"|\.?(?P<e>[^.\[\]"]+)"""
)


def _steps(path: str) -> list[str]:
    """Split a path; a name with dots stands in quotes: ``pools.training.capacity["nvidia.com/gpu"]``."""
    if path == ".":
        return []
    steps, position = [], 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None or (position == 0 and path.startswith(".")):
            raise InputError(f'{path!r} is not a path: {path[position:]!r} is not a step; write a.b, a[0] or a["b.c"]')
        steps.append(next(part for part in found.groups() if part is not None))
        position = found.end()
    if not steps:
        raise InputError("the path is empty; write . for everything")
    return steps


def _step(value: Any, step: str, walked: str) -> Any:
    here = walked or "the spec"
    if isinstance(value, dict):
        if step in value:
            return value[step]
        raise _nothing(here, step, sorted(value))
    if isinstance(value, list):
        if step.lstrip("-").isdigit() and -len(value) <= int(step) < len(value):
            return value[int(step)]
        names = [item["name"] for item in value if isinstance(item, dict) and "name" in item]
        if step in names:
            return value[names.index(step)]
        raise _nothing(here, step, names or [f"0 to {len(value) - 1}"])
    raise InputError(f"{here} is a single value; it has no {step!r}")


def _nothing(here: str, step: str, names: list[str]) -> InputError:
    hint = did_you_mean(step, names)
    shown = ", ".join(names[:15]) + (", ..." if len(names) > 15 else "")
    return InputError(f"{here} has no {step!r}; it has {shown or 'nothing'}{hint}")
