"""A process that writes trees and dies at a chosen step; run by test_io_tree.py, not a test itself.

``steps``: for every n, fork a child that is killed at its n-th file system step while it replaces tree 0 by tree 1, and
print what it left as one line of JSON. ``loop``: replace trees for ever, until somebody kills the process.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from tenantry.io import swap
from tenantry.io.tree import check_tree, write_tree

# Patched below, which a module's own type does not allow.
SYSTEM: Any = swap

STEPS = frozenset(("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "shutil.rmtree", "os.scandir"))


def files(version: int) -> dict[str, str]:
    """Three files that differ between versions, one that does not, and one that only this version has."""
    texts = {f"{part}/{version % 2}.yaml": f"{version}\n" for part in ("a", "b/c")}
    return texts | {"same.yaml": "same\n", "changed.yaml": f"{version}\n"}


def die_at(step: int) -> None:
    """Kill this process before its n-th step that touches the file system, and around every exchange."""
    steps = count()

    def tick(*_: Any) -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(lambda event, _: tick() if event in STEPS else None)
    exchange = SYSTEM.exchange

    def watched(one: Path, other: Path) -> bool:
        tick()
        done: bool = exchange(one, other)
        tick()
        return done

    SYSTEM.exchange = watched


def state(target: Path) -> dict[str, Any]:
    """Say which version stands in the target, and whether its repository can be found from there."""
    exists = target.exists()
    version = next((found for found in (0, 1) if exists and not check_tree(target, files(found))), None)
    git = target / ".git"
    if git.is_file():
        git = target / git.read_text().removeprefix("gitdir: ").strip()
    return {"exists": exists, "version": version, "git": (git / "HEAD").is_file()}


def outcomes(folder: Path, *, git: bool, exchanges: bool) -> Iterator[dict[str, Any]]:
    if not exchanges:
        SYSTEM.exchange = lambda _one, _other: False
    for step in count():
        shutil.rmtree(folder, ignore_errors=True)
        target = folder / "tree"
        write_tree(target, files(0))
        if git:
            (target / ".git").mkdir()
            (target / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        child = os.fork()
        if not child:
            die_at(step)
            write_tree(target, files(1))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        found = {"step": step, "killed": os.WIFSIGNALED(status), "after": state(target)}
        write_tree(target, files(0))
        found["next"] = state(target) | {"left": sorted(path.name for path in folder.iterdir())}
        yield found
        if not found["killed"]:
            return


def main() -> None:
    mode, folder, *options = sys.argv[1:]
    if mode == "loop":
        for version in count():
            write_tree(Path(folder) / "tree", {f"d{index}/f.yaml": f"{version}\n" for index in range(40)})
            sys.stdout.write(f"{version}\n")
            sys.stdout.flush()
    for outcome in outcomes(Path(folder), git="git" in options, exchanges="renames" not in options):
        sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main()
