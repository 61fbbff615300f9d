"""Revisions of a repository: what they mean, their files, and what is said when they mean nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantry.errors import GitError, InputError
from tenantry.git import Range, Repository, files_at, parse_range
from tenantry.git.command import version

if TYPE_CHECKING:
    from conftest import GitFolder

    New = Callable[[str], GitFolder]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("main..HEAD", Range("main", "HEAD", False)),
        ("main...feature/a", Range("main", "feature/a", True)),
        ("v1.0..", Range("v1.0", "HEAD", False)),
        ("...main", Range("HEAD", "main", True)),
        ("main", None),
        ("../spec", None),
        ("./a..b", None),
        ("/a..b", None),
        ("a..b..c", None),
    ],
)
def test_ranges_are_told_from_paths(text: str, expected: Range | None) -> None:
    assert parse_range(text) == expected


def laid(repository: Repository, revision: str, path: str = "") -> dict[str, str]:
    """Return every file of a revision that ends in .yaml, links followed."""
    with files_at(repository, repository.commit(revision), path, lambda name: name.endswith(".yaml")) as (root, _):
        found = {}
        for folder, _, names in os.walk(root, followlinks=True):
            for name in names:
                place = Path(folder, name)
                found[place.relative_to(root).as_posix()] = place.read_text("utf-8")
        return found


def test_a_revision_is_read_without_touching_the_work_tree(new_repository: New) -> None:
    made = new_repository("r")
    made.write("spec/a.yaml", "old")
    made.write("spec/sub/b.yaml", "b")
    made.write("spec/.hidden/c.yaml", "c")
    made.write("spec/notes.txt", "not wanted")
    made.write("other/d.yaml", "elsewhere")
    made.commit()
    made.write("spec/a.yaml", "new, not committed")
    index = (made.folder / ".git" / "index").read_bytes()
    repository = Repository.around(made.folder / "spec")
    assert laid(repository, "HEAD", "spec") == {"spec/a.yaml": "old", "spec/sub/b.yaml": "b"}
    assert set(laid(repository, "HEAD")) == {"spec/a.yaml", "spec/sub/b.yaml", "other/d.yaml"}
    assert laid(repository, "HEAD", "nowhere") == {}
    assert (made.folder / "spec" / "a.yaml").read_text() == "new, not committed"
    assert (made.folder / ".git" / "index").read_bytes() == index
    assert made.git("stash", "list") == ""


def test_odd_names_are_names(new_repository: New) -> None:
    made = new_repository("r")
    for name in ("a b*.yaml", "ü\n.yaml", ":(glob).yaml"):
        made.write(f"sp ec/{name}", name)
    made.write("sp ecs/x.yaml", "a neighbour whose name begins alike")
    made.commit()
    found = laid(Repository.around(made.folder), "HEAD", "sp ec")
    assert found == {f"sp ec/{name}": name for name in ("a b*.yaml", "ü\n.yaml", ":(glob).yaml")}


def test_links_bring_what_they_lead_to(new_repository: New) -> None:
    made = new_repository("r")
    made.write("shared/teams/a.yaml", "a team")
    made.write("one.yaml", "one")
    (made.folder / "spec").mkdir()
    (made.folder / "spec" / "teams").symlink_to("../shared/teams")
    (made.folder / "spec" / "one.yaml").symlink_to("../one.yaml")
    (made.folder / "current").symlink_to("spec")
    made.commit()
    repository = Repository.around(made.folder)
    found = laid(repository, "HEAD", "spec")
    assert found["spec/teams/a.yaml"] == "a team"
    assert found["spec/one.yaml"] == "one"
    assert laid(repository, "HEAD", "current")["current/teams/a.yaml"] == "a team"
    assert laid(repository, "HEAD", "current/teams")["current/teams/a.yaml"] == "a team"


@pytest.mark.parametrize("target", ["/etc", "../../outside", "inner/../../../outside"])
def test_a_link_that_leads_out_is_refused(new_repository: New, target: str) -> None:
    made = new_repository("r")
    made.write("deep/x.yaml", "x")
    (made.folder / "spec").mkdir()
    (made.folder / "spec" / "inner").symlink_to("../deep")
    (made.folder / "spec" / "out").symlink_to(target)
    made.commit()
    with pytest.raises(InputError, match="leads out of the repository"):
        laid(Repository.around(made.folder), "HEAD", "spec")


def test_a_link_that_leads_out_through_another_link_is_refused(new_repository: New) -> None:
    made = new_repository("r")
    made.write("x.yaml", "x")
    (made.folder / "a" / "b").mkdir(parents=True)
    (made.folder / "top").mkdir()
    made.write("top/y.yaml", "y")
    # As text a/b/up/../.. is a; on disk up is top, so it is the folder around the repository.
    (made.folder / "a" / "b" / "up").symlink_to("../../top")
    (made.folder / "a" / "b" / "out").symlink_to("up/../..")
    made.commit()
    with pytest.raises(InputError, match="leads out of the repository"):
        laid(Repository.around(made.folder), "HEAD", "a")


def test_a_file_kept_by_lfs_is_refused(new_repository: New) -> None:
    made = new_repository("r")
    made.write("spec/a.yaml", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    made.commit()
    with pytest.raises(InputError, match=r"spec/a\.yaml at HEAD \([0-9a-f]{7}\) is kept by Git LFS"):
        laid(Repository.around(made.folder), "HEAD", "spec")


def test_a_submodule_is_refused(new_repository: New) -> None:
    inner, made = new_repository("inner"), new_repository("r")
    inner.write("a.yaml", "a")
    inner.commit()
    made.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.folder), "spec")
    made.commit()
    with pytest.raises(InputError, match=r"spec at HEAD .* is a submodule"):
        laid(Repository.around(made.folder), "HEAD", "spec")


def test_an_unknown_revision_names_the_nearest(new_repository: New) -> None:
    made = new_repository("r")
    made.write("a", "a")
    repository = Repository.around(made.folder)
    with pytest.raises(InputError, match="has no commit yet"):
        repository.commit("main")
    made.commit()
    made.git("branch", "feature/quota")
    for wrong in ("feature/qouta", "feature/qouta~2"):
        with pytest.raises(InputError, match=f"no revision '{wrong}'; did you mean 'feature/quota'"):
            repository.commit(wrong)
    with pytest.raises(InputError, match=r"no revision 'main~5'$"):
        repository.commit("main~5")
    for odd in ("--all", "-h", "a\0b"):
        with pytest.raises(InputError, match="is no revision"):
            repository.commit(odd)


def test_a_shallow_clone_says_how_to_get_the_rest(new_repository: New, tmp_path: Path) -> None:
    made = new_repository("r")
    made.write("a", "a")
    made.commit()
    made.write("a", "b")
    made.commit()
    made.git("clone", "--quiet", "--depth=1", f"file://{made.folder}", str(tmp_path / "shallow"))
    repository = Repository.around(tmp_path / "shallow")
    assert repository.shallow
    for missing in ("HEAD~1", "release"):
        with pytest.raises(InputError, match="git fetch --unshallow, or check out with fetch-depth 0"):
            repository.commit(missing)


def test_unrelated_histories_have_no_fork(new_repository: New) -> None:
    made = new_repository("r")
    made.write("a", "a")
    first = made.commit()
    made.git("checkout", "--quiet", "-b", "side")
    made.write("b", "b")
    made.commit()
    made.git("checkout", "--quiet", "--orphan", "other")
    made.commit()
    repository = Repository.around(made.folder)
    main, side, other = (repository.commit(name) for name in ("main", "side", "other"))
    fork = repository.fork(main, side)
    assert fork is not None
    assert fork.hash == first
    assert repository.fork(side, other) is None


def test_no_repository_and_a_bare_one_are_told_apart(new_repository: New, tmp_path: Path) -> None:
    new_repository("r")
    (tmp_path / "plain").mkdir()
    with pytest.raises(InputError, match="is in no Git repository"):
        Repository.around(tmp_path / "plain")
    bare = new_repository("bare")
    shutil.rmtree(bare.folder)
    bare.folder.mkdir()
    bare.git("init", "--quiet", "--bare")
    with pytest.raises(InputError, match="bare Git repository"):
        Repository.around(bare.folder)


def test_paths_are_those_of_the_repository(new_repository: New, tmp_path: Path) -> None:
    made = new_repository("r")
    made.write("clusters/a/x.yaml", "x")
    repository = Repository.around(made.folder / "clusters" / "gone" / "deep")
    assert repository.root == made.folder
    assert repository.path_of(made.folder / "clusters" / "a") == "clusters/a"
    assert repository.path_of(made.folder) == ""
    (tmp_path / "by-link").symlink_to(made.folder)
    assert Repository.around(tmp_path / "by-link" / "clusters").root == made.folder
    assert repository.path_of(tmp_path / "by-link" / "clusters") == "clusters"
    with pytest.raises(InputError, match="lies outside the repository"):
        repository.path_of(tmp_path)


def test_variables_of_a_hook_do_not_lead_elsewhere(new_repository: New, monkeypatch: pytest.MonkeyPatch) -> None:
    made, other = new_repository("r"), new_repository("other")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    assert Repository.around(made.folder).root == made.folder


def test_git_that_is_missing_or_too_old_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    version.cache_clear()
    try:
        with pytest.raises(GitError, match="the command git is not there"):
            Repository.around(tmp_path)
        old = tmp_path / "git"
        old.write_text("#!/bin/sh\necho git version 1.8.3.1\n", "utf-8")
        old.chmod(0o755)
        with pytest.raises(GitError, match=r"git 1\.8 is too old; 2\.25 or later is needed"):
            Repository.around(tmp_path)
    finally:
        version.cache_clear()
