"""``tenantry connectivity``: formats, exit codes and messages."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tenantry.cli.main import run

PODS = """\
apiVersion: v1
kind: PodList
items:
- metadata: {name: x, namespace: a, labels: {app: x}}
- metadata: {name: w, namespace: b}
"""
ISOLATE = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-web, namespace: b}
spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 80}]}]}
"""
OUTSIDE = "0.0.0.0-255.255.255.255[External]"
LINES = [
    f"{OUTSIDE} => a/x[Pod] : All Connections",
    f"a/x[Pod] => {OUTSIDE} : All Connections",
    "a/x[Pod] => b/w[Pod] : TCP 80",
    f"b/w[Pod] => {OUTSIDE} : All Connections",
    "b/w[Pod] => a/x[Pod] : All Connections",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pods.yaml").write_text(PODS)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "policy.yml").write_text(ISOLATE)
    return tmp_path


def test_text_is_one_line_for_each_pair(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["connectivity", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == LINES


def test_one_connection_lists_pairs_only(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["connectivity", str(folder), "--focus-connection", "tcp-443", "--focus", "b/w"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Permitted connections on TCP 443:",
        f"b/w[Pod] => {OUTSIDE}",
        "b/w[Pod] => a/x[Pod]",
    ]


def test_names_may_be_repeated_or_a_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["connectivity", str(folder), "--focus", "a/x", "--focus", "b/w"])
    repeated = capsys.readouterr().out
    run(["connectivity", str(folder), "--focus", "a/x, b/w"])
    assert capsys.readouterr().out == repeated
    assert repeated.splitlines() == LINES


def test_json_holds_ports_as_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["connectivity", str(folder), "-o", "json", "--multiple-networks"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["formatVersion"]
    assert body["connections"][2] == {
        "source": "a/x[Pod]",
        "target": "b/w[Pod]",
        "connections": "TCP 80",
        "ports": {"TCP": [[80, 80]]},
        "network": "pod-network",
    }
    assert body["workloads"][0] == {"workload": "a/x[Pod]", "primaryNetwork": "pod-network", "secondaryNetworks": []}


def test_csv_and_markdown_hold_the_same_cells(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["connectivity", str(folder), "-o", "csv"])
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["src", "dst", "conn"]
    assert [f"{row[0]} => {row[1]} : {row[2]}" for row in rows[1:]] == LINES
    run(["connectivity", str(folder), "-o", "md"])
    lines = capsys.readouterr().out.splitlines()
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])] == rows


def test_several_networks_get_sections_and_a_mapping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "all.yaml").write_text(
        """\
apiVersion: v1
kind: Namespace
metadata: {name: a, labels: {k8s.ovn.org/primary-user-defined-network: ""}}
---
apiVersion: k8s.ovn.org/v1
kind: UserDefinedNetwork
metadata: {name: own, namespace: a}
spec: {topology: Layer2, layer2: {role: Primary}}
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: blue, namespace: a}
---
apiVersion: v1
kind: Pod
metadata: {name: x, namespace: a, annotations: {k8s.v1.cni.cncf.io/networks: blue}}
---
apiVersion: v1
kind: Pod
metadata: {name: w, namespace: b, annotations: {k8s.v1.cni.cncf.io/networks: a/blue}}
"""
    )
    assert run(["connectivity", str(tmp_path), "--multiple-networks"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Permitted connectivity analyzed in Pod network:",
        f"{OUTSIDE} => b/w[Pod] : All Connections",
        f"b/w[Pod] => {OUTSIDE} : All Connections",
        "",
        "Permitted connectivity analyzed in primary UDN a:",
        f"{OUTSIDE} => a[udn]/x[Pod] : All Connections",
        f"a[udn]/x[Pod] => {OUTSIDE} : All Connections",
        "",
        "Permitted connectivity analyzed in secondary NAD blue:",
        "a/x[Pod] => b/w[Pod] : All Connections",
        "b/w[Pod] => a/x[Pod] : All Connections",
        "",
        "Workload-to-Networks Mapping:",
        "a/x[Pod]: ",
        "\tPrimary Network: a[UDN]",
        "\tSecondary Networks: blue[NAD]",
        "b/w[Pod]: ",
        "\tPrimary Network: pod-network",
        "\tSecondary Networks: blue[NAD]",
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        pytest.param("a: [", "not readable as YAML", id="no YAML"),
        pytest.param("kind: NetworkPolicy\n" + ISOLATE, "stands twice", id="key twice"),
        pytest.param(ISOLATE + "---\n" + ISOLATE, "is there twice", id="object twice"),
        pytest.param(ISOLATE.replace("port: 80", "port: 99999"), "spec/ingress/0/ports/0/port", id="port out of range"),
    ],
)
def test_input_that_cannot_be_used_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, part: str
) -> None:
    (folder / "deeper" / "policy.yml").write_text(text)
    assert run(["connectivity", str(folder)]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert part in captured.err


@pytest.mark.parametrize("value", ["tcp", "tcp-", "tcp-0", "tcp-65536", "icmp-1", "tcp-80-90", "tcp-x", "80"])
def test_a_connection_is_a_protocol_and_a_port(folder: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    assert run(["connectivity", str(folder), "--focus-connection", value]) == 4
    assert "such as tcp-80" in capsys.readouterr().err


def test_notes_go_to_standard_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["connectivity", str(folder), "--focus", "nobody"]) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == ""
    assert captured.err == "note: there is no workload nobody\n"


def test_the_documented_output_is_that_of_the_documented_objects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = (Path(__file__).parents[2] / "docs" / "connectivity.md").read_text("utf-8")
    objects = document.split("```yaml\n")[1].split("```")[0]
    shown = document.split("$ tenantry connectivity shop\n")[1].split("```")[0]
    (tmp_path / "shop.yaml").write_text(objects)
    assert run(["connectivity", str(tmp_path)]) == 0
    assert capsys.readouterr().out == shown
