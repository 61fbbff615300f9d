"""Measures how fast work runs on the GPU at hand, alone and beside copies of itself, and writes a profile table.

This file runs on its own, ``python probe.py --help``, and imports nothing of Tenantry, so that a Job can mount it. It
needs PyTorch or CuPy, and nothing else but Python. With ``--backend cpu`` it runs without a GPU, to try it; such rows
say so.

Copies are processes on the same GPU. They share it as pods do: in turns, or at the same time where the node runs MPS.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import math
import multiprocessing
import os
import queue
import re
import shlex
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from threading import BrokenBarrierError
from typing import Any, NamedTuple, TextIO

COLUMNS = (
    "gpu", "sharing", "profile", "neighbours", "workload", "batch_size", "processes", "throughput_per_s",
    "latency_mean_s", "latency_p50_s", "latency_p95_s", "latency_p99_s", "memory_mib", "outcome", "driver", "source",
    "device_used_mib", "device_total_mib",
)  # fmt: skip
BUILT_IN = {
    "matmul": "products of square half-precision matrices: bound by compute",
    "copy": "copies of 64 MiB: bound by memory",
    "small": "a network of 32 small layers: bound by launches, as inference of small batches is",
}
MODES = ("whole", "mig", "time-slicing", "mps")
SIDE, LAYERS, WIDTH, COPIED = 2048, 32, 512, 64 * 2**20
MIB = 2**20
STARTUP = 600.0
"""Seconds in which every process has to be ready; loading a framework and a model takes a minute or two."""
POLL = 0.5
"""Seconds between two looks at whether a process died."""

Step = Callable[[], object]


class Failure(Exception):  # noqa: N818 - reads as what it says
    """The probe cannot do its job; the text is for people."""


class Task(NamedTuple):
    """What is measured: so many processes of a workload, beside so many neighbours."""

    backend: str
    workload: str
    batch: int
    processes: int
    neighbours: int
    seconds: float
    batches: int
    warmup: int

    @property
    def total(self) -> int:
        """Processes at the same time."""
        return self.processes + self.neighbours


class Memory(NamedTuple):
    """MiB: most that a process had, in use on the device by anybody, and of the device; None when unknown."""

    own: int | None = None
    used: int | None = None
    total: int | None = None


class Report(NamedTuple):
    """What one process found.

    ``outcome`` is ``ran``, ``failed`` (for want of memory), ``stopped`` (because of another) or ``error``.
    """

    number: int
    outcome: str
    message: str = ""
    seconds: float = 0.0
    latencies: Sequence[float] = ()
    memory: Memory = Memory()
    card: str = ""
    software: str = ""


# --- Backends ---------------------------------------------------------------------------------------------------------


class Library(NamedTuple):
    """Work on a GPU: what built-in workloads need of a library for arrays. A step returns when its work is done.

    ``card`` is the name of the card as the driver gives it, ``own`` the bytes of this process, ``free`` what is free on
    the device and what it has in all.
    """

    software: str
    card: Callable[[], str]
    own: Callable[[], int]
    free: Callable[[], tuple[int, int]]
    random: Callable[..., Any]
    zeros: Callable[[int], Any]
    like: Callable[[Any], Any]
    multiply: Callable[[Any, Any, Any], object]
    copy: Callable[[Any, Any], object]
    positive: Callable[[Any], Any]
    synchronize: Callable[[], object]

    def step(self, workload: str, batch: int) -> Step:
        """Set up a built-in workload and return what does one batch of it and waits until the GPU is done."""
        if workload == "matmul":
            left, right = self.random(batch, SIDE, SIDE), self.random(batch, SIDE, SIDE)
            product = self.like(left)
            return lambda: (self.multiply(left, right, product), self.synchronize())
        if workload == "copy":
            source = self.zeros(batch * COPIED)
            target = self.like(source)
            return lambda: (self.copy(target, source), self.synchronize())
        weights = [self.random(WIDTH, WIDTH) / WIDTH for _ in range(LAYERS)]
        first = self.random(batch, WIDTH)

        def layers() -> None:
            values = first
            for weight in weights:
                values = self.positive(values @ weight)
            self.synchronize()

        return layers

    def memory(self) -> Memory:
        """Return the memory of this process and of the device."""
        free, total = self.free()
        return Memory(self.own() // MIB, (total - free) // MIB, total // MIB)


def torch_backend() -> Library:
    """Use PyTorch; own memory is what it reserved."""
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        raise Failure("PyTorch is installed but sees no GPU")
    return Library(
        software=f"PyTorch {torch.__version__}",
        card=lambda: str(torch.cuda.get_device_name(0)),
        own=torch.cuda.max_memory_reserved,
        free=torch.cuda.mem_get_info,
        random=lambda *shape: torch.randn(*shape, dtype=torch.float16, device="cuda"),
        zeros=lambda size: torch.zeros(size, dtype=torch.uint8, device="cuda"),
        like=torch.empty_like,
        multiply=lambda left, right, out: torch.matmul(left, right, out=out),
        copy=lambda target, source: target.copy_(source),
        positive=torch.relu,
        synchronize=torch.cuda.synchronize,
    )


def cupy_backend() -> Library:
    """Use CuPy; own memory is what its pool has."""
    cupy = importlib.import_module("cupy")
    runtime = cupy.cuda.runtime
    try:
        found = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        raise Failure(f"CuPy is installed but sees no GPU: {error}") from error
    if not found:
        raise Failure("CuPy is installed but sees no GPU")
    return Library(
        software=f"CuPy {cupy.__version__}",
        card=lambda: str(runtime.getDeviceProperties(0)["name"].decode()),
        own=lambda: cupy.get_default_memory_pool().total_bytes(),
        free=runtime.memGetInfo,
        random=lambda *shape: cupy.random.standard_normal(shape, dtype=cupy.float32).astype(cupy.float16),
        zeros=lambda size: cupy.zeros(size, dtype=cupy.uint8),
        like=cupy.empty_like,
        multiply=lambda left, right, out: cupy.matmul(left, right, out=out),
        copy=cupy.copyto,
        positive=lambda values: cupy.maximum(values, 0),
        synchronize=runtime.deviceSynchronize,
    )


class CpuBackend:
    """Python without a GPU, to try the program. It measures nothing that is worth knowing."""

    software = f"Python {sys.version_info.major}.{sys.version_info.minor}"

    def card(self) -> str:
        """There is none."""
        return "cpu"

    def step(self, workload: str, batch: int) -> Step:
        """Set up something small of the same kind."""
        if workload == "matmul":
            matrix = [[float(row + column) for column in range(12)] for row in range(12)]
            columns = list(zip(*matrix, strict=True))
            return lambda: [
                [sum(map(float.__mul__, row, column)) for column in columns] for _ in range(batch) for row in matrix
            ]
        if workload == "copy":
            source = bytearray(batch * 65_536)
            return lambda: bytes(source)
        return lambda: [sum(range(100)) for _ in range(batch)]

    def memory(self) -> Memory:
        """Nothing is known."""
        return Memory()


Backend = Library | CpuBackend
BACKENDS: dict[str, Callable[[], Backend]] = {"torch": torch_backend, "cupy": cupy_backend, "cpu": CpuBackend}


def find_backend(name: str) -> str:
    """Return the name of a backend that works here; ``auto`` takes the first that sees a GPU.

    Raises:
        Failure: if there is none, with the reason for each.
    """
    reasons = []
    for each in ("torch", "cupy") if name == "auto" else (name,):
        try:
            BACKENDS[each]()
        except ImportError as error:
            reasons.append(f"{each} cannot be imported ({error})")
        except Failure as error:
            reasons.append(str(error))
        else:
            return each
    raise Failure(
        f"no GPU can be measured here: {'; '.join(reasons)}; run the probe on a node with a GPU, "
        "or with --backend cpu to try it without one"
    )


def prepared(backend: Backend, workload: str, batch: int) -> Step:
    """Return what does one batch: built in, a ``module:function`` or a command after ``$``.

    Raises:
        Failure: if the workload cannot be used.
    """
    if workload in BUILT_IN:
        return backend.step(workload, batch)
    if workload.startswith("$"):
        words = shlex.split(workload[1:])
        surroundings = {**os.environ, "BATCH_SIZE": str(batch)}
        return lambda: subprocess.run(words, check=True, env=surroundings, stdout=subprocess.DEVNULL)
    module, _, name = workload.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Failure(f"{workload} cannot be used: {error}") from error
    step = make(batch)
    if not callable(step):
        raise Failure(f"{workload}({batch}) must return a function that does one batch; it returned {step!r}")
    return step  # type: ignore[no-any-return]


# --- One process ------------------------------------------------------------------------------------------------------


def work(task: Task, number: int, gate: Any, finished: Any, results: Any) -> None:
    """Be one process: get ready, wait for all others, measure, and go on until all others have measured.

    Args:
        task: what is measured.
        number: which process; the first ``task.processes`` are measured.
        gate: barrier that opens when all are ready.
        finished: counts those that have measured; at ``task.total`` or above all stop.
        results: takes a report.
    """
    try:
        backend = BACKENDS[task.backend]()
        step = prepared(backend, task.workload, task.batch)
        for _ in range(task.warmup):
            step()
        gate.wait(STARTUP)
        seconds, latencies = measured(step, task.seconds, task.batches)
        with finished.get_lock():
            finished.value += 1
        while finished.value < task.total:  # a neighbour that stopped early would leave the others alone
            step()
        report = Report(number, "ran", "", seconds, (), backend.memory(), backend.card(), backend.software)
        results.put(report._replace(latencies=latencies if number < task.processes else ()))
    except BrokenBarrierError:
        results.put(Report(number, "stopped", "another process did not get ready"))
    except Exception as error:
        gate.abort()
        with finished.get_lock():
            finished.value += task.total
        lacking = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
        text = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
        results.put(Report(number, "failed" if lacking else "error", text))


def measured(step: Step, seconds: float, batches: int) -> tuple[float, Sequence[float]]:
    """Do batches for some seconds, or so many when ``batches`` is not 0; return the time in all and of each."""
    latencies = array("d")
    clock = time.perf_counter
    begin = before = clock()
    while len(latencies) < batches if batches else before - begin < seconds:
        step()
        after = clock()
        latencies.append(after - before)
        before = after
    return before - begin, latencies


# --- All processes ----------------------------------------------------------------------------------------------------


def measure(task: Task) -> list[Report]:
    """Run all processes of a task and return their reports in order; a process that died is one that failed.

    Raises:
        Failure: if they do not come to an end.
    """
    context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
    gate, finished, results = context.Barrier(task.total), context.Value("i", 0), context.Queue()
    workers = [
        context.Process(target=work, args=(task, number, gate, finished, results), daemon=False)
        for number in range(task.total)
    ]
    for worker in workers:
        worker.start()
    try:
        return _collected(task, workers, gate, finished, results)
    finally:
        for worker in workers:
            worker.join(5)
            if worker.is_alive():
                worker.kill()
                worker.join()


def _collected(task: Task, workers: Sequence[Any], gate: Any, finished: Any, results: Any) -> list[Report]:
    reports: dict[int, Report] = {}
    deadline = time.monotonic() + 2 * STARTUP + 10 * task.seconds
    while len(reports) < task.total:
        try:
            report = results.get(timeout=POLL)
            reports[report.number] = report
            continue
        except queue.Empty:
            pass
        for number, worker in enumerate(workers):
            if number not in reports and worker.exitcode is not None and results.empty():
                killed = worker.exitcode < 0
                what = f"was killed by signal {-worker.exitcode}" if killed else f"ended with code {worker.exitcode}"
                reports[number] = Report(number, "failed" if killed else "error", f"process {number} {what}")
                gate.abort()
                with finished.get_lock():
                    finished.value += task.total
        if time.monotonic() > deadline:
            raise Failure(f"{task.total - len(reports)} of {task.total} processes did not come to an end")
    return [reports[number] for number in range(task.total)]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of all do not surpass (nearest rank); ``values`` are sorted."""
    return values[max(0, math.ceil(percent / 100 * len(values)) - 1)]


class Place(NamedTuple):
    """Where it is measured: how the GPU is shared, the slice, the driver, and what the source of a row has to say."""

    sharing: str
    profile: str
    driver: str
    remark: str = ""


def row(task: Task, place: Place, reports: Sequence[Report], name: str) -> dict[str, object]:
    """Return the row of a task.

    Raises:
        Failure: if a process met an error that is not a lack of memory.
    """
    errors = [report for report in reports if report.outcome == "error"]
    if errors:
        raise Failure(f"{name}: {errors[0].message}")
    cells: dict[str, object] = dict.fromkeys(COLUMNS, "")
    # Beside neighbours a GPU or slice that is not shared by MPS is used in turns.
    sharing = "time-slicing" if task.neighbours and place.sharing in {"whole", "mig"} else place.sharing
    cells.update(sharing=sharing, profile=place.profile, neighbours=task.neighbours, workload=name)
    cells.update(batch_size=task.batch, processes=task.processes, driver=place.driver)
    if any(report.outcome != "ran" for report in reports):
        failed = next((report.message for report in reports if report.outcome == "failed"), "")
        cells.update(outcome="failed", source=f"tenantry probe: {failed}"[:200] + place.remark)
        return cells
    own = reports[: task.processes]
    latencies = sorted(value for report in own for value in report.latencies)
    memories = [report.memory.own for report in own if report.memory.own is not None]
    cells.update(
        throughput_per_s=f"{sum(len(report.latencies) * task.batch / report.seconds for report in own):.6g}",
        latency_mean_s=f"{math.fsum(latencies) / len(latencies):.6g}",
        **{f"latency_p{percent}_s": f"{percentile(latencies, percent):.6g}" for percent in (50, 95, 99)},
        memory_mib=sum(memories) if len(memories) == len(own) else "",
        outcome="ran",
        source=f"tenantry probe, {own[0].software}{place.remark}",
    )
    used = [report.memory.used for report in reports if report.memory.used is not None]
    if used:
        cells.update(device_used_mib=max(used), device_total_mib=own[0].memory.total)
    return cells


def identify(card: str, profile: str) -> tuple[str, str]:
    """Split what the driver calls a slice, ``NVIDIA H200 MIG 1g.18gb``, into card and profile."""
    name, _, found = card.partition(" MIG ")
    return name, profile or found


def check_mps(sharing: str, surroundings: Mapping[str, str]) -> None:
    """Refuse to call by another name what CUDA does: it uses MPS where a control daemon is, and takes turns elsewhere.

    Raises:
        Failure: if MPS is said to share the GPU and no daemon is there, or one is there and MPS is not said to.
    """
    folder = surroundings.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")
    running = Path(folder, "control").exists()
    if running and sharing != "mps":
        raise Failure(f"an MPS control daemon is at {folder}, so the GPU is shared by MPS; say so with --sharing mps")
    if sharing == "mps" and not running:
        raise Failure(f"no MPS control daemon is at {folder}; start one with nvidia-cuda-mps-control -d")


def driver_version(file: Path = Path("/proc/driver/nvidia/version")) -> str:
    """Return the version of the driver; empty when it cannot be known."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"\s(\d{3,}\.\d+(?:\.\d+)?)\s", text)
    return found[1] if found else ""


# --- Command line -----------------------------------------------------------------------------------------------------


def _numbers(least: int) -> Callable[[str], list[int]]:
    def parse(text: str) -> list[int]:
        numbers = [int(part) for part in text.split(",") if part.strip().isdigit()]
        if len(numbers) != len(text.split(",")) or min(numbers) < least:
            raise argparse.ArgumentTypeError(f"expected whole numbers from {least} on, with commas; found {text!r}")
        return list(dict.fromkeys(numbers))

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="probe", description="Measure work on the GPU at hand, alone and beside copies, and write a profile table."
    )
    kinds = "; ".join(f"{name}: {meaning}" for name, meaning in BUILT_IN.items())
    parser.add_argument("--workload", default="matmul", metavar="WORK",
        help=f"{kinds}; or module:function, which is called with the batch size and returns a function that does one "
        "batch and waits for it; or '$ COMMAND', which is run once per batch with BATCH_SIZE set")  # fmt: skip
    parser.add_argument("--name", default="", help="name of the workload in the table; that of --workload otherwise")
    parser.add_argument("--batch", type=_numbers(1), default=[1], metavar="N[,N...]", help="items per batch")
    parser.add_argument("--neighbours", type=_numbers(0), default=[0, 1, 3], metavar="N[,N...]",
        help="copies beside the measured one: 0 is alone")  # fmt: skip
    parser.add_argument("--processes", type=_numbers(1), default=[1], metavar="N[,N...]",
        help="processes that are measured together")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each setting is measured")
    parser.add_argument("--batches", type=int, default=0, help="measure so many batches instead")
    parser.add_argument("--warmup", type=int, default=10, help="batches before measuring")
    parser.add_argument("--sharing", choices=MODES, default="whole", help="how the node shares its GPUs")
    parser.add_argument("--profile", default="", help="MIG profile; found out otherwise")
    parser.add_argument("--backend", choices=("auto", *BACKENDS), default="auto")
    parser.add_argument("--out", default="-", metavar="FILE", help="where the table goes; standard output otherwise")
    parser.add_argument("--quiet", action="store_true", help="say nothing but errors")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every setting and write a row for each as it is done; 0 when all were, 1 when something is wrong."""
    options = _parser().parse_args(arguments)
    try:
        if not 0 < options.seconds <= 86_400 or options.batches < 0 or options.warmup < 0:
            raise Failure("--seconds must be above 0, --batches and --warmup not below")
        backend = find_backend(options.backend)
        if backend != "cpu":
            check_mps(options.sharing, os.environ)
        if options.out == "-":
            _run(options, backend, sys.stdout)
        else:
            with Path(options.out).open("w", encoding="utf-8", newline="") as file:
                _run(options, backend, file)
    except (Failure, OSError) as error:
        sys.stderr.write(f"probe: {error}\n")
        return 1
    return 0


def _run(options: argparse.Namespace, backend: str, out: TextIO) -> None:
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    without = backend == "cpu"
    place = Place("whole", "", "") if without else Place(options.sharing, "", driver_version())
    if without and options.sharing != "whole":
        place = place._replace(remark=f"; --sharing {options.sharing} is not used without a GPU")
        sys.stderr.write(f"probe: copies take turns{place.remark}\n")
    name, card = options.name or options.workload, ""
    for batch, processes, neighbours in product(options.batch, options.processes, options.neighbours):
        if not options.quiet:
            sys.stderr.write(f"{name}, batch {batch}, {processes} measured, {neighbours} beside\n")
        task = Task(
            backend, options.workload, batch, processes, neighbours, options.seconds, options.batches, options.warmup
        )
        reports = measure(task)
        # Where every process ran out of memory before it could say, the card is the one seen before.
        card = next((report.card for report in reports if report.card), card) or _card_by_smi()
        gpu, profile = identify(card, options.profile)
        cells = row(task, place._replace(profile="" if without else profile), reports, name)
        writer.writerow({**cells, "gpu": "cpu" if without else gpu})
        out.flush()


def _card_by_smi() -> str:
    """Ask ``nvidia-smi`` for the card where no process came so far as to say; empty when it cannot."""
    try:
        told = subprocess.check_output(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.partition("\n")[0].strip()


if __name__ == "__main__":
    sys.exit(main())
