"""Writes a tree of files whole: a reader, and a crash at any moment, sees the old tree or the new one, never a mix.

The new tree is written to a folder beside the target and then exchanged with it. On Linux the exchange is one system
call (renameat2 with RENAME_EXCHANGE); elsewhere, and on file systems without it, the old tree is renamed aside and the
new one into its place, and the next run puts the old one back should a crash fall between the two.

``inventory.json`` in the tree lists every file with its SHA-256. It is written last and marks a folder as a tree of
Tenantry: anything else in the target stops the write, so that no file of another origin is ever deleted by surprise.

A ``.git`` in the target is kept, since a tree may be the root of a repository. A file of that name (worktrees,
submodules) is copied into the new tree. A folder cannot be copied safely, so it changes place: the new tree carries a
``.git`` file that points to where the folder will be after the exchange, and a second exchange swaps the two. Git finds
its repository at every moment, and a crash in between is completed by the next run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from tenantry.errors import InputError, TreeError
from tenantry.io import swap
from tenantry.io.walk import shown
from tenantry.io.yaml_read import os_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Set

INVENTORY: Final = "inventory.json"
"""File that marks and describes a tree."""
FORMAT_VERSION: Final = "1.0"
GIT: Final = ".git"
_POINTER: Final = "gitdir: "
_SHOWN: Final = 5
_WORDS: Final = ("missing", "changed", "extra")


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write changed, compared with the tree that was there.

    Attributes:
        files: number of files of the tree, without the inventory.
        added: paths that are new, sorted.
        changed: paths whose content is another, sorted.
        removed: paths that are gone, sorted.
    """

    files: int
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def write_tree(target: Path, files: Mapping[str, str], *, force: bool = False) -> WriteResult:
    """Write ``files`` as the whole content of ``target``.

    A tree that already has exactly this content is left alone. Folders above the target are made as needed.

    Args:
        target: folder to write; may be missing, empty, or a tree written earlier.
        files: text per path inside the tree, with ``/`` between names; written as UTF-8.
        force: also replace a folder that Tenantry did not write, or that has further files in it. They are deleted; a
            ``.git`` is kept all the same.

    Raises:
        InputError: if a path leads outside the tree, or the target is not ours to replace.
        TreeError: if the tree cannot be written. What was there before is untouched.
    """
    contents = _contents(files)
    place = Path(os.path.abspath(target))  # noqa: PTH100 - resolve() would follow a link that is to be refused
    _check_place(place, target)
    with _translated(target):
        place.parent.mkdir(parents=True, exist_ok=True)
        with swap.locked(place.parent):
            _recover(place)
            if not force:
                _check_ours(place, target)
            differences = _differences(place, contents)
            if differences:
                _write(place, contents, same=contents.keys() - differences.keys())
    differences.pop(INVENTORY, None)
    named = {word: tuple(sorted(path for path in differences if differences[path] == word)) for word in _WORDS}
    return WriteResult(len(files), added=named["missing"], changed=named["changed"], removed=named["extra"])


def check_tree(target: Path, files: Mapping[str, str]) -> list[str]:
    """Return how a tree on disk differs from ``files``: ``missing``, ``extra`` or ``changed`` and a path, by path.

    Raises:
        InputError: if a path leads outside the tree, or the target is no folder.
        TreeError: if the tree cannot be read.
    """
    contents = _contents(files)
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} is a file, not the folder of a tree")
    with _translated(target, "read"):
        return [f"{word}: {shown(path)}" for path, word in sorted(_differences(target, contents).items())]


def _contents(files: Mapping[str, str]) -> dict[str, bytes]:
    """Check every path and return the bytes of every file, inventory included, sorted by path."""
    folders: set[str] = set()
    for name in files:
        _check_name(name)
        folders.update(str(parent) for parent in PurePosixPath(name).parents)
    for name in sorted(folders.intersection(files)):
        raise InputError(f"{name!r} is both a file and a folder of the tree")
    try:
        contents = {name: files[name].encode() for name in sorted(files)}
    except UnicodeEncodeError as error:
        raise InputError(f"a file of the tree holds text that has no UTF-8 form: {error.reason}") from error
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    inventory = {"formatVersion": FORMAT_VERSION, "files": hashes}
    contents[INVENTORY] = (json.dumps(inventory, indent=2, ensure_ascii=False) + "\n").encode()
    return contents


def _check_name(name: str) -> None:
    steps = name.split("/")
    reason = ""
    if not name or any(step in ("", ".", "..") for step in steps):
        reason = "leads outside the tree or has an empty part"
    elif "\\" in name or any(char < " " or char == "\x7f" for char in name):
        reason = "holds a character that file names must not have"
    elif any(step.casefold() == GIT for step in steps):
        reason = "is Git's own"
    elif name.casefold() == INVENTORY:
        reason = "is reserved for the list of files"
    elif any(0xD800 <= ord(char) <= 0xDFFF for char in name) or any(len(step.encode()) > 255 for step in steps):
        reason = "is no valid file name"
    if reason:
        raise InputError(f"{name!r} cannot be a path of the tree: it {reason}")


def _check_place(place: Path, target: Path) -> None:
    if place.parent == place:
        raise InputError(f"{target} is the root of the file system")
    if place.is_symlink():
        raise InputError(f"{target} is a symbolic link to {os.readlink(place)}; name the folder itself")  # noqa: PTH115
    if place.exists() and not place.is_dir():
        raise InputError(f"{target} is a file, not a folder")


def _check_ours(place: Path, target: Path) -> None:
    """Refuse a target with anything in it that is not ours."""
    present = _present(place)
    if not present:
        return
    inventory = _inventory(place)
    if inventory is None:
        raise InputError(
            f"{target} is not empty and was not written by Tenantry (it has no valid {INVENTORY}): "
            f"{_some(present)}; name another folder, or force the write to delete what is in it"
        )
    foreign = sorted(present - set(inventory) - {INVENTORY})
    if foreign:
        raise InputError(
            f"{target} has files that Tenantry did not write: {_some(foreign)}; "
            "move them away, or force the write to delete them"
        )


def _some(names: Iterable[str]) -> str:
    ordered = [shown(name) for name in sorted(names)]
    more = len(ordered) - _SHOWN
    return ", ".join(ordered[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _inventory(place: Path) -> dict[str, str] | None:
    """Return the hash per path of a tree on disk, or None where there is no inventory to be trusted."""
    try:
        data = json.loads((place / INVENTORY).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return data["files"] if is_inventory(data) else None


def is_inventory(data: Any) -> bool:
    """Whether a value is the content of an inventory that this version understands."""
    if not isinstance(data, dict) or not str(data.get("formatVersion", "")).startswith("1."):
        return False
    files = data.get("files")
    return isinstance(files, dict) and all(isinstance(value, str) for value in files.values())


def _present(place: Path) -> set[str]:
    """Return the paths of everything below a folder that is no folder itself, without ``.git``."""
    found: set[str] = set()

    def visit(folder: str, prefix: str) -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = prefix + entry.name
                if name == GIT:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    visit(entry.path, name + "/")
                else:
                    found.add(name)

    if place.is_dir():
        visit(str(place), "")
    return found


def _differences(place: Path, contents: Mapping[str, bytes]) -> dict[str, str]:
    present = _present(place)
    found = dict.fromkeys(contents.keys() - present, "missing") | dict.fromkeys(present - contents.keys(), "extra")
    for name in contents.keys() & present:
        path = place / name
        if path.is_symlink() or path.read_bytes() != contents[name]:
            found[name] = "changed"
    return found


def _beside(place: Path, role: str) -> Path:
    """Return the folder beside a target that a write uses; the same for every run, so that the next one finds it."""
    name = place.name if len(os.fsencode(place.name)) <= 200 else hashlib.sha256(os.fsencode(place.name)).hexdigest()
    return place.with_name(f".{name}.tenantry-{role}")


def _write(place: Path, contents: Mapping[str, bytes], same: Set[str]) -> None:
    new = _beside(place, "new")
    try:
        new.mkdir()
        _fill(new, contents, place, same)
        if not place.exists():
            new.rename(place)
            return
        shutil.copymode(place, new)
        git = place / GIT
        if git.is_dir() and not git.is_symlink():
            (new / GIT).write_text(f"{_POINTER}../{new.name}/{GIT}\n")
        elif os.path.lexists(git):
            shutil.copy2(git, new / GIT, follow_symlinks=False)
        if not swap.exchange(place, new):
            _rename_both(place, new)
    except BaseException:
        _discard(new, place)
        raise
    # From here on the new tree is in place; ``new`` holds the old one.
    try:
        _finish(place, new)
    except OSError as error:
        raise TreeError(f"{place} is written, but the tree before it is left in {new}: {os_reason(error)}") from error


def _fill(folder: Path, contents: Mapping[str, bytes], place: Path, same: Set[str]) -> None:
    """Write the new tree; files that stay the ``same`` are linked from the old one and keep their time.

    Linking is not only faster: ext4 is slow to make files for a while after it deleted as many.
    """
    made: set[Path] = {folder}
    for name, data in contents.items():
        path = folder / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        if name not in same or not _link(place / name, path):
            path.write_bytes(data)
    swap.flush(folder)


def _link(existing: Path, path: Path) -> bool:
    try:
        path.hardlink_to(existing)
    except OSError:
        # No links here, or not to a file of another user.
        return False
    return True


def _rename_both(place: Path, new: Path) -> None:
    """Exchange two folders by renaming; a crash in between leaves no target, which the next run repairs."""
    old = _beside(place, "old")
    place.rename(old)
    try:
        new.rename(place)
    except BaseException:
        old.rename(place)
        raise
    old.rename(new)


def _finish(place: Path, old: Path) -> None:
    """Bring the ``.git`` folder over from the old tree, then delete the old tree."""
    git, kept = place / GIT, old / GIT
    if kept.is_dir() and not kept.is_symlink():
        if _is_pointer(git):
            if not swap.exchange(git, kept):
                git.unlink()
                kept.rename(git)
        elif not os.path.lexists(git):
            kept.rename(git)
        else:
            reason = "is a Git repository left by an interrupted write"
            raise TreeError(f"{kept} {reason}, and {git} exists too; delete the wrong one")
    shutil.rmtree(old, ignore_errors=True)


def _is_pointer(git: Path) -> bool:
    """Whether ``.git`` is the file that stands in for the folder while that changes place."""
    try:
        text = git.read_text() if git.is_file() else ""
        return text in {f"{_POINTER}../{_beside(git.parent, role).name}/{GIT}\n" for role in ("old", "new")}
    except (OSError, ValueError):
        return False


def _discard(new: Path, place: Path) -> None:
    """Delete what a failed write left, unless it holds the repository after all."""
    kept = new / GIT
    if kept.is_dir() and not kept.is_symlink():
        _finish(place, new)
    else:
        shutil.rmtree(new, ignore_errors=True)


def _recover(place: Path) -> None:
    """Complete or undo what a killed run left beside the target."""
    old, new = _beside(place, "old"), _beside(place, "new")
    if old.is_dir() and not place.exists():
        old.rename(place)
    for left in (old, new):
        if left.is_dir() and not left.is_symlink():
            _discard(left, place)


@contextmanager
def _translated(target: Path, verb: str = "written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" ({shown(error.filename)})" if isinstance(error.filename, str) else ""
        suffix = "; what was there is untouched" if verb == "written" else ""
        raise TreeError(f"{target} cannot be {verb}: {os_reason(error)}{where}{suffix}") from error
