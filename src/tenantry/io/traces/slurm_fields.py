"""Reads fields of Slurm: job ids, elapsed time, and what is tracked (TRES)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from tenantry.io.traces.mig import mig_share
from tenantry.io.traces.problem_log import Unusable, printable
from tenantry.io.traces.values import MOST_GPUS, checked_duration, mebibytes, milli
from tenantry.model.trace import MILLI

_JOB: Final = re.compile(r"\d+(?:_(?:\d+|\[[^\]]*\]))?(?:\+\d+)?", re.ASCII)
_ELAPSED: Final = re.compile(r"(?:(\d{1,6})-)?(?:(\d{1,6}):)?(\d{1,3}):(\d\d)(?:\.\d+)?", re.ASCII)
_AMOUNT: Final = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)([KMGTP]?)[nc]?", re.ASCII)
_KIBI: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


class Tracked(NamedTuple):
    """What a job was given or asked for, all its nodes together.

    Attributes:
        gpus: milli-GPUs; None when a share of a GPU was asked for, whose size is not said.
        cpus: millicores.
        memory: MiB.
        models: GPU models named, sorted and joined by ``|``.
        ignored: an amount of CPUs or memory that could not be read and counts as unknown; empty when all could.
    """

    gpus: int | None
    cpus: int
    memory: int
    models: str
    ignored: str = ""


def is_step(job_id: str) -> bool:
    """Whether a row is a step inside a job: ``123.batch``, ``123.0``, ``123_4.extern``."""
    return "." in job_id


def is_job(job_id: str) -> bool:
    """Whether an id is that of a job: ``123``, ``123_4`` of an array, ``123+0`` of a heterogeneous job."""
    return _JOB.fullmatch(job_id) is not None


def elapsed(text: str) -> int:
    """Read ``[days-]hours:minutes:seconds``, or seconds as ``ElapsedRaw`` has them.

    Raises:
        Unusable: if it is neither, or zero.
    """
    if text.isdigit() and text.isascii() and len(text) < 12:
        return checked_duration(int(text))
    match = _ELAPSED.fullmatch(text)
    if match is None:
        raise Unusable("TRACE-DURATION", "the elapsed time cannot be read", "[days-]hh:mm:ss", printable(text))
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return checked_duration(days * 86_400 + hours * 3600 + minutes * 60 + seconds)


@lru_cache(maxsize=4096)
def tracked(text: str) -> Tracked:
    """Read ``cpu=64,mem=1000G,node=2,gres/gpu=16,gres/gpu:h100=16``.

    GPUs appear twice where sites track both the sum and the models; they are counted once. Slices of MIG count as the
    part of the GPU's compute that they have.

    Raises:
        Unusable: if an amount cannot be read or is absurd.
    """
    total, typed, sliced, cpus, memory, shard, ignored = None, 0, 0, 0, 0, False, ""
    models: set[str] = set()
    for part in text.split(","):
        name, _, amount = part.partition("=")
        if name in {"cpu", "mem"}:
            try:
                cpus, memory = (milli(_plain(amount)), memory) if name == "cpu" else (cpus, _memory(amount))
            except Unusable:
                ignored = part
        elif name == "gres/gpu":
            total = milli(_plain(amount))
        elif name.startswith("gres/gpu:"):
            model = name.removeprefix("gres/gpu:")
            number, share = milli(_plain(amount)), mig_share(model)
            typed += number
            # Slices count as GPUs in the sum, which is put right here.
            sliced += number if share is None else number * share // MILLI
            if share is None and number:
                models.add(model)
        elif name == "gres/shard":
            shard = True
    gpus = sliced + (max(0, total - typed) if total is not None else 0)
    return Tracked(None if shard and not gpus else gpus, cpus, memory, "|".join(sorted(models)), ignored)


def _plain(text: str) -> str:
    """Write out an amount that has a suffix; Slurm counts in 1024 whatever it counts."""
    match = _AMOUNT.fullmatch(text)
    if match is None or not match[2]:
        return text
    if _KIBI[match[2]] > 2:
        raise Unusable("TRACE-ABSURD", "a size is absurd", f"at most {MOST_GPUS:,}", printable(text))
    return str(round(float(match[1]) * 1024 ** _KIBI[match[2]]))


def _memory(text: str) -> int:
    """Read an amount of memory in MiB; Slurm counts in MiB where there is no suffix."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise Unusable("TRACE-VALUE", "an amount of memory cannot be read", "a number with K, M, G or T", text)
    power = _KIBI[match[2] or "M"] - 2
    return mebibytes(match[1], unit=1024**power) if power >= 0 else -(-int(float(match[1])) // 1024)
