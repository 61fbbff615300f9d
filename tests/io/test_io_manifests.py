"""Reading manifests of any origin."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tenantry.errors import InputError
from tenantry.io.manifests import ManifestSet, locate, read_manifests
from tenantry.model.finding import Severity, Verdict
from tenantry.model.problem import Location

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n"


def folder(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def names(read: ManifestSet) -> list[str]:
    return [manifest.key.name for manifest in read.manifests]


def rules(read: ManifestSet) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity.word) for finding in read.findings]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path()


def test_folders_are_read_by_name_and_hidden_ones_are_not(here: Path) -> None:
    folder(
        here,
        {
            "b/x.yml": POD.format(name="three"),
            "a.yaml": POD.format(name="one") + "---\n---\n# nothing\n---\n" + POD.format(name="two"),
            "c.json": json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "four"}}),
            "notes.txt": "not: [read",
            ".git/x.yaml": POD.format(name="hidden"),
            ".github/w.yaml": POD.format(name="hidden"),
            ".hidden.yaml": "a: [",
        },
    )
    read = read_manifests([here])
    assert names(read) == ["one", "two", "three", "four"]
    assert read.findings == ()
    assert read.files_read == 3
    assert [str(manifest.location) for manifest in read.manifests] == [
        "a.yaml:1:1",
        "a.yaml:9:1",
        "b/x.yml:1:1",
        "c.json:1:1",
    ]
    assert [manifest.document for manifest in read.manifests] == [0, 3, 0, 0]


def test_a_file_named_by_the_user_is_read_whatever_its_name_and_only_once(here: Path) -> None:
    folder(
        here, {"d/pod.txt": POD.format(name="a"), "d/.x.yaml": POD.format(name="b"), "d/y.yaml": POD.format(name="c")}
    )
    read = read_manifests([here / "d" / "pod.txt", here / "d/.x.yaml", here / "d", here / "d/y.yaml"])
    assert names(read) == ["a", "b", "c"]


def test_windows_line_ends_and_byte_order_marks_are_read(here: Path) -> None:
    folder(here, {"a.yaml": b"\xef\xbb\xbf" + POD.format(name="a").replace("\n", "\r\n").encode()})
    assert names(read_manifests([here])) == ["a"]


def test_a_missing_path_is_named(here: Path) -> None:
    folder(here, {"a.yaml": POD.format(name="a")})
    with pytest.raises(InputError, match="gone, also/gone: no such file"):
        read_manifests([here / "a.yaml", here / "gone", here / "also/gone"])


def test_lists_are_taken_apart(here: Path) -> None:
    text = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: a}
- apiVersion: v1
  kind: ConfigMapList
  items:
  - metadata:
      name: b
- kind: Pod
  metadata: {name: c}
- 5
"""
    folder(here, {"a.yaml": text})
    read = read_manifests([here])
    assert [(str(manifest.key), manifest.pointer) for manifest in read.manifests] == [
        ("Pod a", ("items", 0)),
        ("ConfigMap b", ("items", 1, "items", 0)),
    ]
    assert locate(read.manifests[1], ("metadata", "name")) == Location("a.yaml", 11, 13)
    assert [(finding.rule, finding.path, finding.location.line) for finding in read.findings] == [
        ("LINT-NOT-MANIFEST", "/items/2", 12),
        ("LINT-NOT-OBJECT", "/items/3", 14),
    ]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        pytest.param("a.yaml", "a: [1\n", ("LINT-YAML", "error"), id="broken YAML"),
        pytest.param("a.json", '{"apiVersion": "v1",}x', ("LINT-YAML", "error"), id="broken JSON of a manifest"),
        pytest.param("a.yaml", b"\x7fELF\0\0", ("LINT-YAML", "error"), id="a binary file"),
        pytest.param("a.json", b"PK\x03\x04\0\0", ("LINT-YAML", "error"), id="a binary file that claims to be JSON"),
        pytest.param("a.yaml", "kind: Pod\nmetadata: {name: a}\n", ("LINT-NOT-MANIFEST", "error"), id="no apiVersion"),
        pytest.param("a.yaml", "apiVersion: v1\nmetadata: {name: a}\n", ("LINT-NOT-MANIFEST", "error"), id="no kind"),
        pytest.param("a.yaml", "metadata: {name: a}\nspec: {x: 1}\n", ("LINT-NOT-MANIFEST", "error"), id="neither"),
        pytest.param("a.yaml", "apiVersion: 1\nkind: Pod\n", ("LINT-NOT-MANIFEST", "error"), id="a number as version"),
        pytest.param("a.yaml", "apiVersion: v1\nkind: ''\n", ("LINT-NOT-MANIFEST", "error"), id="an empty kind"),
        pytest.param("a.yaml", "just text\n", ("LINT-NOT-OBJECT", "error"), id="text"),
        pytest.param(
            "a.yaml", "- apiVersion: v1\n  kind: Pod\n", ("LINT-NOT-OBJECT", "error"), id="a list of manifests"
        ),
        pytest.param("values.yaml", "image: {tag: x}\nkind: Deployment\n", ("LINT-SKIPPED", "info"), id="Helm values"),
        pytest.param("n.yaml", "network: {version: 2}\n", ("LINT-SKIPPED", "info"), id="netplan"),
        pytest.param("p.yaml", "- hosts: all\n  tasks: []\n", ("LINT-SKIPPED", "info"), id="a playbook"),
        pytest.param("t.json", '{\n  // comment\n  "a": 1\n}', ("LINT-SKIPPED", "info"), id="JSON with comments"),
        pytest.param("ci.yaml", ".x: &x {a: 1}\nb: *x\n", ("LINT-SKIPPED", "info"), id="anchors of another tool"),
        pytest.param("ci.yaml", "a: !reference [b]\n", ("LINT-SKIPPED", "info"), id="tags of another tool"),
        pytest.param("a.yaml", POD.format(name="&a x"), ("LINT-YAML", "warning"), id="anchors in a manifest"),
    ],
)
def test_broken_manifests_are_told_from_what_is_none(
    here: Path, name: str, content: str | bytes, expected: tuple[str, str]
) -> None:
    folder(here, {name: content})
    read = read_manifests([here])
    assert read.manifests == ()
    assert rules(read) == [expected]
    assert all(finding.location.file == name and finding.subject == name for finding in read.findings)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("Chart.yaml", "apiVersion: v2\nname: x\n", id="a chart"),
        pytest.param("kustomization.yaml", "resources: [a.yaml]\n", id="a kustomization without its type"),
        pytest.param("k.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n", id="a component"),
        pytest.param("patch.yaml", "- {op: add, path: /spec, value: 1}\n", id="a JSON patch"),
        pytest.param("inventory.json", '{"formatVersion": "1.0", "files": {"a": "0"}}', id="the inventory of a tree"),
        pytest.param("empty.yaml", "", id="nothing"),
        pytest.param("comment.yaml", "# later\n---\n", id="a comment"),
    ],
)
def test_what_belongs_beside_manifests_is_passed_over(here: Path, name: str, content: str) -> None:
    folder(here, {name: content})
    assert read_manifests([here]).findings == ()


def test_a_list_beside_a_manifest_is_a_broken_document(here: Path) -> None:
    folder(here, {"a.yaml": POD.format(name="a") + "---\n- a\n- b\n"})
    read = read_manifests([here])
    assert names(read) == ["a"]
    assert rules(read) == [("LINT-NOT-OBJECT", "error")]
    assert read.findings[0].location == Location("a.yaml", 6, 1)


def test_what_could_not_be_checked_is_unknown_not_wrong(here: Path) -> None:
    folder(here, {"a.yaml": POD.format(name="&a x")})
    assert read_manifests([here]).findings[0].verdict is Verdict.UNKNOWN


def test_templates_of_a_chart_are_named_and_skipped(here: Path) -> None:
    files = {
        "c/Chart.yaml": "apiVersion: v2\nname: c\n",
        "c/templates/a.yaml": "a: {{ .b }}\n",
        "c/crds/x.yaml": POD.format(name="kept"),
        "templates/y.yaml": POD.format(name="also"),
    }
    folder(here, files)
    read = read_manifests([here])
    assert names(read) == ["kept", "also"]
    assert rules(read) == [("LINT-HELM-TEMPLATE", "info")]
    alone = read_manifests([here / "c" / "templates"])
    assert rules(alone) == [("LINT-HELM-TEMPLATE", "info")]
    assert alone.findings[0].location.file == "c/templates"


KUSTOMIZATION = """\
resources: [base.yaml]
patches:
- path: p/one.yaml
- path: p/json.yaml
  target: {kind: Pod}
- path: p/bare.yaml
  target: {kind: Pod}
- patch: |-
    - op: remove
      path: /x
patchesStrategicMerge:
- p/two.yaml
- |-
  apiVersion: v1
  kind: Pod
patchesJson6902:
- path: p/json2.yaml
  target: {kind: Pod, name: x}
configMapGenerator:
- name: c
  files: [data/config.yaml, key=data/list.yaml]
"""


def test_patches_named_by_a_kustomization_are_partial(here: Path) -> None:
    files = {
        "k/kustomization.yaml": KUSTOMIZATION,
        "k/base.yaml": POD.format(name="base"),
        "k/p/one.yaml": POD.format(name="one"),
        "k/p/two.yaml": POD.format(name="two"),
        "k/p/bare.yaml": "spec: {x: 1}\nmetadata: {name: any}\n",
        "k/p/json.yaml": "- {op: add, path: /x, value: 1}\n",
        "k/p/json2.yaml": "[]\n",
        "k/data/config.yaml": "apiVersion: v1\nkind: Broken\nitems\n: [",
        "k/data/list.yaml": "text only\n",
        "other/three.yaml": POD.format(name="three") + "$patch: delete\n",
    }
    files["k/data/config.yaml"] = "kind: KubeletConfiguration\nmetadata: {}\n"
    folder(here, files)
    read = read_manifests([here])
    assert read.findings == ()
    assert {manifest.key.name for manifest in read.partial} == {"one", "two", "three"}
    assert sorted(names(read)) == ["base", "one", "three", "two"]


def test_a_patch_given_alone_is_known_by_the_kustomization_above_it(here: Path) -> None:
    folder(here, {"kustomization.yml": "patches: [{path: p/a.yaml}]\n", "p/a.yaml": POD.format(name="a")})
    read = read_manifests([here / "p" / "a.yaml"])
    assert read.partial == frozenset(read.manifests)
    assert read.files_read == 1


def test_an_odd_kustomization_breaks_nothing(here: Path) -> None:
    text = "patches: {path: x}\npatchesStrategicMerge: [5, {a: 1}]\nconfigMapGenerator: [x, {files: 3}]\nopenapi: x\n"
    folder(here, {"kustomization.yaml": text, "a.yaml": POD.format(name="a")})
    assert names(read_manifests([here])) == ["a"]


def test_symbolic_links_are_followed_once_and_loops_are_reported_once(here: Path) -> None:
    folder(here, {"a/x.yaml": POD.format(name="x"), "real/w.yaml": POD.format(name="w")})
    (here / "a/again").symlink_to("..")
    (here / "b.yaml").symlink_to("a/x.yaml")
    (here / "c").symlink_to("real")
    read = read_manifests([here])
    assert names(read) == ["x", "w"]
    assert rules(read) == [("LINT-SYMLINK-LOOP", "error")]
    assert read.findings[0].location.file == "a/again"


@pytest.mark.parametrize("name", ["self.yaml", "self"])
def test_a_link_to_itself_is_a_finding(here: Path, name: str) -> None:
    (here / name).symlink_to(name)
    assert rules(read_manifests([here])) == [("LINT-SYMLINK-LOOP", "error")]
    assert rules(read_manifests([here / name])) == [("LINT-SYMLINK-LOOP", "error")]


def test_a_link_to_nothing_and_a_pipe_are_findings(here: Path) -> None:
    (here / "a.yaml").symlink_to("gone")
    os.mkfifo(here / "b.yaml")
    read = read_manifests([here])
    assert [(finding.rule, finding.location.file) for finding in read.findings] == [
        ("LINT-UNREADABLE", "a.yaml"),
        ("LINT-UNREADABLE", "b.yaml"),
    ]


def test_a_file_beyond_the_size_is_not_read(here: Path) -> None:
    with (here / "a.yaml").open("wb") as file:
        file.truncate(17 * 2**20)
    read = read_manifests([here])
    assert rules(read) == [("LINT-YAML", "error")]
    assert "at most 16 MiB" in read.findings[0].message


def test_fields_are_located_and_missing_ones_at_what_is_around_them(here: Path) -> None:
    folder(here, {"a.yaml": "# c\n" + POD.format(name="a") + "---\n" + POD.format(name="b")})
    first, second = read_manifests([here]).manifests
    assert locate(first) == Location("a.yaml", 2, 1)
    assert locate(first, ("metadata", "name")) == Location("a.yaml", 5, 9)
    assert locate(second, ("metadata", "name"), key=True) == Location("a.yaml", 10, 3)
    assert locate(second, ("metadata", "labels", "x")) == Location("a.yaml", 9, 1)
    (here / "a.yaml").unlink()
    assert locate(second, ("metadata", "name")) == second.location


def test_findings_are_ordered_by_place(here: Path) -> None:
    folder(here, {"b.yaml": "text", "a.yaml": POD.format(name="a") + "---\n- x\n---\n- y\n"})
    read = read_manifests([here])
    assert [str(finding.location) for finding in read.findings] == ["a.yaml:6:1", "a.yaml:8:1", "b.yaml:1:1"]
    assert max(finding.severity for finding in read.findings) is Severity.ERROR


def test_published_samples_have_no_unreadable_manifest() -> None:
    shared = Path(os.environ.get("TENANTRY_SHARED", Path(__file__).parents[2] / "../shared"))
    if not shared.exists():
        pytest.skip(f"no samples at {shared}")
    read = read_manifests([shared / "samples", shared / "crds", shared / "conformance" / "netpol"])
    assert len(read.manifests) > 100
    assert {finding.rule for finding in read.findings if finding.severity > Severity.INFO} == set()


TEMPLATES = {
    "a chart's deployment": "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\n",
    "an operator's role": "{{ if eq .Distribution 1 }}\napiVersion: v1\nkind: ServiceAccount\n{{ end }}\n",
    "an item": "apiVersion: v1\nkind: List\nitems:\n  - {{ .Values.item }}\n",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_passed_over_with_a_note(name: str, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(TEMPLATES[name])

    read = read_manifests([tmp_path])

    assert [(item.rule, item.severity) for item in read.findings] == [("LINT-TEMPLATE", Severity.INFO)]


def test_an_unquoted_action_of_an_alert_is_a_mistake(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\ndata:\n  summary: {{ $labels.pod }} is idle\n"
    (tmp_path / "t.yaml").write_text(text)

    assert [item.severity for item in read_manifests([tmp_path]).findings] == [Severity.ERROR]


@pytest.mark.parametrize("name", ["patches/webhook.yaml", "manager_config_patch.yaml", "patch-cm.yaml"])
def test_a_patch_that_no_kustomization_uses_is_a_patch_by_its_name(name: str, tmp_path: Path) -> None:
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    place.write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: 2}\n")

    read = read_manifests([tmp_path])

    assert [item in read.partial for item in read.manifests] == [True]


def test_a_file_whose_name_only_holds_the_letters_is_no_patch(tmp_path: Path) -> None:
    (tmp_path / "dispatcher.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")

    assert not read_manifests([tmp_path]).partial
