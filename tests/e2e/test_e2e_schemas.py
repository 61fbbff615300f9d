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
        "expressions in Kubernetes' own kinds",
        "ValidatingAdmissionPolicy|ValidatingWebhookConfiguration",
        "compilation failed|undeclared reference|must evaluate to",
        "the server compiles expressions with the types of what they are about; verify evaluates those of guards",
    ),
    Listed(
        "what must be there beside the object",
        ".*",
        r"error looking up service account|no PriorityClass with name|not configured for dual-stack"
        r"|unable to find a (pod|runtime)|RuntimeClass .* not found",
        "it depends on other objects or on the cluster's settings, and lint looks at one object",
    ),
    Listed(
        "rare fields of pods and volumes",
        f"{PODS}|PersistentVolume|PersistentVolumeClaim|StorageClass",
        r"lifecycle|securityContext: Invalid value|mountPropagation|mutually exclusive|hostUsers|spec.csi: Required"
        r"|matchLabelExpressions: Duplicate|resizePolicy|sysctls|resourceClaims|ephemeral|volumeDevices|dnsConfig"
        r"|hostAliases|windowsOptions|clusterTrustBundle|downwardAPI|projected|readinessGates|restartPolicyRules|grpc"
        r"|image: |portworx|flocker|glusterfs|iscsi|rbd|cephfs|scaleIO|quobyte|gcePersistentDisk|fc|photon|storageos"
        r"|azure|vsphere|gitRepo|cinder|flexVolume|awsElastic|nodeAffinity|claimRef|dataSource",
        "hundreds of checks in Go of fields that GPU platforms hardly use; a table of them all would be a copy",
    ),
    Listed(
        "rare fields of other kinds",
        "Lease|HorizontalPodAutoscaler|Secret|ResourceQuota|ValidatingWebhookConfiguration|ValidatingAdmissionPolicy",
        r"failed to convert|metrics\[|scaleTargetRef|service-account.name|unsupported scope|conflicting scopes"
        r"|if '\*' is present|clientConfig|duplicate version|three segments",
        "checks in Go that no kind of the compiled trees comes near",
    ),
    Listed(
        "null amounts",
        "LimitRange|ResourceQuota|Pod|Deployment|StatefulSet|DaemonSet|Job|CronJob",
        r"(limit value|max value|limit of) (0|0m)\b",
        "a null amount is read as zero; lint passes over what is not there",
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
        "nulls in lists",
        ".*",
        r"must be .*, but is null",
        "the server reads an empty text or map instead, which nobody means",
    ),
    Listed(
        "names made by the server",
        "LimitRange",
        "the object has no name",
        "the server gives a LimitRange without a name one by chance; Argo CD needs a name",
    ),
    Listed(
        "long prefixes of names",
        "Role|ClusterRole|RoleBinding|ClusterRoleBinding|PodDisruptionBudget",
        "cannot be the generateName",
        "the server cuts prefixes of these kinds off",
    ),
    Listed(
        "volumes that are not counted",
        PODS,
        r"volumes\[\d+\].* (only one of several alternatives|must be text that is not empty)",
        "the server drops an image volume where its feature is off, and takes an Azure disk beside another volume",
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
            tally.count("schemas", f"refused by {side} only: {entry.row}", agreed=True)
        else:
            tally.count("schemas", mutant.how, agreed=False)
            wrong.append((body["apiVersion"], body["kind"], mutant.how, dotted(mutant.path), side, words[:300]))
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
