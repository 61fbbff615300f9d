"""The trees of platforms beyond the examples, one for every choice a spec offers, are taken as they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from e2e_support import Platform, Tally, argo_cd, is_unchanged, live
from e2e_written import unlisted
from variants import VARIANTS

from tenantry.app.compile import CompiledTree, render, write
from tenantry.compile.compiler import Compilation, compile_cluster
from tenantry.compile.resolve import resolve
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from testbed import binaries
from testbed.control_plane import Cluster
from testbed.definitions import definitions_in
from testbed.delivery import MANAGER, prepare, sync
from testbed.gpu_nodes import register
from testbed.policies import settle

pytestmark = pytest.mark.e2e

STAND_INS = ["IPPool.nv-ipam.nvidia.com/v1alpha1"]
"""nv-ipam's operator installs its own definition and publishes none."""

DELIVERED = (
    "Run:ai with MIG and a fabric",
    "Kueue on OpenShift with MIG and a fabric",
    "InfiniBand on plain Kubernetes",
    "MPS with KAI on plain Kubernetes",
    "a hostile tenant with a pool of its own",
    "AKS with the provider's driver",
)
"""Those that are put into a cluster, guards and all: between them every scheduler, fabric and way of sharing."""


@cache
def compiled(name: str) -> Compilation:
    cluster, problems = resolve(VARIANTS[name].spec())
    assert problems == []
    return compile_cluster(cluster)


def all_objects() -> dict[str, Manifest]:
    """Every object of every platform once, with the first platform that has it as its origin."""
    found: dict[str, Manifest] = {}
    for name in VARIANTS:
        for piece in compiled(name).pieces:
            found.setdefault(json.dumps(piece.body, sort_keys=True), Manifest(piece.body, Location(name)))
    return found


@pytest.fixture(params=DELIVERED)
def platform(
    request: pytest.FixtureRequest, tools: binaries.Binaries, shared: Path, tmp_path: Path
) -> Iterator[Platform]:
    compilation = compiled(request.param)
    tree = tmp_path / "tree"
    write(CompiledTree(compilation, render(compilation)), tree)
    with Cluster(definitions_in(shared / "crds")) as cluster:
        register(cluster, compilation.cluster)
        synced = sync(cluster, tree)
        settle(cluster)
        yield Platform(cluster, compilation.cluster, tree, synced)


def test_every_variant_is_taken_as_it_is_written(tools: binaries.Binaries, shared: Path, tally: Tally) -> None:
    """Each object by itself, tried without effect, since objects of different platforms have the same names."""
    items = list(all_objects().values())
    namespaces = {item.key.name for item in items if item.key.kind == "Namespace"}
    with Cluster(definitions_in(shared / "crds")) as cluster:
        assert prepare(cluster, items).stand_ins == STAND_INS
        for name in sorted(namespaces):
            cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).expect()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda item: cluster.api.apply(item.body, manager=MANAGER, dry_run=True), items))
    wrong = []
    for item, answer in zip(items, answers, strict=True):
        here = f"{item.location.file}: {item.key}"
        if not tally.count("variants", "objects taken", agreed=answer.ok and not answer.warnings):
            wrong.append((here, answer.message, answer.warnings))
            continue
        found = list(unlisted(tally, "variants", item.body, answer.body))
        if not tally.count("variants", "objects read back as written", agreed=not found):
            wrong.append((here, str(found), ()))
    assert wrong == []


def test_a_delivered_variant_stays_as_it_is(platform: Platform, tally: Tally) -> None:
    wrong = [(str(item.key), answer.message) for item, answer in platform.synced.refused]
    user = argo_cd(platform)
    for item, answer in platform.synced.applied:
        found = list(unlisted(tally, "variants", item.body, live(platform.cluster, item.body)))
        if answer.warnings or found:
            wrong.append((str(item.key), f"{answer.warnings} {found}"))
        unchanged = is_unchanged(platform.cluster, item.body, user)
        if not tally.count("variants", "objects unchanged by a second sync", agreed=unchanged):
            wrong.append((str(item.key), "changed by a second sync"))
    assert wrong == []
    assert len(platform.synced.applied) == len(compile_cluster(platform.resolved).pieces)
