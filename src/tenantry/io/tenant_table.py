"""Reads the table that says which tenant of the platform a tenant of a trace is: a YAML map, or CSV with a header."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from tenantry.errors import InputError, SpecError
from tenantry.io.walk import shown
from tenantry.io.yaml_marks import load_with_marks
from tenantry.io.yaml_read import read_file
from tenantry.model.problem import Location, SpecProblem, Subject, nearest_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

COLUMNS: Final = ("trace", "tenant")
"""Header of the table as CSV."""

_Row = tuple[Location, object, object]
"""Place, tenant of the trace, tenant of the platform."""


def load_tenant_table(path: Path, tenants: Collection[str]) -> dict[str, str]:
    """Read a table of tenants.

    Args:
        path: file; CSV when its name ends so, else YAML.
        tenants: tenants of the platform.

    Returns:
        Tenant of the platform by tenant of the trace; ``*`` stands for every tenant that is not named.

    Raises:
        InputError: if the file cannot be read or is no such table.
        SpecError: with every row that is wrong, each at its place.
    """
    file = shown(path)
    try:
        text = read_file(path)
    except InputError as error:
        raise InputError(f"{file} {error}") from error
    rows = _csv_rows(text, file) if path.suffix.lower() == ".csv" else _yaml_rows(text, file)
    table: dict[str, str] = {}
    problems = list(_take(rows, table, sorted(tenants), file))
    if problems:
        raise SpecError(problems)
    if not table:
        raise InputError(f"{file}: expected a tenant of the platform for tenants of the trace; the table is empty")
    return table


def _take(rows: Iterable[_Row], table: dict[str, str], tenants: list[str], file: str) -> Iterator[SpecProblem]:
    subject = Subject("File", file)
    for place, name, tenant in rows:
        if not isinstance(name, str) or not name or not isinstance(tenant, str):
            message = "a row is a tenant of the trace and a tenant of the platform"
            yield SpecProblem(subject, (), message, expected="two names", location=place, rule="SPEC-TENANT-TABLE")
        elif tenant not in tenants:
            yield SpecProblem(
                subject,
                (),
                f"tenant {name} of the trace is to be a tenant there is not",
                expected=f"one of {', '.join(tenants)}",
                found=tenant,
                nearest=nearest_name(tenant, tenants),
                location=place,
                rule="SPEC-TENANT-TABLE",
            )
        elif name in table:
            message = f"tenant {name} of the trace stands twice in the table"
            yield SpecProblem(subject, (), message, expected="each name once", location=place, rule="SPEC-TENANT-TABLE")
        else:
            table[name] = tenant


def _yaml_rows(text: bytes, file: str) -> Iterator[_Row]:
    documents = load_with_marks(text, file)
    if len(documents) != 1 or not isinstance(documents[0].document.value, dict):
        raise InputError(f"{file}: expected one YAML map from tenants of the trace to tenants of the platform")
    for name, tenant in documents[0].document.value.items():
        yield documents[0].locate((name,)), name, tenant


def _csv_rows(text: bytes, file: str) -> Iterator[_Row]:
    try:
        reader = csv.reader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True)
        header = next(reader, [])
        if tuple(name.strip().lower() for name in header) != COLUMNS:
            found = ",".join(header) or "nothing"
            raise InputError(f"{file}:1: expected the header {','.join(COLUMNS)}; found {found}")
        for row in reader:
            if row:
                name, tenant = (*row, None, None)[:2] if len(row) <= len(COLUMNS) else (None, None)
                yield Location(file, reader.line_num, 1), name, tenant
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read as CSV: {error}") from error
