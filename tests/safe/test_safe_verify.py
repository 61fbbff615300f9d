"""Running channels: nothing a rule does not back is believed, and silence is no proof."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tenantry.model.claim import Claim, Effect, Impact, Missing, Step, Witness
from tenantry.model.finding import Verdict
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared, Tenancy, TenantIdentity
from tenantry.safe.channels.channel import Channel
from tenantry.safe.verify import verify
from tenantry.safe.view import View

WITNESS = Witness((Step("may create pods", missing="nothing forbids it"),), "red runs in blue")
MISSING = (Missing("cni", "sign it"),)


def view(*names: str) -> View:
    return View(Snapshot([]), Tenancy(tuple(TenantIdentity(name, (name,)) for name in sorted(names))), Declared())


def claim(
    source: str = "red",
    target: str = "",
    verdict: Verdict = Verdict.PROVED,
    *,
    reason: str = "guarded",
    witness: Witness | None = None,
    missing: tuple[Missing, ...] = (),
) -> Claim:
    return Claim("T1", source, target, verdict, Effect.READ, Impact.S1, witness, missing, reason)


def channel(*claims: Claim, id: str = "T1") -> Channel:  # noqa: A002 - as the field is called
    def decide(seen: View) -> Iterable[Claim]:
        del seen
        return claims

    return Channel(id, "test channel", Effect.READ, Impact.S1, decide)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (claim(), Verdict.PROVED),
        (claim(reason=""), Verdict.UNKNOWN),
        (claim(verdict=Verdict.VIOLATED, witness=WITNESS), Verdict.VIOLATED),
        (claim(verdict=Verdict.VIOLATED), Verdict.UNKNOWN),
        (claim(verdict=Verdict.VIOLATED, witness=Witness((), "somehow")), Verdict.UNKNOWN),
        (claim(verdict=Verdict.UNKNOWN, missing=MISSING), Verdict.UNKNOWN),
        (claim(verdict=Verdict.UNKNOWN), Verdict.UNKNOWN),
    ],
    ids=[
        "proof with a reason",
        "proof without a reason",
        "violation with a witness",
        "violation without a witness",
        "violation with an empty path",
        "unknown with the missing fact",
        "unknown without the missing fact",
    ],
)
def test_a_verdict_is_believed_only_with_what_backs_it(given: Claim, verdict: Verdict) -> None:
    (found,) = verify(view("red"), [channel(given)])

    assert found.verdict is verdict
    assert found.verdict is not Verdict.UNKNOWN or found.missing


def test_a_rule_that_says_nothing_proves_nothing() -> None:
    found = verify(view("red", "blue"), [channel()])

    assert [(item.source, item.target, item.verdict) for item in found] == [
        ("blue", "", Verdict.UNKNOWN),
        ("red", "", Verdict.UNKNOWN),
    ]


def test_a_pair_a_rule_passes_over_is_unknown() -> None:
    found = verify(view("red", "blue", "green"), [channel(claim("red", "blue"), claim("blue"), claim("green"))])

    assert [(item.source, item.target) for item in found if item.verdict is Verdict.UNKNOWN] == [("red", "green")]


def test_a_rule_that_fails_hides_no_other_and_proves_nothing() -> None:
    def fails(seen: View) -> Iterable[Claim]:
        yield claim("blue")
        raise KeyError("spec")

    broken = Channel("T2", "broken", Effect.READ, Impact.S1, fails)

    found = verify(view("red", "blue"), [broken, channel(claim("blue"), claim("red"))])

    assert [(item.channel, item.source, item.verdict.value) for item in found] == [
        ("T2", "blue", "UNKNOWN"),
        ("T2", "red", "UNKNOWN"),
        ("T1", "blue", "PROVED"),
        ("T1", "red", "PROVED"),
    ]
    assert "KeyError" in found[0].missing[0].how


def test_claims_are_ordered_and_each_is_there_once() -> None:
    claims = (
        claim("red", "blue"),
        claim("red", "blue", Verdict.VIOLATED, witness=WITNESS),
        claim("blue", "red"),
        claim("red", "blue"),
    )
    forwards = verify(view("red", "blue"), [channel(*claims)])
    backwards = verify(view("red", "blue"), [channel(*reversed(claims))])

    assert forwards == backwards
    assert [(item.source, item.verdict.value) for item in forwards] == [
        ("blue", "PROVED"),
        ("red", "VIOLATED"),
        ("red", "PROVED"),
    ]


def test_details_of_any_shape_are_no_obstacle() -> None:
    """A manifest in the details is a dict, which cannot be hashed."""
    witness = Witness(WITNESS.steps, "red runs in blue", (("manifest", {"kind": "Pod", "spec": {"containers": []}}),))
    given = claim(verdict=Verdict.VIOLATED, witness=witness)

    assert len(verify(view("red"), [channel(given, given)])) == 1
