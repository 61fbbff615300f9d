from __future__ import annotations

import csv
import io

from builders import cluster

from tenantry.compile.dcgm import FIELDS, collected_metrics, metrics_csv


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]


def test_every_line_has_field_type_and_help() -> None:
    found = rows(metrics_csv(cluster().build()))
    assert {len(row) for row in found} == {3}
    assert {row[1] for row in found} == {"gauge", "counter", "label"}
    assert [row[0] for row in found] == [field.name for field in FIELDS]


def test_no_field_is_listed_twice() -> None:
    names = [field.name for field in FIELDS]
    assert len(names) == len(set(names))


def test_labels_are_in_the_list_but_are_not_metrics() -> None:
    resolved = cluster().build()
    assert "DCGM_FI_DRIVER_VERSION, label" in metrics_csv(resolved)
    assert "DCGM_FI_DRIVER_VERSION" not in collected_metrics(resolved)


def test_without_profiling_no_profiling_counter_is_taken() -> None:
    quiet = cluster().observability(profilingMetrics=False).build()
    assert not any("_PROF_" in row[0] for row in rows(metrics_csv(quiet)))
    assert not any("_PROF_" in name for name in collected_metrics(quiet))
    assert "DCGM_FI_DEV_FB_USED" in collected_metrics(quiet)


def test_profiling_marks_exactly_the_profiling_fields() -> None:
    assert [field.name for field in FIELDS if field.profiling] == [f.name for f in FIELDS if "_PROF_" in f.name]


def test_metrics_are_those_of_the_list() -> None:
    resolved = cluster().build()
    listed = [row[0] for row in rows(metrics_csv(resolved)) if row[1] != "label"]
    assert list(collected_metrics(resolved)) == listed
