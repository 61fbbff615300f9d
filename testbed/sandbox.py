"""A folder and processes that never outlive their owner, whatever ends it.

Three nets, one below the other: leaving the ``with`` block ends the processes and removes the folder; where the system
can do it (Linux) processes die with the one that started them; and the next start removes what owners left behind.
Leftovers are known by a variable in their environment, not by a process id, which the system gives away again.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.closing import Closing
from testbed.errors import TestbedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MARK = "TENANTRY_TESTBED"
"""Variable in the environment of every process of a testbed: its folder."""

DISK_BYTES = 512 << 20
"""What a cluster with many definitions may write (measured: 200 MiB with the tree of the Dell example)."""

_LAUNCH = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Asks the system for a signal at the parent's death, and becomes the command unless the parent is dead already."""

_ENDING_S = 5.0


class Sandbox(Closing):
    """A folder under the system's temporary one, and the processes started in it.

    Attributes:
        folder: exists as long as the sandbox.
    """

    def __init__(self) -> None:
        sweep()
        root = _root()
        try:
            root.mkdir(mode=0o700, exist_ok=True)
            free = shutil.disk_usage(root).free
            if free < DISK_BYTES:
                raise TestbedError(
                    f"a cluster needs about {DISK_BYTES >> 20} MiB of disk and {root} has {free >> 20} MiB free: "
                    "free some, or set TMPDIR to another disk"
                )
            self.folder = Path(tempfile.mkdtemp(prefix="cluster-", dir=root))
            _write(self.folder / "owner.json", json.dumps({"pid": os.getpid(), "started": _started(os.getpid())}))
        except OSError as error:
            raise TestbedError(f"cannot make a folder in {root}: {error.strerror}") from error
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Start a process; what it says goes to ``NAME.log`` in the folder.

        Raises:
            TestbedError: if the program cannot be run.
        """
        keep = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
        try:
            with self.log(name).open("wb") as log:
                self._running[name] = subprocess.Popen(
                    [*_launcher(), *(str(part) for part in command)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**keep, **(environment or {}), MARK: str(self.folder)},
                    cwd=self.folder,
                    start_new_session=True,
                )
        except OSError as error:
            raise TestbedError(f"cannot run {command[0]}: {error.strerror}") from error

    def log(self, name: str) -> Path:
        """Return where a process writes what it says."""
        return self.folder / f"{name}.log"

    def check(self) -> None:
        """Raise if a process has ended.

        Raises:
            TestbedError: with its last words, and a plain reason where one is known.
        """
        for name, process in self._running.items():
            if process.poll() is not None:
                raise TestbedError(f"{name} ended with {process.returncode}: {_reason(self.log(name))}")

    def pids(self) -> dict[str, int]:
        """Return the process ids by name."""
        return {name: process.pid for name, process in self._running.items()}

    def memory_bytes(self) -> int:
        """Return the memory that the processes hold now, those of the sandbox together (Linux; elsewhere 0)."""
        return sum(_resident(pid) for pid in self.pids().values())

    def stop(self, name: str) -> None:
        """End one process and wait for it."""
        _end([self._running.pop(name)])

    def close(self) -> None:
        """End all processes, the last started first, and remove the folder; may be called twice."""
        _end(list(reversed(self._running.values())))
        self._running.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


def sweep() -> list[Path]:
    """Remove what owners that are gone left behind: processes and folders. Returns the folders."""
    gone = [folder for folder in sorted(_root().glob("cluster-*")) if not _owned(folder)]
    if gone:
        _kill_marked({str(folder) for folder in gone})
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    return gone


# --- owners and leftovers ---------------------------------------------------------------------------------------------


def _root() -> Path:
    return Path(tempfile.gettempdir()) / f"tenantry-testbed-{os.getuid()}"


def _write(file: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    made = file.with_suffix(".new")
    made.write_text(text, "utf-8")
    made.rename(file)


def _owned(folder: Path) -> bool:
    """Whether the process that made a folder still runs; a folder that is being made counts as owned for a minute."""
    try:
        owner = json.loads((folder / "owner.json").read_text("utf-8"))
    except (OSError, ValueError):
        try:
            return time.time() - folder.stat().st_mtime < 60
        except OSError:
            return True
    return bool(owner["started"] is not None and _started(owner["pid"]) == owner["started"])


def _started(pid: int) -> str | None:
    """Return when a process started, in the system's own words; None if there is none."""
    try:
        # Linux: the words after the name in parentheses; the 20th of them counts ticks since boot, see proc(5).
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
    except OSError:
        said = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return said.stdout.strip() or None


def _kill_marked(folders: set[str]) -> None:
    marks = {f"{MARK}={folder}".encode() for folder in folders}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marks.intersection(environment):
            _signal(int(entry.name), signal.SIGKILL)


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


# --- processes --------------------------------------------------------------------------------------------------------


def _launcher() -> list[str]:
    """Return what comes before a command so that it dies with this process."""
    # The signal comes when the thread ends that started the process, not only when the whole parent does.
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return []
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())]


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        _signal(process.pid, signal.SIGTERM)
    until = time.monotonic() + _ENDING_S
    for process in processes:
        try:
            process.wait(max(0.05, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(process.pid, signal.SIGKILL)
            process.wait()


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _reason(log: Path) -> str:
    try:
        text = log.read_text("utf-8", "replace")
    except OSError:
        return "it left no log"
    if "address already in use" in text:
        return "its port is in use by another process; leave the port out to have a free one chosen"
    if "no space left on device" in text or os.strerror(errno.ENOSPC) in text:
        return f"the disk that holds {log.parent} is full"
    last = [line for line in text.splitlines() if line.strip()][-5:]
    return "its last words:\n" + "\n".join(f"  {line[:300]}" for line in last)
