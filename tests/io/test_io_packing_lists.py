"""Lists of nodes and pods: what is read, and what is said about mistakes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.errors import InputError
from tenantry.io.packing_lists import read_nodes, read_pods
from tenantry.model.packing import PackingPod
from tenantry.model.trace import TraceNode

NODES = "sn,cpu_milli,memory_mib,gpu,model\n"
PODS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "list.csv"


def test_nodes_are_read(file: Path) -> None:
    file.write_text(NODES + "a,64000,262144,2,P100\nb,1000,1024,0,\n")
    assert read_nodes(file) == [TraceNode("a", 2, "P100", 64_000, 262_144), TraceNode("b", 0, "", 1_000, 1_024)]


def test_pods_are_read_with_and_without_models(file: Path) -> None:
    file.write_text(PODS + "a,1000,2048,0,0\nb,6000,12288,1,460\n")
    plain = [PackingPod("a", 0, 0, 1_000, 2_048), PackingPod("b", 1, 460, 6_000, 12_288)]
    assert read_pods(file) == plain
    file.write_text(PODS.strip() + ",gpu_spec\nc,0,0,8,1000,V100M16|V100M32\nd,0,0,0,0,T4\n")
    assert read_pods(file) == [PackingPod("c", 8, 1000, gpu="V100M16|V100M32"), PackingPod("d", 0, 0)]


def test_columns_are_found_by_name_and_others_passed_over(file: Path) -> None:
    head = "qos,gpu_spec,gpu_milli,num_gpu,memory_mib,cpu_milli,name,creation_time\r\n"
    file.write_text("\ufeff" + head + 'LS, G2 ||G3|,500,1,8,7,"x, y",1\r\n\r\n', "utf-8")
    assert read_pods(file) == [PackingPod("x, y", 1, 500, 7, 8, "G2|G3")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: expected the columns name, cpu_milli, memory_mib, num_gpu, gpu_milli; found nothing"),
        ("name,cpu_mili,memory_mib,num_gpu,gpu_milli\n", "is 'cpu_mili' meant to be 'cpu_milli'?"),
        ("name,name,cpu_milli,memory_mib,num_gpu,gpu_milli\n", ":1: expected the column name once; found it 2 times"),
        (PODS, ": expected at least one line below the column names; found none"),
        (PODS + "a,1,1,1\n", ":2: expected 5 cells; found 4"),
        (PODS + "a,1,1,1,1000,G2\n", ":2: expected 5 cells; found 6"),
        (PODS + "a,1.5,1,0,0\n", ":2: cpu_milli: expected a whole number from 0 to 1,000,000,000,000; found '1.5'"),
        (PODS + "a,-1,1,0,0\n", "found '-1'"),
        (PODS + "a,١,1,0,0\n", "found '١'"),
        (PODS + f"a,1,{10**400},0,0\n", ":2: memory_mib: expected a whole number"),
        (PODS + "a,1,,0,0\n", ":2: memory_mib: expected a whole number from 0 to 1,000,000,000,000; found nothing"),
        (PODS + "a,1,1,1025,1000\n", ":2: num_gpu: expected a whole number from 0 to 1,024; found '1025'"),
        (PODS + "a,1,1,1,1001\n", ":2: gpu_milli: expected a whole number from 1 to 1,000; found '1001'"),
        (PODS + "a,1,1,1,0\n", ":2: gpu_milli: expected a whole number from 1 to 1,000; found '0'"),
        (PODS + "a,1,1,0,500\n", ":2: gpu_milli: expected a whole number from 0 to 0; found '500'"),
        (PODS + ",1,1,0,0\n", ":2: name: expected a name; found nothing"),
        (PODS + "a,1,1,0,0\nb,1,1,0,0\na,1,1,0,0\n", ":4: name: 'a' is on line 2 already"),
        (PODS + 'a,"1,1,0,0\n', "expected comma-separated values"),
    ],
)
def test_mistakes_are_named_with_their_place(text: str, message: str, file: Path) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(InputError) as caught:
        read_pods(file)
    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)


def test_all_mistakes_are_named_up_to_a_number(file: Path) -> None:
    file.write_text(PODS + "a,x,y,1,1000\n" * 2)
    with pytest.raises(InputError) as caught:
        read_pods(file)
    assert str(caught.value).count("\n") == 4  # two lines with two slips each, and the second name is not new
    file.write_text(PODS + "".join(f"p{index},x,1,1,1000\n" for index in range(50)))
    with pytest.raises(InputError, match=r"list\.csv:21: cpu_milli.*\nand 30 more mistakes$"):
        read_pods(file)


def test_a_node_has_one_model(file: Path) -> None:
    file.write_text(NODES + "a,1,1,1,G2|G3\n")
    with pytest.raises(InputError, match=r":2: model: expected one GPU model; found 'G2\|G3'"):
        read_nodes(file)


def test_what_is_no_text_is_refused(file: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_nodes(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_nodes(file)


@given(st.text(alphabet='an,0123456789_"|\r\n\0 \ufeffé', max_size=60))
def test_no_text_crashes_the_reader(tmp_path_factory: pytest.TempPathFactory, rest: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_bytes((PODS + rest).encode())
    with suppress(InputError):
        assert read_pods(file)
