"""What a measure is: a number with a unit, a formula and a way to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from tenantry.fair.measures.result import CLUSTER, QUEUE, TENANT, Measured, Result, Shares, Spread, gpu_hours


class Better(StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Unit(StrEnum):
    """Units. A part is 0 to 1 and shown in percent; times is a factor."""

    PART = "part"
    SECONDS = "s"
    GPU_HOURS = "GPU-hours"
    COUNT = "count"
    TIMES = "times"


class Text(NamedTuple):
    """What is said about a measure.

    Attributes:
        formula: how it is reckoned.
        reading: how to read it.
        source: where the notion comes from; empty for plain sums and counts.
    """

    formula: str
    reading: str = ""
    source: str = ""


Value = Callable[[Measured, Result], float | None]
Pick = Callable[[Measured], Spread | None]

ANY: Final = (CLUSTER, TENANT, QUEUE)
OWNERS: Final = (TENANT, QUEUE)
WHOLE: Final = (CLUSTER,)


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure.

    Attributes:
        key: name in machine-readable outputs, its unit included.
        title: name for people.
        unit: unit.
        better: which way is better.
        text: what is said about it.
        kinds: kinds of subjects it is of.
        value: takes it from a result, in its unit; None where it is not known.
        at_least: whether the value of a subject is a lower bound, because jobs had not ended at the end of the replay.
    """

    key: str
    title: str
    unit: Unit
    better: Better
    text: Text
    kinds: tuple[str, ...]
    value: Value
    at_least: Callable[[Measured], bool] = lambda subject: False


@dataclass(frozen=True, slots=True)
class Group:
    """Measures that belong together.

    Attributes:
        title: what they are about.
        about: definitions they share.
        measures: the measures.
    """

    title: str
    about: str
    measures: tuple[Measure, ...]


def count(key: str, title: str, text: Text, value: Callable[[Measured], int]) -> Measure:
    """Make a measure that counts, of any subject."""
    return Measure(key, title, Unit.COUNT, Better.NEITHER, text, ANY, lambda subject, _: value(subject))


def share(
    names: tuple[str, str], unit: Unit, better: Better, text: Text, value: Callable[[Shares], float | None]
) -> Measure:
    """Make a measure of what a queue held against what it was due."""

    def known(subject: Measured, _: Result) -> float | None:
        return None if subject.shares is None else value(subject.shares)

    return Measure(*names, unit, better, text, OWNERS, known)


def share_hours(key: str, title: str, better: Better, text: Text, value: Callable[[Shares], int]) -> Measure:
    """Make such a measure in GPU-hours."""
    return share((key, title), Unit.GPU_HOURS, better, text, lambda shares: gpu_hours(value(shares)))


def hours_of(key: str, title: str, kinds: tuple[str, ...], text: Text, value: Callable[[Measured], int]) -> Measure:
    """Make a measure of GPU-hours that should be few."""

    def known(subject: Measured, _: Result) -> float:
        return gpu_hours(value(subject))

    return Measure(key, title, Unit.GPU_HOURS, Better.LOWER, text, kinds, known)


def whole(
    names: tuple[str, str], unit: Unit, better: Better, text: Text, value: Callable[[Result], float | None]
) -> Measure:
    """Make a measure of the cluster."""
    return Measure(*names, unit, better, text, WHOLE, lambda _, result: value(result))


def whole_hours(key: str, title: str, better: Better, text: Text, value: Callable[[Result], int]) -> Measure:
    """Make such a measure in GPU-hours."""
    return whole((key, title), Unit.GPU_HOURS, better, text, lambda result: gpu_hours(value(result)))


def spread(names: tuple[str, str, str], unit: Unit, text: Text, pick: Pick) -> tuple[Measure, ...]:
    """Make a measure of the mean and of each percentile of a spread.

    Args:
        names: beginning of the keys, title, end of the keys.
        unit: unit.
        text: what is said about the number itself.
        pick: takes the spread from a subject.
    """
    prefix, title, suffix = names

    def one(statistic: str, words: str) -> Measure:
        def known(subject: Measured, _: Result) -> float | None:
            found = pick(subject)
            return None if found is None else float(getattr(found, statistic))

        def bound(subject: Measured) -> bool:
            found = pick(subject)
            return found is not None and statistic in found.at_least

        key = f"{prefix}{statistic.capitalize()}{suffix}"
        said = text._replace(formula=f"{words} of {text.formula}")
        return Measure(key, f"{title}, {statistic}", unit, Better.LOWER, said, ANY, known, bound)

    statistics = {"mean": "mean", "p50": "median", "p95": "95th percentile", "p99": "99th percentile"}
    return tuple(one(statistic, words) for statistic, words in statistics.items())
