"""What is decided once for all that are alike is what is decided of each by itself."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from tenantry.app.spec import load
from tenantry.app.tenancy import spec_tenancy
from tenantry.compile.compiler import compile_cluster
from tenantry.model.finding import Verdict
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared, Strength
from tenantry.safe.shapes import Shapes
from tenantry.safe.verify import open_claims, verify
from tenantry.safe.view import View

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("cel_expr_python", reason="CEL is not installed")


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> View:
    """Five tenants on two pools of whole and two of divided GPUs: three are alike but for names, and two."""
    sys.path.insert(0, str(request.config.rootpath / "benchmarks"))
    try:
        benchmark = import_module("compile")
    finally:
        sys.path.pop(0)
    folder: Path = tmp_path_factory.mktemp("spec")
    benchmark.make_spec(folder, 5, 4)
    made = compile_cluster(load(folder).cluster)
    bodies = [body for found in made.files().values() for body in found]
    snapshot = Snapshot(Manifest(body, Location("tree"), index) for index, body in enumerate(bodies))
    return View(snapshot, spec_tenancy(made.cluster.spec, snapshot), Declared())


def again(view: View, strength: Strength = Strength.ADVERSARIAL) -> View:
    return View(view.given, view.tenancy, view.declared, strength)


def test_tenants_that_are_alike_are_decided_as_each_by_itself(built: View, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = verify(again(built))
    monkeypatch.setattr(Shapes, "of", lambda self, namespace: namespace)
    assert verify(again(built)) == at_once


@pytest.mark.parametrize("strength", [Strength.DEPLOYED, Strength.ADVERSARIAL])
def test_claims_without_proofs_are_those_of_all_claims_that_prove_nothing(built: View, strength: Strength) -> None:
    everything = verify(again(built, strength))
    view = again(built, strength)
    left = [claim for alike in open_claims(view) for claim in alike]
    wanted = [claim for claim in everything if claim.verdict is not Verdict.PROVED]
    assert sorted(map(repr, left)) == sorted(map(repr, wanted))
    # Of ten pairs that share a pool and ten that do not each, some are open and some are spared.
    assert any(claim.target for claim in left) is (strength is Strength.ADVERSARIAL)
    assert view.spared is None
    assert verify(view) == everything
