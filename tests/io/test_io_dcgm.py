"""What the DCGM exporter measured, by pod and device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tenantry.errors import InputError
from tenantry.io.dcgm import ENGINE, MEMORY, PROCESSORS, TRAFFIC, MetricsReading, read_devices
from tenantry.model.activity import Activity, Measure, Spread, summed


def line(metric: str, value: float | str, pod: str = "ranker-0", **labels: str) -> str:
    pairs = {"gpu": "0", "namespace": "serve", "pod": pod, **labels}
    return metric + "{" + ",".join(f'{name}="{text}"' for name, text in pairs.items()) + f"}} {value}"


def text(folder: Path, *lines: str) -> Path:
    path = folder / "metrics.txt"
    path.write_text("# HELP x\n" + "\n".join(lines) + "\n")
    return path


def matrix(folder: Path, *series: tuple[dict[str, str], list[Any]]) -> Path:
    path = folder / "range.json"
    result = [
        {"metric": metric, "values": [[at, value] for at, value in enumerate(values)]} for metric, values in series
    ]
    path.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}))
    return path


def activity(*paths: Path) -> Activity:
    return summed(read_devices(paths).devices)


def said(reading: MetricsReading) -> tuple[str, ...]:
    """Return notes without the folder of the test."""
    return tuple(note.rpartition("/")[2] for note in reading.notes)


@pytest.mark.parametrize(
    ("value", "profile", "model", "part"),
    [
        pytest.param(0.7, "2g.20gb", "NVIDIA A100-SXM4-80GB", 0.2, id="0.7 x 2 / 7"),
        pytest.param(0.8, "1g.6gb", "NVIDIA A30", 0.2, id="0.8 x 1 / 4"),
        pytest.param(0.8, "", "NVIDIA A30", 0.8, id="the whole of it"),
    ],
)
def test_activity_of_a_slice_counts_as_its_part_of_the_gpu(
    tmp_path: Path, value: float, profile: str, model: str, part: float
) -> None:
    found = activity(text(tmp_path, line(ENGINE, value, GPU_I_PROFILE=profile, modelName=model)))
    assert found.engine == Spread(1, value, value)
    assert found.engine_of_gpu is not None
    assert found.engine_of_gpu.mean == pytest.approx(part)
    assert (found.multiprocessors, found.memory_traffic, found.peak_memory_mib) == (None, None, None)


def test_a_range_gives_mean_p95_and_peak(tmp_path: Path) -> None:
    labels = {"namespace": "serve", "pod": "ranker-7c9d8f6b5-x2x4z", "UUID": "GPU-1"}
    values = [str(number / 100) for number in range(1, 101)]
    path = matrix(
        tmp_path,
        ({"__name__": ENGINE, **labels}, values),
        ({"__name__": PROCESSORS, **labels}, ["0.5"]),
        ({"__name__": TRAFFIC, **labels}, ["0.25", "0.75"]),
        ({"__name__": MEMORY, **labels}, ["4000", "9000.5", "7000"]),
    )
    # 1 % to 100 %: mean 50.5 %, and 95 of 100 values do not surpass 95 %; 100 values a second apart span 99 s.
    engine = Spread(100, 0.505, 0.95)
    found = activity(path)
    assert found == Activity(1, found.files, engine, engine, Spread(1, 0.5, 0.5), Spread(2, 0.5, 0.75), 9001, span=99.0)
    assert read_devices([path]).notes == ()


@pytest.mark.parametrize("form", ["answer", "promtool"])
def test_an_instant_query_is_read_too(tmp_path: Path, form: str) -> None:
    path = tmp_path / "instant.json"
    metric = {"__name__": MEMORY, "exported_namespace": "serve", "exported_pod": "ranker-0", "pod": "dcgm-x"}
    result = [{"metric": {**metric, "namespace": "n"}, "value": [1, "512"]}]
    body = {"status": "success", "data": {"resultType": "vector", "result": result}}
    path.write_text(json.dumps(body if form == "answer" else result))
    (device,) = read_devices([path]).devices
    assert (device.namespace, device.pod, device.values) == ("serve", "ranker-0", {Measure.MEMORY: [(1.0, 512.0)]})


def test_signals_that_our_monitoring_records_are_the_same_metrics(tmp_path: Path) -> None:
    lines = [
        line("tenantry:gpu_activity:ratio", 0.25, node="gpu-1", pool="serving"),
        line("tenantry:gpu_sm_active:ratio", 0.5, node="gpu-1", pool="serving"),
        line("tenantry:gpu_memory_used:mib", 700, node="gpu-1", pool="serving"),
    ]
    (device,) = read_devices([text(tmp_path, *lines)]).devices
    assert (device.node, device.pool) == ("gpu-1", "serving")
    assert {measure: values[0][1] for measure, values in device.values.items()} == {
        Measure.ENGINE: 0.25, Measure.PROCESSORS: 0.5, Measure.MEMORY: 700,
    }  # fmt: skip


def test_the_same_moment_in_two_files_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    labels = {"__name__": ENGINE, "namespace": "serve", "pod": "ranker-0", "UUID": "GPU-1"}
    one = matrix(tmp_path / "a", (labels, ["0.2", "0.4"]))
    two = matrix(tmp_path / "b", (labels, ["0.2", "0.4", "0.9"]))
    found = activity(one, two)
    assert found.engine == Spread(3, 0.5, 0.9)  # (0.2 + 0.4 + 0.9) / 3
    assert found == activity(two, one)


def test_pods_on_one_device_at_one_time_cannot_be_told_apart(tmp_path: Path) -> None:
    both = text(tmp_path, line(MEMORY, 10, "a-0", UUID="X"), line(MEMORY, 10, "b-0", UUID="X"), line(MEMORY, 5, "c-0"))
    assert {device.pod: device.shared for device in read_devices([both]).devices} == {
        "a-0": True, "b-0": True, "c-0": False,
    }  # fmt: skip


def test_pods_on_one_device_one_after_the_other_can(tmp_path: Path) -> None:
    first = line(MEMORY, 10, "a-0", UUID="X")
    later = [line(MEMORY, 5, "other-0", UUID="Y"), line(MEMORY, 10, "b-0", UUID="X")]
    path = text(tmp_path, line(MEMORY, 5, "other-0", UUID="Y"), first, *later)  # two scrapes: other-0 comes again
    assert not any(device.shared for device in read_devices([path]).devices)


def test_gaps_are_told(tmp_path: Path) -> None:
    path = tmp_path / "gap.json"
    metric = {"__name__": ENGINE, "namespace": "serve", "pod": "ranker-0"}
    values = [[at, "0.5"] for at in (0, 30, 60, 90, 3690, 3720)]
    path.write_text(json.dumps([{"metric": metric, "values": values}]))
    assert activity(path).gap == 3600  # from 90 to 3690


def test_nonsense_is_counted_and_left_out_and_never_becomes_zero(tmp_path: Path) -> None:
    lines = [line(ENGINE, value) for value in ("NaN", "-0.1", "37", "1.02", "+Inf")]
    slice_of = {"modelName": "NVIDIA H200", "GPU_I_PROFILE": "1g.18gb"}
    memory = [line(MEMORY, value, **slice_of) for value in ("NaN", 7_000_000_000, 20_000)]
    reading = read_devices([text(tmp_path, *lines, line(ENGINE, 0.9, pod=""), *memory)])
    found = summed(reading.devices)
    assert found.engine == Spread(1, 1.0, 1.0)  # 1.02 is 1 read a moment late
    assert found.peak_memory_mib is None  # a slice of 17,971 MiB has no 20,000
    assert said(reading) == (
        "metrics.txt:8: 1 sample left out: DCGM_FI_DEV_FB_USED is no number from 0 on",
        "metrics.txt:9: 2 samples left out: DCGM_FI_DEV_FB_USED: MiB are expected, and it has not so many; bytes?",
        "metrics.txt:2: 3 samples left out: DCGM_FI_PROF_GR_ENGINE_ACTIVE is no number from 0 on",
        "metrics.txt:4: 1 sample left out: DCGM_FI_PROF_GR_ENGINE_ACTIVE: a ratio from 0 to 1 is expected; percent?",
        "metrics.txt:7: 1 sample left out: it belongs to no pod, as on idle GPUs and where the exporter maps none",
    )


def test_memory_that_falls_to_nothing_when_a_process_ends_lowers_no_peak(tmp_path: Path) -> None:
    lines = [line(MEMORY, value) for value in (4000, 9000, 0, 3)]
    assert activity(text(tmp_path, *lines)).peak_memory_mib == 9000


def test_utilisation_alone_says_what_to_collect(tmp_path: Path) -> None:
    reading = read_devices([text(tmp_path, line("DCGM_FI_DEV_GPU_UTIL", 40), line(MEMORY, 10))])
    assert any("not reported under MIG; collect DCGM_FI_PROF_GR_ENGINE_ACTIVE" in note for note in reading.notes)


def test_labels_may_hold_commas_braces_and_escapes(tmp_path: Path) -> None:
    path = text(tmp_path, line(ENGINE, 0.5, note='a,b}{ \\"c\\" \\\\'), line(ENGINE, "0.7 1700000000000"))
    (device,) = read_devices([path]).devices
    assert device.values[Measure.ENGINE] == [(None, 0.5), (1_700_000_000.0, 0.7)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds none of DCGM_FI_PROF_GR_ENGINE_ACTIVE"),
        ('DCGM_FI_DEV_GPU_UTIL{pod="a"} 40\n', "holds none of"),
        ("what is this\n", "metrics.txt:1: expected name"),
        ('DCGM_FI_DEV_FB_USED{pod="a} 40\n', "metrics.txt:1: expected name"),
        ("DCGM_FI_DEV_FB_USED forty\n", "metrics.txt:1: expected name"),
        ('{"status": ', "is not JSON"),
        ('{"status":"error","error":"query timed out"}', "answered with an error: query timed out"),
        ('{"status":"success","data":{"result":[{"metric":{}}]}}', "expected the answer of a Prometheus query"),
        ('{"status":"success","data":{"result":[{"metric":{},"value":[1,"x"]}]}}', "'x' is no number"),
        ('[{"metric":{"__name__":"DCGM_FI_DEV_FB_USED"}},3]', "metrics.txt: result[0]: expected the answer"),
        ('[{"metric":{"pod":"a"},"value":[1,"2"]}]', "its series have no names: ask for metrics without a function"),
        ('{"a": 1}', "expected the answer of a Prometheus query"),
    ],
)
def test_what_is_no_measurement_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "metrics.txt"
    path.write_text(content)
    with pytest.raises(InputError) as raised:
        read_devices([path])
    assert message in str(raised.value)
