"""Loading a spec: layers, places, and every problem in plain words."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import TypeAdapter

from tenantry.app.examples import example, example_names
from tenantry.errors import InputError, SpecError
from tenantry.io.spec_folder import load_spec
from tenantry.io.spec_places import LoadedSpec
from tenantry.io.spec_words import PATTERN_WORDS
from tenantry.model.problem import Location, SpecProblem, Subject
from tenantry.model.spec import AnyDocument

PLATFORM = """\
apiVersion: tenantry.dev/v1alpha1
kind: Platform
metadata:
  name: factory
spec:
  distribution: openshift
  version: "4.20"
  gitops:
    repository: https://git.example.com/platform.git
  nodePools:
  - name: training
    server: dell-xe9680-h200
    count: 8
  - name: serving
    server: dell-xe9680-h200
    count: 2
"""
TENANT = """\
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata:
  name: {name}
spec:
  department: research
  namespaces:
  - name: {name}
  quotas:
  - pool: training
    guaranteed: 8
"""
HEAD = "apiVersion: tenantry.dev/v1alpha1\n"


def tenant(name: str) -> str:
    return TENANT.format(name=name)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("spec")


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def load(folder: Path, files: Mapping[str, str | bytes], environment: str = "") -> LoadedSpec:
    return load_spec(write(folder, files), environment)


def problems(folder: Path, files: Mapping[str, str | bytes], environment: str = "") -> tuple[SpecProblem, ...]:
    with pytest.raises(SpecError) as caught:
        load(folder, files, environment)
    return caught.value.problems


def platform_with(old: str, new: str) -> str:
    assert old in PLATFORM
    return PLATFORM.replace(old, new)


# Reading -------------------------------------------------------------------------------------------------------------


def test_the_order_of_files_and_documents_does_not_matter(here: Path) -> None:
    one = load(here / "one", {"a.yaml": PLATFORM + "---\n" + tenant("b") + "---\n" + tenant("a")}).spec
    two = load(here / "two", {"x/a.yaml": tenant("a"), "x/y/b.yml": tenant("b"), "z.yaml": PLATFORM}).spec
    assert one == two
    assert [item.name for item in one.tenants] == ["a", "b"]
    assert (one.environment, one.contract) == ("", None)


def test_a_single_file_is_a_spec(here: Path) -> None:
    write(here, {"all.yaml": PLATFORM, "other.yaml": "not: [read"})
    assert load_spec(here / "all.yaml").spec.platform.name == "factory"
    with pytest.raises(InputError, match="single file"):
        load_spec(here / "all.yaml", "prod")


def test_only_yaml_files_that_are_not_hidden_are_documents(here: Path) -> None:
    files = {"p.yaml": PLATFORM, "schema.json": "{}", "README.md": "# x", ".git/x.yaml": "a: [", ".x.yaml": "a: ["}
    assert load(here, files).spec.platform.name == "factory"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param({}, "no such file", id="missing"),
        pytest.param({"README.md": "x"}, "holds no spec", id="no YAML file"),
        pytest.param({"a.yaml": "# later\n---\n"}, "holds no spec", id="only comments"),
        pytest.param({"base/README.md": "x", "a.yaml": "a: 1"}, "spec/base holds no spec", id="an empty base"),
    ],
)
def test_a_folder_without_a_spec_is_bad_input(here: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load(here, files)
    assert not isinstance(caught.value, SpecError)


def test_every_unreadable_file_is_reported_and_the_others_are_still_checked(here: Path) -> None:
    (here / "sub").mkdir(parents=True)
    (here / "sub" / "loop").symlink_to("..")
    (here / "self.yaml").symlink_to("self.yaml")
    os.mkfifo(here / "pipe.yaml")
    with (here / "large.yaml").open("wb") as file:
        file.truncate(10 * 2**20)
    bomb = "a: &a [x,x]\n" + "".join(f"{i}: &b{i} [*a,*a]\n" for i in range(9))
    files: dict[str, str | bytes] = {
        "binary.yaml": b"\x7fELF\0",
        "bomb.yaml": bomb,
        "broken.yaml": "a:\n - b\n c: [\n",
        "deep.yaml": "[" * 60 + "]" * 60,
        "twice.yaml": "kind: a\nkind: b\n",
        "wrong.yaml": tenant("a").replace("department", "departement"),
    }
    found = problems(here, files)
    words = {problem.location.file.removeprefix("spec/"): problem.message for problem in found}
    assert "10.0 MiB; at most 4 MiB" in words["large.yaml"]
    assert "binary" in words["binary.yaml"]
    assert "anchor" in words["bomb.yaml"]
    assert "deeper than 50" in words["deep.yaml"]
    assert "stands twice" in words["twice.yaml"]
    assert "not a regular file" in words["pipe.yaml"]
    assert "loop" in words["self.yaml"]
    assert "folder that contains it" in words["sub/loop"]
    assert "broken.yaml" in words
    # Nothing is said about a missing Platform: it may be in a file that cannot be read.
    assert len(words) == 10
    assert [str(problem.location) for problem in found] == sorted(str(problem.location) for problem in found)


# Problems ------------------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A document with one problem, and what is to be said about it."""

    text: str
    path: tuple[str | int, ...]
    place: tuple[int, int]
    message: str
    expected: str
    found: str
    nearest: str | None


CASES = [
    pytest.param(
        Case(
            platform_with("openshift", "openshft"),
            ("spec", "distribution"),
            (6, 17),
            "not known",
            "one of openshift, kubernetes, eks, gke, aks",
            "openshft",
            "openshift",
        ),
        id="a misspelt choice",
    ),
    pytest.param(
        Case(
            platform_with('"4.20"', "4.20"),
            ("spec", "version"),
            (7, 12),
            "must be text",
            "in quotes",
            "4.20",
            None,
        ),
        id="a version that YAML reads as a number",
    ),
    pytest.param(
        Case(
            platform_with("    server: dell-xe9680-h200\n    count: 8", "    sever: dell-xe9680-h200\n    count: 8"),
            ("spec", "nodePools", 0, "sever"),
            (12, 5),
            "spec.nodePools[0] has no field 'sever'",
            "server",
            "sever",
            "server",
        ),
        id="a misspelt field",
    ),
    pytest.param(
        Case(
            platform_with("  nodePools:", "  node_pools: []\n  nodePools:"),
            ("spec", "node_pools"),
            (10, 3),
            "no field 'node_pools'",
            "nodePools",
            "node_pools",
            None,
        ),
        id="the Python name of a field",
    ),
    pytest.param(
        Case(
            platform_with("    count: 8", '    count: "8"'),
            ("spec", "nodePools", 0, "count"),
            (13, 12),
            "whole number",
            "without quotes",
            '"8"',
            None,
        ),
        id="a number in quotes",
    ),
    pytest.param(
        Case(
            platform_with("    count: 8", "    count: 0"),
            ("spec", "nodePools", 0, "count"),
            (13, 12),
            "bounds",
            "at least 1",
            "0",
            None,
        ),
        id="a number below its bound",
    ),
    pytest.param(
        Case(
            platform_with("name: training", "name: Training"),
            ("spec", "nodePools", 0, "name"),
            (11, 11),
            "form",
            "lower-case letters",
            "Training",
            None,
        ),
        id="a name with a capital",
    ),
    pytest.param(
        Case(
            platform_with("name: training", "name: ../../etc"),
            ("spec", "nodePools", 0, "name"),
            (11, 11),
            "form",
            "lower-case letters",
            "../../etc",
            None,
        ),
        id="a name that is a path",
    ),
    pytest.param(
        Case(
            platform_with("    count: 8", "    dedicated: 1"),
            ("spec", "nodePools", 0, "dedicated"),
            (13, 16),
            "true or false",
            "true or false",
            "1",
            None,
        ),
        id="a number for a flag",
    ),
    pytest.param(
        Case(
            platform_with("    count: 8", "    labels: {a: on}"),
            ("spec", "nodePools", 0, "labels", "a"),
            (13, 17),
            "YAML reads true or false",
            "in quotes",
            "on",
            None,
        ),
        id="a word that YAML reads as a boolean",
    ),
    pytest.param(
        Case(
            platform_with("    count: 8", "    hosts: node1"),
            ("spec", "nodePools", 0, "hosts"),
            (13, 12),
            "must be a list",
            "a list",
            "node1",
            None,
        ),
        id="text for a list",
    ),
    pytest.param(
        Case(
            platform_with("    count: 8", "    sharing: {}\n    labels: [a]"),
            ("spec", "nodePools", 0, "labels"),
            (14, 13),
            "must be a map",
            "a map",
            "a list",
            None,
        ),
        id="a list for a map",
    ),
    pytest.param(
        Case(
            platform_with("    count: 8", "    sharing:"),
            ("spec", "nodePools", 0, "sharing"),
            (13, 13),
            "has no value",
            "a map",
            "",
            None,
        ),
        id="a field without a value",
    ),
    pytest.param(
        Case(
            platform_with("    repository: https://git.example.com/platform.git", "    adminGroups: []"),
            ("spec", "gitops", "repository"),
            (8, 3),
            "is missing",
            "repository",
            "",
            None,
        ),
        id="a missing field stands at the map that lacks it",
    ),
    pytest.param(
        Case(
            platform_with("https://git.example.com", "https://user:secret@git.example.com"),
            ("spec", "gitops", "repository"),
            (9, 17),
            "form",
            "without a user or password",
            "https://…@git.example.com/platform.git",
            None,
        ),
        id="a password is not repeated",
    ),
    pytest.param(
        Case(
            platform_with("distribution: openshift", "distribution: " + "x" * 80),
            ("spec", "distribution"),
            (6, 17),
            "not known",
            "one of",
            "x" * 59 + "…",
            None,
        ),
        id="long text is shortened",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_a_problem_says_where_what_and_what_else(here: Path, case: Case) -> None:
    (problem,) = [item for item in problems(here, {"p.yaml": case.text}) if item.path == case.path]
    assert problem.subject == Subject("Platform", "factory")
    assert problem.location == Location("spec/p.yaml", *case.place)
    assert case.message in problem.message
    assert case.expected in problem.expected
    assert (problem.found, problem.nearest) == (case.found, case.nearest)


def test_a_union_complains_once(here: Path) -> None:
    facts = HEAD + "kind: Facts\nmetadata: {name: f}\nspec:\n  facts:\n"
    facts += "  - {id: cni, value: 5, evidence: seen, signedBy: me, date: 2026-13-01}\n"
    value, date = problems(here, {"p.yaml": PLATFORM, "f.yaml": facts})
    assert value.path == ("spec", "facts", 0, "value")
    assert "in quotes or true or false" in value.expected
    assert "a date such as" in date.expected


SPEC_VERSION = "tenantry.dev/v1alpha1"
NO_DOCUMENTS = [
    pytest.param(
        Case(HEAD + "kind: Tennant\n", ("kind",), (2, 7), "kind", "Tenant", "Tennant", "Tenant"), id="misspelt"
    ),
    pytest.param(
        Case(HEAD + "metadata: {}\n", ("kind",), (1, 1), "missing", "one of Platform", "", None), id="no kind"
    ),
    pytest.param(
        Case(HEAD + "kind: [a]\n", ("kind",), (2, 7), "kind", "one of Platform", "", None), id="a list as kind"
    ),
    pytest.param(
        Case("apiVersion: v1\nkind: Pod\n", ("apiVersion",), (1, 13), "do not belong", SPEC_VERSION, "v1", None),
        id="a manifest",
    ),
    pytest.param(Case("kind: Tenant\n", ("apiVersion",), (1, 1), "missing", SPEC_VERSION, "", None), id="no version"),
    pytest.param(
        Case(
            "apiVersion: tenantry.dev/v1\nkind: Tenant\n",
            ("apiVersion",),
            (1, 13),
            "",
            SPEC_VERSION,
            "tenantry.dev/v1",
            SPEC_VERSION,
        ),
        id="another version",
    ),
    pytest.param(Case("- a\n", (), (1, 1), "is a map", "", "a list", None), id="a list"),
    pytest.param(Case("text\n", (), (1, 1), "is a map", "", "text", None), id="text"),
]


@pytest.mark.parametrize("case", NO_DOCUMENTS)
def test_what_is_no_spec_document_is_named(here: Path, case: Case) -> None:
    (problem,) = problems(here, {"p.yaml": PLATFORM, "x.yaml": case.text})
    assert (problem.path, problem.location) == (case.path, Location("spec/x.yaml", *case.place))
    assert case.message in problem.message
    assert case.expected in problem.expected
    assert (problem.found, problem.nearest) == (case.found, case.nearest)


def test_a_document_without_a_name_is_still_checked_whole(here: Path) -> None:
    text = tenant("a").replace("  name: a\nspec", "  nam: a\nspec").replace("guaranteed: 8", "guaranteed: -1")
    found = problems(here, {"p.yaml": PLATFORM, "t.yaml": text})
    assert [(item.path, item.nearest) for item in found] == [
        (("metadata", "nam"), "name"),
        (("spec", "quotas", 0, "guaranteed"), None),
    ]
    assert {item.subject for item in found} == {Subject("Tenant", "")}


def test_a_document_given_twice_names_both_places(here: Path) -> None:
    (problem,) = problems(here, {"p.yaml": PLATFORM, "a.yaml": tenant("a"), "b.yaml": "---\n" + tenant("a")})
    assert problem.location == Location("spec/b.yaml", 5, 9)
    assert "the first is at spec/a.yaml:4:9" in problem.message
    assert problem.rule == "SPEC-DUPLICATE"


def test_there_is_one_platform_and_at_most_one_contract(here: Path) -> None:
    (problem,) = problems(here / "none", {"a.yaml": tenant("a")})
    assert (problem.rule, problem.location) == ("SPEC-COUNT", Location("spec/none"))
    contract = HEAD + "kind: Contract\nmetadata: {name: NAME}\nspec: {exceptions: []}\n"
    files = {
        "p.yaml": PLATFORM + "---\n" + PLATFORM.replace("factory", "other"),
        "c.yaml": contract.replace("NAME", "one") + "---\n" + contract.replace("NAME", "two"),
    }
    found = problems(here / "many", files)
    assert [(item.rule, item.subject.kind) for item in found] == [
        ("SPEC-COUNT", "Contract"),
        ("SPEC-COUNT", "Platform"),
    ]


def test_problems_of_all_files_come_together_in_order(here: Path) -> None:
    files = {name: tenant(name[0]).replace("guaranteed: 8", "guaranted: 8") for name in ("c.yaml", "a.yaml", "b.yaml")}
    files["p.yaml"] = platform_with("openshift", "x").replace("count: 2", "count: -2")
    found = problems(here, files)
    assert [item.location.file for item in found] == [
        "spec/a.yaml",
        "spec/b.yaml",
        "spec/c.yaml",
        "spec/p.yaml",
        "spec/p.yaml",
    ]


def test_every_pattern_of_the_models_is_put_into_words() -> None:
    def patterns(value: Any) -> set[str]:
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        own = {value["pattern"]} if isinstance(value, dict) and isinstance(value.get("pattern"), str) else set()
        return own.union(*map(patterns, children))

    used = patterns(TypeAdapter(AnyDocument).json_schema())
    assert used - PATTERN_WORDS.keys() == set()
    assert PATTERN_WORDS.keys() - used == set()


# Environments --------------------------------------------------------------------------------------------------------

PATCH = HEAD + "kind: Platform\nmetadata: {name: factory}\nspec:\n"


def layered(patch: str) -> dict[str, str]:
    return {
        "base/platform.yaml": PLATFORM,
        "base/tenants/a.yaml": tenant("a"),
        "environments/prod/patch.yaml": patch,
        "environments/staging/empty.yaml": "# nothing\n",
    }


def test_the_base_alone_is_used_without_an_environment(here: Path) -> None:
    files = layered(PATCH + "  distribution: kubernetes\n")
    assert load(here, files).spec.platform.spec.distribution == "openshift"
    assert load(here, files, "staging").spec.platform.spec.distribution == "openshift"
    assert load(here, files, "staging").spec.environment == "staging"


def test_maps_merge_and_lists_merge_by_what_names_their_items(here: Path) -> None:
    patch = (
        PATCH
        + "  distribution: kubernetes\n  nodePools:\n  - name: serving\n    count: 4\n  - name: new\n    server: x\n"
    )
    loaded = load(here, layered(patch), "prod")
    spec = loaded.spec.platform.spec
    assert spec.distribution == "kubernetes"
    assert [(pool.name, pool.server, pool.count) for pool in spec.node_pools] == [
        ("training", "dell-xe9680-h200", 8),
        ("serving", "dell-xe9680-h200", 4),
        ("new", "x", None),
    ]
    platform = Subject("Platform", "factory")
    base, over = "spec/base/platform.yaml", "spec/environments/prod/patch.yaml"
    assert loaded.locate(platform, ("spec", "distribution")) == Location(over, 5, 17)
    assert loaded.locate(platform, ("spec", "version")) == Location(base, 7, 12)
    assert loaded.locate(platform, ("spec", "nodePools", 1, "count")) == Location(over, 8, 12)
    assert loaded.locate(platform, ("spec", "nodePools", 1, "server")) == Location(base, 15, 13)
    assert loaded.locate(platform, ("spec", "nodePools", 2, "server")) == Location(over, 10, 13)
    assert loaded.locate(platform, ("spec", "nodePools", 2, "count")) == Location(over, 9, 5)
    assert loaded.locate(platform, ("spec", "fabrics", 0)) == Location(base, 5, 1)
    assert loaded.locate(Subject("Tenant", "a"), ("spec", "quotas", 0, "pool")) == Location(
        "spec/base/tenants/a.yaml", 10, 11
    )
    assert loaded.locate(Subject("Tenant", "nobody"), ("spec",)) == Location("spec")


def test_quotas_merge_by_pool_and_items_can_be_deleted(here: Path) -> None:
    patch = "kind: Tenant\nmetadata: {name: a}\nspec:\n  quotas:\n  - {pool: training, $patch: delete}\n"
    patch += "  - {pool: serving, guaranteed: 1}\n  - {pool: other, guaranteed: 2}\n"
    loaded = load(here, layered(patch), "prod")
    assert [(quota.pool, quota.guaranteed) for quota in loaded.spec.tenants[0].spec.quotas] == [
        ("serving", 1),
        ("other", 2),
    ]
    assert loaded.locate(Subject("Tenant", "a"), ("spec", "quotas", 0, "guaranteed")).line == 6


def test_lists_without_names_are_replaced_and_null_removes(here: Path) -> None:
    patch = (
        PATCH + "  gitops:\n    adminGroups: [x]\n  nodePools:\n  - name: training\n    count: null\n    hosts: [h1]\n"
    )
    spec = load(here, layered(patch), "prod").spec.platform.spec
    assert spec.gitops.admin_groups == ["x"]
    assert (spec.node_pools[0].count, spec.node_pools[0].hosts) == (None, ["h1"])


def test_an_environment_adds_and_deletes_documents(here: Path) -> None:
    patch = tenant("b") + "---\nkind: Tenant\nmetadata: {name: a}\n$patch: delete\n"
    loaded = load(here, layered(patch), "prod")
    assert [item.name for item in loaded.spec.tenants] == ["b"]
    assert loaded.locate(Subject("Tenant", "b"), ("metadata", "name")).file == "spec/environments/prod/patch.yaml"


def test_problems_of_a_patched_document_stand_where_the_part_is_written(here: Path) -> None:
    files = layered(PATCH + "  nodePools:\n  - name: serving\n    count: no\n  - name: new\n")
    files["base/platform.yaml"] = platform_with("distribution: openshift", "distribution: x")
    found = problems(here, files, "prod")
    assert [(str(item.location), item.path[-1]) for item in found] == [
        ("spec/base/platform.yaml:6:17", "distribution"),
        ("spec/environments/prod/patch.yaml:7:12", "count"),
        ("spec/environments/prod/patch.yaml:8:5", "server"),
    ]


@pytest.mark.parametrize(
    ("patch", "line", "words"),
    [
        pytest.param(PATCH + "  fabrics: null\n", 5, "no such field", id="null for a field that is not there"),
        pytest.param(PATCH + "  nodePools:\n  - {name: x, $patch: delete}\n", 6, "to delete", id="an unknown item"),
        pytest.param(
            PATCH + "  nodePools:\n  - {name: serving}\n  - {name: serving}\n", 7, "twice", id="an item twice"
        ),
        pytest.param("kind: Tenant\nmetadata: {name: x}\n$patch: delete\n", 3, "no Tenant x", id="an unknown document"),
        pytest.param("kind: Tenant\nspec: {}\n", 1, "which document", id="a patch of nobody"),
        pytest.param(tenant("a") + "---\n" + tenant("a"), 16, "given twice", id="a patch twice"),
    ],
)
def test_a_patch_that_does_nothing_is_a_problem(here: Path, patch: str, line: int, words: str) -> None:
    (problem,) = problems(here, layered(patch), "prod")
    assert words in problem.message
    assert (problem.location.file, problem.location.line) == ("spec/environments/prod/patch.yaml", line)


@pytest.mark.parametrize("environment", ["production", "../base", "prod/", "/etc", "."])
def test_an_unknown_environment_names_those_there_are(here: Path, environment: str) -> None:
    with pytest.raises(InputError, match="there are prod, staging") as caught:
        load(here, layered(""), environment)
    assert ("did you mean 'prod'" in str(caught.value)) is (environment in ("production", "prod/"))


def test_environments_without_a_base_folder_patch_the_rest(here: Path) -> None:
    files = {"p.yaml": PLATFORM, "environments/prod/x.yaml": PATCH + "  distribution: eks\n"}
    assert load(here, files).spec.platform.spec.distribution == "openshift"
    assert load(here, files, "prod").spec.platform.spec.distribution == "eks"
    with pytest.raises(InputError, match="there is no folder"):
        load(here / "other", {"p.yaml": PLATFORM}, "prod")


def test_a_document_beside_the_base_is_not_passed_over_in_silence(here: Path) -> None:
    (problem,) = problems(here, layered("") | {"late.yaml": tenant("late"), "mkdocs.yaml": "site_name: x\n"})
    assert problem.location == Location("spec/late.yaml")
    assert "is not read" in problem.message


def test_the_shipped_examples_load() -> None:
    for folder in map(example, example_names()):
        environments = [path.name for path in sorted((folder / "environments").glob("*")) if path.is_dir()]
        for environment in ["", *environments]:
            loaded = load_spec(folder, environment)
            platform = Subject("Platform", loaded.spec.platform.name)
            assert loaded.locate(platform, ("spec", "distribution")).line > 0
            json.dumps(loaded.spec.platform.model_dump(mode="json", by_alias=True))


def test_a_file_of_other_manifests_is_one_problem(here: Path) -> None:
    others = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: apps/v1\nkind: Tenant\n"

    (found,) = problems(here, {"p.yaml": PLATFORM, "other.yaml": others})

    assert (found.path, found.location) == (("apiVersion",), Location("spec/other.yaml", 1, 13))
    assert "do not belong" in found.message


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("repository: https", "repositry: https"), ("nodePools:", "node_pools:"), ("server: dell", "Server: dell")],
    ids=["misspelt", "in snake case", "in capitals"],
)
def test_a_field_under_a_wrong_name_is_one_problem_not_two(here: Path, wrong: str, right: str) -> None:
    (found,) = problems(here, {"p.yaml": PLATFORM.replace(wrong, right, 1)})

    assert found.nearest == wrong.partition(":")[0]


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("https://git.example.com:8443/a/b.git", True),
        ("ssh://git@git.example.com:22/a/b.git", True),
        ("git@git.example.com:a/b.git", True),
        ("oci://registry.example.com/a", True),
        ("https://ghp_token@git.example.com/a/b.git", False),
        ("https://bob:secret@git.example.com/a/b.git", False),
        ("ssh://git:secret@git.example.com/a/b.git", False),
        ("https://", False),
        ("git.example.com/a/b.git", False),
    ],
)
def test_addresses_of_repositories_hold_no_secret(here: Path, url: str, accepted: bool) -> None:
    text = PLATFORM.replace("https://git.example.com/platform.git", url)

    if accepted:
        assert load(here, {"p.yaml": text}).spec.platform.spec.gitops.repository == url
    else:
        assert [item.path for item in problems(here, {"p.yaml": text})] == [("spec", "gitops", "repository")]


@pytest.mark.parametrize("path", ["..", "../x", "a/../b", ".", "a//b", "/a", "a/"])
def test_the_folder_of_the_tree_stays_inside_the_repository(here: Path, path: str) -> None:
    text = PLATFORM.replace("  gitops:\n", f"  gitops:\n    path: {path}\n")

    assert [item.path for item in problems(here, {"p.yaml": text})] == [("spec", "gitops", "path")]


@pytest.mark.parametrize("day", ["20270630", "1800000000", "2027-06-30T00:00:00Z", "30.06.2027", "2027-02-30"])
def test_days_are_dates_and_nothing_else(here: Path, day: str) -> None:
    facts = HEAD + "kind: Facts\nmetadata: {name: f}\nspec: {facts: [{id: cni, value: x, evidence: seen, signedBy: ops"
    (found,) = problems(here, {"p.yaml": PLATFORM, "f.yaml": f"{facts}, date: {day}}}]}}\n"})

    assert found.path == ("spec", "facts", 0, "date")
    assert "2027-06-30" in found.expected
