from __future__ import annotations

from typing import Any

import pytest
from safe_clusters import EDIT, Body, bind, guard, obj, role, rule, space, view

from tenantry.model.finding import Verdict
from tenantry.safe import cel
from tenantry.safe.benchmark18 import benchmark, passed
from tenantry.safe.view import View

ADMIN = bind("a-admin", "ClusterRole/admin", "group:a", namespace="a")
OBJECTS = ("services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims")
HARD = {
    **dict.fromkeys(("requests.cpu", "requests.memory", "requests.ephemeral-storage", "pods"), "1"),
    **{f"count/{name}": "1" for name in OBJECTS},
    **dict.fromkeys(("services.nodeports", "services.loadbalancers"), "0"),
}
QUOTA = obj("ResourceQuota", "all", "a", spec={"hard": HARD})
ALWAYS = guard("pull", "object.spec.containers.all(c, c.?imagePullPolicy.orValue('') != 'IfNotPresent')")
KEEP = guard("keep", "false", resources=["networkpolicies", "rolebindings"], groups=["*"], operations=["DELETE"])
needs_cel = pytest.mark.skipif(not cel.available(), reason="CEL is not installed")


def failing(seen: View) -> set[str]:
    return {check.id for check in benchmark(seen, "a") if check.verdict is not Verdict.PROVED}


@needs_cel
def test_a_namespace_with_every_guard_passes_all_eighteen() -> None:
    checks = benchmark(view(space("a"), ADMIN, QUOTA, ALWAYS, KEEP), "a")

    assert len(checks) == 18
    assert len({check.id for check in checks}) == 18
    assert passed(checks) == 18, [check for check in checks if check.verdict is not Verdict.PROVED]


@needs_cel
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param(
            [space("a", ""), ADMIN, QUOTA, ALWAYS, KEEP],
            {f"MTB-PL1-BC-{check}" for check in ("CPI-3", "CPI-4", "CPI-5", "CPI-6", "HI-1", "HI-3", "HI-4", "HI-5")},
            id="no Pod Security level",
        ),
        pytest.param(
            [space("a", "baseline"), ADMIN, QUOTA, ALWAYS, KEEP],
            {"MTB-PL1-BC-CPI-4", "MTB-PL1-BC-CPI-6"},
            id="baseline",
        ),
        pytest.param(
            [space("a"), ADMIN, ALWAYS, KEEP],
            {"MTB-PL1-CC-FNS-1", "MTB-PL1-CC-FNS-2", "MTB-PL1-BC-HI-2"},
            id="no quota, so NodePorts too",
        ),
        pytest.param([space("a"), ADMIN, QUOTA, KEEP], {"MTB-PL1-CC-DI-1"}, id="images of the node's cache"),
        pytest.param(
            [space("a"), EDIT, QUOTA, ALWAYS, KEEP], {"MTB-PL2-BC-OPS-3"}, id="nobody may write role bindings"
        ),
        pytest.param(
            [space("a"), ADMIN, QUOTA, ALWAYS], {"MTB-PL1-BC-CPI-2"}, id="the tenant's binding can be deleted"
        ),
    ],
)
def test_each_guard_carries_its_checks(changed: list[Any], expected: set[str]) -> None:
    assert failing(view(*changed)) == expected


@pytest.mark.parametrize(
    ("held", "namespace", "check"),
    [
        pytest.param(rule("get", "nodes"), "", "MTB-PL1-CC-CPI-1", id="reading nodes"),
        pytest.param(rule("update", "resourcequotas"), "a", "MTB-PL1-CC-TI-1", id="changing its quota"),
        pytest.param(rule("get", "configmaps"), "b", "MTB-PL1-CC-TI-2", id="reading another tenant"),
    ],
)
def test_rights_fail_the_checks_about_rights(held: Body, namespace: str, check: str) -> None:
    kind = "Role" if namespace else "ClusterRole"
    body = {**role("r", namespace, held), "kind": kind} if namespace else {**role("r", "", held), "kind": kind}
    given = [body, bind("r", f"{kind}/r", "group:a", namespace=namespace)]

    assert check in failing(view(EDIT, given))
    assert check not in failing(view(EDIT))


def test_a_role_that_is_not_among_the_objects_passes_nothing() -> None:
    checks = benchmark(view(bind("x", "ClusterRole/elsewhere", "group:a", namespace="a")), "a")

    assert passed(checks) == 0
    assert Verdict.UNKNOWN in {check.verdict for check in checks}
