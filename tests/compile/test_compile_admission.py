from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from admission_ordinary import ADMITTED
from admission_refused import REFUSED
from admission_requests import Body, Grants, create, named, namespace, platform, pod, run_pod
from admission_server import AdmissionServer, Request
from builders import Outputs, cluster, run
from hypothesis import given
from hypothesis import strategies as st

from tenantry.compile.guards import guards_of
from tenantry.compile.guards.guard import text
from tenantry.compile.guards.roles import rights, role_name
from tenantry.compile.passes.admission import admission
from tenantry.compile.passes.tenants import tenants
from tenantry.model.spec import AccessRole


@cache
def outputs(scheduler: str = "kai", distribution: str = "openshift") -> Outputs:
    return run(admission, platform(scheduler, distribution))


@cache
def server(scheduler: str = "kai", distribution: str = "openshift") -> AdmissionServer:
    return AdmissionServer(outputs(scheduler, distribution).bodies)


@pytest.mark.parametrize("request_", [row[1] for row in ADMITTED], ids=[row[0] for row in ADMITTED])
def test_ordinary_work_is_admitted(request_: Request) -> None:
    assert server().refusals(request_) == []


@pytest.mark.parametrize(("policy", "request_"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_reaches_beyond_the_tenant_is_refused(policy: str, request_: Request) -> None:
    found = server().refusals(request_)
    assert {item.policy for item in found} == {f"tenantry-{policy}"}
    assert [item.error for item in found if item.error] == []
    assert all(item.message and "\n" not in item.message for item in found)


# --- soundness ---


def validations(of: AdmissionServer) -> list[tuple[str, int]]:
    return [
        (body["metadata"]["name"], index) for body in of.policies for index in range(len(body["spec"]["validations"]))
    ]


@pytest.mark.parametrize(("policy", "index"), validations(server()), ids=str)
def test_without_a_validation_something_gets_through(policy: str, index: int) -> None:
    # Witnesses are requests that this validation alone refuses.
    weakened = server().without(policy, index)
    witnesses = [request for _, _, request in REFUSED if not weakened.refusals(request)]
    assert witnesses, f"validation {index} of {policy} refuses nothing that others do not"


@pytest.mark.parametrize("scheduler", ["kai", "runai", "kueue"])
@pytest.mark.parametrize("distribution", ["openshift", "kubernetes", "eks", "gke", "aks"])
def test_every_guard_is_rendered_so_that_it_holds(scheduler: str, distribution: str) -> None:
    made = outputs(scheduler, distribution)
    policies = {body["metadata"]["name"]: body["spec"] for body in made.kind("ValidatingAdmissionPolicy")}
    bindings = {body["spec"]["policyName"]: body["spec"] for body in made.kind("ValidatingAdmissionPolicyBinding")}
    assert policies.keys() == bindings.keys()
    for name, spec in policies.items():
        # An expression that fails, a scope a tenant can leave or a binding that only warns would each open the guard.
        assert spec["failurePolicy"] == "Fail", name
        assert "matchConditions" not in spec, name
        assert "paramKind" not in spec, name
        assert spec["matchConstraints"]["matchPolicy"] == "Equivalent"
        assert "objectSelector" not in spec["matchConstraints"], name
        if name != "tenantry-namespaces":
            terms = spec["matchConstraints"]["namespaceSelector"]["matchExpressions"]
            assert terms == [{"key": "tenantry.dev/tenant", "operator": "Exists"}]
        assert bindings[name] == {"policyName": name, "validationActions": ["Deny"]}
    assert "namespaceSelector" not in policies["tenantry-namespaces"]["matchConstraints"]


def test_every_guard_of_pods_sees_debug_containers_and_updates() -> None:
    for body in outputs().kind("ValidatingAdmissionPolicy"):
        for rule in body["spec"]["matchConstraints"]["resourceRules"]:
            if "pods" in rule["resources"]:
                assert "pods/ephemeralcontainers" in rule["resources"]
                assert {"CREATE", "UPDATE"} <= set(rule["operations"])


def test_unbound_policies_refuse_nothing() -> None:
    bodies = [body for body in outputs() if body["kind"] != "ValidatingAdmissionPolicyBinding"]
    assert AdmissionServer(bodies).policies == []


def test_namespaces_of_no_tenant_are_left_alone() -> None:
    outside = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "vision-dev", "labels": {}}}
    requests = [request for _, policy, request in REFUSED if policy != "namespaces"]
    for request in requests:
        assert server().refusals(Request(request.resource, request.body, request.old, outside, request.user)) == []


OPTIONAL_POD: Body = {
    "metadata": {"labels": {"app": "x"}, "annotations": {"note": "x"}},
    "spec": {
        "initContainers": [{"name": "i", "env": [{"name": "A", "value": "b"}]}],
        "ephemeralContainers": [{"name": "e", "envFrom": [{"secretRef": {}}]}],
        "tolerations": [{"key": "tenantry.dev/pool", "value": "training", "operator": "Equal"}],
        "volumes": [{"name": "v", "csi": {"driver": "csi.spiffe.io"}}],
        "priorityClassName": "batch",
        "schedulerName": "default-scheduler",
        "runtimeClassName": "gvisor",
        "resourceClaims": [],
        "terminationGracePeriodSeconds": 10,
        "nodeName": "",
    },
}
CONTAINER: Body = {
    "env": [{"name": "A"}],
    "envFrom": [{"prefix": "X_"}],
    "volumeMounts": [{"name": "v", "mountPath": "/data"}],
    "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
}


@given(st.data())
def test_whatever_optional_fields_are_missing_no_expression_fails(data: st.DataObject) -> None:
    body = pod()
    for part in ("metadata", "spec"):
        keys = sorted(OPTIONAL_POD[part])
        for key in data.draw(st.lists(st.sampled_from(keys), unique=True)):
            body[part][key] = OPTIONAL_POD[part][key]
    for key in data.draw(st.lists(st.sampled_from(sorted(CONTAINER)), unique=True)):
        body["spec"]["containers"][0][key] = CONTAINER[key]
    spaces = [namespace(), {"metadata": {"name": "vision-dev", "labels": {"tenantry.dev/tenant": "vision"}}}]
    who = data.draw(st.sampled_from([("", ()), ("ada", ("a",))]))
    request = Request("pods", body, namespace=data.draw(st.sampled_from(spaces)), user=who[0], groups=who[1])
    assert [item.error for item in server().refusals(request) if item.error] == []


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_text_survives_as_a_cel_literal(value: str) -> None:
    from admission_server import evaluate

    assert evaluate(f"object == {text(value)}", {"object": value}) == (True, "")


@given(st.text(alphabet=' "[]{}:,@/\\vision-roce-rail0speechnamespace\n', max_size=80))
def test_an_attachment_is_admitted_only_when_multus_would_read_granted_names(value: str) -> None:
    request = run_pod(pod(annotations={"k8s.v1.cni.cncf.io/networks": value}))
    if not server().refusals(request):
        assert value == "" or all(ns == "vision-dev" and name in NETWORKS for ns, name in multus(value))


NETWORKS = {"vision-roce-rail0", "vision-roce-rail1"}


def multus(value: str) -> list[tuple[str, str]]:
    """Read the annotation as Multus does (pkg/k8sclient parsePodNetworkAnnotation), for the namespace vision-dev."""
    import json

    if any(character in value for character in '[{"'):
        # Go's decoder takes keys in any case; the last one wins.
        items = [{key.lower(): text for key, text in item.items()} for item in json.loads(value)]
        return [(item.get("namespace") or "vision-dev", item["name"]) for item in items]
    found = []
    for item in value.split(","):
        head, slash, rest = item.strip().partition("/")
        name = (rest if slash else head).split("@")[0].strip()
        found.append((head.strip() if slash else "vision-dev", name))
    return found


# --- schedulers ---

KUEUE_LABEL = {"kueue.x-k8s.io/queue-name": "training"}
KUEUE_SPACE = namespace(Grants(queues="training"))
GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
JOB_SPEC = {"template": {"spec": {"containers": [{"name": "m", **GPU}]}}}


@pytest.mark.parametrize(
    ("policies", "request_"),
    [
        pytest.param(set(), run_pod(pod(container=GPU, labels=KUEUE_LABEL)), id="a pod in its queue"),
        pytest.param(
            set(), create("batch/jobs", named("Job", labels=KUEUE_LABEL, spec=JOB_SPEC)), id="a job in its queue"
        ),
        pytest.param(
            set(),
            run_pod(pod(container=GPU), user="system:serviceaccount:kube-system:job-controller"),
            id="a pod of a job that was admitted",
        ),
        pytest.param({"queues"}, run_pod(pod(container=GPU)), id="GPUs without queue"),
        pytest.param(
            {"queues"},
            run_pod(pod(container=GPU), user="system:serviceaccount:vision-dev:builder"),
            id="GPUs without queue by its own account",
        ),
        pytest.param({"queues"}, run_pod(pod(schedulerName="other")), id="another scheduler"),
        pytest.param(
            {"queued-workloads"}, create("batch/jobs", named("Job", spec=JOB_SPEC)), id="a job with GPUs without queue"
        ),
        pytest.param(
            {"queue-labels", "queued-workloads"},
            create("batch/jobs", named("Job", labels={"kueue.x-k8s.io/queue-name": "serving"}, spec=JOB_SPEC)),
            id="a job in a queue it was not granted",
        ),
        pytest.param(
            {"queue-labels"},
            create(
                "batch/jobs",
                named(
                    "Job",
                    labels={"kueue.x-k8s.io/priority-class": "production"},
                    spec={"template": {"spec": {"containers": []}}},
                ),
            ),
            id="a workload priority nobody granted",
        ),
    ],
)
def test_with_kueue_gpus_go_through_a_local_queue(policies: set[str], request_: Request) -> None:
    asked = Request(request_.resource, request_.body, None, KUEUE_SPACE, request_.user)
    found = server("kueue").refusals(asked)
    assert {item.policy for item in found} == {f"tenantry-{name}" for name in policies}
    assert not any(item.error for item in found)


def runai_pod(**fields: Any) -> Request:
    space = namespace(Grants(queues="vision"))
    return Request("pods", pod(container=GPU, **fields), namespace=space)


@pytest.mark.parametrize(
    ("policies", "request_"),
    [
        pytest.param(set(), runai_pod(schedulerName="runai-scheduler", labels={"project": "vision"}), id="own project"),
        pytest.param(set(), runai_pod(schedulerName="runai-scheduler"), id="the project of its namespace"),
        pytest.param({"queues"}, runai_pod(), id="the default scheduler"),
        pytest.param(
            {"queue-labels"},
            runai_pod(schedulerName="runai-scheduler", labels={"runai/queue": "speech"}),
            id="another project's queue",
        ),
        pytest.param(
            {"queue-labels"},
            runai_pod(schedulerName="runai-scheduler", labels={"project": "speech"}),
            id="another project",
        ),
    ],
)
def test_with_runai_pods_stay_in_the_project_of_their_tenant(policies: set[str], request_: Request) -> None:
    found = server("runai").refusals(request_)
    assert {item.policy for item in found} == {f"tenantry-{name}" for name in policies}


def test_namespaces_that_are_compiled_admit_the_work_they_are_for() -> None:
    built = platform().build()
    spaces = {body["metadata"]["name"]: body for body in run(tenants, built).kind("Namespace")}
    body = pod(gpus=2, priorityClassName="batch", annotations={"k8s.v1.cni.cncf.io/networks": "vision-roce-rail0"})
    guarded = AdmissionServer(run(admission, built).bodies)
    assert guarded.refusals(run_pod(body, namespace=spaces["vision-dev"])) == []
    # The other tenant was granted neither the pool, nor the queue, the priority or the network.
    refused = {item.policy for item in guarded.refusals(run_pod(body, namespace=spaces["speech"]))}
    assert refused == {"tenantry-pools", "tenantry-queues", "tenantry-queue-labels", "tenantry-networks"}


# --- roles, priorities, notes ---

# Rights by which a tenant would reach beyond its namespaces or take its guards away.
DANGEROUS = {
    ("", "endpoints"),
    ("", "limitranges"),
    ("", "namespaces"),
    ("", "nodes"),
    ("", "persistentvolumes"),
    ("", "resourcequotas"),
    ("", "serviceaccounts/token"),
    ("", "bindings"),
    ("", "pods/binding"),
    ("", "pods/proxy"),
    ("", "pods/status"),
    ("", "services/proxy"),
    ("", "services/status"),
    ("apps", "daemonsets"),
    ("discovery.k8s.io", "endpointslices"),
    ("k8s.cni.cncf.io", "network-attachment-definitions"),
    ("kueue.x-k8s.io", "localqueues"),
    ("networking.k8s.io", "networkpolicies"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
    ("resource.k8s.io", "resourceclaims"),
    ("scheduling.run.ai", "podgroups"),
}


@pytest.mark.parametrize("distribution", ["openshift", "kubernetes"])
@pytest.mark.parametrize("role", list(AccessRole))
def test_roles_hold_no_right_that_undoes_isolation(distribution: str, role: AccessRole) -> None:
    body = outputs(distribution=distribution).one("ClusterRole", role_name(role))
    assert "aggregationRule" not in body
    assert not body["metadata"].get("labels")
    for rule in body["rules"]:
        words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        assert not words & {"*", "escalate", "bind", "impersonate", "approve", "sign", "use"}
        written = set(rule["verbs"]) - {"get", "list", "watch"}
        if written:
            assert not {(rule["apiGroups"][0], name) for name in rule["resources"]} & DANGEROUS


def test_each_role_holds_the_rights_of_the_lesser_one() -> None:
    built = platform().build()

    def flat(role: AccessRole) -> set[tuple[str, str, str]]:
        return {
            (item.group, name, verb) for item in rights(built, role) for name in item.resources for verb in item.verbs
        }

    view, edit, whole = flat(AccessRole.VIEW), flat(AccessRole.EDIT), flat(AccessRole.ADMIN)
    assert view < edit < whole
    assert ("", "secrets", "get") not in edit
    assert {("", "secrets", "get"), ("", "pods/exec", "create")} <= whole


def test_no_tier_preempts_through_the_default_scheduler() -> None:
    classes = outputs().kind("PriorityClass")
    assert {body["metadata"]["name"]: body["value"] for body in classes} == {
        "batch": 50,
        "interactive": 75,
        "production": 125,
    }
    assert all(body["preemptionPolicy"] == "Never" and body["globalDefault"] is False for body in classes)


def test_on_openshift_nobody_makes_projects_of_their_own() -> None:
    binding = outputs().one("ClusterRoleBinding", "self-provisioners")
    assert binding["subjects"] == []
    assert binding["metadata"]["annotations"] == {"rbac.authorization.kubernetes.io/autoupdate": "false"}
    assert outputs(distribution="eks").kind("ClusterRoleBinding") == []


def test_a_cluster_too_old_for_guards_is_told_so() -> None:
    old = run(admission, platform().openshift("4.16"))  # Kubernetes 1.29
    assert "1.30" in old.note("NOTE-ADMISSION-VERSION").text
    assert not [note for note in outputs().notes if note.id == "NOTE-ADMISSION-VERSION"]


def test_a_tier_that_must_not_preempt_is_noted_where_the_scheduler_decides_by_value() -> None:
    tiers = [{"name": "low", "value": 10}, {"name": "high", "value": 60, "preempts": False}]
    built = cluster().platform(priorityTiers=tiers)
    note = run(admission, built).note("NOTE-PRIORITY-PREEMPTS")
    assert note.subject == "priority tier high"
    assert "low" in note.text
    assert not run(admission, cluster().platform(priorityTiers=tiers).scheduler("kueue")).notes


def test_namespaces_whose_generated_route_hosts_can_collide_are_noted() -> None:
    # Route "a-b" in "c" and route "a" in "b-c" both become "a-b-c".
    made = cluster().tenant("one", namespaces=["b-c", "d"]).tenant("two", namespaces=["c", "e-d-f"])
    assert [note.subject for note in run(admission, made).notes] == ["namespaces c and b-c"]


def test_guards_cost_the_same_however_many_tenants_there_are() -> None:
    few = platform().build()
    many = platform()
    for index in range(30):
        many.tenant(f"team-{index}", namespaces=[f"team-{index}"])
    assert guards_of(few) == guards_of(many.build())
