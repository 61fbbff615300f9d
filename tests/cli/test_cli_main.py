"""The command line: help without heavy imports, errors as messages, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tenantry.app.examples import example, example_names
from tenantry.cli.main import COMMANDS, run

ENVELOPE = "apiVersion: tenantry.dev/v1alpha1\n"


def test_help_lists_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import sys\nfrom tenantry.cli.main import run\nrun(['--help'])\nprint(sorted(sys.modules), file=sys.stderr)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert all(name in done.stdout for name in COMMANDS)
    for heavy in ("pydantic", "jsonschema_rs", "rich", "yaml", "msgspec"):
        assert f"'{heavy}'" not in done.stderr, heavy


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert "Usage:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lnt", "x"], "Did you mean 'lint'"),
        (["compile"], "Missing argument 'SPEC'"),
        (["compile", "spec"], "Missing option '--out'"),
        (["lint", "x", "--output", "pdf"], "not one of"),
        (["lint", "x", "-o", "json", "-o", "md"], "only one format"),
    ],
    ids=["command misspelt", "no spec", "no target", "unknown format", "two formats on standard output"],
)
def test_usage_errors_exit_with_4(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 4
    assert said in capsys.readouterr().err


def bad_inputs(folder: Path) -> dict[str, tuple[Path, str]]:
    """Make every kind of unusable spec below a folder: path and what the message must say."""
    made: dict[str, tuple[Path, str]] = {"missing folder": (folder / "nowhere", "nowhere")}
    empty = folder / "empty"
    empty.mkdir()
    made["empty folder"] = (empty, "empty")

    def spec(name: str, content: bytes, said: str) -> None:
        place = folder / name.replace(" ", "-")
        place.mkdir()
        (place / "platform.yaml").write_bytes(content)
        made[name] = (place, said)

    spec("binary file", b"\x00\x01\x02\xff" * 100, "platform.yaml")
    spec("alias bomb", b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "platform.yaml:1")
    spec("duplicate keys", (ENVELOPE + "kind: Platform\nkind: Tenant\n").encode(), "platform.yaml:3")
    spec("wrong kind", (ENVELOPE + "kind: Platfrom\nmetadata: {name: x}\nspec: {}\n").encode(), "Platform")
    spec("ten megabytes", b"# " + b"x" * 10_000_000 + b"\n", "platform.yaml")
    spec("not YAML", b"a: [1, 2\nb: }", "platform.yaml")
    traversal = "kind: Tenant\nmetadata: {name: ../../etc}\nspec: {department: x, namespaces: [{name: x}]}\n"
    spec("path traversal in a name", (ENVELOPE + traversal).encode(), "metadata.name")
    loop = folder / "loop"
    loop.mkdir()
    (loop / "self").symlink_to(loop)
    (loop / "a.yaml").symlink_to(loop / "a.yaml")
    made["symlink loop"] = (loop, "loop")
    return made


NAMES = (
    "missing folder", "empty folder", "binary file", "alias bomb", "duplicate keys", "wrong kind", "ten megabytes",
    "not YAML", "path traversal in a name", "symlink loop",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_a_clear_error(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, said = bad_inputs(tmp_path)[name]

    code = run(["compile", str(path), "--out", str(tmp_path / "tree")])

    output = capsys.readouterr().err
    assert code == 4, output
    assert said in output
    assert "bug in Tenantry" not in output
    assert "Traceback" not in output
    assert not (tmp_path / "tree").exists()


def test_an_unwritable_target_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")

    assert run(["compile", str(example("eks-gpu")), "--out", str(tmp_path / "file" / "tree")]) in {1, 4}
    assert "file" in capsys.readouterr().err


def test_a_bad_spec_leaves_the_tree_of_the_good_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, tree = tmp_path / "spec", tmp_path / "tree"
    assert run(["init", str(spec), "--example", "eks-gpu"]) == 0
    assert run(["compile", str(spec), "--out", str(tree)]) == 0
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    platform = spec / "platform.yaml"
    platform.write_text(platform.read_text().replace("model: l4", "model: l5"))

    assert run(["compile", str(spec), "--out", str(tree)]) == 4

    assert "there is no GPU named 'l5'" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", example_names())
def test_an_example_can_be_started_from_and_compiled(name: str, tmp_path: Path) -> None:
    spec, tree = tmp_path / "spec", tmp_path / "tree"

    assert run(["init", str(spec), "--example", name]) == 0
    assert run(["compile", str(spec), "--out", str(tree)]) == 0

    assert (tree / "README.md").is_file()
    modelines = [path.read_text().splitlines()[0] for path in spec.rglob("*.yaml")]
    targets = [line.partition("$schema=")[2] for line in modelines]
    assert all(targets)
    for path in spec.rglob("*.yaml"):
        schema = path.parent / path.read_text().splitlines()[0].partition("$schema=")[2]
        assert schema.is_file(), path


def test_check_tells_whether_a_tree_is_current(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compile", str(example("eks-gpu")), "--out", str(tmp_path / "tree")]
    assert run(arguments) == 0
    assert run([*arguments, "--check"]) == 0
    (tmp_path / "tree" / "README.md").write_text("edited by hand")

    assert run([*arguments, "--check"]) == 2
    assert "README.md" in capsys.readouterr().out


def test_init_refuses_a_folder_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep me")

    assert run(["init", str(tmp_path)]) == 4
    assert run(["init", str(tmp_path / "new"), "--example", "dell"]) == 4
    assert "dell-ai-factory-h200" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "printed"),
    [
        ("pools.p5.nodes", "4"),
        ("platform.version", "1.34"),
        ("platform.nodePools.l4.sharing.replicas", "4"),
        ("platform.nodePools[1].sharing.mode", "time-slicing"),
        ('pools.p5.capacity["nvidia.com/gpu"]', "32"),
        ("tenants.notebooks.quotas.0.pool", "p5"),
        ("platform.gitops.adminGroups", "cloud-platform"),
        ("resources", "nvidia.com/gpu\nnvidia.com/gpu.shared"),
    ],
)
def test_get_prints_the_bare_value(path: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["get", str(example("eks-gpu")), path]) == 0
    assert capsys.readouterr().out == printed + "\n"


def test_get_names_the_nearest_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["get", str(example("eks-gpu")), "pools.p5.ndes"]) == 4
    assert "did you mean 'nodes'" in capsys.readouterr().err


def test_schema_is_json_schema_that_takes_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    import jsonschema_rs

    from tenantry.io.yaml_read import load_documents

    assert run(["schema"]) == 0
    validator = jsonschema_rs.validator_for(json.loads(capsys.readouterr().out))

    for name in ("eks-gpu", "vanilla-kubernetes"):
        for path in sorted(example(name).glob("*.yaml")):
            for document in load_documents(path.read_text("utf-8"), str(path)):
                assert validator.is_valid(document.value), path
    assert not validator.is_valid({"apiVersion": "tenantry.dev/v1alpha1", "kind": "Platform"})


def test_compile_reports_itself_to_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compile", str(example("eks-gpu")), "--out", str(tmp_path / "tree")]

    assert run([*arguments, "-o", "json", "-o", f"html={tmp_path}/summary.html"]) == 0

    body = json.loads(capsys.readouterr().out)
    assert body["formatVersion"] == "1.0"
    assert body["objects"] == sum(body["kinds"].values())
    page = (tmp_path / "summary.html").read_text("utf-8")
    assert "cloud-burst" in page
    assert "http" not in page.partition("</style>")[0], "the page loads nothing from elsewhere"
