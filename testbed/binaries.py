"""Where the binaries come from: the folder in ``KUBEBUILDER_ASSETS``, else a build of the modules in ``go.mod``.

A build is kept in the user's cache under a digest of ``go.mod`` and ``go.sum``, so that a new pin is a new build
and two checkouts share one. It is made in a folder beside its place and moved there whole.

Source of the variable: the envtest package of controller-runtime, whose folders hold etcd and kube-apiserver.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import MissingToolError, TestbedError

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ASSETS = "KUBEBUILDER_ASSETS"

MODULES = {
    ".": {
        "etcd": "go.etcd.io/etcd/server/v3",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    },
    # A module of its own: kwok 0.7.0 does not compile with the libraries of Kubernetes 1.34.
    "kwok": {"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
}
"""Folder of a ``go.mod`` → binary → the package it is built from, a ``tool`` of that ``go.mod``."""

PACKAGES = {name: package for packages in MODULES.values() for name, package in packages.items()}

REQUIRED = ("etcd", "kube-apiserver", "kube-controller-manager")
"""Without these no cluster starts. Without the others pods stay pending."""

DISK_BYTES = 3 << 30
"""What a build needs where the Go caches lie (measured: 2.4 GB of modules and objects)."""

HOW = (
    f"run `make testbed`, which builds them with Go, or set {ASSETS} to a folder that holds "
    "etcd, kube-apiserver and kube-controller-manager"
)


@dataclass(frozen=True)
class Binaries:
    """The programs of one control plane.

    Attributes:
        folder: where they lie.
        built: whether they were built from ``go.mod`` here.
    """

    folder: Path
    built: bool

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def has(self, name: str) -> bool:
        """Whether an optional program is there."""
        return os.access(self.folder / name, os.X_OK)


def cache_root() -> Path:
    """Return the folder of the user's cache that holds builds."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tenantry" / "testbed"


def cache_folder() -> Path:
    """Return where the build of the modules pinned now is, or would be."""
    digest = hashlib.sha256()
    for module in MODULES:
        for name in ("go.mod", "go.sum"):
            digest.update((HERE / module / name).read_bytes())
    digest.update(",".join([*PACKAGES, platform.system(), platform.machine()]).encode())
    return cache_root() / digest.hexdigest()[:16]


def find() -> Binaries:
    """Return the binaries.

    Raises:
        MissingToolError: if ``KUBEBUILDER_ASSETS`` names a folder that lacks one, or nothing was built yet.
    """
    named = os.environ.get(ASSETS)
    found = Binaries(Path(named), built=False) if named else Binaries(cache_folder(), built=True)
    absent = [name for name in REQUIRED if not found.has(name)]
    if not absent:
        return found
    if named:
        raise MissingToolError(
            f"{ASSETS} is {named}, which holds no {', '.join(absent)}; it must hold {', '.join(REQUIRED)}, "
            "or unset it and run `make testbed`"
        )
    raise MissingToolError(f"no Kubernetes control plane has been built yet: {HOW}")


def build(*, progress: bool | None = None) -> Binaries:
    """Build the binaries unless that was done; return them.

    Args:
        progress: whether to count packages on stderr; by default on a terminal only.

    Raises:
        MissingToolError: if Go is absent or too old.
        TestbedError: if the disk is full or a package does not compile; nothing is left half-built.
    """
    if os.environ.get(ASSETS):
        return find()
    place = cache_folder()
    _make(place.parent)
    with alone(place.parent / "build.lock"):
        found = Binaries(place, built=True)
        if all(found.has(name) for name in PACKAGES):
            return found
        go = compiler()
        _check_disk(place.parent)
        made = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
        try:
            _compile(go, made, progress=sys.stderr.isatty() if progress is None else progress)
            shutil.rmtree(place, ignore_errors=True)
            made.rename(place)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return find()


def versions() -> dict[str, str]:
    """Return the version that ``go.mod`` pins for each binary."""
    found: dict[str, str] = {}
    for module, packages in MODULES.items():
        text = (HERE / module / "go.mod").read_text("utf-8")
        pins = dict(re.findall(r"^(?:require )?\t?(\S+) (v\S+)", text, re.MULTILINE))
        found |= {name: pins[package.split("/cmd/", maxsplit=1)[0]] for name, package in packages.items()}
    return found


# --- building ---------------------------------------------------------------------------------------------------------


def compiler() -> str:
    """Return the Go compiler.

    Raises:
        MissingToolError: if there is none, or it is too old.
    """
    go = shutil.which("go")
    if go is None:
        raise MissingToolError(
            f"there is no Go compiler on PATH: install Go {_go_needed()} or later, or set {ASSETS} "
            "to a folder of binaries"
        )
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd=HERE)
    if said.returncode:
        raise MissingToolError(f"Go {_go_needed()} or later is needed: {said.stderr.strip() or 'go env failed'}")
    return go


def _go_needed() -> str:
    found = re.search(r"^go (\S+)", (HERE / "go.mod").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else "1.24"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TestbedError(f"cannot make the cache folder {folder}: {error.strerror}") from error


def _check_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < DISK_BYTES:
        raise TestbedError(
            f"building the control plane needs about {DISK_BYTES >> 30} GiB of disk and {folder} has "
            f"{free / (1 << 30):.1f} GiB free: free some, or set XDG_CACHE_HOME, GOCACHE and GOMODCACHE to another disk"
        )


def _compile(go: str, made: Path, *, progress: bool) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0"}
    flags = ["-mod=readonly", "-trimpath", "-ldflags", _linker_flags()]
    meter = _Meter(_packages(go, environment) if progress else 0)
    for module, packages in MODULES.items():
        command = [go, "build", "-v", *flags, "-o", f"{made}/", *packages.values()]
        said: list[str] = []
        with subprocess.Popen(
            command, cwd=HERE / module, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line.rstrip())
                meter.step()
        if process.returncode:
            meter.end()
            raise TestbedError(_why(said))
    meter.end()
    # Go names a program after the last part of its path that is no version.
    for name, package in PACKAGES.items():
        last = [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)][-1]
        if last != name:
            (made / last).rename(made / name)


def _linker_flags() -> str:
    """Stamp the version that is pinned: without it the API server calls itself v0.0.0."""
    version = versions()["kube-apiserver"]
    major, minor = version[1:].split(".")[:2]
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{key}={value}" for key, value in stamps.items())])


class _Meter:
    """Counts packages on stderr; says nothing where the total is 0."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._begun = total, 0, time.monotonic()

    def step(self) -> None:
        self._done += 1
        if self._total:
            shown = f"{min(self._done, self._total)}/{self._total} packages, {time.monotonic() - self._begun:.0f} s"
            print(f"\rbuilding the control plane: {shown} ", end="", file=sys.stderr)  # noqa: T201

    def end(self) -> None:
        if self._total:
            print(file=sys.stderr)  # noqa: T201


def _packages(go: str, environment: dict[str, str]) -> int:
    total = 0
    for module, packages in MODULES.items():
        command = [go, "list", "-mod=readonly", "-deps", *packages.values()]
        said = subprocess.run(command, cwd=HERE / module, env=environment, capture_output=True, text=True, check=False)
        total += len(said.stdout.splitlines())
    return total


def _why(said: list[str]) -> str:
    text = "\n".join(said)
    if "no space left on device" in text or os.strerror(errno.ENOSPC) in text:
        return "the disk is full: building the control plane stopped; free some space and build again"
    # With -v each package that compiled is a line of its own; what went wrong is not a package path.
    wrong = [line for line in said if " " in line][-15:]
    return "the control plane could not be built:\n" + "\n".join(f"  {line}" for line in wrong or said[-15:])


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Let one process at a time work in the cache; the system lets go of the lock when a process dies."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
