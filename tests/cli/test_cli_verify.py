"""``tenantry verify``: options, exit codes and every output."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tenantry.app.examples import example, example_names
from tenantry.app.verify import Question, Subject, verify_subject
from tenantry.cli.main import run
from tenantry.cli.render.verification_data import as_json
from tenantry.model.claim import Claim, Effect, Impact, Step, Witness
from tenantry.model.finding import Verdict
from tenantry.model.manifest import ManifestKey
from tenantry.model.snapshot import Snapshot
from tenantry.model.tenancy import Tenancy, TenantIdentity
from tenantry.safe.channels.channel import Channel
from tenantry.safe.view import View

NASTY = "</script><b>|`x\n"

TREE = """apiVersion: v1
kind: Namespace
metadata: {name: red, labels: {team: red}}
---
apiVersion: v1
kind: Namespace
metadata: {name: blue, labels: {team: blue}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: blue}
spec:
  podSelector: {}
  ingress:
    - from:
        - namespaceSelector: {}
"""


def connects(view: View) -> Iterable[Claim]:
    """Red may connect to blue; the other way round is closed."""
    policy = ManifestKey("networking.k8s.io/v1", "NetworkPolicy", "blue", "open")
    steps = (
        Step("egress allowed", missing="no network policy selects pods of namespace red"),
        Step("ingress allowed", policy, ("spec", "ingress", 0, "from", 0)),
    )
    details = (("pod", {"kind": "Pod", "metadata": {"labels": {"a": NASTY}}}), ("port", "TCP 5432"))
    witness = Witness(steps, f"pod red/x may connect to blue {NASTY}", details, ("cni enforces policies",))
    found = view.snapshot.get(policy.group, policy.kind, policy.name, policy.namespace)
    if found is not None and found.body["spec"]["ingress"][0]["from"]:
        common = ("N1", "red", "blue", Verdict.VIOLATED, Effect.WRITE, Impact.S1)
        yield Claim(*common, witness=witness, fix="close it")
    else:
        yield Claim("N1", "red", "blue", Verdict.PROVED, Effect.WRITE, Impact.S1, reason="blue is closed")
    yield Claim("N1", "blue", "red", Verdict.PROVED, Effect.WRITE, Impact.S1, reason="red is closed")


def waits(view: View) -> Iterable[Claim]:
    """Nobody knows until a fact is signed."""
    for tenant in view.sources:
        if view.signed("rdma.namespace-mode"):
            yield Claim("X7", tenant.name, "", Verdict.PROVED, Effect.READ, Impact.S1, reason="signed")
        else:
            missing = (view.missing("rdma.namespace-mode"),)
            yield Claim("X7", tenant.name, "", Verdict.UNKNOWN, Effect.READ, Impact.S1, missing=missing)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two tenants, one hole, one fact missing; two channels stand for all."""
    channels = (
        Channel("N1", "pod to pod", Effect.WRITE, Impact.S1, connects),
        Channel("X7", "RDMA devices", Effect.READ, Impact.S1, waits),
    )
    monkeypatch.setattr("tenantry.app.verify.CHANNELS", channels)
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "all.yaml").write_text(TREE)
    return folder


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    """A file that supplies the fact."""
    path = tmp_path / "facts.yaml"
    fact = "{id: rdma.namespace-mode, value: exclusive, evidence: seen, signedBy: Ann, date: 2026-01-01}"
    head = "apiVersion: tenantry.dev/v1alpha1\nkind: Facts\nmetadata: {name: f}\n"
    path.write_text(f"{head}spec:\n  facts:\n    - {fact}\n")
    return path


def verify(tree: Path, *options: str) -> int:
    return run(["verify", "--tree", str(tree), "--tenant-label", "team", "--today", "2026-11-01", *options])


def test_text_shows_the_path_the_fix_and_what_is_missing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(tree) == 3

    out = capsys.readouterr().out
    assert "VIOLATED S1 red -> blue: pod to pod (write)" in out
    assert out.index("1. egress allowed") < out.index("(no network policy selects pods of namespace red)")
    # The policy begins in line 9; the peer of its rule stands in line 16.
    assert "NetworkPolicy blue/open /spec/ingress/0/from/0" in out
    assert "all.yaml:16" in out
    assert "fix: remove /spec/ingress/0/from/0 of NetworkPolicy blue/open\n         tried: proved afterwards\n" in out
    assert "    - id: rdma.namespace-mode\n      value: exclusive\n" in out
    assert out.splitlines()[-1].startswith("not proved safe: 1 of 2 pairs violated")
    assert "blast radius 0" not in out


def test_findings_that_differ_in_their_tenants_only_are_one_paragraph(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_quota(view: View) -> Iterable[Claim]:
        for tenant in view.sources:
            witness = Witness((Step("no quota", missing=f"none of {tenant.name}"),), f"{tenant.name} takes all")
            fix = f"bound pods in namespace {tenant.name}"
            yield Claim("Q1", tenant.name, "", Verdict.VIOLATED, Effect.STARVE, Impact.S2, witness, fix=fix)

    def other_fix(view: View) -> Iterable[Claim]:
        for claim in no_quota(view):
            yield replace(claim, channel="Q7", fix=f"bound {'jobs' if claim.source == 'blue' else 'pods'}")

    quota = Channel("Q1", "quota", Effect.STARVE, Impact.S2, no_quota)
    flood = Channel("Q7", "flood", Effect.STARVE, Impact.S2, other_fix)
    monkeypatch.setattr("tenantry.app.verify.CHANNELS", (quota, flood))

    verify(tree)

    out = capsys.readouterr().out
    assert out.count("VIOLATED S2 blue -> *: quota") == 1
    assert "VIOLATED S2 red -> *: quota" not in out
    assert "likewise: red -> * (SAFE-Q1-" in out
    assert out.count("VIOLATED S2 red -> *: flood") == 1


def test_the_matrix_has_a_row_and_a_column_per_tenant(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(tree)

    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(("blue ", "red ", "   "))]
    assert ["blue", "red", "acts", "on"] in rows
    assert ["blue", "?", "0,", "1", "unknown"] in rows
    assert ["red", "S1", "1"] in rows


def test_a_signed_fact_closes_what_waited_for_it(tree: Path, facts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(tree, "--channel", "X7") == 2
    assert verify(tree, "--channel", "X7", "--facts", str(facts)) == 0
    assert "proved as far as looked at: channel X7" in capsys.readouterr().out


def test_json_holds_everything(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(tree, "-o", "json") == 3

    body = json.loads(capsys.readouterr().out)
    assert (body["formatVersion"], body["verdict"], body["blastRadiusZero"]) == ("1.0", "VIOLATED", False)
    assert body["pairs"] == {"PROVED": 0, "VIOLATED": 1, "UNKNOWN": 1}
    violated = body["findings"][0]
    assert violated["path"][1]["pointer"] == "/spec/ingress/0/from/0"
    assert (violated["path"][1]["object"]["name"], violated["path"][1]["line"]) == ("open", 16)
    assert violated["details"]["pod"]["metadata"]["labels"] == {"a": NASTY}
    assert [cell["verdict"] for cell in body["matrix"]] == ["UNKNOWN", "VIOLATED"]
    assert body["channels"][0]["reasons"] == ["red is closed"]
    assert body["missing"][0]["fact"] == "rdma.namespace-mode"
    assert violated["fix"] == "close it"
    assert violated["changes"] == {
        "changes": [
            {
                "op": "remove",
                "object": {
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "NetworkPolicy",
                    "namespace": "blue",
                    "name": "open",
                },
                "pointer": "/spec/ingress/0/from/0",
            }
        ],
        "verified": True,
        "leaves": "PROVED",
        "rest": "",
    }
    assert body["findings"][1]["changes"] is None


def test_words_that_were_not_tried_say_so(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(tree, "--no-fixes") == 3
    assert "fix (not tried): close it" in capsys.readouterr().out

    verify(tree, "--no-fixes", "-o", "sarif")
    result = json.loads(capsys.readouterr().out)["runs"][0]["results"][0]
    assert "fixes" not in result
    assert "close it (not tried)" in result["message"]["text"]


def test_the_edits_of_sarif_close_it(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(tree, "-o", "sarif")
    (fix,) = json.loads(capsys.readouterr().out)["runs"][0]["results"][0]["fixes"]
    assert fix["description"]["text"] == "tried: proved afterwards"
    (change,) = fix["artifactChanges"]
    (edit,) = change["replacements"]
    file = Path(change["artifactLocation"]["uri"])
    lines = file.read_text().splitlines(keepends=True)
    region = edit["deletedRegion"]
    # The third document, up to the end of the file.
    assert (lines[region["startLine"] - 2], region["endLine"]) == ("---\n", len(lines))

    lines[region["startLine"] - 1 : region["endLine"]] = [edit["insertedContent"]["text"]]
    file.write_text("".join(lines))

    assert verify(tree, "--channel", "N1") == 0


def test_strengths_are_compared_in_one_table(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, markdown = tmp_path / "page.html", tmp_path / "page.md"
    assert verify(tree, "--strength", "all", "-o", "text", "-o", f"html={page}", "-o", f"md={markdown}") == 3

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["N1", "VIOLATED", "VIOLATED", "VIOLATED"] in lines
    assert ["X7", "UNKNOWN", "UNKNOWN", "UNKNOWN"] in lines
    assert ["pairs", "violated", "1", "of", "2", "1", "of", "2", "1", "of", "2"] in lines
    assert "| N1 | VIOLATED | VIOLATED | VIOLATED |" in markdown.read_text()
    assert "<th>as deployed</th>" in page.read_text()

    verify(tree, "--strength", "all", "-o", "json")
    deployed, *_ = json.loads(capsys.readouterr().out)["strengths"]
    assert deployed == {
        "strength": "deployed",
        "channels": {"N1": "VIOLATED", "X7": "UNKNOWN"},
        "pairs": {"VIOLATED": 1, "UNKNOWN": 1, "PROVED": 0},
    }


def test_sarif_points_at_the_object_that_lets_the_tenant_in(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(tree, "-o", "sarif")

    (sarif,) = json.loads(capsys.readouterr().out)["runs"]
    result = sarif["results"][0]
    assert result["ruleId"] == sarif["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "SAFE-N1"
    assert (result["kind"], result["level"]) == ("fail", "error")
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 16
    assert len(result["codeFlows"][0]["threadFlows"][0]["locations"]) == 2
    assert {(item["kind"], item["level"]) for item in sarif["results"][1:]} == {("open", "none")}


def test_junit_has_a_case_per_channel(tree: Path, facts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(tree, "-o", "junit", "--facts", str(facts))

    suite = ET.fromstring(capsys.readouterr().out)[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    first, second = suite
    assert "ingress allowed" in (first[0].text or "")
    assert len(second) == 0


def test_markdown_cells_hold_whatever_they_are_given(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(tree, "-o", "md")

    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| red")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 6
    assert "<b>" not in rows[0]


class Page(HTMLParser):
    """Collects what a page links to, has and loads."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.links |= {str(named["href"])} if tag == "a" else set()
        self.ids += [str(named["id"])] if "id" in named else []
        self.loads += [
            str(value) for key, value in attrs if key in {"src", "action"} or (tag == "link" and key == "href")
        ]
        self.open += [tag] if tag not in {"meta", "br"} else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_loads_nothing_and_its_links_lead_somewhere(tree: Path, tmp_path: Path) -> None:
    assert verify(tree, "-o", f"html={tmp_path}/page.html", "-o", f"json={tmp_path}/all.json") == 3

    text = (tmp_path / "page.html").read_text()
    page = Page()
    page.feed(text)
    assert page.loads == []
    assert len(page.ids) == len(set(page.ids))
    assert page.links
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert page.open == []
    assert NASTY not in text
    assert "<li>remove /spec/ingress/0/from/0 of NetworkPolicy blue/open</li>" in text
    assert "no network policy selects pods of namespace red" in text


def test_explain_shows_one_finding_in_full(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(tree, "-o", "json")
    name = json.loads(capsys.readouterr().out)["findings"][0]["id"]

    assert verify(tree, "--explain", name.lower()) == 3

    out = capsys.readouterr().out
    assert "kind: Pod" in out
    assert "cni enforces policies" in out
    assert "X7" not in out


def test_explaining_what_is_not_there_is_an_error(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(tree, "--explain", "SAFE-N1-00000000") == 4
    assert "there is no finding SAFE-N1-00000000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["verify"], "give a SPEC, or manifests with --tree"),
        (["verify", "spec", "--tenant-label", "team"], "a spec says so itself"),
        (["verify", "--tree", "tree", "-e", "production"], "belongs to a spec"),
        (["verify", "--tree", "nowhere"], "nowhere: no such file or folder"),
        (["verify", "spec", "--today", "yesterday"], "yesterday"),
        (["verify", "spec", "--strength", "weak"], "weak"),
        (["verify", "--tree", ".", "--facts", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_bad_calls_exit_with_4(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(TREE.replace("team", "tenantry.dev/tenant"))

    assert run(options) == 4
    assert said in capsys.readouterr().err


def test_a_namespace_nobody_owns_is_named_with_the_way_to_assign_it(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "more.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: stray}\n")

    assert verify(tree) == 4
    assert "nobody owns namespace stray; label each team=TENANT" in capsys.readouterr().err


def test_many_tenants_become_rows_of_counts_worst_first(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = "\n---\n".join(
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: n{index}, labels: {{team: t{index:02d}}}}}"
        for index in range(40)
    )
    (tree / "more.yaml").write_text(names + "\n")

    verify(tree)

    out = capsys.readouterr().out
    # 42 tenants are more than a matrix shows: red acts on one, of the 40 others nothing is known. Of the 42 tenants 20
    # have a row.
    assert out.index("red         1       40  41") < out.index("blue        0       41  41")
    assert "and 22 more tenants that can act on others or may" in out
    # Who passes the same checks of the benchmarks shares a line.
    lines = [" ".join(line.split()) for line in out.splitlines() if "multi-tenancy benchmark" in " ".join(line.split())]
    assert "42 tenants (blue, red, t00, t01, t02, t03, ...):" in out
    assert len(lines) == 1


def test_an_example_that_is_no_spec_is_not_offered() -> None:
    assert "leaky-cluster" not in example_names()
    assert (example("eks-gpu").parent / "leaky-cluster" / "tenancy.yaml").is_file()


@pytest.mark.parametrize("text", ["plain", "half of a pair: \ud800"])
def test_json_holds_whatever_objects_hold(text: str) -> None:
    def decide(view: View) -> Iterable[Claim]:
        manifest = {"kind": "ConfigMap", "data": {"a": text}, "odd": {1: 2.5}, "none": None}
        witness = Witness((Step("connects", missing="a guard"),), "reads", (("manifest", manifest),))
        for tenant in view.sources:
            yield Claim("N1", tenant.name, "", Verdict.VIOLATED, Effect.READ, Impact.S1, witness, fix="close it")

    owners = Tenancy((TenantIdentity("red", ("red",)), TenantIdentity("blue", ("blue",))))
    subject = Subject("test", Snapshot([]), owners)
    channels = [Channel("N1", "pod to pod", Effect.READ, Impact.S1, decide)]
    body = json.loads(as_json(verify_subject(subject, Question(today=date(2026, 11, 1)), channels=channels)))
    found = body["findings"][0]["details"]["manifest"]
    assert found == {"kind": "ConfigMap", "data": {"a": text}, "odd": {"1": 2.5}, "none": None}
