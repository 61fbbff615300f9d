"""Verification as a whole: who owns what, what is declared, and what the verdicts add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.app.compile import compile_spec, write
from tenantry.app.examples import example
from tenantry.app.safe_report import WORST
from tenantry.app.tenancy import found_tenancy, matches
from tenantry.app.verification import SafeFinding, VerifyReport
from tenantry.app.verify import Question, Subject, declare, spec_subject, tree_subject, verify_subject
from tenantry.errors import ExitCode, InputError, SpecError
from tenantry.model.change import changed
from tenantry.model.claim import Claim, Effect, Impact, Missing, Step, Witness
from tenantry.model.finding import Verdict
from tenantry.model.manifest import Manifest, ManifestKey
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.model.spec import Waiver
from tenantry.model.spec.tenancy_file import TenancyFile
from tenantry.model.tenancy import Tenancy, TenantIdentity
from tenantry.safe.channels.channel import Channel
from tenantry.safe.view import View

TODAY = date(2026, 11, 1)
GROUP = "rbac.authorization.k8s.io"


def namespace(name: str, **labels: str) -> Manifest:
    metadata = {"name": name, "labels": {key.replace("_", "/"): value for key, value in labels.items()}}
    return Manifest({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, Location("a.yaml"))


def binding(where: str, kind: str, name: str) -> Manifest:
    body = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{kind}-{name}".lower(), "namespace": where},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": GROUP, "kind": kind, "name": name}],
    }
    return Manifest(body, Location("a.yaml"))


def stated(**body: object) -> TenancyFile:
    return TenancyFile.model_validate(body, by_alias=True, by_name=False)


# Owners --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pattern", "fits"),
    [
        ("blue", "blue", True),
        ("blue", "b*", True),
        ("blue", "*", True),
        ("blue", "*e", True),
        ("blue", "b*u*", True),
        ("blue", "lu", False),
        ("blue-1", "blue", False),
        ("blueX1", "blue.1", False),
        ("vision -> search", "* -> search", True),
        ("vision -> *", "* -> search", False),
        ("vision -> search", "vision -> *", True),
    ],
)
def test_a_star_stands_for_any_run_of_characters_and_nothing_else_is_special(
    text: str, pattern: str, fits: bool
) -> None:
    assert matches(text, pattern) is fits


def test_a_label_names_the_tenant_of_a_namespace() -> None:
    snapshot = Snapshot([namespace("r", team="red"), namespace("b", team="blue"), namespace("m", team="platform")])

    tenancy, notes = found_tenancy(snapshot, TenancyFile(), "team")

    assert {item.name: item.namespaces for item in tenancy.tenants} == {"blue": ("b",), "red": ("r",)}
    assert tenancy.owner("m") == tenancy.owner("kube-system") == "platform"
    assert notes == ()


def test_a_file_counts_before_a_label_and_a_name_before_a_pattern() -> None:
    snapshot = Snapshot([namespace("red-1", team="green"), namespace("red-2"), namespace("g", team="green")])
    file = stated(tenants={"red": {"namespaces": ["red-*"]}, "blue": {"namespaces": ["red-2"]}})

    tenancy, _ = found_tenancy(snapshot, file, "team")

    assert {item.name: item.namespaces for item in tenancy.tenants} == {
        "red": ("red-1",),
        "blue": ("red-2",),
        "green": ("g",),
    }


def test_a_namespace_nobody_owns_is_an_error_even_if_it_is_only_mentioned() -> None:
    pod = Manifest({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "stray"}}, Location("a"))

    with pytest.raises(InputError, match=r"nobody owns namespace stray; label each team=TENANT .*--tenancy"):
        found_tenancy(Snapshot([namespace("r", team="red"), pod]), TenancyFile(), "team")


def test_a_namespace_with_two_owners_is_an_error() -> None:
    file = stated(tenants={"red": {"namespaces": ["x-*"]}, "blue": {"namespaces": ["*-1"]}})

    with pytest.raises(InputError, match=r"namespace x-1 \(blue, red\) to more than one owner"):
        found_tenancy(Snapshot([namespace("x-1")]), file, "")


def test_reserved_names_belong_to_the_platform_unless_a_file_says_otherwise() -> None:
    names = ("openshift-monitoring", "kube-public", "openshift", "default", "r")
    file = stated(tenants={"red": {"namespaces": ["r", "default"]}})

    tenancy, _ = found_tenancy(Snapshot(map(namespace, names)), file, "")

    assert tenancy.owner("default") == "red"
    assert tenancy.owner("openshift-monitoring") == "platform"


@pytest.mark.parametrize("name", ["openshiftx", "kubernetes", "kubeflow", "openshift_x"])
def test_names_that_only_look_reserved_are_not(name: str) -> None:
    with pytest.raises(InputError, match=f"nobody owns namespace {name}"):
        found_tenancy(Snapshot([namespace("r", team="red"), namespace(name)]), TenancyFile(), "team")


def test_a_tree_without_tenants_is_an_error() -> None:
    with pytest.raises(InputError, match="no namespace belongs to a tenant"):
        found_tenancy(Snapshot([namespace("openshift-x")]), TenancyFile(), "team")


def test_who_may_act_in_a_namespace_acts_for_its_tenant() -> None:
    snapshot = Snapshot(
        [
            namespace("r", team="red"),
            namespace("b", team="blue"),
            binding("r", "Group", "red-devs"),
            binding("b", "User", "ann"),
            binding("b", "Group", "system:authenticated"),
            binding("b", "Group", "operators"),
            binding("b", "Group", "everywhere"),
            binding("r", "Group", "everywhere"),
        ]
    )

    tenancy, notes = found_tenancy(snapshot, stated(platform={"groups": ["operators"]}), "team")

    assert tenancy.by_name["red"].groups == ("everywhere", "red-devs")
    assert tenancy.by_name["blue"].groups == ("everywhere",)
    assert tenancy.by_name["blue"].users == ("ann",)
    assert tenancy.administrators == {"operators"}
    assert [note.partition(" acts")[0] for note in notes] == ["Group everywhere"]


def test_a_group_the_file_gives_to_one_tenant_is_not_given_to_another_for_a_binding() -> None:
    """That binding is what the verifier has to find, not what makes it right."""
    snapshot = Snapshot([namespace("r", team="red"), namespace("b", team="blue"), binding("b", "Group", "red-devs")])

    tenancy, _ = found_tenancy(snapshot, stated(tenants={"red": {"groups": ["red-devs"]}}), "team")

    assert tenancy.by_name["blue"].groups == ()


def test_a_tenancy_file_is_checked_where_it_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: r}\n")
    file = tmp_path / "tenancy.yaml"
    file.write_text("tenants:\n  red: {namespace: [r]}\n")

    with pytest.raises(SpecError) as caught:
        tree_subject([tmp_path / "a.yaml"], tenancy=file)

    assert [(item.location.line, item.nearest) for item in caught.value.problems] == [(2, "namespaces")]


def test_the_tenants_of_a_spec_own_what_they_list_and_the_platform_the_rest() -> None:
    tenancy = spec_subject(example("dell-ai-factory-h200"), "production").tenancy

    assert tenancy.by_name["search"].namespaces == ("search-batch", "search-serve")
    assert tenancy.by_name["vision"].groups
    assert {"openshift-gitops", "kube-system", "tenantry-system"} <= tenancy.platform
    assert tenancy.administrators == {"platform-admins"}


def test_a_spec_may_say_who_owns_a_tree(tmp_path: Path) -> None:
    spec = spec_subject(example("vanilla-kubernetes"))
    write(compile_spec(example("vanilla-kubernetes")), tmp_path / "tree")

    found = tree_subject([tmp_path / "tree"], spec=spec)

    assert found.tenancy.tenants == spec.tenancy.tenants
    assert found.tenancy.owner("argocd") == "platform"
    assert {item.key for item in found.snapshot} == {item.key for item in spec.snapshot}
    assert (found.contract, found.facts, found.unread) == (spec.contract, spec.facts, ())


def test_a_namespace_the_spec_does_not_know_has_no_owner(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: stray}\n")

    with pytest.raises(InputError, match="nobody owns namespace stray"):
        tree_subject([tmp_path], spec=spec_subject(example("vanilla-kubernetes")))


# Trees ---------------------------------------------------------------------------------------------------------------

RED = "apiVersion: v1\nkind: Namespace\nmetadata: {name: red, labels: {tenantry.dev/tenant: red}}\n"


def config_map(value: str, *, place: str = "namespace: red, ") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{{place}name: x}}\ndata: {{a: {value}}}\n"


@pytest.mark.parametrize(
    ("files", "unread"),
    [
        ({"x.yaml": config_map("b")}, []),
        ({"x.yaml": "apiVersion: v1\nkind: [\n"}, ["not readable as YAML"]),
        ({"x.yaml": config_map("b", place="")}, ["names no namespace; it is taken as one of namespace default"]),
        ({"x.yaml": config_map("b"), "y.yaml": config_map("c")}, ["ConfigMap red/x is given again with other content"]),
        ({"x.yaml": config_map("b"), "y.yaml": config_map("b")}, []),
        ({"Chart.yaml": "name: c\nversion: 1.0.0\n", "templates/x.yaml": "{{ x }}"}, ["holds Helm templates"]),
        (
            {"x.yaml": config_map("b"), "p.yaml": config_map("c"), "kustomization.yaml": "patches: [{path: p.yaml}]\n"},
            ["ConfigMap red/x is a kustomize patch"],
        ),
    ],
    ids=["all read", "broken", "no namespace", "two versions", "the same twice", "chart", "patch"],
)
def test_what_cannot_be_read_is_never_taken_as_safe(files: dict[str, str], unread: list[str], tmp_path: Path) -> None:
    (tmp_path / "red.yaml").write_text(RED)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    subject = tree_subject([tmp_path])
    report = verify_subject(subject, Question(today=TODAY), channels=[channel("T1", proved)])

    assert len(subject.unread) == len(unread), subject.unread
    assert all(said in line for said, line in zip(unread, subject.unread, strict=True))
    assert report.zero is (not unread)
    assert ("blast radius 0" in report.headline) is (not unread)
    assert report.exit_code is (ExitCode.FINDINGS if unread else ExitCode.CLEAN)


def test_places_are_those_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "red.yaml").write_text(RED + "---\n" + config_map("b"))
    step = Step("reads", ManifestKey("v1", "ConfigMap", "red", "x"), ("data", "a"))

    report = verify_subject(tree_subject([tmp_path]), Question(today=TODAY), channels=[violates(step)])

    # RED has 3 lines, the separator is the 4th, data is the 4th line of the second document: 3 + 1 + 4.
    assert [place and place.line for place in report.findings[0].places] == [8]


# Verdicts ------------------------------------------------------------------------------------------------------------


def proved(view: View) -> Iterable[Claim]:
    for tenant in view.sources:
        yield Claim("T1", tenant.name, "", Verdict.PROVED, Effect.READ, Impact.S1, reason="guarded")


def unknown(view: View) -> Iterable[Claim]:
    for tenant in view.sources:
        missing = (view.missing("rdma.namespace-mode"),)
        yield Claim("T2", tenant.name, "", Verdict.UNKNOWN, Effect.READ, Impact.S1, missing=missing)


def channel(name: str, decide: object, impact: Impact = Impact.S1) -> Channel:
    return Channel(name, f"channel {name}", Effect.READ, impact, decide)  # type: ignore[arg-type]


def violates(*steps: Step, target: str = "", impact: Impact = Impact.S1) -> Channel:
    """A channel by which red can act on ``target``, on everybody when empty, and nobody else can act."""
    path = steps or (Step("connects", ManifestKey("v1", "Service", "blue", "db"), ("spec",)),)

    def decide(view: View) -> Iterable[Claim]:
        witness = Witness(path, "red reads what is blue's")
        for tenant in view.sources:
            if tenant.name == "red":
                yield Claim("T3", "red", target, Verdict.VIOLATED, Effect.READ, impact, witness, fix="close it")
            if tenant.name != "red" or target:
                others = [other.name for other in view.tenants if other.name not in {tenant.name, target}]
                for other in others if tenant.name == "red" else [""]:
                    yield Claim("T3", tenant.name, other, Verdict.PROVED, Effect.READ, impact, reason="closed")

    return Channel("T3", "channel T3", Effect.READ, impact, decide)


def subject(*names: str, waivers: tuple[Waiver, ...] = (), **more: object) -> Subject:
    tenants = tuple(TenantIdentity(name, (name,)) for name in sorted(names))
    manifests = Snapshot([namespace(name) for name in names])
    return Subject("test", manifests, Tenancy(tenants), waivers=waivers, **more)  # type: ignore[arg-type]


def waiver(rule: str, who: str, expires: date) -> Waiver:
    spec = {"rule": rule, "subject": who, "reason": "being moved", "expires": expires}
    body = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Waiver", "metadata": {"name": "w"}, "spec": spec}
    return Waiver.model_validate(body, by_alias=True, by_name=False)


def run(*channels: Channel, of: Subject | None = None, **question: Any) -> VerifyReport:
    asked = Question(today=TODAY, **question)
    return verify_subject(of or subject("red", "blue", "green"), asked, channels=channels)


def test_blast_radius_0_is_said_when_everything_is_proved() -> None:
    report = run(channel("T1", proved))

    assert report.headline == "blast radius 0: none of 3 tenants can act on another (adversarial tenant)"
    assert report.exit_code is ExitCode.CLEAN


@pytest.mark.parametrize(
    ("channels", "question", "headline", "code"),
    [
        (
            ("unknown",),
            {},
            "not proved safe: 6 of 6 pairs unknown (1 channel) (adversarial tenant)",
            ExitCode.FINDINGS,
        ),
        (
            ("violates blue",),
            {},
            "not proved safe: 1 of 6 pairs violated (1 channel) (adversarial tenant)",
            ExitCode.UNSAFE,
        ),
        (
            ("violates", "unknown"),
            {},
            # red acts on both others; of the other 4 pairs only that nothing is known
            "not proved safe: 2 of 6 pairs violated (1 channel), 4 of 6 pairs unknown (1 channel) (adversarial tenant)",
            ExitCode.UNSAFE,
        ),
        (
            ("violates", "proved"),
            {"channels": ("T1",)},
            "proved as far as looked at: channel T1 (adversarial tenant)",
            ExitCode.CLEAN,
        ),
        (
            ("violates blue",),
            {"tenant": "green"},
            "proved as far as looked at: all 1 channels of tenant green (adversarial tenant)",
            ExitCode.CLEAN,
        ),
        (
            ("violates",),
            {"tenant": "green"},
            "not proved safe: 1 of 4 pairs violated (1 channel) "
            "(adversarial tenant; looked only at all 1 channels of tenant green)",
            ExitCode.UNSAFE,
        ),
    ],
    ids=["unknown", "one pair", "both", "only a sound channel", "a tenant not concerned", "a tenant concerned"],
)
def test_the_headline_says_what_is_open_and_never_more_than_was_looked_at(
    channels: tuple[str, ...], question: dict[str, Any], headline: str, code: ExitCode
) -> None:
    known = {
        "proved": channel("T1", proved),
        "unknown": channel("T2", unknown),
        "violates": violates(),
        "violates blue": violates(target="blue"),
    }
    report = run(*(known[name] for name in channels), **question)

    assert report.headline == headline
    assert report.exit_code is code
    assert not report.zero


def test_a_cell_holds_the_worst_of_its_pair() -> None:
    report = run(channel("T2", unknown), violates(target="blue"))

    cell = report.cell("red", "blue")

    assert (cell.verdict, cell.impact, len(cell.findings)) == (Verdict.VIOLATED, Impact.S1, 2)
    assert report.cell("red", "green").verdict is Verdict.UNKNOWN
    assert report.blast("red") == (1, 1)
    assert report.blast("green") == (0, 2)
    # 3 tenants make 6 ordered pairs, one of them violated
    assert [report.pairs(verdict) for verdict in (Verdict.VIOLATED, Verdict.UNKNOWN, Verdict.PROVED)] == [1, 5, 0]


FOUR = ("blue", "green", "red", "white")
SAID = st.tuples(st.sampled_from(FOUR), st.sampled_from(("", *FOUR)), st.sampled_from(Verdict), st.sampled_from(Impact))


@given(st.lists(st.lists(SAID, max_size=12), min_size=1, max_size=3), st.sampled_from(("", "red")))
def test_pairs_are_counted_as_if_each_were_written_down(said: list[list[tuple[Any, ...]]], tenant: str) -> None:
    def channel_of(number: int, claims: list[tuple[Any, ...]]) -> Channel:
        def decide(view: View) -> Iterable[Claim]:
            for source, target, verdict, impact in claims:
                if source != target:
                    claim = Claim(f"T{number}", source, target, verdict, Effect.READ, impact, reason="closed")
                    if verdict is Verdict.VIOLATED:
                        claim = replace(claim, witness=Witness((Step("connects", missing="a guard"),), "reads"))
                    yield replace(claim, missing=(view.missing("cni"),)) if verdict is Verdict.UNKNOWN else claim
            for source in FOUR:
                yield Claim(f"T{number}", source, "", Verdict.PROVED, Effect.READ, Impact.S1, reason="closed")

        return Channel(f"T{number}", "", Effect.READ, Impact.S1, decide)

    channels = [channel_of(number, claims) for number, claims in enumerate(said)]
    report = run(*channels, of=subject(*FOUR), tenant=tenant)

    def pairs(finding: SafeFinding) -> list[tuple[str, str]]:
        source, target = finding.claim.source, finding.claim.target
        every = [(source, name) for name in ([target] if target else FOUR) if name != source]
        return [pair for pair in every if not tenant or tenant in pair]

    written: dict[tuple[str, str], list[int]] = {}
    for index, finding in enumerate(report.findings):
        for pair in pairs(finding):
            written.setdefault(pair, []).append(index)
    assert {pair: list(cell.findings) for pair, cell in report.cells.items()} == written
    assert list(report.cells) == sorted(written)
    for pair, cell in report.cells.items():
        claims = [report.findings[index].claim for index in written[pair]]
        assert cell.verdict is min((claim.verdict for claim in claims), key=WORST.index)
        assert cell.impact is min(claim.impact for claim in claims if claim.verdict is cell.verdict)
    for name in FOUR:
        row = [report.cell(name, other).verdict for other in FOUR if other != name]
        assert report.blast(name) == (row.count(Verdict.VIOLATED), row.count(Verdict.UNKNOWN))
    for found in report.channels:
        own = [item for item in report.findings if item.claim.channel == found.id]
        of = {
            verdict: {pair for item in own if item.claim.verdict is verdict for pair in pairs(item)}
            for verdict in WORST[:2]
        }
        open_pairs = of[Verdict.UNKNOWN] - of[Verdict.VIOLATED]
        assert (found.violated, found.unknown) == (len(of[Verdict.VIOLATED]), len(open_pairs))
        assert found.violated + found.unknown + found.proved == report.pair_count


def test_no_channels_prove_nothing() -> None:
    assert not run().zero


def test_a_single_tenant_that_reaches_the_cluster_is_a_violation_though_there_is_no_pair() -> None:
    report = run(violates(), of=subject("red"))

    assert report.channels[0].verdict is Verdict.VIOLATED
    assert report.exit_code is ExitCode.UNSAFE
    assert not report.zero


@pytest.mark.parametrize(
    ("threshold", "code"),
    [(Impact.S3, ExitCode.UNSAFE), (Impact.S2, ExitCode.UNSAFE), (Impact.S1, ExitCode.CLEAN)],
)
def test_findings_of_less_impact_than_the_threshold_do_not_fail(threshold: Impact, code: ExitCode) -> None:
    report = run(violates(impact=Impact.S2), threshold=threshold)

    assert report.exit_code is code
    assert not report.zero


def test_names_of_findings_do_not_depend_on_what_else_is_found() -> None:
    alone = run(violates(target="blue"))
    among = run(channel("T2", unknown), violates(target="blue"), of=subject("red", "blue", "green", "grey"))

    assert {item.id for item in alone.findings} <= {item.id for item in among.findings}


def test_findings_that_differ_have_different_names() -> None:
    def many(view: View) -> Iterable[Claim]:
        for source in view.tenants:
            for port in (80, 443):
                witness = Witness((Step("connects", missing="a policy"),), f"port {port}")
                yield Claim("T4", source.name, "", Verdict.VIOLATED, Effect.READ, Impact.S1, witness)

    report = run(channel("T4", many))

    assert len({item.id for item in report.findings}) == len(report.findings) == 6


# Waivers, contract, facts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "waived", "code"),
    [
        (waiver("SAFE-T3", "red -> blue", date(2026, 11, 1)), True, ExitCode.CLEAN),
        (waiver("SAFE-T3", "red -> *", date(2027, 1, 1)), True, ExitCode.CLEAN),
        (waiver("SAFE-T3", "red -> blue", date(2026, 10, 31)), False, ExitCode.UNSAFE),
        (waiver("SAFE-T3", "blue -> red", date(2027, 1, 1)), False, ExitCode.UNSAFE),
        (waiver("SAFE-T1", "red -> blue", date(2027, 1, 1)), False, ExitCode.UNSAFE),
    ],
    ids=["on its last day", "pattern", "expired yesterday", "other way round", "other rule"],
)
def test_a_waiver_accepts_what_it_names_until_it_expires(given: Waiver, waived: bool, code: ExitCode) -> None:
    report = run(violates(target="blue"), of=subject("red", "blue", waivers=(given,)))

    assert [item.waived for item in report.findings] == [waived]
    assert report.exit_code is code
    assert "blast radius 0" not in report.headline


def test_a_waiver_of_one_pair_does_not_accept_a_claim_about_all() -> None:
    given = waiver("SAFE-T3", "* -> blue", date(2027, 1, 1))

    report = run(violates(), of=subject("red", "blue", waivers=(given,)))

    assert not report.findings[0].waived


def test_an_expired_waiver_fails_even_when_nothing_needs_it() -> None:
    given = waiver("SAFE-T3", "red -> blue", date(2026, 10, 31))

    report = run(channel("T1", proved), of=subject("red", "blue", waivers=(given,)))

    assert report.expired_waivers == (given,)
    assert report.exit_code is ExitCode.FINDINGS


def test_waivers_of_other_commands_are_left_alone() -> None:
    given = waiver("LINT-SRIOV-TRUST", "*", date(2020, 1, 1))

    assert run(channel("T1", proved), of=subject("red", "blue", waivers=(given,))).exit_code is ExitCode.CLEAN


def parts(folder: Path, text: str) -> Path:
    path = folder / "parts.yaml"
    path.write_text(text)
    return path


CONTRACT = """apiVersion: tenantry.dev/v1alpha1
kind: Contract
metadata: {{name: c}}
spec:
  exceptions:
    - name: web
      from: {{tenant: {source}}}
      to: {{tenant: assistant, namespaces: [assistant], pods: {{app: api}}}}
      ports: [TCP/8443, UDP/5000-5010]
      reason: answers questions
      expires: 2026-11-01
"""
FACT = """apiVersion: tenantry.dev/v1alpha1
kind: Facts
metadata: {{name: f}}
spec:
  facts:
    - {{id: {id}, value: {value}, evidence: seen it, signedBy: Ann, date: 2026-01-01, expires: 2026-11-01}}
"""


def dell(tmp_path: Path, text: str) -> Subject:
    return spec_subject(example("dell-ai-factory-h200"), parts=[parts(tmp_path, text)])


@pytest.mark.parametrize(("day", "holds"), [(date(2026, 11, 1), True), (date(2026, 11, 2), False)])
def test_an_exception_holds_up_to_its_last_day(day: date, holds: bool, tmp_path: Path) -> None:
    declared = declare(dell(tmp_path, CONTRACT.format(source="vision")), day)

    (found,) = declared.permissions if holds else declared.expired
    assert not (declared.expired if holds else declared.permissions)
    assert (found.source, found.target, found.target_namespaces) == ("vision", "assistant", ("assistant",))
    assert found.target_labels == (("app", "api"),)
    assert found.ports == (("TCP", 8443, 8443), ("UDP", 5000, 5010))


def test_an_expired_exception_fails(tmp_path: Path) -> None:
    given = dell(tmp_path, CONTRACT.format(source="vision"))
    question = Question(today=date(2026, 11, 2))

    assert verify_subject(given, question, channels=[channel("T1", proved)]).exit_code is ExitCode.FINDINGS


def test_a_contract_names_tenants_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"exception web of the contract names tenant 'visoin'.*mean 'vision'"):
        declare(dell(tmp_path, CONTRACT.format(source="visoin")), TODAY)


@pytest.mark.parametrize(("day", "value"), [(date(2026, 11, 1), "shared"), (date(2026, 11, 2), None)])
def test_a_fact_proves_nothing_after_its_last_day(day: date, value: str | None, tmp_path: Path) -> None:
    declared = declare(dell(tmp_path, FACT.format(id="rdma.namespace-mode", value="shared")), day)

    assert declared.fact("rdma.namespace-mode") == value


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("rdma.namespaces", "shared", "mean 'rdma.namespace-mode'"), ("rdma.namespace-mode", "none", "exclusive, shared")],
)
def test_facts_are_those_some_rule_reads(name: str, value: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        declare(dell(tmp_path, FACT.format(id=name, value=value)), TODAY)


def test_documents_of_other_kinds_are_refused_beside_a_spec(tmp_path: Path) -> None:
    text = "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {name: x}\n"

    with pytest.raises(SpecError) as caught:
        dell(tmp_path, text + "spec: {department: d, namespaces: [{name: n}]}\n")

    assert "Tenant has no place here" in caught.value.problems[0].message


def test_missing_facts_come_with_an_entry_to_paste() -> None:
    report = run(channel("T2", unknown))

    (gap,) = report.gaps
    assert (gap.fact, gap.channels, gap.findings, gap.state) == ("rdma.namespace-mode", ("T2",), 3, "")
    assert gap.entry == (
        "- id: rdma.namespace-mode\n  value: exclusive\n  evidence: rdma system show\n"
        "  signedBy: NAME\n  date: 2026-11-01\n"
    )


def test_a_fact_signed_with_a_value_that_proves_nothing_is_said_to_be_so(tmp_path: Path) -> None:
    given = dell(tmp_path, FACT.format(id="rdma.namespace-mode", value="shared"))

    report = verify_subject(given, Question(today=TODAY), channels=[channel("T2", unknown)])
    later = verify_subject(given, Question(today=date(2027, 1, 1)), channels=[channel("T2", unknown)])

    assert report.gaps[0].state == "signed as shared by Ann, which proves nothing"
    assert later.gaps[0].state == "signed as shared by Ann, which has expired"


def test_what_no_fact_can_supply_is_told_apart() -> None:
    def opaque(view: View) -> Iterable[Claim]:
        for tenant in view.sources:
            missing = (Missing("", "show what webhook x does"),)
            yield Claim("T2", tenant.name, "", Verdict.UNKNOWN, Effect.READ, Impact.S1, missing=missing)

    (gap,) = run(channel("T2", opaque)).gaps

    assert (gap.fact, gap.how, gap.entry) == ("", ("show what webhook x does",), "")


@pytest.mark.parametrize(
    ("question", "said"),
    [({"channels": ("T9",)}, "channel 'T9'"), ({"tenant": "rde"}, "tenant 'rde'.*mean 'red'")],
)
def test_questions_name_what_there_is(question: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        run(channel("T1", proved), **question)


def test_channels_are_named_with_or_without_the_prefix_of_their_rule() -> None:
    assert [item.id for item in run(channel("T1", proved), violates(), channels=("safe-t3",)).channels] == ["T3"]


# Strengths and fixes -------------------------------------------------------------------------------------------------


def leaky() -> Subject:
    folder = Path(__file__).parents[2] / "examples/leaky-cluster"
    return tree_subject([folder / "manifests"], tenancy=folder / "tenancy.yaml")


def test_a_stronger_proof_finds_what_a_weaker_one_does() -> None:
    question = Question(today=TODAY, every_strength=True, fixes=False)

    deployed, adversarial, careless = verify_subject(leaky(), question).strengths

    for weaker, stronger in ((deployed, adversarial), (adversarial, careless)):
        violated = {name for name, verdict in weaker.verdicts.items() if verdict is Verdict.VIOLATED}
        assert violated < {name for name, verdict in stronger.verdicts.items() if verdict is Verdict.VIOLATED}
    assert (deployed.violated, deployed.unknown, deployed.pairs) == (2, 0, 2)


def test_every_violation_of_the_example_has_a_fix_that_closes_it() -> None:
    subject = leaky()
    report = verify_subject(subject, Question(today=TODAY))
    fixes = [item for item in report.findings if item.repair is not None]
    assert {item.claim.channel for item in report.findings if item.claim.verdict is Verdict.VIOLATED} == {
        item.claim.channel for item in fixes
    }

    for item in fixes:
        assert item.repair is not None
        after = changed(subject.snapshot, item.repair.changes)
        assert after is not None
        only = Question(today=TODAY, channels=(item.claim.channel,), fixes=False)
        left = verify_subject(replace(subject, snapshot=after), only)
        same = [other for other in left.findings if other.subject == item.subject and other.message == item.message]
        assert same == [], item.id


def test_edits_of_files_that_hold_several_objects_are_of_one_document() -> None:
    report = verify_subject(leaky(), Question(today=TODAY, channels=("X4",)))

    (edit,) = next(item.edits for item in report.findings if item.claim.source == "red")

    lines = Path(edit.file).read_text().splitlines()
    assert lines[edit.first - 1].startswith("apiVersion: ")
    assert lines[edit.last] == "---"
    assert 'trust: "off"' in edit.text
    assert "name: red-rail0" in edit.text
