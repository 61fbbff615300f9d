"""Running channels: nothing a rule does not back is believed, and silence is no proof."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from safe_clusters import ADMISSION, RBAC, Body, bind, obj, role, rule, space
from safe_clusters import view as cluster

from tenantry.model.claim import Claim, Effect, Impact, Missing, Step, Witness
from tenantry.model.finding import Verdict
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Declared, Strength, Tenancy, TenantIdentity
from tenantry.safe.channels import CHANNELS
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


ELSEWHERE = bind("x", "ClusterRole/elsewhere", "group:a", namespace="a")
OPEN_SPACES = [space("a", ""), space("b", "")]


@pytest.mark.parametrize("strength", list(Strength))
def test_nothing_is_proved_of_a_tenant_with_a_role_nobody_shows(strength: Strength) -> None:
    facts = {"node.kernel-sharing-accepted": True}
    seen = cluster(ELSEWHERE, OPEN_SPACES, facts=facts, strength=strength)

    proved = {item.channel for item in verify(seen) if item.verdict is Verdict.PROVED and item.source == "a"}
    others = {item.channel for item in verify(seen) if item.verdict is Verdict.PROVED and item.source == "b"}

    assert proved == ({"H4"} if strength is not Strength.DEPLOYED else proved | {"H4"})
    # With careless victims what a lets others do counts as well.
    assert (others > {"H4"}) is (strength is not Strength.CARELESS)


def test_what_admission_says_to_a_role_a_tenant_gives_itself_must_be_known() -> None:
    binds = [
        role("binder", "a", rule("create", "rolebindings", RBAC), rule("bind", "clusterroles", RBAC)),
        bind("binder", "Role/binder", "group:a", namespace="a"),
    ]
    rules = [{"apiGroups": [RBAC], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["rolebindings"]}]
    client = {"service": {"name": "w", "namespace": "ops"}}
    opaque = obj("ValidatingWebhookConfiguration", "w", api=ADMISSION, webhooks=[
        {"name": "w", "clientConfig": client, "failurePolicy": "Fail", "rules": rules}
    ])  # fmt: skip

    def h1(*bodies: Body | list[Body]) -> Verdict:
        claims = verify(cluster(*bodies), [item for item in CHANNELS if item.id == "H1"])
        return next(item.verdict for item in claims if item.source == "a")

    assert h1(OPEN_SPACES) is Verdict.PROVED
    assert h1(OPEN_SPACES, binds) is Verdict.VIOLATED
    assert h1(OPEN_SPACES, binds, opaque) is Verdict.UNKNOWN


def test_a_tenant_that_only_writes_custom_resources_may_run_pods_through_them() -> None:
    writes = [
        role("w", "a", rule("create", "widgets", "example.com")),
        bind("w", "Role/w", "group:a", namespace="a"),
    ]
    pods = [role("p", "a", rule("create", "pods")), bind("p", "Role/p", "group:a", namespace="a")]
    channels = [item for item in CHANNELS if item.id in {"H1", "A2"}]

    def verdicts(*bodies: Body | list[Body], **facts: bool) -> set[Verdict]:
        signed = {name.replace("_", "."): value for name, value in facts.items()}
        claims = verify(cluster([space("a"), space("b")], *bodies, facts=signed), channels)
        return {item.verdict for item in claims if item.source == "a"}

    assert verdicts(writes) == {Verdict.UNKNOWN}
    assert verdicts(writes, operators_reviewed=True) == {Verdict.PROVED}
    assert verdicts(writes, pods) == {Verdict.PROVED}
    assert verdicts() == {Verdict.PROVED}
