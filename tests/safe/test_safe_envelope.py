from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from safe_clusters import EDIT, ENFORCE, OPENSHIFT, Body, bind, cluster_role, guard, obj, role, rule, space, view

from tenantry.catalog.rbac import default_objects
from tenantry.safe import constraints
from tenantry.safe.escapes import escapes
from tenantry.safe.pod_security import BASELINE, LATEST, PRIVILEGED, RESTRICTED, Level, enforced, looks_again, refusal
from tenantry.safe.pods import plain_pod

OPEN = Level(PRIVILEGED, LATEST)
BASE = Level(BASELINE, LATEST)
STRICT = Level(RESTRICTED, LATEST)


def pod(spec: Body | None = None, container: Body | None = None, **context: Any) -> Body:
    """Return the plain pod with fields of its spec, its container and the container's security context replaced."""
    made = plain_pod("a")
    made["spec"].update(deepcopy(spec or {}))
    main = made["spec"]["containers"][0]
    main.update(deepcopy(container or {}))
    if context:
        main["securityContext"].update(context)
    return made


# --- Pod Security levels ---


@pytest.mark.parametrize(
    ("labels", "level"),
    [
        pytest.param({}, Level(PRIVILEGED, LATEST), id="no label"),
        pytest.param({ENFORCE: "baseline"}, Level(BASELINE, LATEST), id="the newest version unless one is named"),
        pytest.param({ENFORCE: "baseline", f"{ENFORCE}-version": "v1.28"}, Level(BASELINE, (1, 28)), id="a version"),
        pytest.param({ENFORCE: "baseline", f"{ENFORCE}-version": "1.28"}, Level(BASELINE, LATEST), id="no version"),
        pytest.param(
            {ENFORCE: "strict"}, Level(RESTRICTED, LATEST), id="no level: the API server then takes restricted"
        ),
        pytest.param({"pod-security.kubernetes.io/warn": "restricted"}, Level(PRIVILEGED, LATEST), id="a warning"),
    ],
)
def test_labels_of_a_namespace_enforce_a_level(labels: dict[str, str], level: Level) -> None:
    assert enforced(labels) == level


def test_the_plain_pod_is_let_in_everywhere() -> None:
    assert [refusal(level, plain_pod("a")) for level in (OPEN, BASE, STRICT)] == ["", "", ""]
    for version in range(35):
        assert refusal(Level(RESTRICTED, (1, version)), plain_pod("a")) == ""


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(pod({"hostPID": True}), id="the host's processes"),
        pytest.param(pod({"volumes": [{"name": "v", "hostPath": {"path": "/data"}}]}), id="a host path"),
        pytest.param(pod(container={"ports": [{"containerPort": 1, "hostPort": 1}]}), id="a host port"),
        pytest.param(pod(container={"securityContext": {"privileged": True}}), id="privileged"),
        pytest.param(pod(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}), id="a capability"),
        pytest.param(pod(capabilities={"drop": ["ALL"], "add": ["NET_RAW"]}), id="a raw network"),
        pytest.param(pod(seLinuxOptions={"type": "spc_t"}), id="an SELinux type"),
        pytest.param(pod(seLinuxOptions={"user": "root"}), id="an SELinux user"),
        pytest.param(pod(procMount="Unmasked"), id="an unmasked /proc"),
        pytest.param(pod(seccompProfile={"type": "Unconfined"}), id="no seccomp"),
        pytest.param(pod(appArmorProfile={"type": "Unconfined"}), id="no AppArmor"),
        pytest.param(pod(windowsOptions={"hostProcess": True}), id="a Windows host process"),
        pytest.param(pod({"securityContext": {"sysctls": [{"name": "kernel.msgmax"}]}}), id="an unsafe sysctl"),
        pytest.param(
            pod(container={"livenessProbe": {"httpGet": {"host": "10.0.0.1", "port": 1}}}), id="a probe of another host"
        ),
    ],
)
def test_baseline_refuses_it_and_so_does_restricted(made: Body) -> None:
    assert refusal(OPEN, made) == ""
    assert refusal(BASE, made)
    assert refusal(STRICT, made)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(pod(allowPrivilegeEscalation=True), id="privileges may be escalated"),
        pytest.param(pod(allowPrivilegeEscalation=None), id="it is left open"),
        pytest.param(pod(capabilities={}), id="no capability is dropped"),
        pytest.param(pod(capabilities={"drop": ["NET_RAW"]}), id="some are"),
        pytest.param(pod(capabilities={"drop": ["ALL"], "add": ["CHOWN"]}), id="one that baseline allows"),
        pytest.param(
            pod({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}), id="root is not excluded"
        ),
        pytest.param(pod(runAsNonRoot=False), id="root is asked for"),
        pytest.param(pod(runAsUser=0), id="root by number"),
        pytest.param(pod({"securityContext": {"runAsNonRoot": True}}), id="no seccomp profile is named"),
        pytest.param(pod({"volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}]}), id="an NFS volume"),
        pytest.param(pod({"initContainers": [{"name": "i", "image": "i"}]}), id="an init container that sets nothing"),
        pytest.param(
            pod({"ephemeralContainers": [{"name": "i", "image": "i"}]}), id="an ephemeral container that sets nothing"
        ),
    ],
)
def test_restricted_alone_refuses_it(made: Body) -> None:
    assert refusal(BASE, made) == ""
    assert refusal(STRICT, made)


@pytest.mark.parametrize(
    ("made", "since", "level"),
    [
        pytest.param(pod(allowPrivilegeEscalation=True), 8, RESTRICTED, id="privilege escalation"),
        pytest.param(pod(seccompProfile={"type": "Unconfined"}), 19, BASELINE, id="seccomp in a field"),
        pytest.param(pod(capabilities={}), 22, RESTRICTED, id="dropping capabilities"),
        pytest.param(pod(runAsUser=0), 23, RESTRICTED, id="root by number"),
        pytest.param(
            pod(container={"livenessProbe": {"tcpSocket": {"host": "h", "port": 1}}}),
            34,
            BASELINE,
            id="hosts of probes",
        ),
    ],
)
def test_a_check_applies_from_its_version_on(made: Body, since: int, level: str) -> None:
    assert refusal(Level(level, (1, since - 1)), made) == ""
    assert refusal(Level(level, (1, since)), made)


@pytest.mark.parametrize(
    ("name", "since"),
    [("net.ipv4.ip_local_reserved_ports", 27), ("net.ipv4.tcp_fin_timeout", 29), ("net.ipv4.tcp_rmem", 32)],
)
def test_a_sysctl_is_safe_from_its_version_on(name: str, since: int) -> None:
    made = pod({"securityContext": {"sysctls": [{"name": name, "value": "1"}]}})

    assert refusal(Level(BASELINE, (1, since - 1)), made)
    assert refusal(Level(BASELINE, (1, since)), made) == ""


def test_volumes_that_are_images_are_let_in_everywhere() -> None:
    made = pod({"volumes": [{"name": "data", "image": {"reference": "registry.example.com/data:1"}}]})

    assert [refusal(level, made) for level in (BASE, STRICT)] == ["", ""]


def test_changes_are_looked_at_where_images_change_or_containers_come() -> None:
    made = pod(privileged=True)
    other = pod(container={"image": "registry.example.com/other:1"}, privileged=True)
    debugged = pod({"ephemeralContainers": [{"name": "debug", "image": "registry.example.com/debug:1"}]})
    labelled = {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}}

    assert not looks_again(labelled, made)
    assert looks_again(other, made)
    assert looks_again(debugged, pod())
    assert not looks_again(pod(), debugged)
    assert view(EDIT, space("a")).envelope("a").admits(labelled, operation="UPDATE", old=made).admitted
    assert view(EDIT, space("a")).envelope("a").admits(other, operation="UPDATE", old=made).refused


def test_user_namespaces_relax_what_root_may_be() -> None:
    made = pod({"hostUsers": False}, runAsUser=0)
    unmasked = pod({"hostUsers": False}, procMount="Unmasked")

    assert refusal(Level(RESTRICTED, (1, 35)), made) == ""
    assert refusal(Level(RESTRICTED, (1, 34)), made)
    assert refusal(Level(BASELINE, (1, 35)), unmasked) == ""
    assert refusal(Level(BASELINE, (1, 34)), unmasked)
    assert refusal(Level(RESTRICTED, (1, 35)), unmasked)


@pytest.mark.parametrize("nonsense", [{}, {"spec": 3}, {"spec": {"containers": "x", "volumes": 4}}, {"metadata": []}])
def test_nonsense_pods_are_read_without_a_crash(nonsense: Body) -> None:
    for level in (OPEN, BASE, STRICT):
        refusal(level, nonsense)


def test_every_escape_is_one_that_baseline_refuses_and_no_level_lets_in() -> None:
    for item in escapes():
        assert refusal(OPEN, item.pod) == ""
        assert refusal(BASE, item.pod), item.primitive
        assert refusal(STRICT, item.pod), item.primitive
    assert {item.position for item in escapes()} >= {
        "containers",
        "initContainers",
        "ephemeralContainers",
        "pod",
        "volumes",
    }


# --- security context constraints ---

SCCS = {
    body["metadata"]["name"]: body
    for body in default_objects(openshift=True)
    if body["kind"] == "SecurityContextConstraints"
}
RANGES = {"openshift.io/sa.scc.uid-range": "1000/10", "openshift.io/sa.scc.mcs": "s0:c1,c2"}


def test_restricted_constraints_let_the_plain_pod_in_and_no_escape() -> None:
    for name in ("restricted-v2", "restricted", "nonroot-v2"):
        bare = pod() if name != "restricted" else pod({"securityContext": {}})
        assert constraints.refusal(SCCS[name], bare, RANGES) == "", name
    for item in escapes():
        if item in escapes(openshift=True):
            assert constraints.refusal(SCCS["restricted-v2"], item.pod, RANGES), item.primitive


def test_a_namespace_that_has_no_range_of_users_yet_still_excludes_root() -> None:
    assert constraints.refusal(SCCS["restricted-v2"], pod(runAsUser=0), {})
    assert constraints.refusal(SCCS["restricted-v2"], pod(runAsUser=1000), {}) == ""


@pytest.mark.parametrize(
    ("name", "made", "lets_in"),
    [
        pytest.param(
            "privileged", pod({"hostPID": True}, container={"securityContext": {"privileged": True}}), True, id="all"
        ),
        pytest.param("anyuid", pod(runAsUser=0), False, id="a seccomp profile where none may be named"),
        pytest.param("anyuid", pod({"securityContext": {}}, runAsUser=0), True, id="root"),
        pytest.param("restricted-v2", pod(runAsUser=0), False, id="root outside the range"),
        pytest.param("restricted-v2", pod(runAsUser=1005), True, id="within the range of the namespace"),
        pytest.param("restricted-v2", pod(runAsUser=2000), False, id="outside it"),
        pytest.param("restricted-v2", pod(seLinuxOptions={"level": "s0:c1,c2"}), True, id="the label of the namespace"),
        pytest.param("restricted-v2", pod(seLinuxOptions={"level": "s0:c3,c4"}), False, id="that of another"),
        pytest.param("hostnetwork-v2", pod({"hostNetwork": True}), True, id="the host network"),
        pytest.param("hostnetwork-v2", pod({"hostPID": True}), False, id="but not the host's processes"),
        pytest.param(
            "hostmount-anyuid",
            pod({"securityContext": {}, "volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
            True,
            id="host paths",
        ),
        pytest.param("restricted-v3", pod(), False, id="wants a user namespace"),
        pytest.param("restricted-v3", pod({"hostUsers": False}), True, id="has one"),
        pytest.param(
            "restricted-v2", pod({"volumes": [{"name": "v", "nfs": {}}]}), False, id="a kind of volume it lacks"
        ),
        pytest.param("restricted-v2", pod({"volumes": [{"name": "v", "emptyDir": {}}]}), True, id="one it has"),
    ],
)
def test_constraints_let_in_what_they_say(name: str, made: Body, lets_in: bool) -> None:
    assert (constraints.refusal(SCCS[name], made, RANGES) == "") is lets_in


# --- the envelope of a namespace ---


def test_pod_security_refuses_and_names_the_label() -> None:
    said = view(space("a"), EDIT).envelope("a").admits(pod({"hostPID": True}))

    assert said.refused
    assert str(said.by) == "Namespace a"
    assert said.pointer == ("metadata", "labels", ENFORCE)


def test_a_namespace_without_level_lets_everything_in_outside_openshift() -> None:
    assert view(space("a", ""), EDIT).envelope("a").admits(pod({"hostPID": True})).admitted


def test_openshift_refuses_by_constraints_where_no_level_does() -> None:
    said = view(space("a", ""), EDIT, OPENSHIFT).envelope("a").admits(pod({"hostPID": True}))

    assert said.refused
    assert "host namespaces: hostPID" in said.reason
    assert view(space("a", ""), EDIT, OPENSHIFT).envelope("a").admits(plain_pod("a")).admitted


USE = rule("use", "securitycontextconstraints", "security.openshift.io", "privileged")


@pytest.mark.parametrize(
    "given",
    [
        pytest.param([cluster_role("p", USE), bind("p", "ClusterRole/p", "group:a")], id="its group, everywhere"),
        pytest.param([role("p", "a", USE), bind("p", "Role/p", "group:a", namespace="a")], id="its group, here"),
        pytest.param(
            [role("p", "a", USE), bind("p", "Role/p", "sa:a/default", namespace="a")], id="its service account"
        ),
        pytest.param(
            [cluster_role("p", USE), bind("p", "ClusterRole/p", "group:system:serviceaccounts:a")],
            id="all of its accounts",
        ),
        pytest.param(
            [{**deepcopy(SCCS["privileged"]), "groups": ["system:authenticated"]}],
            id="a list of the constraints themselves",
        ),
        pytest.param(
            [{**deepcopy(SCCS["privileged"]), "users": ["system:serviceaccount:a:default"]}], id="a user they list"
        ),
    ],
)
def test_whoever_may_use_broader_constraints_is_let_in(given: list[Body]) -> None:
    assert view(space("a", ""), EDIT, OPENSHIFT, given).envelope("a").admits(pod({"hostPID": True})).admitted


def test_constraints_used_elsewhere_do_not_count_here() -> None:
    given = [role("p", "b", USE), bind("p", "Role/p", "group:a", namespace="b")]

    assert view(space("a", ""), EDIT, OPENSHIFT, given).envelope("a").admits(pod({"hostPID": True})).refused


def test_a_run_level_takes_a_namespace_out_of_constraints() -> None:
    exempt = space("a", "", **{"openshift.io/run-level": "0"})

    assert view(exempt, EDIT, OPENSHIFT).envelope("a").admits(pod({"hostPID": True})).admitted


LABELS = [
    cluster_role("labels", rule("patch", "namespaces")),
    bind("l", "ClusterRole/labels", "group:a", namespace="a"),
]


def test_where_the_tenant_may_change_labels_they_guard_nothing() -> None:
    named = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    seen = view(space("a", team="a"), guard("g", "false", constraints=named), EDIT, LABELS)
    kept = view(space("a", team="a"), guard("g", "false", constraints=named), EDIT)

    assert seen.envelope("a").admits(pod({"hostPID": True})).admitted
    assert kept.envelope("a").admits(pod({"hostPID": True})).refused
    assert not seen.trusted_namespace_labels("a")
    assert seen.trusted_namespace_labels("b")


def test_labels_frozen_by_admission_are_trusted() -> None:
    frozen = guard("g", "object.metadata.?labels == oldObject.metadata.?labels", resources=["namespaces"])
    level_only = guard(
        "g", f"object.metadata.labels['{ENFORCE}'] == oldObject.metadata.labels['{ENFORCE}']", resources=["namespaces"]
    )

    assert view(space("a", team="a"), frozen, EDIT, LABELS).trusted_namespace_labels("a")
    assert not view(space("a", team="a"), level_only, EDIT, LABELS).trusted_namespace_labels("a")


def test_a_freeze_that_follows_the_label_it_protects_is_none() -> None:
    """The selector of a policy about namespaces looks at the labels they would get."""
    follows = guard(
        "g",
        "object.metadata.?labels == oldObject.metadata.?labels",
        resources=["namespaces"],
        constraints={"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}},
    )
    seen = view(space("a", team="a"), follows, EDIT, LABELS)

    change = seen.labels.change("a", "a")

    assert change is not None
    assert (change.key, change.value) == ("team", None)


def test_a_label_that_some_selector_looks_at_counts_though_no_namespace_has_it() -> None:
    """A freeze of the labels there are leaves others to be set, and with them a way out of a guard."""
    frozen = guard(
        "f",
        "object.metadata.labels.all(k, k in ['exempt'] || (k in oldObject.metadata.labels && "
        "object.metadata.labels[k] == oldObject.metadata.labels[k])) && "
        "oldObject.metadata.labels.all(k, k in object.metadata.labels)",
        resources=["namespaces"],
    )
    expressions = [{"key": "exempt", "operator": "DoesNotExist"}]
    outside = guard("g", "false", constraints={"namespaceSelector": {"matchExpressions": expressions}})

    assert view(space("a"), frozen, EDIT, LABELS).trusted_namespace_labels("a")
    seen = view(space("a"), frozen, outside, EDIT, LABELS)
    assert seen.labels.change("a", "a") is not None
    assert not seen.trusted_namespace_labels("a")
    assert seen.envelope("a").admits(pod({"hostPID": True})).admitted is False
    assert seen.envelope("a").admits(plain_pod("a")).admitted


def test_a_guard_that_reads_annotations_the_tenant_may_write_refuses_nothing_for_certain() -> None:
    reads = guard("g", "namespaceObject.metadata.?annotations[?'team'].orValue('') == 'trusted'")
    labels_frozen = guard("f", "object.metadata.?labels == oldObject.metadata.?labels", resources=["namespaces"])
    all_frozen = guard("f", "object.metadata == oldObject.metadata", resources=["namespaces"])
    plain = plain_pod("a")

    assert view(space("a"), reads, EDIT).envelope("a").admits(plain).refused
    assert view(space("a"), reads, EDIT, LABELS, all_frozen).envelope("a").admits(plain).refused
    said = view(space("a"), reads, EDIT, LABELS, labels_frozen).envelope("a").admits(plain)
    assert not said.refused
    assert "which the tenant may change" in said.reason


def test_implied_objects_are_there() -> None:
    policy = obj("ClusterPolicy", "gpu", api="nvidia.com/v1", spec={"cdi": {"enabled": True}})
    nri = obj("ClusterPolicy", "gpu", api="nvidia.com/v1", spec={"cdi": {"enabled": True, "nriPluginEnabled": True}})
    seen = view(policy, obj("ConfigMap", "x", "implied"))

    namespace = seen.snapshot.get("", "Namespace", "implied")
    assert namespace is not None
    assert namespace.body["metadata"]["labels"] == {"kubernetes.io/metadata.name": "implied"}
    assert seen.snapshot.get("", "ServiceAccount", "default", "implied")
    assert seen.snapshot.get("node.k8s.io", "RuntimeClass", "nvidia")
    assert view(nri).snapshot.get("node.k8s.io", "RuntimeClass", "nvidia") is None
    assert view(OPENSHIFT).snapshot.get("security.openshift.io", "SecurityContextConstraints", "privileged")
    assert view().snapshot.get("security.openshift.io", "SecurityContextConstraints", "privileged") is None
    assert view(live=True).snapshot.get("rbac.authorization.k8s.io", "ClusterRole", "edit") is None
