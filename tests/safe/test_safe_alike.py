"""What is decided once for all that are alike is what is decided of each by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_platforms import platform, snapshot_of

from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Declared, Strength
from tenantry.safe.shapes import Shapes
from tenantry.safe.verify import open_claims, verify
from tenantry.safe.view import View

pytest.importorskip("cel_expr_python", reason="CEL is not installed")


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> View:
    """Five tenants on two pools of whole and two of divided GPUs: three are alike but for names, and two."""
    bodies, tenancy = platform(request.config.rootpath, tmp_path_factory.mktemp("spec"), 5, 4)
    return View(snapshot_of(bodies), tenancy, Declared())


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
    left = [
        replace(alike.ground, source=source, target=target)
        for alike in open_claims(view)
        for source, target in alike.pairs
    ]
    wanted = [claim for claim in everything if claim.verdict is not Verdict.PROVED]
    assert sorted(map(repr, left)) == sorted(map(repr, wanted))
    # Of ten pairs that share a pool and ten that do not each, some are open and some are spared.
    assert any(claim.target for claim in left) is (strength is Strength.ADVERSARIAL)
    assert view.spared is None
    assert verify(view) == everything
