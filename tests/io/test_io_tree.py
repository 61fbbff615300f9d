"""Writing trees whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tenantry.errors import InputError, TreeError
from tenantry.io import swap
from tenantry.io.tree import INVENTORY, check_tree, write_tree

FILES = {"README.md": "# Tree\n", "a/b/c.yaml": "x: é\n", "a/d.yaml": "y: 1\n"}
CRASH_WRITER = Path(__file__).with_name("crash_writer.py")


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text("utf-8") for path in sorted(folder.rglob("*")) if path.is_file()
    }


def beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir() if path != target)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "tree"


@pytest.fixture(params=["exchange", "renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of bringing a tree in: one exchange, and two renames where the system has none."""
    if request.param == "renames":
        monkeypatch.setattr(swap, "exchange", lambda _one, _other: False)
    return str(request.param)


def test_a_tree_is_written_with_its_inventory(target: Path, way: str) -> None:
    result = write_tree(target, FILES)
    written = content(target)
    inventory = json.loads(written.pop(INVENTORY))
    assert written == FILES
    assert inventory == {
        "formatVersion": "1.0",
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in FILES.items()},
    }
    assert list(inventory["files"]) == sorted(FILES)
    assert (result.files, result.added, result.changed, result.removed) == (3, tuple(sorted(FILES)), (), ())
    assert beside(target) == []


def test_the_next_tree_replaces_it_whole_and_says_what_changed(target: Path, way: str) -> None:
    write_tree(target, FILES)
    result = write_tree(target, {"README.md": "# Tree\n", "a/d.yaml": "y: 2\n", "e.yaml": "z\n"})
    assert content(target).keys() == {"README.md", "a/d.yaml", "e.yaml", INVENTORY}
    assert (result.added, result.changed, result.removed) == (("e.yaml",), ("a/d.yaml",), ("a/b/c.yaml",))
    assert not (target / "a" / "b").exists()
    assert beside(target) == []


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    write_tree(tmp_path / "one", FILES)
    write_tree(tmp_path / "two", dict(reversed(FILES.items())))
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_tree_that_is_the_same_is_left_alone(target: Path) -> None:
    write_tree(target, FILES)
    before = target.stat().st_ino, (target / "a/d.yaml").stat().st_mtime_ns
    result = write_tree(target, FILES)
    assert (target.stat().st_ino, (target / "a/d.yaml").stat().st_mtime_ns) == before
    assert (result.files, result.added, result.changed, result.removed) == (3, (), (), ())


def test_files_that_stay_the_same_keep_their_time_and_are_not_shared_with_a_changed_one(target: Path) -> None:
    write_tree(target, FILES)
    before = (target / "a/d.yaml").stat().st_mtime_ns
    write_tree(target, FILES | {"README.md": "changed\n"})
    assert (target / "a/d.yaml").stat().st_mtime_ns == before
    assert (target / "a/d.yaml").stat().st_nlink == 1


def test_a_file_changed_by_hand_is_written_again(target: Path) -> None:
    write_tree(target, FILES)
    (target / "a/d.yaml").write_text("by hand\n")
    assert write_tree(target, FILES).changed == ("a/d.yaml",)
    assert content(target)["a/d.yaml"] == "y: 1\n"


def test_no_tree_at_all_is_a_tree(target: Path) -> None:
    write_tree(target, FILES)
    assert write_tree(target, {}).removed == tuple(sorted(FILES))
    assert content(target).keys() == {INVENTORY}


def test_the_difference_to_a_tree_on_disk_is_named_by_path(target: Path) -> None:
    assert check_tree(target, {"a": "x"}) == ["missing: a", f"missing: {INVENTORY}"]
    write_tree(target, FILES)
    assert check_tree(target, FILES) == []
    (target / "README.md").unlink()
    (target / "a/d.yaml").write_text("by hand\n")
    (target / "a/more.yaml").write_text("more\n")
    (target / ".git").mkdir()
    (target / "empty").mkdir()
    assert check_tree(target, FILES) == ["missing: README.md", "changed: a/d.yaml", "extra: a/more.yaml"]


def test_a_link_in_place_of_a_file_is_a_difference(target: Path) -> None:
    write_tree(target, FILES)
    (target / "README.md").rename(target.parent / "elsewhere")
    (target / "README.md").symlink_to("../elsewhere")
    assert check_tree(target, FILES) == ["changed: README.md"]
    write_tree(target, FILES)
    assert not (target / "README.md").is_symlink()


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "a/", "", ".", ".."),
        *("a\\b", "a\nb", "a\0b", ".git/config", "a/.Git/x", "inventory.json", "Inventory.JSON", "x" * 256, "\ud800"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused_before_anything_is_written(target: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be a path of the tree"):
        write_tree(target, {"a.yaml": "x", name: "y"})
    with pytest.raises(InputError):
        check_tree(target, {name: "y"})
    assert not target.parent.exists()


def test_a_name_cannot_be_a_file_and_a_folder(target: Path) -> None:
    with pytest.raises(InputError, match="'a/b' is both a file and a folder"):
        write_tree(target, {"a/b": "x", "a/b/c/d": "y"})


def test_a_folder_of_another_origin_is_not_replaced_unless_forced(target: Path, way: str) -> None:
    target.mkdir(parents=True)
    for name in "gfedcba":
        (target / name).write_text(name)
    with pytest.raises(InputError, match=r"not written by Tenantry .*a, b, c, d, e and 2 more"):
        write_tree(target, FILES)
    assert len(content(target)) == 7
    write_tree(target, FILES, force=True)
    assert content(target).keys() == FILES.keys() | {INVENTORY}
    assert beside(target) == []


@pytest.mark.parametrize(
    "inventory", ["", "[]", "{}", '{"formatVersion": "9.0", "files": {}}', '{"formatVersion": "1.0"}']
)
def test_any_file_named_like_the_inventory_is_not_enough(target: Path, inventory: str) -> None:
    target.mkdir(parents=True)
    (target / INVENTORY).write_text(inventory)
    with pytest.raises(InputError, match="not written by Tenantry"):
        write_tree(target, FILES)


def test_files_of_others_in_our_tree_stop_the_write_unless_forced(target: Path) -> None:
    write_tree(target, FILES)
    (target / "notes.txt").write_text("mine\n")
    (target / "a" / "more").mkdir()
    (target / "a" / "more" / "x").write_text("mine\n")
    with pytest.raises(InputError, match=r"did not write: a/more/x, notes\.txt;"):
        write_tree(target, {"b": "new"})
    assert (target / "README.md").exists()
    write_tree(target, {"b": "new"}, force=True)
    assert content(target).keys() == {"b", INVENTORY}


def test_an_empty_folder_may_be_written_to(target: Path) -> None:
    (target / "empty").mkdir(parents=True)
    write_tree(target, FILES)
    assert check_tree(target, FILES) == []


def test_the_repository_in_the_target_is_kept(target: Path, way: str) -> None:
    write_tree(target, FILES)
    subprocess.run(["git", "init", "-q", str(target)], check=True)
    before = (target / ".git").stat().st_ino
    write_tree(target, {"b": "new"})
    assert (target / ".git").stat().st_ino == before
    status = subprocess.run(
        ["git", "-C", str(target), "status", "--porcelain"], check=True, capture_output=True, text=True
    )
    assert status.stdout.split() == ["??", "b", "??", INVENTORY]
    assert content(target).keys() > {"b", INVENTORY}
    assert beside(target) == []


def test_a_git_file_of_a_worktree_is_kept(target: Path, way: str) -> None:
    write_tree(target, FILES)
    (target / ".git").write_text("gitdir: /somewhere/else\n")
    write_tree(target, {"b": "new"})
    assert (target / ".git").read_text() == "gitdir: /somewhere/else\n"


def test_a_target_that_is_a_file_or_a_link_is_refused(target: Path) -> None:
    target.parent.mkdir()
    target.write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        write_tree(target, FILES, force=True)
    with pytest.raises(InputError, match="is a file"):
        check_tree(target, FILES)
    assert target.read_text() == "mine"
    link = target.with_name("link")
    link.symlink_to("nowhere")
    with pytest.raises(InputError, match="symbolic link to nowhere"):
        write_tree(link, FILES, force=True)
    with pytest.raises(InputError, match="root of the file system"):
        write_tree(Path("/"), FILES, force=True)


def test_a_parent_that_is_a_file_is_a_tree_error(target: Path) -> None:
    target.parent.write_text("a file")
    with pytest.raises(TreeError, match="cannot be written"):
        write_tree(target, FILES)
    assert target.parent.read_text() == "a file"


def test_a_name_of_the_longest_length_can_be_written(tmp_path: Path) -> None:
    write_tree(tmp_path / ("t" * 255), FILES)
    assert check_tree(tmp_path / ("t" * 255), FILES) == []


@pytest.mark.parametrize("step", ["write_bytes", "mkdir", "rename", "exchange"])
def test_an_error_of_the_system_leaves_the_old_tree(target: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    write_tree(target, FILES)
    before = content(target)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if step in ("rename", "exchange"):
            patch.setattr(swap, "exchange", fail if step == "exchange" else lambda _one, _other: False)
        if step != "exchange":
            patch.setattr(Path, step, fail)
        with pytest.raises(TreeError, match=r"no space left on device.*untouched"):
            write_tree(target, FILES | {"new/x": "y"})
    assert content(target) == before
    assert beside(target) == []


def test_a_failure_between_the_two_renames_brings_the_old_tree_back(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(target, FILES)
    rename = Path.rename

    def fail_second(self: Path, to: Path) -> Path:
        if self.name.endswith("-new"):
            raise OSError(errno.EACCES, "Permission denied")
        return rename(self, to)

    with monkeypatch.context() as patch:
        patch.setattr(swap, "exchange", lambda _one, _other: False)
        patch.setattr(Path, "rename", fail_second)
        with pytest.raises(TreeError, match="permission denied"):
            write_tree(target, {"b": "new"})
    assert check_tree(target, FILES) == []
    assert beside(target) == []


def test_what_killed_runs_left_is_cleaned_up(target: Path) -> None:
    write_tree(target, FILES)
    left = target.with_name(f".{target.name}.tenantry-new")
    left.mkdir()
    (left / "half.yaml").write_text("half")
    write_tree(target, {"b": "new"})
    assert beside(target) == []


def test_a_tree_set_aside_by_a_killed_run_comes_back_even_if_the_next_write_is_refused(target: Path) -> None:
    write_tree(target, FILES)
    (target / "mine").write_text("mine")
    target.rename(target.with_name(f".{target.name}.tenantry-old"))
    with pytest.raises(InputError, match="did not write: mine"):
        write_tree(target, {"b": "new"})
    (target / "mine").unlink()
    assert check_tree(target, FILES) == []


def test_a_repository_left_behind_is_never_deleted(target: Path) -> None:
    write_tree(target, FILES)
    left = target.with_name(f".{target.name}.tenantry-new")
    for git in (left / ".git", target / ".git"):
        git.mkdir(parents=True)
        (git / "HEAD").write_text(str(git))
    with pytest.raises(TreeError, match="left by an interrupted write"):
        write_tree(target, {"b": "new"})
    assert (left / ".git" / "HEAD").exists()
    assert (target / ".git" / "HEAD").exists()


def crashes(tmp_path: Path, *options: str) -> list[dict[str, Any]]:
    command = [sys.executable, str(CRASH_WRITER), "steps", str(tmp_path / "work"), *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("git", [False, True], ids=["plain", "repository"])
def test_a_crash_at_any_step_leaves_the_old_or_the_new_tree(tmp_path: Path, git: bool) -> None:
    if not swap.exchange(*_two_folders(tmp_path)):
        pytest.skip("this system cannot exchange two names")
    outcomes = crashes(tmp_path, *(["git"] if git else []))
    assert len(outcomes) > 20
    assert [outcome["after"]["version"] for outcome in outcomes if outcome["after"]["version"] not in (0, 1)] == []
    assert {outcome["after"]["version"] for outcome in outcomes} == {0, 1}
    assert all(outcome["after"]["git"] is git for outcome in outcomes)
    assert all(outcome["next"] == {"exists": True, "version": 0, "git": git, "left": ["tree"]} for outcome in outcomes)


@pytest.mark.parametrize("git", [False, True], ids=["plain", "repository"])
def test_without_an_exchange_a_crash_leaves_one_tree_or_none_and_the_next_run_repairs(
    tmp_path: Path, git: bool
) -> None:
    outcomes = crashes(tmp_path, "renames", *(["git"] if git else []))
    assert all(outcome["after"]["version"] in (0, 1) for outcome in outcomes if outcome["after"]["exists"])
    assert sum(not outcome["after"]["exists"] for outcome in outcomes) == 1
    assert all(outcome["next"] == {"exists": True, "version": 0, "git": git, "left": ["tree"]} for outcome in outcomes)


def test_a_process_killed_at_random_moments_leaves_a_whole_tree(tmp_path: Path) -> None:
    target, random_delay = tmp_path / "tree", random.Random(1)
    for _ in range(8):
        command = [sys.executable, str(CRASH_WRITER), "loop", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            # The moment is given by how much it has written, not by a clock.
            for _ in range(random_delay.randrange(1, 12)):
                process.stdout.readline()
            for _ in range(random_delay.randrange(20_000)):
                pass
            process.send_signal(signal.SIGKILL)
        versions = {path.read_text() for path in target.glob("d*/f.yaml")}
        assert len(versions) == 1
        assert len(list(target.glob("d*/f.yaml"))) == 40
    write_tree(target, FILES)
    assert beside(target) == []


def _two_folders(folder: Path) -> tuple[Path, Path]:
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    return folder / "one", folder / "two"


def test_exchange_swaps_two_names_or_says_that_it_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = _two_folders(tmp_path)
    (one / "mark").write_text("one")
    if swap.exchange(one, two):
        assert (two / "mark").exists()
        with pytest.raises(FileNotFoundError):
            swap.exchange(one, tmp_path / "gone")
    monkeypatch.setattr(swap, "_libc", lambda: None)
    assert not swap.exchange(one, two)
    swap.flush(one)


def test_the_lock_is_held_until_the_end(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    other = os.open(tmp_path, os.O_RDONLY)
    try:
        with swap.locked(tmp_path), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(other)
