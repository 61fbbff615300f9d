from __future__ import annotations

from typing import Any

import pytest
from safe_clusters import ADMISSION, EDIT, Body, bind, cluster_role, guard, obj, rule, space, view

from tenantry.safe import cel
from tenantry.safe.admission import plural_of
from tenantry.safe.answer import Admission, Answer, Requester
from tenantry.safe.pods import plain_pod
from tenantry.safe.view import View

pytestmark = pytest.mark.skipif(not cel.available(), reason="CEL is not installed")

NO_PID = "!has(object.spec.hostPID) || !object.spec.hostPID"


def host_pid(namespace: str = "a", **metadata: Any) -> Body:
    pod = plain_pod(namespace)
    pod["spec"]["hostPID"] = True
    pod["metadata"].update(metadata)
    return pod


def ask(
    *bodies: Body | list[Body], pod: Body | None = None, user: Requester | None = None, **options: Any
) -> Admission:
    seen: View = view(space("a", ""), *bodies, EDIT, **options)
    return seen.envelope("a").admits(pod or host_pid(), user=user)


def test_without_guards_everything_is_let_in() -> None:
    assert ask().admitted


def test_a_guard_refuses_and_names_the_validation() -> None:
    said = ask(guard("no-pid", NO_PID, validations=[{"expression": "true"}, {"expression": NO_PID, "message": "no"}]))

    assert said.refused
    assert str(said.by) == "ValidatingAdmissionPolicy no-pid"
    assert said.pointer == ("spec", "validations", 1)
    assert said.reason == "no"


# --- a guard counts only when it holds ---


@pytest.mark.parametrize(
    ("bodies", "answer"),
    [
        pytest.param(guard("g", NO_PID)[:1], Answer.ADMITTED, id="a policy without a binding"),
        pytest.param(guard("g", NO_PID)[1:], Answer.ADMITTED, id="a binding without its policy"),
        pytest.param(
            guard("g", NO_PID, binding={"validationActions": ["Audit", "Warn"]}), Answer.ADMITTED, id="warns only"
        ),
        pytest.param(guard("g", NO_PID, failurePolicy="Ignore"), Answer.UNKNOWN, id="an error would let it pass"),
        pytest.param(
            guard("g", "object.spec.nothing == 1", failurePolicy="Ignore"),
            Answer.ADMITTED,
            id="an error does let it pass",
        ),
        pytest.param(guard("g", "object.spec.nothing == 1"), Answer.REFUSED, id="an error refuses"),
        pytest.param(guard("g", NO_PID, resources=["deployments"]), Answer.ADMITTED, id="another kind"),
        pytest.param(guard("g", NO_PID, resources=["pods/exec"]), Answer.ADMITTED, id="a subresource only"),
        pytest.param(guard("g", NO_PID, resources=["*"]), Answer.REFUSED, id="every kind"),
        pytest.param(guard("g", NO_PID, resources=["*/*"]), Answer.REFUSED, id="every kind with subresources"),
        pytest.param(guard("g", NO_PID, groups=["apps"]), Answer.ADMITTED, id="another group"),
        pytest.param(guard("g", NO_PID, operations=["UPDATE"]), Answer.ADMITTED, id="another operation"),
        pytest.param(guard("g", NO_PID, operations=["*"]), Answer.REFUSED, id="every operation"),
        pytest.param(
            guard(
                "g",
                NO_PID,
                constraints={
                    "excludeResourceRules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}
                    ]
                },
            ),
            Answer.ADMITTED,
            id="excluded",
        ),
        pytest.param(
            guard("g", NO_PID, constraints={"namespaceSelector": {"matchLabels": {"team": "a"}}}),
            Answer.ADMITTED,
            id="other namespaces",
        ),
        pytest.param(
            guard(
                "g", NO_PID, constraints={"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "a"}}}
            ),
            Answer.REFUSED,
            id="this namespace by the label it always has",
        ),
        pytest.param(
            guard("g", NO_PID, binding={"matchResources": {"namespaceSelector": {"matchLabels": {"team": "b"}}}}),
            Answer.ADMITTED,
            id="bound to other namespaces",
        ),
        pytest.param(
            guard("g", NO_PID, constraints={"objectSelector": {"matchLabels": {"guarded": "yes"}}}),
            Answer.ADMITTED,
            id="objects that carry a label the tenant leaves out",
        ),
        pytest.param(
            guard(
                "g",
                NO_PID,
                constraints={"objectSelector": {"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]}},
            ),
            Answer.ADMITTED,
            id="objects without a label the tenant adds",
        ),
        pytest.param(
            guard("g", NO_PID, matchConditions=[{"name": "c", "expression": "object.metadata.name == 'other'"}]),
            Answer.ADMITTED,
            id="a match condition that does not hold",
        ),
        pytest.param(
            guard(
                "g",
                NO_PID,
                matchConditions=[{"name": "c", "expression": "!('skip' in object.metadata.?labels.orValue({}))"}],
            ),
            Answer.ADMITTED,
            id="a match condition the tenant slips past with a label",
        ),
        pytest.param(
            guard(
                "g", f"({NO_PID}) || object.spec.containers.all(c, c.image.startsWith('registry.example.com/trusted/'))"
            ),
            Answer.ADMITTED,
            id="an exception by image, which the tenant names",
        ),
        pytest.param(
            guard(
                "g", NO_PID, matchConditions=[{"name": "c", "expression": "authorizer.group('').check('x').allowed()"}]
            ),
            Answer.UNKNOWN,
            id="a match condition that cannot be evaluated",
        ),
        pytest.param(guard("g", "no.such(thing)"), Answer.UNKNOWN, id="an expression that cannot be evaluated"),
        pytest.param(
            guard("g", "object.spec.containers.size() > 'a'"),
            Answer.UNKNOWN,
            id="types this evaluator may see otherwise",
        ),
        pytest.param(
            guard("g", "variables.fine", variables=[{"name": "fine", "expression": NO_PID}]),
            Answer.REFUSED,
            id="a variable",
        ),
        pytest.param(
            guard("g", NO_PID, variables=[{"name": "broken", "expression": "object.nothing.at.all"}]),
            Answer.REFUSED,
            id="a variable that fails and is not used",
        ),
        pytest.param(
            guard("g", "'x' in namespaceObject.metadata.?labels.orValue({})"),
            Answer.REFUSED,
            id="looks at the namespace",
        ),
    ],
)
def test_a_guard_counts_only_as_far_as_it_holds(bodies: list[Body], answer: Answer) -> None:
    said = ask(*bodies)

    assert said.answer is answer
    if answer is Answer.UNKNOWN:
        assert said.missing
        assert all(item.how for item in said.missing)


def test_labels_that_slip_past_a_selector_are_shown() -> None:
    skip = {"objectSelector": {"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]}}
    said = ask(guard("g", NO_PID, constraints=skip))

    assert said.body is not None
    assert said.body["metadata"]["labels"] == {"skip": "x"}


def test_two_guards_that_choose_by_labels_leave_it_open_rather_than_proved() -> None:
    with_label = {"objectSelector": {"matchExpressions": [{"key": "x", "operator": "Exists"}]}}
    without = {"objectSelector": {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}}
    said = ask(guard("g", NO_PID, constraints=with_label), guard("h", NO_PID, constraints=without))

    assert said.answer is Answer.UNKNOWN


# --- who asks ---


def test_a_guard_that_spares_controllers_is_passed_by_a_template() -> None:
    spares = f"({NO_PID}) || request.userInfo.username.startsWith('system:serviceaccount:kube-system:')"
    only_pods = bind("pods", "ClusterRole/pods-only", "group:a", namespace="a")
    pods = cluster_role("pods-only", rule("create", "pods"))

    with_templates = ask(guard("g", spares))
    seen = view(space("a", ""), guard("g", spares), only_pods, pods)

    assert with_templates.admitted
    assert with_templates.user is not None
    assert with_templates.user.username == "system:serviceaccount:kube-system:replicaset-controller"
    assert seen.envelope("a").admits(host_pid()).refused


def test_a_guard_that_spares_a_service_account_of_the_tenant_is_passed_by_it() -> None:
    spares = f"({NO_PID}) || request.userInfo.username == 'system:serviceaccount:a:robot'"
    robot = obj("ServiceAccount", "robot", "a")

    assert ask(guard("g", spares)).refused
    assert ask(guard("g", spares), robot).admitted


def test_groups_of_the_requester_are_those_of_the_tenant() -> None:
    for group, admitted in (("a", True), ("system:authenticated", True), ("b", False), ("system:masters", False)):
        said = ask(guard("g", f"({NO_PID}) || '{group}' in request.userInfo.groups"))
        assert said.admitted is admitted, group


def test_one_requester_can_be_asked_about() -> None:
    spares = f"({NO_PID}) || 'admins' in request.userInfo.groups"

    assert ask(guard("g", spares), user=Requester("grace", ("admins",))).admitted
    assert ask(guard("g", spares), user=Requester("ada", ("a",))).refused


# --- parameters ---

PARAMS = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}
USES = "!(has(object.spec.hostPID) && object.spec.hostPID) || params.data.allow == 'yes'"


def parameters(namespace: str, allow: str) -> Body:
    return obj("ConfigMap", "settings", namespace, data={"allow": allow})


def bound(namespace: str = "", action: str = "Deny") -> Body:
    reference: Body = {"name": "settings", "parameterNotFoundAction": action}
    return {"paramRef": {**reference, **({"namespace": namespace} if namespace else {})}}


@pytest.mark.parametrize(
    ("binding", "given", "live", "answer"),
    [
        pytest.param(bound("ops"), [parameters("ops", "no")], False, Answer.REFUSED, id="refused by them"),
        pytest.param(bound("ops"), [parameters("ops", "yes")], False, Answer.ADMITTED, id="let in by them"),
        pytest.param(bound("ops"), [], False, Answer.UNKNOWN, id="they are not among the manifests"),
        pytest.param(bound("ops"), [], True, Answer.REFUSED, id="they do not exist, which denies"),
        pytest.param(bound("ops", "Allow"), [], True, Answer.ADMITTED, id="they do not exist, which allows"),
        pytest.param(bound(), [parameters("a", "no")], False, Answer.UNKNOWN, id="the tenant may write them"),
    ],
)
def test_parameters_are_looked_up(binding: Body, given: list[Body], live: bool, answer: Answer) -> None:
    configured = cluster_role("edit", rule("create update", "configmaps pods"))

    assert ask(guard("g", USES, binding=binding, **PARAMS), *given, configured, live=live).answer is answer


# --- what cannot be looked into ---


def webhook(kind: str = "ValidatingWebhookConfiguration", **fields: Any) -> Body:
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    entry = {"name": "w.example.com", "rules": rules, "failurePolicy": "Fail", "clientConfig": {}, **fields}
    return obj(kind, "hooks", api=ADMISSION, webhooks=[entry])


@pytest.mark.parametrize(
    ("hook", "answer"),
    [
        pytest.param(webhook(), Answer.UNKNOWN, id="could refuse"),
        pytest.param(
            webhook("MutatingWebhookConfiguration"), Answer.UNKNOWN, id="one that changes objects could refuse"
        ),
        pytest.param(webhook(failurePolicy="Ignore"), Answer.ADMITTED, id="passed over while it does not answer"),
        pytest.param(webhook(rules=[]), Answer.ADMITTED, id="asked about nothing"),
        pytest.param(webhook(namespaceSelector={"matchLabels": {"x": "y"}}), Answer.ADMITTED, id="other namespaces"),
        pytest.param(
            webhook(matchConditions=[{"name": "c", "expression": "false"}]),
            Answer.ADMITTED,
            id="a condition never holds",
        ),
    ],
)
def test_webhooks_leave_open_what_nothing_else_refuses(hook: Body, answer: Answer) -> None:
    assert ask(hook).answer is answer
    # What a guard refuses stays refused whatever a webhook does: it looks at the final object.
    assert ask(hook, guard("g", NO_PID)).refused


def test_rules_of_other_admission_controllers_leave_pods_open() -> None:
    kyverno = obj("ClusterPolicy", "p", api="kyverno.io/v1", spec={"validationFailureAction": "Enforce"})
    audit = obj("ClusterPolicy", "p", api="kyverno.io/v1", spec={"validationFailureAction": "Audit"})
    gatekeeper = obj("K8sNoPid", "p", api="constraints.gatekeeper.sh/v1beta1", spec={})

    assert ask(kyverno).answer is Answer.UNKNOWN
    assert ask(gatekeeper).answer is Answer.UNKNOWN
    assert ask(audit).admitted


def test_without_the_evaluator_guards_count_as_absent_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cel, "available", lambda: False)
    said = ask(guard("g", NO_PID))

    assert said.answer is Answer.UNKNOWN
    assert said.missing[0].how == "install tenantry[cel]"


# --- bad input ---


@pytest.mark.parametrize(
    "nonsense",
    [
        obj("ValidatingAdmissionPolicy", "x", api=ADMISSION, spec="none"),
        obj("ValidatingAdmissionPolicyBinding", "x", api=ADMISSION, spec=[]),
        guard("x", "true", constraints={"namespaceSelector": "all"}),
        guard("x", "true", constraints={"resourceRules": "pods"}),
        guard("x", "true", validations=[None, 3, {"expression": 4}]),
        guard("x", "true", matchConditions="never", variables=7),
        obj("ValidatingWebhookConfiguration", "x", api=ADMISSION, webhooks={"a": 1}),
        obj(
            "ValidatingWebhookConfiguration", "x", api=ADMISSION, webhooks=[None, {"rules": 4, "namespaceSelector": 3}]
        ),
    ],
)
def test_nonsense_is_read_without_a_crash_and_proves_nothing(nonsense: Any) -> None:
    assert not ask(nonsense).refused
    assert ask(nonsense, guard("g", NO_PID)).refused


def test_a_selector_that_cannot_be_read_is_no_guard() -> None:
    assert ask(guard("g", NO_PID, constraints={"namespaceSelector": {"matchLabels": 4}})).admitted


@pytest.mark.parametrize(
    ("kind", "plural"),
    [
        ("Pod", "pods"),
        ("Ingress", "ingresses"),
        ("NetworkPolicy", "networkpolicies"),
        ("StorageClass", "storageclasses"),
        ("Gateway", "gateways"),
        ("Endpoints", "endpoints"),
        ("EndpointSlice", "endpointslices"),
        ("NetworkAttachmentDefinition", "network-attachment-definitions"),
    ],
)
def test_plural_names(kind: str, plural: str) -> None:
    assert plural_of(kind) == plural
