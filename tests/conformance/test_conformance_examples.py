"""Every object of every example and environment is one the API server would take, unknown fields refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantry.app.compile import compile_spec, write
from tenantry.app.examples import example, example_names
from tenantry.app.lint import lint_paths, schema_set
from tenantry.io.manifests import read_manifests
from tenantry.model.finding import Severity
from tenantry.model.manifest import Manifest, key_of
from tenantry.model.problem import Location


def environments() -> list[tuple[str, str]]:
    """Every example with every environment it has, and with none."""
    found = []
    for name in example_names():
        found.append((name, ""))
        folder = example(name) / "environments"
        if folder.is_dir():
            found += [(name, path.name) for path in sorted(folder.iterdir()) if path.is_dir()]
    return found


ALL = environments()


@pytest.fixture(scope="module")
def definitions(shared: Path) -> tuple[Manifest, ...]:
    return read_manifests([shared / "crds"]).manifests


@pytest.mark.parametrize(("name", "environment"), ALL)
def test_every_object_satisfies_its_schema(name: str, environment: str, definitions: tuple[Manifest, ...]) -> None:
    compilation = compile_spec(example(name), environment).compilation
    schemas = schema_set(definitions, compilation.cluster.kubernetes_minor)
    manifests = [Manifest(piece.body, Location(piece.file)) for piece in compilation.pieces]

    issues = [(str(item.key), issue.message) for item in manifests for issue in schemas.check(item)]

    assert issues == []
    assert [str(item.key) for item in manifests if not schemas.knows(item.key.api_version, item.key.kind)] == []


@pytest.mark.parametrize(("name", "environment"), ALL)
def test_no_two_objects_are_the_same(name: str, environment: str) -> None:
    compilation = compile_spec(example(name), environment).compilation
    keys = [key_of(piece.body) for piece in compilation.pieces]

    assert len(keys) == len(set(keys)), sorted(str(key) for key in keys if keys.count(key) > 1)


@pytest.mark.parametrize(("name", "environment"), ALL)
def test_the_tree_has_no_findings(name: str, environment: str, shared: Path, tmp_path: Path) -> None:
    tree = compile_spec(example(name), environment)
    write(tree, tmp_path / "tree")

    minor = tree.compilation.cluster.kubernetes_minor
    report = lint_paths([tmp_path / "tree"], crds=[shared / "crds"], kubernetes=minor, complete=True)

    assert [
        f"{item.location} {item.rule} {item.message}" for item in report.findings if item.severity > Severity.INFO
    ] == []
    assert report.unchecked == {}
    assert report.manifests == tree.objects


@pytest.mark.parametrize(("name", "environment"), ALL)
def test_compiling_again_gives_the_same_bytes(name: str, environment: str) -> None:
    assert compile_spec(example(name), environment).files == compile_spec(example(name), environment).files


@pytest.mark.parametrize("name", example_names())
def test_the_order_of_documents_does_not_matter(name: str, tmp_path: Path) -> None:
    """Move every document into a file of its own whose name sorts the other way round."""
    source = example(name) / "base" if (example(name) / "base").is_dir() else example(name)
    documents = []
    for path in sorted(source.rglob("*.yaml")):
        documents += path.read_text("utf-8").split("\n---\n")
    for index, text in enumerate(documents):
        (tmp_path / f"{len(documents) - index:03d}.yaml").write_text(text, "utf-8")

    assert compile_spec(tmp_path).files == compile_spec(source).files


def test_nothing_machine_specific_is_in_a_tree() -> None:
    for name, environment in ALL:
        for path, text in compile_spec(example(name), environment).files.items():
            assert f"{Path.home()}/" not in text, path
            assert str(Path(__file__).parents[2]) not in text, path
