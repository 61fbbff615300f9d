"""The KAI scheduler as its authors wrote it, to hold the model of it against.

It is built from a checkout, so that any release or branch can be tried: ``kai/main.go`` is compiled as if it were a
command of the checkout, which stays as it is. The program lies in the user's cache under a digest of that file and the
commit.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from testbed.binaries import alone, cache_root, compiler
from testbed.errors import MissingToolError, TestbedError

PROGRAM = Path(__file__).parent / "kai" / "main.go"
SOURCE = "TENANTRY_KAI"
"""Variable that names the checkout."""

HOW = (
    f"set {SOURCE} to a checkout of the KAI scheduler (github.com/kai-scheduler/KAI-Scheduler, v0.15 or later); "
    "Go is needed, and some minutes for the first build"
)

KEPT = 5
"""Programs that stay: one for each version whose rules are modelled. Each takes 117 MB."""


@dataclass(frozen=True)
class Place:
    """Where a pod stands after a cycle.

    Attributes:
        status: as the scheduler calls it, for example ``Binding``.
        node: node it is on or promised; empty for none.
        groups: GPUs it holds parts of.
    """

    status: str
    node: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a cycle came to.

    Attributes:
        pods: where each pod of a job stands, by namespace and name.
        fair: CPUs, GB of memory and GPUs that each queue was due.
        seconds: time that passed in each action.
    """

    pods: Mapping[str, Place]
    fair: Mapping[str, tuple[float, float, float]]
    seconds: Mapping[str, float]


def build() -> Path:
    """Build the scheduler unless that was done; return the program.

    Raises:
        MissingToolError: if no checkout is named, or Go is absent.
        TestbedError: if what is named is no checkout, or does not compile.
    """
    named = os.environ.get(SOURCE)
    if not named:
        raise MissingToolError(f"the KAI scheduler is not at hand: {HOW}")
    checkout = Path(named).resolve()
    if not (checkout / "pkg" / "scheduler" / "framework").is_dir():
        raise TestbedError(f"{SOURCE} is {named}, which is no checkout of the KAI scheduler: {HOW}")
    digest = hashlib.sha256(PROGRAM.read_bytes() + _commit(checkout)).hexdigest()[:16]
    place = cache_root() / f"kai-{digest}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with alone(place.parent / "kai.lock"):
        if not os.access(place, os.X_OK):
            _compile(checkout, place)
        os.utime(place)
        _forget(place.parent)
    return place


def _forget(folder: Path) -> None:
    """Remove what was built of other states of checkouts, but for those that were used last."""
    for old in sorted(folder.glob("kai-*"), key=lambda file: file.stat().st_mtime, reverse=True)[KEPT:]:
        old.unlink()


def _commit(checkout: Path) -> bytes:
    """Return what tells one state of the checkout from another."""
    said = [
        subprocess.run(["git", *asked], cwd=checkout, capture_output=True, check=False).stdout
        for asked in (["rev-parse", "HEAD"], ["diff", "HEAD"])
    ]
    return b"\0".join((os.fsencode(checkout) if not said[0] else b"", *said))


def _compile(checkout: Path, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        overlay, made = Path(folder) / "overlay.json", Path(folder) / place.name
        command = checkout / "cmd" / "tenantry"
        overlay.write_text(json.dumps({"Replace": {str(command / PROGRAM.name): str(PROGRAM)}}), "utf-8")
        said = subprocess.run(
            [compiler(), "build", "-mod=readonly", "-overlay", str(overlay), "-o", str(made), "./cmd/tenantry"],
            cwd=checkout, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if said.returncode:
            raise TestbedError(f"the KAI scheduler in {checkout} could not be built:\n{said.stderr.strip()}")
        made.rename(place)


class Scheduler:
    """Runs cycles of the scheduler on snapshots.

    Args:
        times: how often each snapshot is run from its start. The scheduler takes some orders from hash maps, so the
            outcomes may differ.
    """

    def __init__(self, times: int = 1) -> None:
        self._process = subprocess.Popen(
            [build(), "-times", str(times)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def cycles(self, snapshot: Mapping[str, Any]) -> list[Outcome]:
        """Run a snapshot as an instance of the scheduler serves it.

        Raises:
            TestbedError: if the scheduler ends, or a cycle fails.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(snapshot) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise TestbedError(f"the KAI scheduler ended with {self._process.wait()}")
        return [_outcome(told) for told in json.loads(line)]


def _outcome(told: Mapping[str, Any]) -> Outcome:
    if "error" in told:
        raise TestbedError(f"a cycle of the KAI scheduler failed: {told['error']}")
    pods = {
        name: Place(place["status"], place["node"], tuple(place["groups"] or ()))
        for name, place in told["pods"].items()
    }
    resources = [told["fair"][name] for name in ("cpu_cores", "memory_gb", "gpu")]
    fair = {queue: (cpus, resources[1][queue], resources[2][queue]) for queue, cpus in resources[0].items()}
    return Outcome(pods, fair, {action: micros / 1e6 for action, micros in told["micros"].items()})
