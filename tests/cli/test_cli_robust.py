"""The command line in rough surroundings: closed streams, narrow encodings, targets in the wrong place, odd paths."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tenantry.app.examples import example
from tenantry.cli.get_command import _render as shown
from tenantry.cli.main import run

EKS = example("eks-gpu")
DELL = example("dell-ai-factory-h200")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec of one's own, without base and environments."""
    return Path(shutil.copytree(EKS, tmp_path / "spec"))


@pytest.fixture
def layered(tmp_path: Path) -> Path:
    """A spec of one's own, with base and environments."""
    return Path(shutil.copytree(DELL, tmp_path / "layered"))


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "forced"])
@pytest.mark.parametrize("target", [".", "..", "tree", "a/b/tree"])
def test_a_tree_never_takes_the_place_of_its_spec(
    target: str, force: list[str], spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(spec)

    assert run(["compile", str(spec), "--out", str(spec / target), *force]) == 4

    assert "the spec" in capsys.readouterr().err
    assert content(spec) == before


@pytest.mark.parametrize("target", [".", "base", "base/tree", "environments", "environments/test"])
def test_a_tree_never_lies_where_a_layered_spec_is_read(target: str, layered: Path) -> None:
    before = content(layered)

    assert run(["compile", str(layered), "--out", str(layered / target), "--force"]) == 4
    assert content(layered) == before


def test_a_tree_may_lie_beside_the_base(layered: Path) -> None:
    arguments = ["compile", str(layered), "--out", str(layered / "tree")]

    assert run(arguments) == 0
    assert run([*arguments, "--check"]) == 0


def test_a_link_to_the_spec_is_the_spec(spec: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(spec)

    assert run(["compile", str(spec), "--out", str(tmp_path / "link" / "tree")]) == 4


@pytest.mark.parametrize(
    "arguments", [["compile", "", "--out", "x"], ["compile", "spec", "--out", ""], ["get", "", "."]]
)
def test_an_unset_variable_is_not_the_working_folder(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 4
    assert "variable" in capsys.readouterr().err


def test_check_of_a_tree_that_is_not_there_says_so_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compile", str(EKS), "--out", str(tmp_path / "tree"), "--check"]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "does not exist" in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (".", 0),
        ("platform", 0),
        ("pools.p5.capacity['nvidia.com/gpu']", 0),
        ('pools.p5.capacity."nvidia.com/gpu"', 0),
        ("platform.nodePools[ 1 ].name", 0),
        ("platform.nodePools[-1].name", 0),
        ("", 4),
        (".platform", 4),
        ("platform.", 4),
        ("platform..name", 4),
        ("platform[", 4),
        ("platform]", 4),
        ("platform['name", 4),
        ('platform.nodePools["0', 4),
        ("platform.name.x", 4),
        ("platform.nodePools[9]", 4),
        ("--help", 0),
    ],
)
def test_get_takes_whole_paths_only(path: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["get", str(EKS), path]) == code, capsys.readouterr()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("-n", "-n"),
        ("$(id) `id` 'x'", "$(id) `id` 'x'"),
        ("two\nlines", "two\nlines"),
        (None, ""),
        (True, "true"),
        (3, "3"),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("a\u202eb", '"a\\u202eb"'),
        (["a", "b"], "a\nb"),
        (["two\nlines", "b"], '["two\\nlines", "b"]'),
        ([], ""),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_values_are_bare_unless_a_line_cannot_hold_them(value: object, text: str) -> None:
    assert shown("text", value) == text
    assert json.loads(shown("json", value)) == value


def test_get_writes_json_and_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["get", str(EKS), "pools.l4.capacity", "-o", "yaml"]) == 0
    assert capsys.readouterr().out == "nvidia.com/gpu.shared: 96\n"
    assert run(["get", str(EKS), "pools.l4.capacity", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"nvidia.com/gpu.shared": 96}


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which ``tenantry`` stands for the command."""
    line = f'set -o pipefail; tenantry() {{ {sys.executable} -m tenantry "$@"; }}; {command}'
    surroundings = {**os.environ, **environment}
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=surroundings, check=False)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("tenantry schema | true", 0),
        (f"tenantry get {EKS} . | true", 0),
        (f"tenantry get {EKS} platform.name >&-", 0),
        (f"tenantry get {EKS} platform.name 2>&-", 0),
        (f"tenantry get {EKS} platform.name <&-", 0),
        ("tenantry get nowhere . 2>&-", 4),
    ],
)
def test_closed_streams_change_nothing(command: str, code: int) -> None:
    done = shell(command)

    assert done.returncode == code, done.stderr
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
def test_a_full_disk_is_no_bug() -> None:
    done = shell("tenantry schema >/dev/full")

    assert done.returncode == 1
    assert "space" in done.stderr
    assert "bug" not in done.stderr


def test_an_encoding_that_lacks_a_character_is_named(spec: Path) -> None:
    text = (spec / "tenants.yaml").read_text("utf-8")
    (spec / "tenants.yaml").write_text(text.replace("spec:\n", 'spec:\n  description: "ready ✓"\n', 1), "utf-8")
    command = f"tenantry get {spec} tenants.forecasting.description"

    assert shell(command, PYTHONIOENCODING="utf-8").stdout == "ready ✓\n"
    done = shell(command, PYTHONIOENCODING="latin-1")
    assert done.returncode == 1
    assert "latin-1" in done.stderr
    assert "bug" not in done.stderr


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_the_locale_does_not_matter(locale: str, spec: Path, tmp_path: Path) -> None:
    text = (spec / "tenants.yaml").read_text("utf-8")
    (spec / "tenants.yaml").write_text(text.replace("spec:\n", 'spec:\n  description: "ready ✓"\n', 1), "utf-8")
    assert run(["compile", str(spec), "--out", str(tmp_path / "one")]) == 0

    done = shell(
        f"tenantry compile {spec} --out {tmp_path}/two", LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
    )

    assert done.returncode == 0, done.stderr
    one, two = (
        {path.relative_to(tmp_path / name): data for path, data in content(tmp_path / name).items()}
        for name in ("one", "two")
    )
    assert one == two


def test_a_home_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    done = shell(f"cd / && tenantry compile {EKS} --out {tmp_path}/tree", HOME="/nonexistent", XDG_CACHE_HOME="/proc")

    assert done.returncode == 0, done.stderr


def test_an_interrupt_leaves_the_old_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compile", str(EKS), "--out", str(tmp_path / "tree")]
    assert run(arguments) == 0
    (tmp_path / "tree" / "README.md").unlink()
    before = content(tmp_path)

    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tenantry.io.swap.flush", interrupted)

    assert run(arguments) == 130
    assert "interrupted" in capsys.readouterr().err
    assert content(tmp_path) == before
