"""Every truth table of network policies holds."""

from __future__ import annotations

import pytest
from network_tables import TABLES, Table


@pytest.mark.parametrize("case", TABLES, ids=[case.name for case in TABLES])
def test_cluster_allows_exactly_what_its_table_says(case: Table) -> None:
    assert case.wrong() == {}


def test_names_of_tables_are_unique() -> None:
    assert len({case.name for case in TABLES}) == len(TABLES)
