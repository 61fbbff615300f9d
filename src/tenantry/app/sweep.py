"""Many simulations at once: every combination of what is varied, on all cores, in a folder that can be gone on with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tenantry import __version__
from tenantry.app.job_source import MadeUp, TraceFile, read_jobs
from tenantry.app.scheduling import USUAL_TUNING, Scheduling, Tuning, scheduling
from tenantry.app.simulate import known_pool, sent, who_is_who
from tenantry.app.simulation_runs import BASE, POLICIES
from tenantry.app.spec import load
from tenantry.app.sweep_row import measured_row
from tenantry.errors import InputError, SpecError
from tenantry.exec.pool import cores, spread
from tenantry.fair.replay.run import run_replay
from tenantry.fair.replay.setup import AS_USUAL, Behaviour
from tenantry.fair.sweep import Point, Variant, axes, count, points
from tenantry.io.spec_folder import load_spec
from tenantry.io.spec_values import Setting, Values
from tenantry.io.sweep_file import LoadedSweep, load_sweep
from tenantry.io.sweep_store import SweepStore
from tenantry.io.walk import shown
from tenantry.model.spec.sweep import MOST_RUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tenantry.app.job_source import Jobs, JobSource
    from tenantry.app.routed import Routed
    from tenantry.io.spec_folder import Layer
    from tenantry.model.problem import SpecProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepQuestion:
    """What is swept.

    Attributes:
        spec: folder of the spec, or one file.
        sweep: file that says what is varied.
        source: where jobs come from; load and seed of made-up ones give way to those of the sweep.
        environment: overlay of the spec; empty for none.
        tenants: table of who is who; None when the trace names tenants of the spec.
        behaviour: how jobs behave.
        tuning: what of the scheduler no spec says.
    """

    spec: Path
    sweep: Path
    source: JobSource
    environment: str = ""
    tenants: Path | None = None
    behaviour: Behaviour = AS_USUAL
    tuning: Tuning = USUAL_TUNING


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the runs: those whose number leaves ``index`` when divided by ``of``."""

    index: int = 0
    of: int = 1

    def has(self, number: int) -> bool:
        """Whether a run is in the part."""
        return number % self.of == self.index


WHOLE = Shard()


@dataclass(frozen=True, slots=True)
class SweepOutcome:
    """What a call did.

    Attributes:
        runs: runs of the whole sweep.
        done: runs that were done now.
        kept: runs that were finished before.
        rows: all runs, when all are there and were merged; else None.
        results: file of merged runs; None when they were not merged.
    """

    runs: int
    done: int
    kept: int
    rows: tuple[Mapping[str, Any], ...] | None = None
    results: Path | None = None


@dataclass(frozen=True, slots=True)
class _Common:
    question: SweepQuestion
    store: Path


def sweep(
    question: SweepQuestion,
    out: Path,
    *,
    shard: Shard = WHOLE,
    workers: int = 0,
    told: Callable[[int, int], None] | None = None,
) -> SweepOutcome:
    """Do the runs of a sweep that are not finished, and merge them when all are there and no shard was asked for.

    Args:
        question: what is swept.
        out: folder of the sweep.
        shard: the part to do.
        workers: processes at most; 0 for one on each core.
        told: told how many runs are done, and of how many.

    Raises:
        SpecError: with every problem of the spec, the sweep, or what the sweep lays over the spec.
        InputError: if something cannot be read, or nothing can be replayed.
        TreeError: if the folder cannot be written.
    """
    for known in (_loaded, _varied, _base, _jobs, _routed):
        known.cache_clear()  # files may have changed since the last sweep of this process
    plan, _ = plan_sweep(question)
    store = SweepStore(out)
    store.begin({"name": load_sweep(question.sweep).sweep.name, "runs": len(plan)})
    tasks = [point for point in plan if shard.has(point.number)]
    done = spread(
        run_point,
        _Common(question, out),
        tasks,
        workers=min(workers or cores(), len(tasks)),
        done=None if told is None else lambda number: told(number, len(tasks)),
    )
    outcome = SweepOutcome(len(plan), sum(done), len(tasks) - sum(done))
    return outcome if shard.of > 1 else merge(out, outcome)


def merge(out: Path, outcome: SweepOutcome | None = None) -> SweepOutcome:
    """Merge the runs of a sweep into one file.

    Args:
        out: folder of the sweep.
        outcome: what was done before; nothing when None.

    Raises:
        InputError: if the folder holds no sweep, or runs are missing.
        TreeError: if the folder cannot be written.
    """
    store = SweepStore(out)
    runs = store.plan().get("runs")
    if not isinstance(runs, int) or not 0 < runs <= MOST_RUNS:
        raise InputError(f"{shown(out)} does not say how many runs the sweep has")
    missing = list(store.missing(runs))
    found = [None if missing else store.run(number) for number in range(runs)]
    rows = [run["row"] for run in found if run is not None and isinstance(run.get("row"), dict)]
    if len(rows) < runs:
        first = ", ".join(map(str, missing[:5])) or "one that cannot be read"
        raise InputError(
            f"{shown(out)}: {max(len(missing), 1)} of {runs} runs are missing ({first}); run the sweep again"
        )
    store.tidy(runs)
    done, kept = (outcome.done, outcome.kept) if outcome is not None else (0, runs)
    return SweepOutcome(runs, done, kept, tuple(rows), store.merge(rows))


# Planning ------------------------------------------------------------------------------------------------------------


def plan_sweep(question: SweepQuestion) -> tuple[list[Point], LoadedSweep]:
    """Return all runs, after proving that each can be set up."""
    loaded = load_sweep(question.sweep)
    spec, source = loaded.sweep.spec, question.source
    platform = _platform(question, ())
    problems: list[SpecProblem] = []
    if isinstance(source, TraceFile):
        problems += [
            loaded.problem(("spec", name), "a trace has a load and an order of its own", expected=f"no {name}")
            for name in ("loads", "seeds")
            if getattr(spec, name)
        ]
    if problems:
        raise SpecError(problems)
    pools = [known_pool(platform, name).name for name in spec.pools]
    pools = pools or [pool.name for pool in platform.pools if not pool.offer.refused]
    loads: list[float | None] = list(spec.loads)
    seeds: list[int | None] = list(spec.seeds)
    if isinstance(source, MadeUp):
        loads, seeds = loads or [source.load], seeds or [source.seed]
    loads, seeds = loads or [None], seeds or [None]
    total = count(spec, pools=len(pools), loads=len(loads), seeds=len(seeds))
    if not 0 < total <= MOST_RUNS:
        raise InputError(f"{shown(question.sweep)}: {total:,} runs; expected 1 to {MOST_RUNS:,}")
    plan = points(spec, pools=pools, loads=loads, seeds=seeds)
    _check_parts(question, loaded)
    return plan, loaded


def _check_parts(question: SweepQuestion, loaded: LoadedSweep) -> None:
    """Report what is wrong with any scenario, and with any value that no spec could hold, before the first run.

    What only a combination of values gets wrong, as guarantees that exceed a pool, is said of the runs that have it.
    """
    spec = loaded.sweep.spec
    problems: dict[SpecProblem, None] = {}
    alone: list[tuple[tuple[str, int], ...]] = [
        ((path, index),) for path, choices in spec.values.items() for index in range(len(choices))
    ]
    for scenario in range(len(spec.scenarios)):
        for values in [(), *(alone if not scenario else ())]:
            layers = _layers(loaded, Variant(scenario, None, values))
            try:
                if values:
                    load_spec(question.spec, question.environment, layers)
                else:
                    load(question.spec, question.environment, layers)
            except SpecError as error:
                problems.update(dict.fromkeys(error.problems))
    if problems:
        raise SpecError(sorted(problems, key=lambda item: (item.location, str(item.path), item.message)))


def _layers(loaded: LoadedSweep, variant: Variant) -> tuple[Layer, ...]:
    spec = loaded.sweep.spec
    layers: list[Layer] = []
    scenario = spec.scenarios[variant.scenario]
    if scenario != BASE:
        layers.append(loaded.path.parent / scenario)
    values = loaded.values(dict(variant.values))
    if variant.placement is not None:
        written = ("spec", "placements", variant.placement)
        setting = Setting("platform/scheduler/placement", spec.placements[variant.placement], written)
        values = Values(values.source, (*values.settings, setting))
    if values.settings:
        layers.append(values)
    return tuple(layers)


def _platform(question: SweepQuestion, layers: Sequence[Layer]) -> Scheduling:
    cluster = load(question.spec, question.environment, layers).cluster
    return scheduling(cluster, question.behaviour, question.tuning)


# Runs ----------------------------------------------------------------------------------------------------------------


def run_point(common: _Common, point: Point) -> bool:
    """Do one run unless it is finished; return whether it was done now."""
    question, store = common.question, SweepStore(common.store)
    place = axes(_loaded(question).sweep.spec, point)
    row: dict[str, Any] = {"run": point.number, **place}
    try:
        platform = _varied(question, point.variant)
    except SpecError as error:
        problem = error.problems[0]
        refused = {**row, "refused": f"{problem.message} ({problem.rule})"}
        return _finish(store, point.number, [place, refused], lambda: refused)
    jobs = _routed(question, point.variant, point.load, point.seed)
    pool = next((item for item in platform.pools if item.name == point.pool), None)
    table = jobs.tables.get(point.pool)
    row["leftOut"] = jobs.left_out

    def replayed() -> dict[str, Any]:
        if pool is None or table is None:
            return row
        policy = POLICIES[point.policy](pool.setup, pool.scheduler)
        return {**row, **measured_row(run_replay(policy.setup, table, policy.scheduler), table, pool.setup)}

    inputs = [place, jobs.left_out, plain(pool), None if table is None else table.digest()]
    return _finish(store, point.number, inputs, replayed)


def _finish(store: SweepStore, number: int, inputs: list[Any], make: Callable[[], Mapping[str, Any]]) -> bool:
    """Make and keep a run unless one of the same inputs is there; return whether it was made."""
    text = json.dumps([__version__, *inputs], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    known = store.run(number)
    if known is not None and known.get("key") == key:
        return False
    store.finish(number, {"key": key, "row": make()})
    return True


def plain(value: Any) -> Any:
    """Return a value made of what JSON has, the same for the same value in every process."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return [[plain(key), plain(item)] for key, item in sorted(value.items())]
    if isinstance(value, (frozenset, set)):
        return sorted(map(plain, value))
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


@lru_cache(maxsize=1)
def _loaded(question: SweepQuestion) -> LoadedSweep:
    return load_sweep(question.sweep)


@lru_cache(maxsize=4)
def _varied(question: SweepQuestion, variant: Variant) -> Scheduling:
    return _platform(question, _layers(_loaded(question), variant))


@lru_cache(maxsize=1)
def _base(question: SweepQuestion) -> Scheduling:
    return _platform(question, ())


@lru_cache(maxsize=2)
def _jobs(question: SweepQuestion, load_factor: float | None, seed: int | None) -> Jobs:
    """Return the jobs of a run: load is made up for the spec as it is, so that all variants have the same jobs."""
    source = question.source
    if isinstance(source, MadeUp):
        source = MadeUp(
            source.seed if seed is None else seed,
            source.load if load_factor is None else load_factor,
            source.days,
            source.profile,
        )
    return read_jobs(source, _base(question))


@lru_cache(maxsize=2)
def _routed(question: SweepQuestion, variant: Variant, load_factor: float | None, seed: int | None) -> Routed:
    jobs = _jobs(question, load_factor, seed)
    platform = _varied(question, variant)
    tenants = who_is_who(question.tenants, (_base(question), platform), jobs)
    return sent(jobs, platform, tenants)
