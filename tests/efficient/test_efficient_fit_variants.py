"""Platforms of every kind: nothing breaks, changes hold, every output can be made."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fit_support import GENERIC, ClusterBuilder, apply, cluster, rebuild, resolved
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from variants import VARIANTS

from tenantry.app.fit import FitReport, fit_checked
from tenantry.cli.render.fit import markdown, text
from tenantry.cli.render.fit_data import as_json
from tenantry.cli.render.fit_page import html
from tenantry.compile.checks import check
from tenantry.compile.resolve import resolve
from tenantry.efficient.fit.engine import fit, judge
from tenantry.efficient.fit.work import NO_LOSS, Ground, Loss
from tenantry.model.finding import Severity
from tenantry.model.problem import Location

if TYPE_CHECKING:
    from tenantry.model.cluster import Cluster

RAILS = [{"name": f"rail{number}", "pci": f"0000:{26 + number:02x}:00.0"} for number in range(4)]
LAYOUTS: list[Any] = [
    {"1g.18gb": 7},
    {"3g.71gb": 2},
    [([0, 1, 2, 3], {"3g.71gb": 2}), ([4, 5, 6, 7], {"1g.18gb": 7})],
    [([0, 1], {"1g.18gb": 7})],
]


def report(answer: Cluster, loss: Loss = NO_LOSS) -> FitReport:
    """Decide about a cluster that was read from no file."""
    places = SimpleNamespace(locate=lambda *_: Location("spec.yaml", 1, 1))
    checked: Any = SimpleNamespace(cluster=answer, spec=answer.spec, loaded=places)
    return fit_checked(checked, loss)


def renderings(found: FitReport) -> None:
    """Make every output; JSON is JSON."""
    assert json.loads(as_json(found))["formatVersion"] == "1.0"
    assert all(render(found) for render in (text, markdown, html))


@pytest.mark.parametrize("name", sorted(VARIANTS))
@pytest.mark.parametrize("lost", [0, 1])
def test_every_kind_of_platform_is_decided(name: str, lost: int) -> None:
    variant = VARIANTS[name]
    answer = resolved(variant() if callable(variant) else variant)

    renderings(report(answer, Loss(lost)))


@st.composite
def platforms(draw: st.DrawFn) -> ClusterBuilder:
    """Up to three pools of any kind, a fabric, tenants with quotas in some, workloads that ask for anything."""
    builder = cluster().scheduler(draw(st.sampled_from(["kai", "kueue"])))
    if draw(st.booleans()):
        builder = builder.on(draw(st.sampled_from(["kubernetes", "eks"])))
    alignment = st.sampled_from(["none", "best-effort", "restricted", "single-numa-node"])
    kinds = draw(st.lists(st.sampled_from(["whole", "mig", "shared", "generic"]), min_size=1, max_size=3))
    for number, kind in enumerate(kinds):
        name, nodes = f"pool{number}", draw(st.integers(1, 3))
        more: dict[str, Any] = {"nodes": nodes, "named": draw(st.booleans()), "numaAlignment": draw(alignment)}
        if kind == "mig":
            builder = builder.pool(name, mig=draw(st.sampled_from(LAYOUTS)), **more)
        elif kind == "shared":
            builder = builder.pool(name, "dell-r760xa-l40s", time_slicing=draw(st.sampled_from([2, 16, 64])), **more)
        else:
            builder = builder.pool(name, **(GENERIC if kind == "generic" else {}), **more)
    names = [f"pool{number}" for number in range(len(kinds))]
    wired = draw(st.sampled_from(names))
    per_rail = draw(st.booleans())
    builder = builder.fabric(
        rails=RAILS, pools=[wired], vfsPerRail=draw(st.sampled_from([1, 2, 16])), resourcePerRail=per_rail
    )
    for number, name in enumerate(("a", "b", "c")[: draw(st.integers(1, 3))]):
        fields: dict[str, Any] = {}
        if draw(st.booleans()):
            fields["compute"] = {"pods": draw(st.integers(1, 60)), "cpu": str(draw(st.integers(1, 80)))}
        if draw(st.booleans()):
            fields["priorities"] = draw(st.sampled_from([["production"], ["batch"]]))
        fabrics = {"roce": 100 + number} if draw(st.booleans()) else None
        builder = builder.tenant(name, fabrics=fabrics, **fields)
        for pool, kind in zip(names, kinds, strict=True):
            if draw(st.booleans()):
                _quota(draw, builder, pool, kind)
        if draw(st.booleans()):
            _work(draw, builder, name, names)
    return builder


def _quota(draw: st.DrawFn, builder: ClusterBuilder, pool: str, kind: str) -> None:
    guaranteed = draw(st.integers(0, 8))
    limit = guaranteed + draw(st.integers(0, 8))
    weight = draw(st.sampled_from([0, 1, 2]))
    if kind == "mig":
        builder.quota(pool, slices={draw(st.sampled_from(["1g.18gb", "3g.71gb"])): (guaranteed, limit)}, weight=weight)
    else:
        builder.quota(pool, guaranteed=guaranteed, limit=limit, weight=weight)


def _work(draw: st.DrawFn, builder: ClusterBuilder, tenant: str, pools: list[str]) -> None:
    spec: dict[str, Any] = {
        "gpus": draw(st.integers(1, 9)),
        "pods": draw(st.integers(1, 5)),
        "gpuMemory": draw(st.sampled_from(["4Gi", "16Gi", "66Gi", "200Gi"])),
        "tenants": draw(st.sampled_from([[tenant], []])),
        "pools": draw(st.sampled_from([[], pools[:1], pools])),
        "nvlink": draw(st.booleans()),
    }
    if draw(st.booleans()):
        spec["rdma"] = {"fabric": "roce", "vfsPerGpu": draw(st.integers(1, 2))}
    builder.document("Workload", f"work-{tenant}", spec)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(platforms(), st.integers(0, 2))
def test_changes_hold_and_outputs_are_made_whatever_the_platform(builder: ClusterBuilder, lost: int) -> None:
    answer, problems = resolve(builder.spec())
    assume(not problems and not check(answer))
    loss = Loss(lost)
    found = fit(answer, loss=loss, rebuild=rebuild).found
    before = {(item.rule.id, item.hit.subject) for item in found}

    assert len(before) == len(found), "a finding is told by its rule and subject"
    for item in found:
        lasting = loss if item.rule.id == "FIT-NODE-LOSS" else NO_LOSS
        for change in item.changes:
            spec = apply(answer.spec, change)
            changed = rebuild(spec) if spec is not None else None
            assert changed is not None, change.words
            after = judge(Ground(changed, loss=lasting))
            assert (item.rule.id, item.hit.subject) not in {(rule.id, hit.subject) for rule, hit in after}, change.words
            for rule, hit in after:
                severity = rule.severity if hit.severity is None else hit.severity
                assert severity < Severity.WARNING or (rule.id, hit.subject) in before, change.words
    renderings(report(answer, loss))
