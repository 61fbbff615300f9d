"""Where the binaries come from, and what is said where they are not to be had."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest

from testbed import binaries
from testbed.errors import MissingToolError, TestbedError


def program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, "utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture(autouse=True)
def away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(binaries.ASSETS, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_folder_that_is_named_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in binaries.REQUIRED:
        program(tmp_path / "assets", name)
    monkeypatch.setenv(binaries.ASSETS, str(tmp_path / "assets"))
    found = binaries.build()
    assert (found.folder, found.built) == (tmp_path / "assets", False)
    assert not found.has("kwok")


def test_a_named_folder_that_lacks_one_says_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("etcd", "kube-apiserver"):
        program(tmp_path / "assets", name)
    monkeypatch.setenv(binaries.ASSETS, str(tmp_path / "assets"))
    with pytest.raises(MissingToolError, match=r"holds no kube-controller-manager; it must hold .* or unset it"):
        binaries.find()


def test_without_either_it_says_how_to_get_them() -> None:
    with pytest.raises(MissingToolError, match=f"run `make testbed`.*set {binaries.ASSETS}"):
        binaries.find()


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"there is no Go compiler on PATH: install Go 1\.\d+\S* or later"):
        binaries.build()


def test_too_little_disk_is_said_before_anything_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    program(tmp_path / "bin", "go")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1 << 40, 1 << 40, 1 << 29))
    with pytest.raises(TestbedError, match=r"needs about 3 GiB of disk and \S+ has 0\.5 GiB free"):
        binaries.build()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("write /x/y.a: no space left on device", "the disk is full"),
        ("some/package\n./main.go:3:1: undefined: nothing", r"could not be built:\n  \./main\.go:3:1: undefined"),
    ],
)
def test_a_build_that_fails_says_why_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, expected: str
) -> None:
    program(tmp_path / "bin", "go", f'#!/bin/sh\n[ "$1" = env ] && exit 0\ncat >&2 <<X\n{said}\nX\nexit 1\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(TestbedError, match=expected):
        binaries.build()
    assert [path.name for path in binaries.cache_root().iterdir()] == ["build.lock"]


def test_every_binary_is_pinned() -> None:
    assert set(binaries.versions()) == set(binaries.PACKAGES)
    assert all(version.startswith("v") for version in binaries.versions().values())
