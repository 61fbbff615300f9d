from __future__ import annotations

from copy import deepcopy

import pytest
from safe_clusters import (
    EDIT,
    ENFORCE,
    OPENSHIFT,
    RBAC,
    Body,
    bind,
    cluster_role,
    decide,
    guard,
    obj,
    objects_on_path,
    resolve,
    role,
    rule,
    space,
    verdict,
    view,
)

from tenantry.model.finding import Verdict
from tenantry.model.tenancy import Strength
from tenantry.safe import cel
from tenantry.safe.channels.host import CHANNELS
from tenantry.safe.escapes import escapes
from tenantry.safe.pod_security import enforced, refusal

H1, H2, H3, H4 = CHANNELS
PROVED, VIOLATED, UNKNOWN = Verdict.PROVED, Verdict.VIOLATED, Verdict.UNKNOWN
needs_cel = pytest.mark.skipif(not cel.available(), reason="CEL is not installed")

CONTAINERS = (
    "(object.spec.containers + object.spec.?initContainers.orValue([]) + object.spec.?ephemeralContainers.orValue([]))"
)
# Written by hand: every primitive of the baseline level, in every kind of container.
BY_POLICY = " && ".join(
    (
        "!['hostPID', 'hostIPC', 'hostNetwork'].exists(f, f in object.spec && object.spec[f] == true)",
        "object.spec.?volumes.orValue([]).all(v, !has(v.hostPath))",
        f"{CONTAINERS}.all(c, c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0))",
        f"{CONTAINERS}.all(c, c.?securityContext.?privileged.orValue(false) == false)",
        f"{CONTAINERS}.all(c, c.?securityContext.?capabilities.?add.orValue([]).size() == 0)",
        f"{CONTAINERS}.all(c, c.?securityContext.?procMount.orValue('Default') == 'Default')",
        f"{CONTAINERS}.all(c, c.?securityContext.?seLinuxOptions.orValue({{}}).size() == 0)",
        f"{CONTAINERS}.all(c, c.?securityContext.?seccompProfile.?type.orValue('RuntimeDefault') != 'Unconfined')",
        f"{CONTAINERS}.all(c, c.?securityContext.?appArmorProfile.?type.orValue('RuntimeDefault') != 'Unconfined')",
        "object.spec.?securityContext.?seLinuxOptions.orValue({}).size() == 0",
        "object.spec.?securityContext.?seccompProfile.?type.orValue('RuntimeDefault') != 'Unconfined'",
        "object.spec.?securityContext.?appArmorProfile.?type.orValue('RuntimeDefault') != 'Unconfined'",
        "object.metadata.?annotations.orValue({}).all(k, !k.startsWith('container.apparmor'))",
    )
)
POLICY = guard("hosts", BY_POLICY, resources=["pods", "pods/ephemeralcontainers"])
DEBUG = [
    role("debug", "a", rule("patch", "pods/ephemeralcontainers")),
    bind("debug", "Role/debug", "group:a", namespace="a"),
]


# --- H1 ---


def test_an_open_namespace_lets_a_tenant_reach_the_node() -> None:
    seen = view(space("a", ""), EDIT)

    claim = decide(H1, seen)[""]

    assert claim.verdict is VIOLATED
    assert objects_on_path(claim)[:2] == ["RoleBinding a/a-edit", "ClusterRole system:aggregate-to-edit"]
    resolve(seen, claim)
    assert claim.witness is not None
    details = dict(claim.witness.details)
    pod = details["manifest"]
    assert pod["metadata"]["namespace"] == "a"
    assert pod["spec"]["containers"][0]["securityContext"]["privileged"] is True
    assert any(step.missing == f"namespace a has no label {ENFORCE}" for step in claim.witness.steps)


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_level_closes_it_and_the_fix_is_to_set_it(level: str) -> None:
    assert verdict(H1, view(space("a", level), EDIT)) is PROVED
    claim = decide(H1, view(space("a", ""), EDIT))[""]
    assert f"label namespace a {ENFORCE}=restricted" in claim.fix


def test_a_level_that_is_only_warned_about_closes_nothing() -> None:
    warned = space("a", "", **{"pod-security.kubernetes.io/warn": "restricted"})

    assert verdict(H1, view(warned, EDIT)) is VIOLATED


def test_without_a_right_to_run_pods_there_is_nothing_to_let_in() -> None:
    reader = bind("a-view", "ClusterRole/view", "group:a", namespace="a")

    assert verdict(H1, view(space("a", ""), reader)) is PROVED
    # A right to add containers to pods that run is one, too.
    assert verdict(H1, view(space("a", ""), reader, DEBUG)) is VIOLATED


@pytest.mark.parametrize(
    ("verbs", "resource", "group"),
    [
        ("create", "pods", ""),
        ("patch", "deployments", "apps"),
        ("update", "cronjobs", "batch"),
        ("create", "rayclusters", "ray.io"),
        ("patch", "virtualmachines", "kubevirt.io"),
    ],
)
def test_whoever_makes_or_changes_what_pods_are_made_from_runs_pods(verbs: str, resource: str, group: str) -> None:
    held = [role("r", "a", rule(verbs, resource, group)), bind("r", "Role/r", "group:a", namespace="a")]
    reads = [role("r", "a", rule("get list", resource, group)), held[1]]

    assert verdict(H1, view(space("a", ""), held)) is VIOLATED
    assert verdict(H1, view(space("a", "restricted"), held)) is PROVED
    assert verdict(H1, view(space("a", ""), reads)) is PROVED


@needs_cel
def test_admission_policies_close_it_and_their_absence_opens_it_again() -> None:
    assert verdict(H1, view(space("a", ""), EDIT, DEBUG, POLICY)) is PROVED
    assert verdict(H1, view(space("a", ""), EDIT, DEBUG, POLICY[:1])) is VIOLATED


INIT = " + object.spec.?initContainers.orValue([])"
ADDS_NONE = "capabilities.?add.orValue([]).size() == 0"
ADDS_ONE = "capabilities.?add.orValue([]).all(n, n != 'SYS_ADMIN')"


@needs_cel
@pytest.mark.parametrize(
    ("whole", "part", "primitive", "position"),
    [
        pytest.param(INIT, "", "privileged", "initContainers", id="init containers forgotten"),
        pytest.param("'hostIPC', ", "", "hostIPC", "pod", id="one host namespace forgotten"),
        pytest.param(
            "!has(v.hostPath)", "v.?hostPath.?path.orValue('') != '/'", "hostPath", "volumes", id="one path only"
        ),
        pytest.param(ADDS_NONE, ADDS_ONE, "capability", "containers", id="one capability only"),
    ],
)
def test_a_policy_with_a_gap_is_found_out(whole: str, part: str, primitive: str, position: str) -> None:
    assert whole in BY_POLICY
    weaker = guard("g", BY_POLICY.replace(whole, part), resources=["pods", "pods/ephemeralcontainers"])
    claim = decide(H1, view(space("a", ""), EDIT, DEBUG, weaker))[""]

    assert claim.verdict is VIOLATED
    assert claim.witness is not None
    details = dict(claim.witness.details)
    assert primitive in details["primitive"]
    assert details["position"] == position


@needs_cel
def test_a_policy_that_forgets_ephemeral_containers_is_found_out_only_where_they_can_be_added() -> None:
    forgets = guard("g", BY_POLICY, resources=["pods"])

    assert verdict(H1, view(space("a", ""), EDIT, forgets)) is PROVED
    claim = decide(H1, view(space("a", ""), EDIT, DEBUG, forgets))[""]
    assert claim.verdict is VIOLATED
    assert claim.witness is not None
    assert dict(claim.witness.details)["position"] == "ephemeralContainers"
    assert objects_on_path(claim)[0] == "RoleBinding a/debug"


@needs_cel
def test_a_policy_that_spares_a_label_is_found_out_with_the_label() -> None:
    spares = f"({BY_POLICY}) || object.metadata.?labels['trusted'].orValue('') == 'yes'"
    claim = decide(H1, view(space("a", ""), EDIT, guard("g", spares)))[""]

    assert claim.verdict is VIOLATED
    assert claim.witness is not None
    assert dict(claim.witness.details)["manifest"]["metadata"]["labels"] == {"trusted": "yes"}


@needs_cel
def test_a_webhook_alone_leaves_it_unknown() -> None:
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods", "pods/*"]}]
    hook = obj(
        "ValidatingWebhookConfiguration", "w", api="admissionregistration.k8s.io/v1", webhooks=[{"rules": rules}]
    )
    claim = decide(H1, view(space("a", ""), EDIT, hook))[""]

    assert claim.verdict is UNKNOWN
    assert "ValidatingWebhookConfiguration w" in claim.missing[0].fact


def test_without_the_evaluator_policies_leave_it_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cel, "available", lambda: False)
    claim = decide(H1, view(space("a", ""), EDIT, POLICY))[""]

    assert claim.verdict is UNKNOWN
    assert claim.missing[0].how == "install tenantry[cel]"
    # A level needs no evaluator.
    assert verdict(H1, view(space("a"), EDIT, POLICY)) is PROVED


def test_a_role_that_is_not_among_the_objects_leaves_it_unknown() -> None:
    # It could let the tenant change labels or use constraints.
    dangling = bind("x", "ClusterRole/elsewhere", "group:a", namespace="a")

    assert verdict(H1, view(space("a"), EDIT, dangling)) is UNKNOWN


def test_labels_the_tenant_may_change_are_the_first_step_of_the_path() -> None:
    labels = [cluster_role("l", rule("patch", "namespaces")), bind("l", "ClusterRole/l", "group:a", namespace="a")]
    claim = decide(H1, view(space("a"), EDIT, labels))[""]

    assert claim.verdict is VIOLATED
    assert "RoleBinding a/l" in objects_on_path(claim)
    assert claim.witness is not None
    assert any("set label" in step.edge for step in claim.witness.steps)


def test_as_deployed_only_pods_that_exist_count() -> None:
    bad = obj("Pod", "p", "a", spec={"hostPID": True, "containers": [{"name": "c", "image": "i"}]})
    template = obj("Deployment", "d", "a", "apps/v1", spec={"template": {"spec": bad["spec"]}})
    cron = obj(
        "CronJob", "c", "a", "batch/v1", spec={"jobTemplate": {"spec": {"template": {"spec": deepcopy(bad["spec"])}}}}
    )

    assert verdict(H1, view(space("a", ""), EDIT, strength=Strength.DEPLOYED)) is PROVED
    for given, pointer in (
        (bad, ("spec",)),
        (template, ("spec", "template", "spec")),
        (cron, ("spec", "jobTemplate", "spec", "template", "spec")),
    ):
        claim = decide(H1, view(space("a", ""), EDIT, given, strength=Strength.DEPLOYED))[""]
        assert claim.verdict is VIOLATED
        assert claim.witness is not None
        assert claim.witness.steps[0].pointer == pointer


def test_every_witness_is_a_pod_that_nothing_among_the_objects_refuses() -> None:
    """Re-checked without the verifier: the pod breaks the baseline level, which its namespace does not enforce."""
    seen = view(space("a", ""), EDIT)
    claim = decide(H1, seen)[""]
    assert claim.witness is not None
    pod = dict(claim.witness.details)["manifest"]

    from tenantry.safe.pod_security import BASELINE, LATEST, Level

    assert refusal(Level(BASELINE, LATEST), pod)
    assert refusal(enforced(seen.envelope("a").labels), pod) == ""
    assert any(item.pod["spec"] == pod["spec"] for item in escapes())


# --- H2 ---

PATCH = cluster_role("labels", rule("patch", "namespaces"))


def test_labels_of_namespaces_a_tenant_can_change() -> None:
    seen = view(PATCH, bind("l", "ClusterRole/labels", "group:a", namespace="a"))

    claim = decide(H2, seen)[""]

    assert claim.verdict is VIOLATED
    assert objects_on_path(claim)[:2] == ["RoleBinding a/l", "ClusterRole labels"]
    resolve(seen, claim)
    assert claim.witness is not None
    assert dict(claim.witness.details)["manifest"]["metadata"]["labels"][ENFORCE] == "privileged"
    assert verdict(H2, seen, "b", "a") is PROVED
    assert verdict(H2, view(PATCH)) is PROVED


@pytest.mark.parametrize("resource", ["namespaces/status", "namespaces/finalize"])
def test_subresources_change_labels_too(resource: str) -> None:
    way = cluster_role("w", rule("update", resource))

    assert verdict(H2, view(way, bind("w", "ClusterRole/w", "group:a", namespace="a"))) is VIOLATED


@needs_cel
def test_a_freeze_of_labels_closes_it_and_one_that_cannot_be_evaluated_leaves_it_open() -> None:
    held = bind("l", "ClusterRole/labels", "group:a", namespace="a")
    freeze = guard("f", "object.metadata.?labels == oldObject.metadata.?labels", resources=["namespaces"])
    opaque = guard("f", "authorizer.serviceAccount('a', 'b') != null", resources=["namespaces"])

    assert verdict(H2, view(PATCH, held, freeze)) is PROVED
    assert verdict(H2, view(PATCH, held, freeze[:1])) is VIOLATED
    assert verdict(H2, view(PATCH, held, opaque)) is UNKNOWN


def test_a_tenant_that_gives_itself_every_right_at_home_changes_the_labels_of_its_namespace() -> None:
    """cluster-admin bound in a namespace may change that namespace, and with it what Pod Security refuses there."""
    binds = [
        role("binder", "a", rule("create", "rolebindings", RBAC), rule("bind", "clusterroles", RBAC)),
        bind("binder", "Role/binder", "group:a", namespace="a"),
    ]
    named = [
        role("binder", "a", rule("create", "rolebindings", RBAC), rule("bind", "clusterroles", RBAC, names="edit")),
        binds[1],
    ]

    assert verdict(H2, view(binds)) is VIOLATED
    assert verdict(H1, view(binds)) is VIOLATED
    assert verdict(H2, view(named)) is PROVED
    assert verdict(H1, view(named)) is PROVED


@needs_cel
def test_a_guard_of_bindings_that_the_labels_of_a_namespace_lift_is_no_guard() -> None:
    selected = {"namespaceSelector": {"matchLabels": {"guarded": "yes"}}}
    bound = guard("g", "false", resources=["rolebindings"], groups=[RBAC], constraints=selected)
    home = space("a", "restricted", guarded="yes")
    binds = [
        role("binder", "a", rule("create", "rolebindings", RBAC), rule("bind", "clusterroles", RBAC)),
        bind("binder", "Role/binder", "group:a", namespace="a"),
    ]
    relabels = [
        role("labels", "a", rule("patch", "namespaces")),
        bind("labels", "Role/labels", "group:a", namespace="a"),
    ]

    assert verdict(H2, view(home, binds, bound)) is PROVED
    assert verdict(H1, view(home, binds, bound)) is PROVED
    assert verdict(H1, view(home, binds, bound, relabels)) is VIOLATED


# --- H3 ---

USE = rule("use", "securitycontextconstraints", "security.openshift.io", "privileged")


def test_a_service_account_with_broader_constraints() -> None:
    given = [role("p", "a", USE), bind("p", "Role/p", "sa:a/robot", namespace="a")]
    seen = view(space("a", ""), EDIT, OPENSHIFT, given)

    claim = decide(H3, seen)[""]

    assert claim.verdict is VIOLATED
    assert "Role a/p" in objects_on_path(claim)
    resolve(seen, claim)
    assert claim.witness is not None
    assert dict(claim.witness.details)["manifest"]["spec"]["serviceAccountName"] == "robot"
    assert "take the right to use privileged from service account a/robot" in claim.fix
    assert verdict(H1, seen) is VIOLATED


def test_without_broader_constraints_or_behind_a_level_nothing_is_gained() -> None:
    given: list[Body] = [role("p", "a", USE), bind("p", "Role/p", "sa:a/robot", namespace="a")]

    assert verdict(H3, view(space("a", ""), EDIT, OPENSHIFT)) is PROVED
    assert verdict(H3, view(space("a"), EDIT, OPENSHIFT, given)) is PROVED
    assert verdict(H3, view(space("a", ""), EDIT, given)) is PROVED
    # Without any level OpenShift's own constraints refuse every escape.
    assert verdict(H1, view(space("a", ""), EDIT, OPENSHIFT)) is PROVED


def test_a_dangling_role_leaves_constraints_unknown() -> None:
    dangling = bind("x", "ClusterRole/elsewhere", "sa:a/robot", namespace="a")

    assert verdict(H3, view(space("a", ""), EDIT, OPENSHIFT, dangling)) is UNKNOWN


# --- H4 ---


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, UNKNOWN),
        ({"node.kernel-sharing-accepted": True}, PROVED),
        ({"node.kernel-sharing-accepted": False}, VIOLATED),
    ],
)
def test_sharing_a_kernel_is_somebodys_to_accept(facts: dict[str, str | bool], expected: Verdict) -> None:
    assert verdict(H4, view(facts=facts)) is expected


def test_a_single_tenant_shares_its_kernel_with_nobody() -> None:
    assert decide(H4, view(tenants={"a": ["a"]}))[""].verdict is PROVED
