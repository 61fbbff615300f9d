"""The probe: real processes without a GPU, and what becomes of those that fail; libraries for GPUs are played."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenantry.exec import probe
from tenantry.exec.probe import Failure, Memory, Place, Report, Task
from tenantry.io.profiles import COLUMNS, ProfileReading, read_profiles
from tenantry.model.profile_table import Statistic

PROGRAM = Path(probe.__file__)


def run(folder: Path, *arguments: str) -> ProfileReading:
    table = folder / "table.csv"
    code = probe.main(["--backend", "cpu", "--quiet", "--warmup", "0", "--out", str(table), *arguments])
    assert code == 0
    return read_profiles(table)


def module(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Put a module of the user's where the probe is started."""
    (folder / "mine.py").write_text(text)
    monkeypatch.chdir(folder)


class TestRealProcesses:
    @pytest.mark.parametrize("workload", probe.BUILT_IN)
    def test_a_table_that_is_no_evidence_about_gpus_is_written(self, tmp_path: Path, workload: str) -> None:
        reading = run(tmp_path, "--workload", workload, "--batches", "20", "--batch", "3", "--neighbours", "0,1")
        assert reading.counts() == {"PROFILE-NO-GPU": 2}
        assert len(reading.table.evidence()) == 0
        assert {row.setting.neighbours for row in reading.table} == {0, 1}
        for row in reading.table:
            mean = row.latency(Statistic.MEAN)
            assert mean is not None
            # One process does one batch after the other, so throughput times mean latency is the batch size.
            assert row.throughput * mean == pytest.approx(3, rel=1e-4)

    def test_processes_of_the_setting_are_added_up_and_neighbours_are_not(self, tmp_path: Path) -> None:
        reading = run(tmp_path, "--workload", "copy", "--batches", "30", "--processes", "2", "--neighbours", "0,1")
        for row in reading.table:
            mean = row.latency(Statistic.MEAN)
            assert mean is not None
            assert row.setting.processes == 2
            # By harmonic and arithmetic means: two processes that take turns with each other are at least this fast.
            assert row.throughput * mean >= 2 - 1e-3

    def test_every_process_of_a_setting_works(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        module(
            tmp_path,
            monkeypatch,
            "import os\nfrom pathlib import Path\n"
            "def serve(batch):\n"
            "    mine = Path(f'{os.getpid()}.seen')\n"
            "    return lambda: mine.write_text(str(batch))\n",
        )
        run(
            tmp_path,
            "--workload",
            "mine:serve",
            "--name",
            "ranker",
            "--batches",
            "2",
            "--batch",
            "7",
            "--neighbours",
            "2",
        )
        seen = list(tmp_path.glob("*.seen"))
        assert [path.read_text() for path in seen] == ["7"] * 3  # the measured one and two neighbours

    def test_seconds_end_a_measurement_too(self, tmp_path: Path) -> None:
        (row,) = run(tmp_path, "--workload", "small", "--seconds", "0.05", "--neighbours", "0").table
        assert row.throughput > 0

    def test_a_command_is_run_once_per_batch(self, tmp_path: Path) -> None:
        script = tmp_path / "serve.py"
        script.write_text(
            "import os, pathlib\nwith pathlib.Path(__file__).with_name('log').open('a') as log:\n"
            "    log.write(os.environ['BATCH_SIZE'])\n"
        )
        command = f"$ {sys.executable} {script}"
        (row,) = run(
            tmp_path, "--workload", command, "--name", "mine", "--batches", "3", "--batch", "4", "--neighbours", "0"
        ).table
        assert row.setting.workload == "mine"
        assert (tmp_path / "log").read_text() == "444"

    def test_a_setting_that_runs_out_of_memory_is_a_row_and_the_others_go_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module(
            tmp_path,
            monkeypatch,
            "class OutOfMemoryError(Exception): pass\n"
            "def serve(batch):\n"
            "    if batch > 4: raise OutOfMemoryError('no room')\n"
            "    return lambda: None\n",
        )
        reading = run(tmp_path, "--workload", "mine:serve", "--batches", "2", "--batch", "4,8", "--neighbours", "0,1")
        assert [row.setting.batch for row in reading.table] == [4, 4]
        assert [setting.batch for setting in reading.table.failed] == [8, 8]
        assert "no room" in (tmp_path / "table.csv").read_text()

    def test_nothing_of_the_program_needs_tenantry(self, tmp_path: Path) -> None:
        imported = {
            name.name.partition(".")[0]
            for node in ast.walk(ast.parse(PROGRAM.read_text()))
            if isinstance(node, ast.Import)
            for name in node.names
        } | {
            (node.module or "").partition(".")[0]
            for node in ast.walk(ast.parse(PROGRAM.read_text()))
            if isinstance(node, ast.ImportFrom)
        }
        assert imported <= set(sys.stdlib_module_names)
        done = subprocess.run(
            [sys.executable, "-I", str(PROGRAM), "--backend", "cpu", "--batches", "2", "--neighbours", "1", "--quiet"],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
        (tmp_path / "table.csv").write_text(done.stdout)
        assert [row.setting.neighbours for row in read_profiles(tmp_path / "table.csv").table] == [1]
        assert done.stderr == ""


DYING = """
import multiprocessing, os, signal
def serve(batch):
    last = int(multiprocessing.current_process().name.rpartition('-')[2]) % 2 == 0
    return lambda: die() if last else None
def die():
    {how}
"""


@pytest.mark.parametrize(
    ("how", "outcome", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "failed", "was killed by signal 9"),
        ("os._exit(3)", "error", "ended with code 3"),
        ("raise MemoryError('full')", "failed", "MemoryError: full"),
        ("raise ValueError('odd')", "error", "ValueError: odd"),
    ],
    ids=["killed", "ended", "no memory", "a mistake"],
)
def test_a_process_that_dies_while_it_measures_frees_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, outcome: str, message: str
) -> None:
    module(tmp_path, monkeypatch, DYING.format(how=how))
    # Two processes have neighbouring numbers, so one of them dies; without being freed the other would wait for ever.
    reports = probe.measure(Task("cpu", "mine:serve", 1, 1, 1, 60.0, 5, 0))
    (other,) = [report.outcome for report in reports if report.outcome != outcome]
    # It may die before the other one has left the gate.
    assert other in {"ran", "stopped"}
    assert message in "".join(report.message for report in reports)


@pytest.mark.parametrize(
    "case",
    [
        ("", "mine:serve", "mine:serve cannot be used: module 'mine' has no attribute 'serve'"),
        ("", "absent:serve", "No module named 'absent'"),
        ("def serve(batch): return 7", "mine:serve", "must return a function that does one batch; it returned 7"),
        ("def serve(batch): return lambda: 1 / 0", "mine:serve", "ZeroDivisionError: division by zero"),
        ("", "$ false", "CalledProcessError"),
    ],
    ids=["no function", "no module", "no step", "a step that fails", "a command that fails"],
)
def test_a_workload_that_cannot_be_used_is_an_error_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: tuple[str, str, str]
) -> None:
    text, workload, message = case
    module(tmp_path, monkeypatch, text)
    code = probe.main(["--backend", "cpu", "--workload", workload, "--batches", "1", "--neighbours", "1", "--quiet"])
    said = capsys.readouterr().err
    assert code == 1
    assert said.startswith("probe: ")
    assert message in said


class TestWithoutGpu:
    def test_the_probe_says_that_it_needs_one(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "torch", None)
        monkeypatch.setitem(sys.modules, "cupy", None)
        assert probe.main([]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert "no GPU can be measured here: torch cannot be imported" in said.err
        assert "cupy cannot be imported" in said.err
        assert "--backend cpu" in said.err

    def test_a_library_that_sees_no_gpu_is_told_apart_from_one_that_is_missing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False)))
        monkeypatch.setitem(sys.modules, "cupy", None)
        with pytest.raises(Failure, match=r"PyTorch is installed but sees no GPU; cupy cannot be imported"):
            probe.find_backend("auto")

    @pytest.mark.parametrize(
        "options", [["--seconds", "0"], ["--batches", "-1"], ["--out", "/absent/folder/table.csv"]]
    )
    def test_what_cannot_be_is_refused(self, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
        assert probe.main(["--backend", "cpu", *options]) == 1
        assert capsys.readouterr().err.startswith("probe: ")

    @pytest.mark.parametrize("sharing", ["mps", "mig", "time-slicing"])
    def test_sharing_that_is_not_used_is_said_and_recorded(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], sharing: str
    ) -> None:
        run(tmp_path, "--sharing", sharing, "--batches", "2", "--neighbours", "0,1")
        table = (tmp_path / "table.csv").read_text("utf-8").splitlines()[1:]
        said = f"--sharing {sharing} is not used without a GPU"
        assert [row.split(",")[1] for row in table] == ["whole", "time-slicing"]
        assert all(said in row for row in table)
        assert capsys.readouterr().err == f"probe: copies take turns; {said}\n"

    def test_nothing_is_said_of_sharing_that_was_not_asked_for(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(tmp_path, "--batches", "2", "--neighbours", "1")
        assert "is not used" not in (tmp_path / "table.csv").read_text("utf-8")
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize("text", ["", "1,", "-1", "a", "1.5", "0"])
    def test_numbers_that_are_none_are_usage_errors(self, text: str) -> None:
        with pytest.raises(SystemExit):
            probe.main(["--backend", "cpu", f"--batch={text}"])


class Tensor:
    """Plays an array: knows its shape and on which device it is."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def __matmul__(self, other: Tensor) -> Tensor:
        assert self.shape[-1] == other.shape[-2]
        return Tensor(*self.shape[:-1], other.shape[-1])

    def __truediv__(self, number: float) -> Tensor:
        return self

    def astype(self, kind: str) -> Tensor:
        assert kind == "half"
        return self

    def copy_(self, source: Tensor) -> Tensor:
        assert self.shape == source.shape
        return self


def multiplied(left: Tensor, right: Tensor, *, out: Tensor) -> None:
    assert (left @ right).shape == out.shape


class Played:
    """Plays PyTorch and CuPy, and counts how often the GPU was waited for."""

    def __init__(self) -> None:
        self.waited = 0

    def wait(self) -> None:
        self.waited += 1

    def torch(self) -> Any:
        def made(*shape: int, dtype: str, device: str) -> Tensor:
            assert (dtype, device) in {("half", "cuda"), ("bytes", "cuda")}
            return Tensor(*shape)

        cuda = SimpleNamespace(
            is_available=lambda: True,
            get_device_name=lambda number: "NVIDIA H200 MIG 1g.18gb",
            synchronize=self.wait,
            mem_get_info=lambda: (6 * 2**30, 16 * 2**30),
            max_memory_reserved=lambda: 3 * 2**30,
        )
        return SimpleNamespace(
            __version__="2.7", cuda=cuda, float16="half", uint8="bytes", randn=made, zeros=made,
            empty_like=lambda array: Tensor(*array.shape), matmul=multiplied, relu=lambda array: array,
        )  # fmt: skip

    def cupy(self) -> Any:
        runtime = SimpleNamespace(
            getDeviceCount=lambda: 1,
            getDeviceProperties=lambda number: {"name": b"NVIDIA H200 MIG 1g.18gb"},
            deviceSynchronize=self.wait,
            memGetInfo=lambda: (6 * 2**30, 16 * 2**30),
            CUDARuntimeError=RuntimeError,
        )
        pool = SimpleNamespace(total_bytes=lambda: 3 * 2**30)
        return SimpleNamespace(
            __version__="13.4", cuda=SimpleNamespace(runtime=runtime), float16="half", float32="single", uint8="bytes",
            random=SimpleNamespace(standard_normal=lambda shape, dtype: Tensor(*shape)),
            zeros=lambda size, dtype: Tensor(size), empty_like=lambda array: Tensor(*array.shape), matmul=multiplied,
            copyto=lambda target, source: target.copy_(source), maximum=lambda array, least: array,
            get_default_memory_pool=lambda: pool,
        )  # fmt: skip


@pytest.mark.parametrize("library", ["torch", "cupy"])
@pytest.mark.parametrize("workload", probe.BUILT_IN)
def test_each_step_waits_for_the_gpu_once(monkeypatch: pytest.MonkeyPatch, library: str, workload: str) -> None:
    played = Played()
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, library, getattr(played, library)())
    assert probe.find_backend("auto") == library
    backend = probe.BACKENDS[library]()
    step = backend.step(workload, 4)
    assert played.waited == 0
    step()
    step()
    assert played.waited == 2
    # 16 GiB of which 6 are free, in MiB.
    assert backend.memory() == Memory(3072, 10240, 16384)
    assert probe.identify(backend.card(), "") == ("NVIDIA H200", "1g.18gb")


def test_a_gpu_that_cupy_cannot_reach_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Played().cupy()
    monkeypatch.setitem(sys.modules, "cupy", library)
    library.cuda.runtime.getDeviceCount = lambda: 0
    with pytest.raises(Failure, match="CuPy is installed but sees no GPU"):
        probe.find_backend("cupy")


class TestRows:
    TASK = Task("torch", "matmul", 8, 2, 1, 20.0, 0, 10)
    REPORTS = (
        Report(0, "ran", "", 2.0, (0.5, 0.5, 1.0), Memory(100, 900, 1000), "NVIDIA H200", "PyTorch 2.7"),
        Report(1, "ran", "", 2.0, (0.2, 0.8, 0.5, 0.5), Memory(200, 950, 1000), "NVIDIA H200", "PyTorch 2.7"),
        Report(2, "ran", "", 2.0, (), Memory(300, 940, 1000), "NVIDIA H200", "PyTorch 2.7"),
    )

    def test_figures_are_those_of_the_measured_processes(self) -> None:
        found = probe.row(self.TASK, Place("whole", "", "570.86"), self.REPORTS, "matmul")
        expected = {
            "sharing": "time-slicing",
            "neighbours": 1,
            "throughput_per_s": "28",  # 3 x 8 / 2 + 4 x 8 / 2
            "latency_mean_s": "0.571429",  # 4.0 / 7
            "latency_p50_s": "0.5",
            "latency_p99_s": "1",
            "memory_mib": 300,
            "device_used_mib": 950,
            "device_total_mib": 1000,
            "driver": "570.86",
            "source": "tenantry probe, PyTorch 2.7",
        }
        assert {name: found[name] for name in expected} == expected

    @pytest.mark.parametrize(
        ("sharing", "neighbours", "recorded"),
        [
            ("whole", 0, "whole"), ("whole", 1, "time-slicing"), ("mig", 0, "mig"), ("mig", 1, "time-slicing"),
            ("mps", 0, "mps"), ("mps", 1, "mps"),
            ("time-slicing", 0, "time-slicing"), ("time-slicing", 1, "time-slicing"),
        ],
    )  # fmt: skip
    def test_neighbours_without_mps_take_turns(self, sharing: str, neighbours: int, recorded: str) -> None:
        task = self.TASK._replace(neighbours=neighbours)
        assert probe.row(task, Place(sharing, "", ""), self.REPORTS, "a")["sharing"] == recorded

    def test_one_process_without_room_makes_the_setting_fail_and_a_mistake_ends_the_probe(self) -> None:
        place = Place("mig", "1g.18gb", "")
        lacking = (*self.REPORTS[:2], Report(2, "failed", "no room"))
        found = probe.row(self.TASK, place, lacking, "a")
        assert (found["outcome"], found["throughput_per_s"]) == ("failed", "")
        wrong = (*self.REPORTS[:2], Report(2, "error", "a mistake"))
        with pytest.raises(Failure, match="a: a mistake"):
            probe.row(self.TASK, place, wrong, "a")

    def test_columns_are_those_of_the_format(self) -> None:
        assert tuple(COLUMNS) == probe.COLUMNS


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([7], 99, 7), ([1, 2], 50, 1), ([1, 2, 3], 50, 2), (list(range(1, 101)), 95, 95), (list(range(1, 101)), 99, 99)],
    ids=["one", "two", "three", "p95 of a hundred", "p99 of a hundred"],
)
def test_percentiles_are_values_that_were_measured(values: list[float], percent: float, expected: float) -> None:
    assert probe.percentile(values, percent) == expected


@pytest.mark.parametrize(
    ("sharing", "daemon", "message"),
    [
        ("mps", True, ""), ("time-slicing", False, ""), ("whole", False, ""), ("mig", False, ""),
        ("mps", False, "no MPS control daemon is at"), ("time-slicing", True, "say so with --sharing mps"),
        ("whole", True, "say so with --sharing mps"),
    ],
)  # fmt: skip
def test_sharing_is_not_called_by_another_name(tmp_path: Path, sharing: str, daemon: bool, message: str) -> None:
    if daemon:
        (tmp_path / "control").write_text("")
    surroundings = {"CUDA_MPS_PIPE_DIRECTORY": str(tmp_path)}
    if not message:
        probe.check_mps(sharing, surroundings)
    else:
        with pytest.raises(Failure, match=message):
            probe.check_mps(sharing, surroundings)


def test_the_driver_is_read_where_the_kernel_module_says_it(tmp_path: Path) -> None:
    file = tmp_path / "version"
    file.write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\nGCC version: 12.2.0\n"
    )
    assert probe.driver_version(file) == "570.86.15"
    assert probe.driver_version(tmp_path / "absent") == ""
