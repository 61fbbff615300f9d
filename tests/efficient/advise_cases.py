"""Builders of questions to the advice, in the words of the spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tenantry.compile.resolve import resolve
from tenantry.efficient.advise import Gathered, gather
from tenantry.efficient.advise.changes import Change
from tenantry.efficient.advise.decide import decide
from tenantry.efficient.advise.measured import Evidence
from tenantry.model.cluster import Cluster
from tenantry.model.spec import API_VERSION, Platform, Spec, Tenant, Workload

ENVELOPE: dict[str, Any] = {"apiVersion": API_VERSION}
SERVERS = {"h200-sxm": "dell-xe9680-h200", "l40s": "dell-r760xa-l40s"}
"""Servers of the catalog; other GPUs stand in generic ones."""
JOINT = "joint"
"""The pool that is asked about."""


def cluster(
    work: Mapping[str, Any],
    gpu: str = "h200-sxm",
    *,
    tenants: int = 1,
    others: Mapping[str, Mapping[str, Any]] | None = None,
    **pool: Any,
) -> Cluster:
    """Resolve a platform with one pool that ``tenants`` teams share, and one class of work of the first of them.

    Args:
        work: spec of the Workload; ``gpuMemory`` is 8Gi unless given.
        gpu: GPU of the pool.
        tenants: how many teams have a quota in it.
        others: sharing of further pools by name.
        pool: further fields of the pool.
    """
    return resolved({"class": dict(work)}, {JOINT: (gpu, pool)}, tenants=tenants, others=others)


def resolved(
    works: Mapping[str, Mapping[str, Any]],
    pools: Mapping[str, tuple[str, Mapping[str, Any]]],
    *,
    tenants: int = 1,
    others: Mapping[str, Mapping[str, Any]] | None = None,
) -> Cluster:
    """Resolve a platform with several classes and pools."""
    described = [_pool(name, gpu, dict(fields)) for name, (gpu, fields) in pools.items()]
    described += [_pool(name, "h200-sxm", {"sharing": sharing}) for name, sharing in (others or {}).items()]
    platform = {
        "distribution": "openshift",
        "version": "4.20",
        "gitops": {"repository": "https://git.example.com/tree.git"},
        "nodePools": described,
        "fabrics": [
            {
                "name": "roce",
                "type": "ethernet",
                "nic": "connectx-7",
                "pools": [name for name in pools if name.startswith("wired")],
                "subnet": "10.20.0.0/16",
                "vlans": {"first": 100, "last": 199},
                "rails": [{"name": "rail0", "pci": "0000:1a:00.0"}, {"name": "rail1", "pci": "0000:3c:00.0"}],
                "vfsPerRail": 8,
            }
        ]
        if any(name.startswith("wired") for name in pools)
        else [],
    }
    spec = Spec(
        platform=Platform.model_validate(
            {**ENVELOPE, "kind": "Platform", "metadata": {"name": "lab"}, "spec": platform}
        ),
        tenants=tuple(_tenant(index, pools) for index in range(tenants)),
        workloads=tuple(document(name, {"pools": list(pools), **work}) for name, work in sorted(works.items())),
    )
    found, problems = resolve(spec)
    assert not problems, "\n".join(item.message for item in problems)
    return found


def _pool(name: str, gpu: str, fields: dict[str, Any]) -> dict[str, Any]:
    hardware: dict[str, Any] = {"server": SERVERS.get(gpu, "generic")}
    if gpu not in SERVERS:
        hardware["gpu"] = {"model": gpu, "count": 8}
    return {"name": name, "count": 2, **hardware, **fields}


def _tenant(index: int, pools: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Tenant:
    name = f"team-{index}"
    quotas = [_quota(pool, fields) for pool, (_, fields) in pools.items()]
    spec = {"department": "research", "namespaces": [{"name": name}], "quotas": quotas}
    return Tenant.model_validate({**ENVELOPE, "kind": "Tenant", "metadata": {"name": name}, "spec": spec})


def _quota(pool: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    layouts = fields.get("sharing", {}).get("layouts", ())
    slices = {name: {"guaranteed": 1, "limit": 2} for layout in layouts for name in layout["profiles"]}
    return {"pool": pool, "slices": slices} if slices else {"pool": pool, "guaranteed": 2, "limit": 4}


def document(name: str, work: Mapping[str, Any]) -> Workload:
    """Validate a Workload of the first team."""
    spec = {"gpuMemory": "8Gi", "tenants": ["team-0"], **work}
    return Workload.model_validate({**ENVELOPE, "kind": "Workload", "metadata": {"name": name}, "spec": spec})


def questions(found: Cluster, measured: Mapping[tuple[str, str], Evidence] | None = None) -> list[Gathered]:
    """Gather every question that a platform asks."""
    return list(gather(found, {}, measured or {}))


def question(work: Mapping[str, Any], gpu: str = "h200-sxm", **options: Any) -> Gathered:
    """Gather the only question of :func:`cluster`."""
    (found,) = questions(cluster(work, gpu, **options))
    return found


def nowhere(kind: str, field: str) -> str:
    """Stand in for the place of a fact."""
    return f"{kind}.{field}"


def identity_after(asked: Mapping[str, Any], change: Change) -> tuple[str, str]:
    """Decide again after a change, beginning from the documents: ``asked`` are arguments of :func:`question`."""
    after = dict(asked)
    if change.field.startswith("spec."):
        after["work"] = _changed(asked["work"], change.field.removeprefix("spec."), change.value)
    elif change.field == "pool.sharers":
        after["tenants"] = len(change.value)
    elif change.field in {"pool.mig_elsewhere", "pool.mps_elsewhere"}:
        mode = change.field[5:8]
        after["others"] = {name: item for name, item in asked["others"].items() if item["mode"] != mode}
    elif change.field == "pool.coherent":
        after["driver"] = {"version": "570.124.06"}  # before 580.65.06
    elif change.field == "pool.driver":
        after["driver"] = {"version": change.value}
    elif change.field == "pool.nvlink":
        found = question(**after)
        return decide(found.work, replace(found.pool, nvlink=change.value)).identity
    else:
        raise AssertionError(f"{change.field} is not known here")
    gathered = question(**after)
    return decide(gathered.work, gathered.pool).identity


def _changed(work: Mapping[str, Any], field: str, value: Any) -> dict[str, Any]:
    if field == "speed":
        return {**work, "speed": {**work.get("speed", {}), **value}}
    if value is None:
        return {key: item for key, item in work.items() if key != field}
    return {**work, field: value}


GPUS = ("h200-sxm", "a100-80", "a100-40", "b200", "gh200-96", "a30", "rtx-pro-6000", "l40s")


@st.composite
def works(draw: st.DrawFn, gpu: str) -> dict[str, Any]:
    """Draw the spec of a class of work."""
    work: dict[str, Any] = {
        "gpuMemory": f"{draw(st.one_of(st.integers(1, 24), st.integers(1, 200)))}Gi",
        "pattern": draw(st.sampled_from(["training", "inference", "interactive", "batch"])),
        "trust": draw(st.sampled_from(["own-team", "any-tenant", "nobody"])),
        "gpus": draw(st.sampled_from([1, 1, 1, 2, 8])),
        "nvlink": draw(st.sampled_from([False, False, True])),
    }
    if draw(st.booleans()):
        work["burstiness"] = draw(st.sampled_from([1.0, 1.5, 2.0, 2.5, 3.0, 8.0, 40.0]))
    if draw(st.integers(0, 3)) == 0:
        work["latency"] = {"percentile": 99, "milliseconds": 40}
    keys = [*(name for name in PROFILES[gpu]), "whole", "mps-2", "mps-4", "time-slicing-3"]
    if draw(st.booleans()):
        speeds = st.floats(0.05, 3, allow_nan=False).map(lambda value: round(value, 4))
        work["speed"] = draw(st.dictionaries(st.sampled_from(keys), speeds, max_size=5))
    return work


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Draw a class of work, a GPU, and what surrounds them, as arguments of :func:`question`."""
    gpu = draw(st.sampled_from(GPUS))
    surroundings: dict[str, Any] = {"tenants": draw(st.sampled_from([1, 1, 2, 3]))}
    replicated = [{"mode": "time-slicing", "replicas": 4}, {"mode": "mps", "replicas": 3}]
    sharing = draw(st.sampled_from([None, None, *replicated]))
    if sharing:
        surroundings["sharing"] = sharing
    elsewhere = draw(st.sampled_from([None, None, "mig", "mps"]))
    if elsewhere == "mig":
        surroundings["others"] = {"apart": {"mode": "mig", "layouts": [{"profiles": {"3g.71gb": 2}}]}}
    elif elsewhere == "mps":
        surroundings["others"] = {"apart": {"mode": "mps", "replicas": 2}}
    return draw(works(gpu)), gpu, surroundings


PROFILES = {
    "h200-sxm": ("1g.18gb", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb"),
    "a100-80": ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"),
    "a100-40": ("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb"),
    "b200": ("1g.23gb", "2g.45gb", "3g.90gb"),
    "gh200-96": ("1g.12gb", "3g.48gb"),
    "a30": ("1g.6gb", "2g.12gb", "4g.24gb"),
    "rtx-pro-6000": ("1g.24gb", "2g.48gb"),
    "l40s": (),
}
