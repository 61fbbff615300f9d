"""The verifier says of every request to admission policies what the small API server of these tests says."""

from __future__ import annotations

from functools import cache

import admission_server
import pytest
from admission_ordinary import ADMITTED
from admission_refused import REFUSED
from admission_requests import platform
from builders import run

from tenantry.compile.passes.admission import admission
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location
from tenantry.model.snapshot import Snapshot
from tenantry.safe.admission import GuardBook, Request
from tenantry.safe.answer import Requester


@cache
def book() -> GuardBook:
    bodies = run(admission, platform()).bodies
    return GuardBook(Snapshot(Manifest(body, Location("x")) for body in bodies))


def translated(given: admission_server.Request) -> Request:
    resource, _, below = given.plural.partition("/")
    user = Requester(given.user, given.groups)
    return Request(given.body, given.old, given.namespace, user, resource, below, given.group, given.version)


@pytest.mark.parametrize("given", [row[1] for row in ADMITTED], ids=[row[0] for row in ADMITTED])
def test_both_let_ordinary_work_in(given: admission_server.Request) -> None:
    assert book().decide(translated(given)).admitted


@pytest.mark.parametrize(("policy", "given"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_both_refuse_by_the_same_guard(policy: str, given: admission_server.Request) -> None:
    said = book().decide(translated(given))

    assert said.refused
    assert said.by is not None
    assert said.by.name == f"tenantry-{policy}"
