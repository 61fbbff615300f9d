"""Profile tables: what the formats mean, and what becomes of rows that cannot be used."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.errors import InputError
from tenantry.io.profiles import COLUMNS, FORMATS, ProfileReading, read_profiles
from tenantry.model.profile_problem import RULES
from tenantry.model.profile_table import Setting, Statistic
from tenantry.model.spec.platform import SharingMode

PARVAGPU = "Mig instance,Batch size,Workload Number,Throughput,Latency"
MISO = "slice,workload,batch_size,samples,median_iteration_s"
OWN = (
    "gpu,sharing,profile,neighbours,workload,batch_size,processes,throughput_per_s,latency_p50_s,latency_p99_s,outcome"
)


def read(folder: Path, *lines: str, name: str = "ranker.csv", gpu: str = "") -> ProfileReading:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return read_profiles(path, gpu=gpu)


def rules(reading: ProfileReading) -> list[str]:
    return [problem.rule for problem in reading.problems]


class TestParvaGpu:
    def test_throughput_of_each_process_becomes_that_of_all(self, tmp_path: Path) -> None:
        reading = read(tmp_path, PARVAGPU, "2,16,3,110.5,0.145")
        (row,) = reading.table
        assert row.setting == Setting("a100-80", SharingMode.MIG, "2g.20gb", 0, "ranker", 16, 3)
        assert row.throughput == pytest.approx(331.5)  # 3 processes x 110.5
        assert row.latencies == ((Statistic.MEAN, 0.145),)
        assert row.location.line == 2

    def test_compute_slices_name_the_profile_with_less_memory(self, tmp_path: Path) -> None:
        lines = [f"{size},1,1,10,0.1" for size in (1, 2, 3, 4, 7)]
        names = [row.setting.profile for row in read(tmp_path, PARVAGPU, *lines).table]
        assert names == ["1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"]

    def test_zeros_are_settings_that_did_not_run_and_no_throughput(self, tmp_path: Path) -> None:
        reading = read(tmp_path, PARVAGPU, "1,1,1,10,0.1", "1,128,4,0,0", "1,256,4,0,0")
        assert [row.setting.batch for row in reading.table] == [1]
        assert [setting.batch for setting in reading.table.failed] == [128, 256]
        (note,) = [problem for problem in reading.problems if problem.rule == "PROFILE-NOT-RUN"]
        assert (note.location.line, note.message) == (3, "2 settings of ranker did not run, this is the first")

    def test_another_gpu_may_be_named(self, tmp_path: Path) -> None:
        reading = read(tmp_path, PARVAGPU, "1,1,1,10,0.1", gpu="h200-sxm")
        assert reading.table.gpus == ("h200-sxm",)
        assert "PROFILE-ASSUMED" not in rules(reading)

    @pytest.mark.parametrize(
        ("line", "rule", "message"),
        [
            ("5,1,1,10,0.1", "PROFILE-SLICE", "compute slices of a100-80: 1, 2, 3, 4, 7; found '5'"),
            ("1,0,1,10,0.1", "PROFILE-VALUE", "Batch size cannot be used; the row is left out"),
            ("1,1,1,-10,0.1", "PROFILE-VALUE", "Throughput cannot be used"),
            ("1,1,1,nan,0.1", "PROFILE-VALUE", "found 'nan'"),
            ("1,1,1,inf,0.1", "PROFILE-VALUE", "found 'inf'"),
            ("1,1,1,1e300,0.1", "PROFILE-VALUE", "found '1e300'"),
            ("1,1,1,10,", "PROFILE-VALUE", "expected a number from 0 on; found nothing"),
            ("1,1,1,10,0", "PROFILE-VALUE", "only one of throughput and latency is zero"),
            ("1,1,1,10", "PROFILE-COLUMNS", "expected 5; found 4"),
            ("2,2,1,10,0.1", "PROFILE-DUPLICATE", "ranker on 2g.20gb of a100-80, batch 2 is on line 2"),
        ],
        ids=[
            "no such slice", "no batch", "negative", "not a number", "infinite", "absurd", "missing", "half a zero",
            "short", "twice",
        ],
    )  # fmt: skip
    def test_a_bad_row_is_left_out_and_the_good_one_stays(
        self, tmp_path: Path, line: str, rule: str, message: str
    ) -> None:
        reading = read(tmp_path, PARVAGPU, "2,2,1,30,0.067", line)
        assert [row.throughput for row in reading.table] == [30]
        (error,) = reading.errors
        assert (error.rule, error.location.line) == (rule, 3)
        assert message in str(error)

    def test_published_tables_are_read_whole(self, shared: Path) -> None:
        reading = read_profiles(shared / "profiles" / "parvagpu")
        # 11 files of 5 slices x 9 batches x 5 numbers of processes.
        assert len(reading.table) + len(reading.table.failed) == 11 * 5 * 9 * 5
        assert not reading.errors
        # Four files of the folder are no profiles: the service levels and three deployments.
        assert reading.counts()["PROFILE-PASSED-OVER"] == 4
        for row in reading.table:
            latency = row.latency(Statistic.MEAN)
            assert latency is not None
            # Little's law holds in every row (latencies are rounded to 1 ms), so the latency is a mean.
            assert latency == pytest.approx(row.setting.batch * row.setting.processes / row.throughput, abs=0.0006)

    def test_published_rows_are_those_of_a_naive_reader(self, shared: Path) -> None:
        folder = shared / "profiles" / "parvagpu"
        names = {"1": "1g.10gb", "2": "2g.20gb", "3": "3g.40gb", "4": "4g.40gb", "7": "7g.80gb"}
        expected = set()
        for path in folder.glob("*.csv"):
            for cells in csv.DictReader(path.read_text().splitlines()):
                if "Throughput" in cells and float(cells["Throughput"]):
                    batch, processes = int(cells["Batch size"]), int(cells["Workload Number"])
                    total = round(float(cells["Throughput"]) * processes, 6)
                    expected.add((path.stem, names[cells["Mig instance"]], batch, processes, total))
        table = read_profiles(folder).table
        found = {
            (
                row.setting.workload,
                row.setting.profile,
                row.setting.batch,
                row.setting.processes,
                round(row.throughput, 6),
            )
            for row in table
        }
        assert found == expected


class TestMiso:
    def test_throughput_is_the_batch_over_the_median_iteration(self, tmp_path: Path) -> None:
        (row,) = read(tmp_path, MISO, "2g.10gb,resnet,256,5336,0.054").table
        assert row.setting == Setting("a100-40", SharingMode.MIG, "2g.10gb", 0, "resnet", 256, 1)
        assert row.throughput == pytest.approx(4740.74, abs=0.01)  # 256 / 0.054
        assert row.latency(Statistic.P50) == 0.054

    def test_slices_of_another_gpu_are_refused_with_the_nearest(self, tmp_path: Path) -> None:
        reading = read(tmp_path, MISO, "2g.10gb,resnet,256,5336,0.054", "2g.20gb,resnet,256,5336,0.054")
        (error,) = reading.errors
        assert (error.rule, error.nearest) == ("PROFILE-SLICE", "4g.20gb")

    def test_published_table_has_its_configurations(self, shared: Path) -> None:
        reading = read_profiles(shared / "profiles" / "miso" / "training_iteration_time.csv")
        assert len({(row.setting.workload, row.setting.batch) for row in reading.table}) == 32
        assert not reading.errors
        # bert does not fit into 5 GB.
        assert [each.message for each in reading.problems if each.rule == "PROFILE-GAP"] == [
            "bert was not measured on 1g.5gb of a100-40"
        ]


class TestOwn:
    def test_a_row_says_everything(self, tmp_path: Path) -> None:
        header = ",".join(COLUMNS)
        line = "h200-sxm,time-slicing,1g.18gb,3,ranker,8,2,120.5,0.13,0.12,0.2,0.3,9000,ran,570.172,nightly,30000,80000"
        (row,) = read(tmp_path, header, line).table
        assert row.setting == Setting("h200-sxm", SharingMode.TIME_SLICING, "1g.18gb", 3, "ranker", 8, 2)
        assert dict(row.latencies) == {"mean": 0.13, "p50": 0.12, "p95": 0.2, "p99": 0.3}
        assert (row.throughput, row.memory_mib, row.source) == (120.5, 9000, "nightly, driver 570.172")

    def test_only_four_columns_are_needed(self, tmp_path: Path) -> None:
        (row,) = read(tmp_path, "workload,throughput_per_s,gpu,sharing", "ranker,5,l40s,whole").table
        assert row.setting == Setting("l40s", SharingMode.WHOLE, "", 0, "ranker", 1, 1)
        assert (row.latencies, row.memory_mib) == ((), None)

    @pytest.mark.parametrize(
        ("card", "profile", "gpu"),
        [
            ("NVIDIA A100-SXM4-80GB", "", "a100-80"),
            ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", "1g.10gb", "a100-80"),
            ("NVIDIA-H200", "", "h200-sxm"),
            ("NVIDIA GB200", "1g.23gb", "gb200"),
            ("NVIDIA GB200", "1g.24gb", "gb200-189"),
        ],
    )
    def test_cards_are_found_as_the_driver_names_them(self, tmp_path: Path, card: str, profile: str, gpu: str) -> None:
        mode = "mig" if profile else "whole"
        (row,) = read(tmp_path, OWN, f"{card},{mode},{profile},0,ranker,1,1,10,,,").table
        assert row.setting.gpu == gpu

    @pytest.mark.parametrize(
        ("line", "rule", "message"),
        [
            ("h200,whole,,0,a,1,1,10,,,", "PROFILE-GPU", "did you mean 'h200-sxm'?"),
            ("h200-sxm,mig,1g.10gb,0,a,1,1,10,,,", "PROFILE-SLICE", "did you mean '1g.18gb'?"),
            ("l40s,mig,1g.10gb,0,a,1,1,10,,,", "PROFILE-SLICE", "no slice: it has no MIG"),
            ("h200-sxm,mig,,0,a,1,1,10,,,", "PROFILE-SHARING", "the row names no slice"),
            ("h200-sxm,mps,1g.18gb,1,a,1,1,10,,,", "PROFILE-SHARING", "mps and a slice exclude each other"),
            ("h200-sxm,whole,,1,a,1,1,10,,,", "PROFILE-SHARING", "there are no neighbours with whole"),
            ("h200-sxm,timeslicing,,1,a,1,1,10,,,", "PROFILE-SHARING", "did you mean 'time-slicing'?"),
            ("cpu,mig,1g.18gb,0,a,1,1,10,,,", "PROFILE-SHARING", "a CPU has no slices"),
            ("h200-sxm,whole,,0,,1,1,10,,,", "PROFILE-NAME", "names no workload"),
            ("h200-sxm,whole,,0,a,1,1,0,,,", "PROFILE-VALUE", "expected a number above 0; found '0'"),
            ("h200-sxm,whole,,0,a,1.5,1,10,,,", "PROFILE-VALUE", "batch_size cannot be used"),
            ("h200-sxm,whole,,0,a,1,1,10,0.2,0.1,", "PROFILE-ORDER", "p99 is below p50"),
            ("h200-sxm,whole,,0,a,1,1,10,,,crashed", "PROFILE-VALUE", "expected ran or failed; found 'crashed'"),
        ],
    )  # fmt: skip
    def test_a_bad_row_is_left_out_with_a_reason(self, tmp_path: Path, line: str, rule: str, message: str) -> None:
        reading = read(tmp_path, OWN, "h200-sxm,whole,,0,ranker,1,1,10,0.1,0.2,", line)
        assert len(reading.table) == 1
        (error,) = reading.errors
        assert error.rule == rule
        assert message in str(error)

    def test_what_ran_without_a_gpu_is_no_evidence(self, tmp_path: Path) -> None:
        reading = read(tmp_path, OWN, "cpu,whole,,0,ranker,1,1,10,,,", "l40s,whole,,0,ranker,1,1,10,,,")
        assert rules(reading) == ["PROFILE-NO-GPU"]
        assert reading.table.gpus == ("cpu", "l40s")
        assert reading.table.evidence().gpus == ("l40s",)

    def test_a_failed_setting_needs_no_figures(self, tmp_path: Path) -> None:
        lines = ("l40s,whole,,0,ranker,1,1,10,,,ran", "l40s,time-slicing,,3,ranker,1,1,,,,failed")
        reading = read(tmp_path, OWN, *lines)
        assert [setting.neighbours for setting in reading.table.failed] == [3]

    def test_rows_about_another_gpu_than_asked_for_are_refused(self, tmp_path: Path) -> None:
        lines = ("l40s,whole,,0,ranker,1,1,10,,,", "l4,whole,,0,ranker,1,1,10,,,")
        reading = read(tmp_path, OWN, *lines, gpu="l40s")
        assert [str(error.found) for error in reading.errors] == ["l4"]


class TestWholeTables:
    def test_a_larger_slice_that_is_slower_is_remarked_on_beyond_noise(self, tmp_path: Path) -> None:
        # 96 after 100 is within 5 %, 94 is not.
        reading = read(tmp_path, PARVAGPU, "1,1,1,100,0.01", "2,1,1,96,0.01", "3,1,1,94,0.011", "7,2,1,10,0.2")
        falls = [problem for problem in reading.problems if problem.rule == "PROFILE-FALLS"]
        assert [(fall.location.line, fall.found) for fall in falls] == [(4, "94/s after 100/s")]
        assert len(reading.table) == 4

    def test_slices_of_equal_compute_are_not_ranked(self, tmp_path: Path) -> None:
        lines = ("h200-sxm,mig,1g.18gb,0,a,1,1,100,,,", "h200-sxm,mig,1g.35gb,0,a,1,1,50,,,")
        assert "PROFILE-FALLS" not in rules(read(tmp_path, OWN, *lines))

    def test_a_folder_may_mix_formats_and_hold_other_files(self, tmp_path: Path) -> None:
        read(tmp_path, PARVAGPU, "1,1,1,10,0.1", name="ranker.csv")
        read(tmp_path, OWN, "l40s,whole,,0,ranker,1,1,10,,,", name="sub.csv")
        (tmp_path / "orders.csv").write_text("id,amount\n1,2\n")
        reading = read_profiles(tmp_path)
        assert reading.table.gpus == ("a100-80", "l40s")
        assert "PROFILE-PASSED-OVER" in rules(reading)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "no profile table; found nothing"),
            ("id,amount\n1,2\n", "no profile table; found 'id, amount'"),
            ("gpu,sharing,workload,throughput\nl4,whole,a,1\n", "is 'throughput' meant to be 'throughput_per_s'?"),
            (f"{PARVAGPU}\n9,1,1,1,1\n", "has no measurement that can be used"),
            (f"{OWN},gpu\n", "expected the column gpu once; found it 2 times"),
            ('gpu,sharing,workload,throughput_per_s\n"l4,whole', "expected comma-separated values"),
        ],
        ids=["empty", "another table", "misspelled", "nothing left", "column twice", "open quote"],
    )
    def test_what_is_no_table_is_refused_with_the_reason(self, tmp_path: Path, content: str, message: str) -> None:
        path = tmp_path / "table.csv"
        path.write_text(content)
        with pytest.raises(InputError, match=r"table\.csv") as raised:
            read_profiles(path)
        assert message in str(raised.value)

    def test_files_that_cannot_be_read_and_unknown_gpus_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such file"):
            read_profiles(tmp_path / "absent.csv")
        with pytest.raises(InputError, match="holds no profile table"):
            read_profiles(tmp_path)
        (tmp_path / "table.csv").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(InputError, match="is not UTF-8"):
            read_profiles(tmp_path / "table.csv")
        with pytest.raises(InputError, match="did you mean 'a100-80'"):
            read_profiles(tmp_path, gpu="a100_80")


CELLS = st.one_of(
    st.sampled_from(
        ["", "0", "1", "-1", "nan", "inf", "1e9", "1e999", "a", "l40s", "whole", "mig", "1g.18gb", "failed"]
    ),
    st.text(alphabet=st.characters(exclude_characters='\r\n",\0', exclude_categories=["Cs"]), max_size=8),
)


@given(st.lists(st.lists(CELLS, min_size=11, max_size=11), max_size=6))
def test_any_cells_give_rows_or_problems_and_never_an_error_of_another_kind(
    tmp_path_factory: pytest.TempPathFactory, lines: list[list[str]]
) -> None:
    path = tmp_path_factory.mktemp("nonsense") / "table.csv"
    good = "l4,whole,,0,the good one,1,1,10,,,"
    path.write_text("\n".join([OWN, *(",".join(line) for line in lines), good]), "utf-8")
    reading = read_profiles(path)
    blank = sum(not any(line) for line in lines)
    assert len(reading.table) + len(reading.table.failed) + len(reading.errors) == len(lines) - blank + 1
    assert all(row.throughput > 0 for row in reading.table)


def test_every_rule_has_a_meaning_and_is_used() -> None:
    sources = Path(__file__).parents[2] / "src" / "tenantry" / "io" / "profiles"
    text = "".join(path.read_text() for path in sources.glob("*.py"))
    assert [rule for rule in RULES if rule not in text] == []


def test_the_page_lists_every_rule_column_and_format() -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text()
    for name, rule in RULES.items():
        assert f"| `{name}` | {rule.severity.word} | {rule.meaning} |" in page
    for column, meaning in COLUMNS.items():
        assert f"| `{column}` | {meaning} |" in page
    assert [each.name for each in FORMATS if f"| `{each.name}` |" not in page] == []
