"""What the server refuses lint refuses, and what it takes lint takes, over thousands of objects spoiled by chance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from e2e_corpus import NAMESPACE, ask, bases, corpus, create, published
from e2e_mutations import Mutant
from e2e_support import Tally
from server_cases import REFUSED, TAKEN

from tenantry.app.lint import schema_set
from tenantry.model.finding import Severity, Verdict
from tenantry.model.manifest import Manifest
from tenantry.model.problem import Location, dotted
from tenantry.schema import SchemaIssue, SchemaSet
from tenantry.schema.rules import KIND, NULL, SCOPE, VERSION
from testbed import binaries
from testbed.api import Answer
from testbed.control_plane import Cluster
from testbed.definitions import definitions_in

pytestmark = pytest.mark.e2e

pytest.importorskip("cel_expr_python", reason="rules of definitions are evaluated by the extra 'cel'")

SEED = 6
PER_CHANGE = 4
"""Cases of one kind of change per kind of object."""
THREADS = 8
MINOR = "1.34"

Body = dict[str, Any]


@dataclass(frozen=True)
class Listed:
    """A difference that stays.

    Attributes:
        row: under which it is counted.
        kinds: a pattern of the whole kind.
        says: a pattern found in what the one that refuses says.
        reason: why it stays.
    """

    row: str
    kinds: str
    says: str
    reason: str


PODS = "Pod|Deployment|DaemonSet|ReplicaSet|StatefulSet|Job|CronJob"

SERVER_ONLY = (
    Listed(
        "expressions of admission policies",
        "ValidatingAdmissionPolicy|ValidatingWebhookConfiguration",
        "compilation failed|undeclared reference|must evaluate to|undefined field|valid CEL identifier",
        "the server compiles them with the types of what they are about; verify evaluates those of guards",
    ),
    Listed(
        "what must be there beside the object",
        ".*",
        r"error looking up service account|no PriorityClass with name|not configured for dual-stack|Overhead"
        r"|priority admission controller|RuntimeClass .* not found",
        "it depends on other objects or on the cluster's settings, and lint looks at one object",
    ),
    Listed(
        "rare fields of pods",
        PODS,
        r"activeDeadlineSeconds|allowPrivilegeEscalation|backoffLimitPerIndex|dnsConfig|downwardAPI|ephemeral|fieldPath"
        r"|hostAliases|hostIPs?|hostUsers|initContainers\[\d+\].*: Forbidden|lifecycle|managedBy|[mM]atchLabelKeys"
        r"|ismatchLabelKeys|maxFailedIndexes|mountPropagation|podAffinityTerm.namespace|podFailurePolicy|procMount"
        r"|projected|resizePolicy|resourceClaims|restartPolicyRules|securityContext: Invalid|subPath|successPolicy"
        r"|sysctls|volumeClaimTemplates|volumeDevices|volumes\[\d+\]|windowsOptions|rollingUpdate|successThreshold"
        r"|imagePullPolicy|minDomains|nodeName|podManagementPolicy|ordinals|persistentVolumeClaimRetentionPolicy|os:"
        r"|must not contain dots",
        "hundreds of checks in Go of fields that GPU platforms hardly use; a table of them all would be a copy",
    ),
    Listed(
        "rare fields of storage",
        "PersistentVolume|PersistentVolumeClaim|StorageClass",
        r"parameters|claimRef|csi|dataSource|matchLabelExpressions: Duplicate|nodeAffinity|mountOptions"
        r"|spec\.(aws|azure|cephfs|cinder|fc|flex|flocker|gce|gluster|hostPath|iscsi|local|photon|portworx|quobyte|rbd"
        r"|scaleIO|storageos|vsphere)",
        "as those of pods",
    ),
    Listed(
        "rare fields of services",
        "Service",
        r"[lL]oadBalancer|externalName|externalTrafficPolicy|healthCheckNodePort|ipFamil|nodePort|clusterIPs"
        r"|sessionAffinity",
        "fields that go with one type of service only; tenants of these platforms have services of the plain type",
    ),
    Listed(
        "rare fields of other kinds",
        "Lease|HorizontalPodAutoscaler|Secret|ResourceQuota|ValidatingWebhookConfiguration|ValidatingAdmissionPolicy"
        "|Ingress|Node",
        r"failed to convert|metrics\[|scaleTargetRef|[mM]axReplicas|behavior|service-account.name|\.scopes"
        r"|scopeSelector|[rR]esourceRules\[\d+\]"
        r"|if '\*' is present|clientConfig|duplicate version|three segments|webhooks\[\d+\].name|configSource"
        r"|resource: |strategy|preferredHolder",
        "checks in Go that no object of the compiled trees comes near",
    ),
    Listed(
        "nulls that are read as nothing",
        f"LimitRange|ResourceQuota|Namespace|{PODS}",
        r"(limit value|max value|limit of) 0\b|must be equal to \S+ limit of|metadata.labels\[pod-security",
        "a null in a map is read as zero or as empty text; lint passes over what is not there",
    ),
    Listed(
        "names of service accounts",
        "RoleBinding|ClusterRoleBinding",
        r"subjects\[\d+\].name: Invalid value",
        "names of users and groups are free, those of accounts are not; a wrong one binds nobody",
    ),
)

LINT_ONLY = (
    Listed(
        "numbers that do not fit",
        ".*",
        r"is -?\d{10,}(\.\d+)?, but must be at (most|least)",
        "the server cuts off what does not fit into a number, or stores what no operator can read",
    ),
    Listed(
        "nulls in lists and maps",
        ".*",
        "must be .*, but is null|limits of claims need",
        "the server reads an empty text or map instead, which nobody means",
    ),
    Listed(
        "names made by the server",
        "LimitRange",
        "the object has no name",
        "the server gives a LimitRange without a name one by chance; Argo CD needs a name",
    ),
    Listed(
        "fields of features that are off",
        PODS,
        r"(volumes\[\d+\]|valueFrom) is .* only one of several alternatives|azureDisk",
        "the server drops image volumes and keys of files where these features are off, and so counts them not",
    ),
    Listed(
        "parts of templates that nobody reads",
        PODS,
        r"volumeClaimTemplates\[\d+\]\.(kind|apiVersion|metadata)|emplate\.metadata\.(finalizers|ownerReferences)",
        "the server checks neither; what is written there is a slip of the pen",
    ),
    Listed(
        "ports of nodes",
        "Service",
        r"nodePort is",
        "a port is given out when the service is made, and no try without effect does that",
    ),
    Listed(
        "quotas that limit nothing",
        "ResourceQuota",
        "limits nothing",
        "the server takes the name and counts nothing under it",
    ),
)


@pytest.fixture(scope="module")
def definitions(shared: Path) -> list[Body]:
    return definitions_in(shared / "crds")


@pytest.fixture(scope="module")
def cluster(tools: binaries.Binaries, definitions: list[Body]) -> Iterator[Cluster]:
    with Cluster(definitions) as started:
        started.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}).expect()
        started.until("its account", lambda: started.api.get("v1", "ServiceAccount", "default", NAMESPACE) is not None)
        yield started


@pytest.fixture(scope="module")
def schemas(definitions: list[Body]) -> SchemaSet:
    return schema_set([Manifest(body, Location("")) for body in definitions], MINOR, cel=True)


@pytest.fixture(scope="module")
def mutants(cluster: Cluster, definitions: list[Body], shared: Path) -> list[Mutant]:
    told = published(cluster, definitions)
    return corpus(list(bases(cluster, definitions, shared, told)), told, SEED, PER_CHANGE)


@pytest.fixture(scope="module")
def answers(cluster: Cluster, mutants: list[Mutant]) -> list[Answer]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda mutant: ask(cluster, mutant), mutants))


def refusals(schemas: SchemaSet, body: Body) -> list[SchemaIssue]:
    """What lint says that means a refusal: errors, and nulls, which only server-side apply refuses."""
    issues = schemas.check(Manifest(body, Location("")))
    return [
        issue
        for issue in issues
        if issue.verdict is Verdict.VIOLATED and (issue.severity >= Severity.ERROR or issue.rule == NULL)
    ]


def listed(entries: Sequence[Listed], kind: str, words: str) -> Listed | None:
    return next(
        (entry for entry in entries if re.fullmatch(entry.kinds, kind) and re.search(entry.says, words)),
        None,
    )


def test_lint_refuses_what_the_server_refuses_and_nothing_else(
    mutants: list[Mutant], answers: list[Answer], schemas: SchemaSet, tally: Tally
) -> None:
    wrong = []
    for mutant, answer in zip(mutants, answers, strict=True):
        if answer.status == 404:  # a namespace that could be there
            continue
        body, issues = mutant.body, refusals(schemas, mutant.body)
        if answer.ok is not bool(issues):
            tally.count("schemas", mutant.how, agreed=True)
            continue
        side, entries = ("server", SERVER_ONLY) if issues == [] else ("lint", LINT_ONLY)
        words = "\n".join([answer.message, *(issue.message for issue in issues)])
        entry = listed(entries, body["kind"], words)
        if entry is not None:
            tally.count("schemas", f"{side} only: {entry.row}", agreed=True)
        else:
            tally.count("schemas", mutant.how, agreed=False)
            wrong.append((body["apiVersion"], body["kind"], mutant.how, dotted(mutant.path), side, words[:300]))
    assert wrong == []


def test_what_unit_tests_say_of_the_server_is_true(cluster: Cluster, tally: Tally) -> None:
    cases = [*((name, body, False) for name, body, _ in REFUSED), *((name, body, True) for name, body in TAKEN)]
    wrong = []
    for name, body, is_taken in cases:
        answer = ask(cluster, Mutant("", ("spec",), body, dict))
        if not tally.count("schemas", "cases of unit tests", agreed=answer.ok is is_taken):
            wrong.append((name, answer.message))
    assert wrong == []


def test_a_null_that_server_side_apply_refuses_is_dropped_on_create(
    cluster: Cluster, mutants: list[Mutant], schemas: SchemaSet, tally: Tally
) -> None:
    nulls = [
        mutant
        for mutant in mutants
        if mutant.how == "null" and {issue.rule for issue in refusals(schemas, mutant.body)} == {NULL}
    ]
    wrong = []
    for mutant in nulls:
        answer = create(cluster, mutant)
        if not tally.count("schemas", "nulls that create drops", agreed=answer.ok):
            wrong.append((mutant.base["kind"], dotted(mutant.path), answer.message))
    assert nulls
    assert wrong == []


def test_a_kind_or_version_that_the_server_does_not_have_is_one_that_lint_does_not_know(
    cluster: Cluster, mutants: list[Mutant], schemas: SchemaSet, tally: Tally
) -> None:
    kinds = {(mutant.base["apiVersion"], mutant.base["kind"]) for mutant in mutants}
    for api_version, kind in sorted(kinds):
        group = api_version.rpartition("/")[0]
        for rule, other in (
            (VERSION, (f"{group}/v9" if group else "v9", kind)),
            (KIND, (api_version, f"{kind}x")),
        ):
            body = {"apiVersion": other[0], "kind": other[1], "metadata": {"name": "a"}}
            is_there = cluster.api.kind(*other) is not None
            said = {issue.rule for issue in schemas.check(Manifest(body, Location("")))}
            assert tally.count("schemas", "kinds and versions that are not", agreed=not is_there and rule in said), (
                other
            )


def test_a_namespace_on_an_object_outside_every_one_has_no_effect(
    cluster: Cluster, mutants: list[Mutant], schemas: SchemaSet, tally: Tally
) -> None:
    for mutant in mutants:
        body = mutant.base
        if mutant.how == "unchanged" and "namespace" not in body["metadata"] and refusals(schemas, body) == []:
            placed = {**body, "metadata": {**body["metadata"], "namespace": NAMESPACE}}
            answer = create(cluster, Mutant("placed", (), placed, dict))
            said = {issue.rule for issue in schemas.check(Manifest(placed, Location("")))}
            agreed = answer.ok and "namespace" not in answer.body["metadata"] and said == {SCOPE}
            assert tally.count("schemas", "namespaces without effect", agreed=agreed), (
                body["kind"],
                answer.message,
                said,
            )
