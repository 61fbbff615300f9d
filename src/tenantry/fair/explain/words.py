"""How numbers, times and names are written in sentences; names of others can be replaced by neutral ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

EPOCH_FROM = 10**8
"""Clocks that stand later than this count from 1970; others count from the start of a trace."""

GIB = 2.0**30
UNCOUNTABLE = 1e12
"""Amounts from here on are slips of somebody's hand; written out they would break tables."""
LISTED = 4
"""Names of a list that are written out."""


class Naming(Protocol):
    """What things are called in what is said."""

    def queue(self, name: str) -> str:
        """Name of a queue."""

    def job(self, name: str) -> str:
        """Name of a job."""

    def pod(self, name: str) -> str:
        """Name of a pod."""

    def place(self, text: str) -> str:
        """Text of a label or a taint, which may hold a name."""


@dataclass(frozen=True, slots=True)
class Plain:
    """Everything by its own name.

    Attributes:
        titles: how people know jobs, by name.
    """

    titles: Mapping[str, str] = field(default_factory=dict)

    def queue(self, name: str) -> str:
        """Name of a queue."""
        return name

    def job(self, name: str) -> str:
        """Name of a job."""
        return self.titles.get(name, name)

    def pod(self, name: str) -> str:
        """Name of a pod."""
        return name

    def place(self, text: str) -> str:
        """Text of a label or a taint."""
        return text


@dataclass(frozen=True, slots=True)
class Words:
    """Writes numbers, times and names.

    Attributes:
        naming: what things are called.
        now: second of the moment that is explained.
    """

    naming: Naming
    now: int = 0

    # --- names --------------------------------------------------------------------------------------------------------

    def queue(self, name: str) -> str:
        """A queue."""
        return f"queue {self.naming.queue(name)}"

    def job(self, name: str) -> str:
        """A job."""
        return self.naming.job(name)

    def pod(self, name: str) -> str:
        """A pod."""
        return f"pod {self.naming.pod(name)}"

    def jobs(self, names: Sequence[str], joined: str = "and") -> str:
        """Some jobs."""
        return listed([self.job(name) for name in names], joined)

    # --- amounts ------------------------------------------------------------------------------------------------------

    def amount(self, resource: str, value: float) -> str:
        """An amount of a resource: GPUs, millicores, bytes, MiB of GPU memory, or things of a name."""
        name = resource.lower()
        if name == "gpu":
            return gpus(value)
        if name == "cpu":
            return f"{number(value / 1000)} CPU{'' if value == 1000 else 's'}"
        if name == "memory":
            return f"{number(value / GIB)} GiB of memory"
        if name == "gpu-memory":
            return f"{number(value)} MiB of GPU memory"
        if name == "pods":
            return counted(int(value), "pod")
        if name in {"ephemeral-storage", "storage"} or name.startswith("hugepages"):
            return f"{number(value / GIB)} GiB of {name}"
        return f"{number(value)} {resource.removeprefix('nvidia.com/mig-')}"

    @staticmethod
    def kind(resource: str) -> str:
        """What a resource is called."""
        return {"gpu": "GPUs", "cpu": "CPUs"}.get(resource.lower(), resource.rpartition("/")[2])

    def bare(self, resource: str, value: float) -> str:
        """An amount of a resource without its unit, where the unit is said beside it."""
        scale = {"cpu": 1000.0, "memory": GIB}.get(resource.lower(), 1.0)
        return "all" if value == -1 else number(value / scale)

    def bound(self, resource: str, value: float) -> str:
        """An amount that may be unlimited."""
        return "everything" if value == -1 else self.amount(resource, value)

    # --- times --------------------------------------------------------------------------------------------------------

    def when(self, second: int) -> str:
        """A point in time: how far away, and what the clock says if it counts from 1970."""
        distance = second - self.now
        words = f"in {span(distance)}" if distance > 0 else f"{span(-distance)} ago" if distance else "now"
        return f"{words} ({clock(second)})" if second >= EPOCH_FROM and distance else words

    def later(self, second: int) -> str:
        """How long it is until a point in time, and what the clock will say if it counts from 1970."""
        distance = span(max(0, second - self.now))
        return f"{distance} ({clock(second)})" if second >= EPOCH_FROM else distance

    def ago(self, second: int) -> str:
        """How long something has lasted."""
        return span(max(0, self.now - second))


def number(value: float) -> str:
    """A number with at most two digits after the point; one that nobody could count in three digits."""
    if abs(value) >= UNCOUNTABLE:
        return f"{value:.3g}"
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def gpus(value: float) -> str:
    """So many GPUs."""
    return f"{number(value)} GPU{'' if abs(value - 1) < 1e-9 else 's'}"


def idle_gpus(value: float) -> str:
    """So many GPUs that are idle."""
    if value <= 0:
        return "no GPU is idle"
    return f"{gpus(value)} {'is' if abs(value - 1) < 1e-9 else 'are'} idle"


def counted(count: int, noun: str, plural: str = "") -> str:
    """So many of a thing."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def verb(count: int, one: str, many: str) -> str:
    """The form of a verb that goes with so many things."""
    return one if count == 1 else many


def share(value: float) -> str:
    """A ratio as a percentage."""
    return "far more than 100 %" if value > 1e6 else f"{value * 100:.0f} %"


def span(seconds: int) -> str:
    """A length of time in its two largest units."""
    units = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
    parts = []
    left = seconds
    for name, size in units:
        if left >= size:
            parts.append(f"{left // size} {name}")
            left %= size
    return " ".join(parts[:2]) or "0 s"


def clock(second: int) -> str:
    """A point in time that counts from 1970."""
    moment = datetime.fromtimestamp(second, UTC)
    return f"{moment:%Y-%m-%d %H:%M} UTC" if not second % 60 else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def listed(names: Sequence[str], joined: str = "and") -> str:
    """Names one after the other; of many the first ones."""
    if len(names) > LISTED:
        return f"{', '.join(names[: LISTED - 1])} {joined} {len(names) - LISTED + 1} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {joined} {names[-1]}"


def first_exceeding(left: Iterable[float], more: Iterable[float], bound: Iterable[float]) -> int:
    """Position of the resource whose bound is exceeded by what is held and what is asked for; GPUs before others."""
    triples = list(zip(left, more, bound, strict=True))
    order = sorted(range(len(triples)), key=lambda position: -position)
    for position in order:
        held, asked, most = triples[position]
        if most != -1 and held + asked > most:
            return position
    return len(triples) - 1


def at(facts: Mapping[str, Any], key: str, position: int) -> float:
    """One resource of a fact that holds CPU, memory and GPUs."""
    return float(facts[key][position])
