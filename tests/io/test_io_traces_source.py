"""Files of traces: compressed, damaged, in other encodings, without an end, or none at all."""

from __future__ import annotations

import builtins
import gzip
import os
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from trace_files import lines, met, read, read_text

from tenantry.errors import InputError, MissingExtra
from tenantry.io.traces import FORMATS, TraceOptions, open_trace, survey
from tenantry.model.trace_problem import RULES

HEADER = "name,tenant,submit,duration\n"
ROWS = HEADER + "a,t,0,1\nb,t,1,1\nc,t,2,1\n"


def test_gzipped_traces_are_read_whatever_their_name(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, gzip.compress(ROWS.encode()))
    assert [job.name for job in jobs] == ["a", "b", "c"]
    assert trace.problems == ()


def test_damaged_compressed_data_ends_the_trace_and_keeps_what_came_before(tmp_path: Path) -> None:
    # Random bytes do not compress, so that the cut falls after many rows.
    body = HEADER + "".join(f"{os.urandom(20).hex()},t,{number},1\n" for number in range(5000))
    jobs, trace = read_text(tmp_path, gzip.compress(body.encode())[:-1000])
    assert 4000 < len(jobs) < 5000
    assert "TRACE-COMPRESSED" in met(trace)
    with pytest.raises(InputError, match="TRACE-COMPRESSED"):
        read_text(tmp_path, gzip.compress(body.encode())[:-1000], strict=True)


def test_bytes_that_are_not_utf8_become_escapes(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, HEADER.encode() + b"a\xff,t,0,1\nb,t\xe9,0,1\nc,t,0,1\n")
    assert [(job.name, job.tenant) for job in jobs] == [("a\\xff", "t"), ("b", "t\\xe9"), ("c", "t")]
    assert lines(trace) == [("TRACE-ENCODING", 2), ("TRACE-ENCODING", 3)]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, b"\xef\xbb\xbf" + ROWS.replace("\n", "\r\n").encode())
    assert [job.name for job in jobs] == ["a", "b", "c"]
    assert trace.problems == ()


def test_a_last_line_cut_in_a_row_is_left_out(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, ROWS + "d,t,")
    assert [job.name for job in jobs] == ["a", "b", "c"]
    assert lines(trace) == [("TRACE-CUT", 5)]


def test_a_last_line_without_end_is_kept_with_a_remark(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, ROWS + "d,t,3,1")
    assert [job.name for job in jobs] == ["a", "b", "c", "d"]
    assert lines(trace) == [("TRACE-LAST-LINE", 5)]


def test_empty_lines_are_nothing(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, ROWS.replace("\n", "\n\n"))
    assert len(jobs) == 3
    assert trace.problems == ()


def test_a_line_of_megabytes_is_left_out_without_losing_count(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, HEADER + "a,t,0,1\n" + "x" * 5_000_000 + "\nb,t,0,1\n,t,0,0\n")
    assert [job.name for job in jobs] == ["a", "b"]
    assert lines(trace) == [("TRACE-LINE", 3), ("TRACE-DURATION", 5)]


def test_a_quote_that_never_ends_is_a_problem_of_its_line(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, HEADER + 'a,t,0,1\nb,"t,0,1\n' + "c,t,0,1\n" * 30_000)
    assert [job.name for job in jobs[:1]] == ["a"]
    assert "TRACE-LINE" in met(trace)


def test_problems_are_counted_beyond_the_number_kept(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, HEADER + "x,t,0,0\n" * 50 + "a,t,0,1\n", max_problems=3)
    assert len(jobs) == 1
    assert len(trace.problems) == 3
    assert trace.counts.left_out == met(trace)["TRACE-DURATION"] == 50


def test_a_strict_reader_takes_remarks(tmp_path: Path) -> None:
    jobs, trace = read_text(tmp_path, HEADER + "a,t,5,1\nb,t,0,1\n", strict=True)
    assert len(jobs) == 2
    assert met(trace) == {"TRACE-UNSORTED": 1}


def test_a_doubled_id_is_found_wherever_it_stands(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(3000)] + ["n7", "n2999", "n7"]
    jobs, trace = read_text(tmp_path, HEADER + "".join(f"{name},t,0,1\n" for name in names))
    assert [job.name for job in jobs] == names[:3000]
    assert lines(trace) == [("TRACE-DUPLICATE", 3002), ("TRACE-DUPLICATE", 3003), ("TRACE-DUPLICATE", 3004)]


def test_ids_that_share_a_place_in_the_filter_are_still_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "_MOST_BITS", 8)
    monkeypatch.setattr(survey, "_FEWEST_BITS", 8)
    text = HEADER + "".join(f"n{number % 90},t,0,1\n" for number in range(100))
    jobs, trace = read_text(tmp_path, text)
    assert len(jobs) == 90
    assert met(trace) == {"TRACE-DUPLICATE": 10}


def test_more_ids_than_can_be_remembered_are_remarked_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "_MOST_SUSPECTS", 1)
    jobs, trace = read_text(tmp_path, HEADER + "a,t,0,1\na,t,0,1\nb,t,0,1\nb,t,0,1\n")
    # The second b is no longer looked for.
    assert [job.name for job in jobs] == ["a", "b", "b"]
    assert met(trace) == {"TRACE-DUPLICATE": 1, "TRACE-UNCHECKED": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is empty", id="nothing"),
        pytest.param(b"\n \n", "is empty", id="blanks"),
        pytest.param(b"\x28\xb5\x2f\xfd\0\0", "unpack it first, for example with zstd -d", id="zstd"),
        pytest.param(b"PK\x03\x04\0\0", "is a zip archive", id="zip"),
        pytest.param(b"\xff\xfea\0", "is UTF-16; save it as UTF-8", id="UTF-16"),
        pytest.param(b"\x1f\x8bnonsense", "the compressed data is damaged", id="damaged gzip"),
        pytest.param(b"PAR1nonsense", "cannot be read as Parquet", id="damaged Parquet"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_reason(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_text(tmp_path, content)


def test_an_unknown_format_names_all_formats_and_what_each_needs(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        read_text(tmp_path, "when,who\n")
    message = str(raised.value)
    assert "its first line is when,who" in message
    for known in FORMATS:
        assert f"\n  {known.name}: {known.needs}" in message


def test_a_format_may_be_forced_and_then_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no column timestamp; a header with timestamp, duration, num_gpus"):
        read_text(tmp_path, ROWS, form="philly")
    with pytest.raises(InputError, match="'excel' is no format of traces; expected one of openb, philly, "):
        read_text(tmp_path, ROWS, form="excel")
    with pytest.raises(InputError, match=r"no column tenant; .*; did you mean 'tennant'"):
        read_text(tmp_path, "tennant,submit,duration\n", form="csv")


def test_missing_files_and_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone cannot be read: no such file"):
        open_trace(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is not a regular file"):
        open_trace(tmp_path / "pipe")
    with pytest.raises(InputError, match="a folder; expected one of"):
        open_trace(tmp_path)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="gpus_per_node must be positive"):
        TraceOptions(gpus_per_node=0)


def parquet(path: Path, select: str) -> Path:
    duckdb.sql(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def test_parquet_is_read_as_any_table(tmp_path: Path) -> None:
    select = (
        "SELECT 'n' || i AS name, 't' AS tenant, TIMESTAMP '2024-05-01 00:00:00' + to_seconds(i) AS submit, "
        "CASE WHEN i = 3 THEN NULL ELSE 10.5 END AS duration, 0.5 AS gpus FROM range(5) r(i)"
    )
    jobs, trace = read(parquet(tmp_path / "t.parquet", select))
    assert [(job.name, job.submit, job.duration, job.gpus) for job in jobs] == [
        ("n0", 0, 11, 500),
        ("n1", 1, 11, 500),
        ("n2", 2, 11, 500),
        ("n4", 4, 11, 500),
    ]
    assert trace.origin == 19_844 * 86_400
    assert lines(trace) == [("TRACE-DURATION", 4)]
    philly = "SELECT TIMESTAMP '2018-01-01' AS timestamp, 66.0 AS duration, 2 AS num_gpus, 'c' AS cluster"
    assert read(parquet(tmp_path / "p.parquet", philly))[1].format == "philly"


def test_parquet_without_duckdb_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "t.parquet", "SELECT 't' AS tenant, 0 AS submit, 1 AS duration")
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "duckdb":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match="a Parquet file, needs the optional dependency group 'analytics'"):
        open_trace(path)


def test_every_rule_is_explained_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "traces.md").read_text()
    assert [rule for rule in RULES if f"`{rule}`" not in page] == []
    assert [known.name for known in FORMATS if f"`{known.name}`" not in page] == []


def test_the_examples_in_the_documentation_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "traces.md").read_text()
    monkeypatch.chdir(tmp_path)
    header = "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue\n"
    Path("cluster_log.csv").write_text(header + "7,u,v,1,1,1,COMPLETED,2020-06-01 10:00:00,,,,\n")
    Path("jobs.psv").write_text("JobID|Partition|Submit|Start|Elapsed|State|ReqTRES\n")
    Path("nodes.csv").write_text("name,gpus\nn1,8\n")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {})
    printed = capsys.readouterr().out
    assert printed.startswith("helios 1591005600 TraceCounts(rows=1, jobs=0, left_out=1")
    assert "cluster_log.csv:2: the job never started; the row is left out (TRACE-NEVER-RAN)" in printed
    assert Path("jobs.csv").read_text().startswith("name,tenant,submit,duration,pods,gpus")
