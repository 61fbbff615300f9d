"""Shared fixtures: where other people's data lies, and the examples."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]

# No test fails for being slow. Where nobody looks at a failure as it happens, the same examples are tried in every run.
settings.register_profile("default", deadline=None)
settings.load_profile("default")
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the data root; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("TENANTRY_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"the data root {folder} is absent; set TENANTRY_SHARED")
    return folder


class GitFolder:
    """A repository with a work tree that tests fill; none of the machine's own configuration counts in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout.strip()

    def write(self, name: str, text: str) -> Path:
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
        return place

    def read(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")

    def edit(self, name: str, before: str, after: str) -> None:
        text = (self.folder / name).read_text("utf-8")
        assert before in text
        self.write(name, text.replace(before, after))

    def example(self, name: str, where: str) -> None:
        shutil.copytree(ROOT / "examples" / name, self.folder / where, dirs_exist_ok=True)

    def commit(self, message: str = "a change") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def new_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], GitFolder]:
    """Return what makes a repository of a name, on branch ``main``; skipped where there is no git."""
    if shutil.which("git") is None:
        pytest.skip("the command git is absent")
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n", "utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.delenv(name, raising=False)

    def make(name: str) -> GitFolder:
        made = GitFolder(tmp_path / name)
        made.folder.mkdir(parents=True)
        made.git("init", "--quiet", "--initial-branch=main")
        return made

    return make
