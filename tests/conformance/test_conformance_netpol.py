"""Every case of netpol-analyzer's corpus that is in the data root gives the text recorded there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tenantry.app.connectivity import list_folder
from tenantry.cli.render.connectivity import text

ROOT = Path(os.environ.get("TENANTRY_SHARED", Path(__file__).resolve().parents[2] / "../shared"))
DATA = ROOT / "conformance" / "netpol"
LIST = DATA / "cases.json"
CASES: list[dict[str, Any]] = json.loads(LIST.read_text("utf-8")) if LIST.is_file() else []

pytestmark = pytest.mark.skipif(not CASES, reason=f"no corpus in {DATA}; set TENANTRY_SHARED")


def one_line(value: str) -> str:
    return value.replace("\n", "").replace("\r", "")


@pytest.mark.parametrize("case", CASES, ids=[Path(case["expected"]).stem for case in CASES])
def test_listing_is_the_one_recorded(case: dict[str, Any]) -> None:
    report = list_folder(
        [DATA / case["input"]],
        workloads=case["focus_workloads"],
        peers=case["focus_peers"],
        direction=case["focus_direction"],
        connection=case["focus_connection"],
        several_networks=case["multiple_networks"],
    )
    expected = (DATA / case["expected"]).read_text("utf-8")
    if case["group"] == "exposure":
        # What could connect if pods existed that do not is another question, in a section of its own.
        expected = expected.partition("Exposure Analysis Result")[0]
    assert one_line(text(report)) == one_line(expected)
