"""Advise how to share GPUs: every class of work of a spec in every node pool it may run in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from tenantry.app.spec import load
from tenantry.efficient.advise import Standing, advise, clashes, gather
from tenantry.efficient.advise.facts import WHOLE, Verdict
from tenantry.efficient.advise.measured import speeds_of
from tenantry.errors import InputError
from tenantry.model.finding import Finding, Severity
from tenantry.model.finding import Verdict as Known
from tenantry.model.problem import Subject, did_you_mean
from tenantry.model.profile_problem import FALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tenantry.app.spec import CheckedSpec
    from tenantry.efficient.advise import Advice, PoolFacts, WorkFacts
    from tenantry.model.problem import DocPath, Location
    from tenantry.model.profile_problem import ProfileProblem
    from tenantry.model.profile_table import ProfileTable

SOURCE = "docs/advise.md"


@dataclass(frozen=True)
class AdviceReport:
    """The whole matrix.

    Attributes:
        name: name of the platform.
        environment: overlay that was applied, empty for none.
        advice: a row for each class of work and pool, by name of class, then of pool.
        findings: classes that cannot run, or would do better in another way, and doubtful measurements.
        notes: what was not used, a sentence each.
        problems: what was wrong with profile tables.
    """

    name: str
    environment: str
    advice: tuple[Advice, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[ProfileProblem, ...] = ()

    def count(self, standing: Standing) -> int:
        """Number of rows that stand so."""
        return sum(item.standing is standing for item in self.advice)

    def at_least(self, severity: Severity) -> int:
        """Number of findings at or above a severity."""
        return sum(finding.severity >= severity for finding in self.findings)


def advise_spec(
    folder: Path, environment: str = "", *, profiles: Sequence[Path] = (), workloads: Sequence[str] = ()
) -> AdviceReport:
    """Read a spec and measurements, and answer for every class of work and pool.

    Args:
        folder: folder of YAML documents, or one file.
        environment: overlay below ``environments/``; empty for none.
        profiles: profile tables; of a setting that several have, the first counts.
        workloads: names of classes to answer for; all when empty.

    Raises:
        SpecError: with every problem of the spec.
        InputError: if something cannot be read, or there is no such class of work.
    """
    spec = load(folder, environment)
    _check_names(spec, workloads)
    table, problems = _tables(profiles)
    return _report(spec, table, problems, frozenset(workloads))


def _check_names(spec: CheckedSpec, workloads: Sequence[str]) -> None:
    names = {item.name for item in spec.spec.workloads}
    for name in workloads:
        if name not in names:
            raise InputError(
                f"there is no Workload named '{name}'; expected {_listed(names)}{did_you_mean(name, names)}"
            )


def _listed(names: set[str]) -> str:
    if not names:
        return "one, but the spec has none"
    shown = ", ".join(sorted(names)[:12])
    return f"one of {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _tables(paths: Sequence[Path]) -> tuple[ProfileTable | None, tuple[ProfileProblem, ...]]:
    if not paths:
        return None, ()
    from tenantry.io.profiles import read_profiles

    table: ProfileTable | None = None
    problems: list[ProfileProblem] = []
    for path in paths:
        reading = read_profiles(path)
        table = reading.table if table is None else table.merged(reading.table)
        problems += reading.problems
    return table, tuple(problems)


def _report(
    spec: CheckedSpec, table: ProfileTable | None, problems: tuple[ProfileProblem, ...], wanted: frozenset[str]
) -> AdviceReport:
    places = _Places(spec)
    where = {
        (item.name, key): places.text("Workload", item.name, ("spec", "speed", key))
        for item in spec.spec.workloads
        for key in item.spec.speed
    }
    measured = speeds_of(table, spec.spec.workloads) if table is not None else {}
    rows, notes = [], []
    for gathered in gather(spec.cluster, where, measured):
        if wanted and gathered.work.name not in wanted:
            continue
        rows.append(advise(gathered, places.of(gathered.work.name)))
        notes += [f"Workload {gathered.work.name}: {note}" for note in gathered.notes]
    if table is not None:
        notes += _unused(spec, table)
    notes += clashes(rows)
    answered = {row.work.name for row in rows}
    notes += [
        f"Workload {item.name}: none of its tenants has a quota in any pool"
        for item in spec.spec.workloads
        if item.name not in answered and (not wanted or item.name in wanted)
    ]
    return AdviceReport(
        name=spec.cluster.name,
        environment=spec.spec.environment,
        advice=tuple(rows),
        findings=tuple(sorted(_findings(rows, places), key=Finding.sort_key)),
        notes=tuple(dict.fromkeys(notes)),
        problems=problems,
    )


def _unused(spec: CheckedSpec, table: ProfileTable) -> Iterator[str]:
    names = {item.name for item in spec.spec.workloads}
    strangers = [name for name in table.workloads if name not in names]
    if strangers:
        shown = ", ".join(strangers[:8]) + (f" and {len(strangers) - 8} more" if len(strangers) > 8 else "")
        yield f"measured, but no Workload of the spec: {shown}"


class _Places:
    """Where things stand in the files of a spec; each is looked up once."""

    def __init__(self, spec: CheckedSpec) -> None:
        self._loaded = spec.loaded
        self._platform = Subject("Platform", spec.cluster.name)
        self._pools = {pool.name: index for index, pool in enumerate(spec.spec.platform.spec.node_pools)}
        self._known: dict[tuple[Subject, DocPath], Location] = {}

    def locate(self, subject: Subject, path: DocPath) -> Location:
        """Return the place of a part of a document, or of what is around it."""
        key = (subject, path)
        if key not in self._known:
            self._known[key] = self._loaded.locate(subject, path)
        return self._known[key]

    def text(self, kind: str, name: str, path: DocPath) -> str:
        """Return a place as file and line."""
        place = self.locate(Subject(kind, name), path)
        return f"{place.file}:{place.line}" if place.line else place.file

    def of(self, workload: str) -> Callable[[str, str], str]:
        """Return a function from kind and field to the place, for one class of work."""

        def locate(kind: str, field: str) -> str:
            if kind == "Workload":
                return self.text(kind, workload, tuple(field.split(".")))
            return self.text("Platform", self._platform.name, ("spec", "nodePools", self._pools[field]))

        return locate


# Findings ------------------------------------------------------------------------------------------------------------


def _findings(rows: Sequence[Advice], places: _Places) -> Iterator[Finding]:
    able = {row.work.name for row in rows if row.standing is not Standing.CANNOT}
    for row in rows:
        subject = f"Workload {row.work.name}"
        where = places.locate(Subject("Workload", row.work.name), ("metadata", "name"))
        if row.standing is Standing.CANNOT:
            # A class that is open to any pool asks for one that can run it, not for all of them.
            asked = row.gathered.named or row.work.name not in able
            yield Finding(
                "ADVISE-CANNOT-RUN", Severity.ERROR if asked else Severity.INFO, subject,
                f"it cannot run in node pool {row.pool.name}: {row.standing_reason}", where,
                path="spec.pools", fix=_fix(row), source=SOURCE,
            )  # fmt: skip
        elif row.standing is Standing.CHANGE:
            yield Finding(
                "ADVISE-OTHER-SHARING", Severity.WARNING, subject,
                f"node pool {row.pool.name}: {row.standing_reason}", where,
                path="spec.pools", fix=_fix(row), source=SOURCE,
            )  # fmt: skip
        elif row.standing is Standing.UNDECIDED:
            missing = "; ".join(f"{item.fact} ({item.measure})" for item in row.missing[:2])
            more = f" and {len(row.missing) - 2} more" if len(row.missing) > 2 else ""
            yield Finding(
                "ADVISE-UNKNOWN", Severity.INFO, subject,
                f"node pool {row.pool.name}: how to share is undecided; missing: {missing}{more}", where,
                path="spec.speed", verdict=Known.UNKNOWN, source=SOURCE,
            )  # fmt: skip
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.work.name, row.pool.gpu.id) not in seen:
            seen.add((row.work.name, row.pool.gpu.id))
            yield from _order(row.work, row.pool, places)


def _fix(row: Advice) -> str:
    if row.decision.verdict is Verdict.ALLOWED and row.decision.leader is not None:
        return f"give it {row.decision.leader.label}: sharing of the node pool, and a quota for its tenants"
    if row.decision.verdict is Verdict.REFUSED:
        return "another node pool, or another need; docs/advise.md lists what would change it"
    return "what is missing decides how to share"


def _order(work: WorkFacts, pool: PoolFacts, places: _Places) -> Iterator[Finding]:
    """Remark on speeds that fall with a larger part of the GPU, by more than measurements scatter."""
    known = [(key, speed) for key, speed in sorted(work.speeds.items()) if key == WHOLE or pool.gpu.profile(key)]
    for one, other in combinations(known, 2):
        for (small, slow), (large, fast) in ((one, other), (other, one)):
            if _within(pool, small, large) and fast.value < slow.value * (1 - FALL):
                yield Finding(
                    "ADVISE-SPEED-FALLS", Severity.WARNING, f"Workload {work.name}",
                    f"{large} is measured at {fast.value:g}, slower than its part {small} at {slow.value:g} "
                    f"({fast.where or 'measured'}, {slow.where or 'measured'})",
                    places.locate(Subject("Workload", work.name), ("spec", "speed", large)),
                    path=f"spec.speed.{large}",
                    fix="measure both again: a larger part of a GPU is not slower",
                    source=SOURCE,
                )  # fmt: skip


def _within(pool: PoolFacts, small: str, large: str) -> bool:
    if small in {large, WHOLE}:
        return False
    if large == WHOLE:
        return True
    inner, outer = pool.gpu.profile(small), pool.gpu.profile(large)
    if inner is None or outer is None or (inner.compute, inner.memory) == (outer.compute, outer.memory):
        return False
    return inner.compute <= outer.compute and inner.memory <= outer.memory
