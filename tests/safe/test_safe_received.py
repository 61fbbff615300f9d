from __future__ import annotations

from typing import Any

import pytest
from safe_clusters import EDIT, Body, guard, space, view

from tenantry.safe import cel
from tenantry.safe.pods import plain_pod
from tenantry.safe.received import received, unsaid
from tenantry.safe.refusals import about_body

needs_cel = pytest.mark.skipif(not cel.available(), reason="CEL is not installed")


def pod(**spec: Any) -> Body:
    made = plain_pod("a")
    made["spec"].update(spec)
    return made


def test_fields_with_a_default_are_there_however_a_pod_was_written() -> None:
    for made in (pod(), pod(schedulerName="", restartPolicy=None)):
        spec = received(made)["spec"]
        assert (spec["schedulerName"], spec["restartPolicy"]) == ("default-scheduler", "Always")
        assert spec["terminationGracePeriodSeconds"] == 30
    spec = received(pod(schedulerName="other", terminationGracePeriodSeconds=0))["spec"]
    assert (spec["schedulerName"], spec["terminationGracePeriodSeconds"]) == ("other", 0)


def test_templates_get_them_too() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": pod()["spec"]}}}
    assert received(job)["spec"]["template"]["spec"]["dnsPolicy"] == "ClusterFirst"


@pytest.mark.parametrize("body", [{}, {"kind": "Pod"}, {"apiVersion": "v1", "kind": "Pod", "spec": "x"}, pod()])
def test_what_was_given_is_left_as_it_is(body: Body) -> None:
    before = repr(body)
    received(body)
    unsaid(body)
    assert repr(body) == before


def test_what_counts_as_left_out_is_nothing_that_was_said() -> None:
    assert "schedulerName" not in unsaid(pod(schedulerName=""))["spec"]
    assert unsaid(pod(schedulerName="x"))["spec"]["schedulerName"] == "x"


@needs_cel
def test_a_guard_sees_the_default_and_refuses_nothing_for_a_field_that_was_left_out() -> None:
    # Without the default the expression would fail, and failing refuses.
    refuses = guard("g", "object.spec.schedulerName == 'default-scheduler'")
    seen = view(EDIT, refuses, space("a"))
    for made in (pod(), pod(schedulerName="")):
        said = seen.envelope("a").admits(made, about=about_body(made))
        assert said.admitted
    assert seen.envelope("a").admits(pod(schedulerName="x"), about=about_body(pod(schedulerName="x"))).refused
