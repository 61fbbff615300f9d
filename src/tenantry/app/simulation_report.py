"""What is shown of a simulation, to everybody or through the eyes of one tenant, and its events and jobs as files."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tenantry.errors import InputError
from tenantry.fair.measures import Disguise, PoolResults, Report, hide_others_in
from tenantry.fair.measures.events import EVENT_COLUMNS, JOB_COLUMNS, event_batches, job_batches
from tenantry.io.rows import write_csv, write_parquet
from tenantry.io.walk import shown
from tenantry.model.column import Column, Kind
from tenantry.model.problem import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tenantry.app.simulate import Simulation
    from tenantry.app.simulation_runs import Run
    from tenantry.model.column import Cell

    Writer = Callable[[Path, Sequence[Column], Iterable[Sequence[Sequence[Cell]]]], int]

WRITERS = {".csv": write_csv, ".parquet": write_parquet}
"""Writer of a table by the ending of the file's name."""

WHICH = (
    Column("pool", Kind.TEXT, "node pool of the replay"),
    Column("case", Kind.TEXT, "the spec as it is (base) or the scenario"),
    Column("policy", Kind.TEXT, "way to run the work"),
)
"""Columns that say which replay a row is of."""


def report_of(simulation: Simulation, tenant: str = "") -> Report:
    """Return what is shown of a simulation.

    Args:
        simulation: the simulation.
        tenant: tenant through whose eyes it is shown, others renamed; empty to show everything.

    Raises:
        InputError: if the tenant has no jobs in it.
    """
    jobs, left_out = simulation.jobs, simulation.cases[0].jobs.left_out
    lead = f"{len(jobs.table):,} jobs of {jobs.title}"
    if left_out:
        lead += f", {left_out:,} of them left out"
    pools = tuple(
        PoolResults(pool, tuple(run.measured for run in runs))
        for pool, runs in groupby(simulation.runs, lambda run: run.pool)
    )
    if not tenant:
        return Report(simulation.platform, lead, pools, simulation.notes, simulation.findings)
    _known(simulation, tenant)
    others = [name for case in simulation.cases for name in case.platform.tenants if name != tenant]
    notes = tuple(note for note in simulation.notes if not any(name in note for name in others))
    return hide_others_in(Report(simulation.platform, lead, pools, notes, simulation.findings), tenant)


def _known(simulation: Simulation, tenant: str) -> None:
    names = sorted({each.name for run in simulation.runs for each in run.measured.result.tenants})
    if tenant not in names:
        hint = did_you_mean(tenant, names)
        # Without a hint no name of others is told.
        raise InputError(f"no job that was replayed is of a tenant {tenant!r}{hint}")


def write_events(simulation: Simulation, path: Path, tenant: str = "") -> int:
    """Write everything that happened in all replays, a row each.

    Args:
        simulation: the simulation.
        path: file, whose name ends in ``.csv`` or ``.parquet``.
        tenant: as in :func:`report_of`.

    Returns:
        The number of rows.

    Raises:
        InputError: if the name ends otherwise, or the file cannot be written.
        MissingExtra: for Parquet without DuckDB.
    """
    disguise = _disguise(simulation, tenant)

    def batches() -> Iterator[Sequence[Sequence[Cell]]]:
        for run in simulation.runs:
            for batch in event_batches(run.log, run.table, run.setup, disguise=disguise):
                yield _marked(run, batch)

    return table_writer(path)(path, (*WHICH, *EVENT_COLUMNS), batches())


def write_jobs(simulation: Simulation, path: Path, tenant: str = "") -> int:
    """Write what became of every job in every replay, a row each; see :func:`write_events`."""
    disguise = _disguise(simulation, tenant)

    def batches() -> Iterator[Sequence[Sequence[Cell]]]:
        for run in simulation.runs:
            for batch in job_batches(run.log, run.table, run.setup, disguise=disguise):
                yield _marked(run, batch)

    return table_writer(path)(path, (*WHICH, *JOB_COLUMNS), batches())


def table_writer(path: Path) -> Writer:
    """Return what writes a table into a file of that name.

    Raises:
        InputError: if the name has another ending.
    """
    if path.suffix not in WRITERS:
        raise InputError(f"{shown(path)}: expected a name that ends in {' or '.join(WRITERS)}")
    return WRITERS[path.suffix]


def _disguise(simulation: Simulation, tenant: str) -> Disguise | None:
    return Disguise([run.measured for run in simulation.runs], tenant) if tenant else None


def _marked(run: Run, batch: Sequence[Sequence[Cell]]) -> list[Sequence[Cell]]:
    which = (run.pool, run.case, run.policy)
    return [(*which, *row) for row in batch]
