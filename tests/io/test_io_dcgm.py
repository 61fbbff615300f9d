"""What the DCGM exporter measured, per workload."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tenantry.errors import InputError
from tenantry.io.dcgm import ENGINE, MEMORY, PROCESSORS, TRAFFIC, read_activity
from tenantry.model.activity import Activity, Spread


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


def test_activity_of_a_slice_counts_as_its_part_of_the_gpu(tmp_path: Path) -> None:
    path = text(tmp_path, line(ENGINE, 0.7, GPU_I_PROFILE="2g.20gb", modelName="NVIDIA A100-SXM4-80GB"))
    (found,) = read_activity(path).activities
    assert found.engine == Spread(1, 0.7, 0.7)
    assert found.engine_of_gpu is not None
    assert found.engine_of_gpu.mean == pytest.approx(0.2)  # 0.7 x 2 / 7
    assert (found.multiprocessors, found.memory_traffic, found.peak_memory_mib) == (None, None, None)


def test_a_gpu_with_four_slices_is_weighed_by_four(tmp_path: Path) -> None:
    path = text(tmp_path, line(ENGINE, 0.8, GPU_I_PROFILE="1g.6gb", modelName="NVIDIA A30"))
    (found,) = read_activity(path).activities
    assert found.engine_of_gpu is not None
    assert found.engine_of_gpu.mean == pytest.approx(0.2)  # 0.8 x 1 / 4


def test_a_range_gives_mean_p95_and_peak(tmp_path: Path) -> None:
    labels = {"namespace": "serve", "pod": "ranker-7c9d8f6b5-x2x4z"}
    values = [str(number / 100) for number in range(1, 101)]
    path = matrix(
        tmp_path,
        ({"__name__": ENGINE, **labels}, values),
        ({"__name__": PROCESSORS, **labels}, ["0.5"]),
        ({"__name__": TRAFFIC, **labels}, ["0.25", "0.75"]),
        ({"__name__": MEMORY, **labels}, ["4000", "9000.5", "7000"]),
    )
    reading = read_activity(path)
    # 1 % to 100 %: mean 50.5 %, and 95 of 100 values do not surpass 95 %.
    engine = Spread(100, 0.505, 0.95)
    assert reading.activities == (
        Activity("serve", "ranker", 1, engine, engine, Spread(1, 0.5, 0.5), Spread(2, 0.5, 0.75), 9001),
    )
    assert reading.notes == ()


def test_an_instant_query_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "instant.json"
    metric = {
        "__name__": MEMORY,
        "exported_namespace": "serve",
        "exported_pod": "ranker-0",
        "pod": "dcgm-x",
        "namespace": "n",
    }
    body = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": metric, "value": [1, "512"]}]}}
    path.write_text(json.dumps(body))
    assert read_activity(path).activities == (Activity("serve", "ranker", 1, peak_memory_mib=512),)


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("ranker-7c9d8f6b5-x2x4z", "ranker"),
        ("ranker-0", "ranker"),
        ("ranker-12", "ranker"),
        ("train-bert-h7b2q", "train-bert"),
        ("resnet50", "resnet50"),
        ("ranker-large", "ranker-large"),
    ],
    ids=["deployment", "stateful set", "many replicas", "job", "bare pod", "a word is no suffix"],
)
def test_the_workload_is_the_pod_without_what_kubernetes_appends(tmp_path: Path, pod: str, workload: str) -> None:
    path = text(tmp_path, line(ENGINE, 0.5, pod=pod))
    assert [each.workload for each in read_activity(path).activities] == [workload]


def test_prefixes_and_labels_name_workloads(tmp_path: Path) -> None:
    path = text(
        tmp_path,
        line(ENGINE, 0.1, pod="rank-a-1"),
        line(ENGINE, 0.2, pod="rank-b-1"),
        line(ENGINE, 0.3, pod="other-1"),
        line(ENGINE, 0.4, pod="other-2", team="vision"),
    )
    by_prefix = read_activity(path, prefixes={"rank": "ranking", "rank-b": "beta"})
    assert [(each.workload, each.pods) for each in by_prefix.activities] == [("beta", 1), ("ranking", 1)]
    assert by_prefix.notes == ("2 samples belong to pods that no given prefix fits",)
    by_label = read_activity(path, label="team")
    assert [each.workload for each in by_label.activities] == ["other", "rank-a", "rank-b", "vision"]


def test_pods_of_one_name_in_two_namespaces_are_two_workloads(tmp_path: Path) -> None:
    path = text(tmp_path, line(ENGINE, 0.1), line(ENGINE, 0.3, namespace="test"))
    assert [(each.namespace, each.workload) for each in read_activity(path).activities] == [
        ("serve", "ranker"),
        ("test", "ranker"),
    ]


def test_nonsense_is_counted_and_left_out_and_never_becomes_zero(tmp_path: Path) -> None:
    lines = [line(ENGINE, value) for value in ("NaN", "-0.1", "37", "1.02", "+Inf")]
    reading = read_activity(text(tmp_path, *lines, line(ENGINE, 0.9, pod=""), line(MEMORY, "NaN")))
    (found,) = reading.activities
    assert found.engine == Spread(1, 1.0, 1.0)  # 1.02 is 1 read a moment late
    assert found.peak_memory_mib is None
    assert reading.notes == (
        "1 samples belong to no pod: idle GPUs have none, and shared ones cannot be attributed",
        "1 samples of DCGM_FI_DEV_FB_USED are no value from 0 to any size",
        "4 samples of DCGM_FI_PROF_GR_ENGINE_ACTIVE are no value from 0 to 1",
    )


def test_labels_may_hold_commas_braces_and_escapes(tmp_path: Path) -> None:
    path = text(tmp_path, line(ENGINE, 0.5, note='a,b}{ \\"c\\" \\\\'), line(ENGINE, "0.7 1700000000000"))
    (found,) = read_activity(path).activities
    assert found.engine is not None
    assert found.engine.samples == 2


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
        ('{"a": 1}', "expected the answer of a Prometheus query"),
    ],
)
def test_what_is_no_measurement_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "metrics.txt"
    path.write_text(content)
    with pytest.raises(InputError) as raised:
        read_activity(path)
    assert message in str(raised.value)
