"""Operators on OpenShift: namespace, group, subscription, and approval of exactly the versions that are in Git.

Decision 0003 gives the reasons for the approval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.compile.build import GUARD_DELETE, manifest
from tenantry.compile.installs import pod_security_labels
from tenantry.compile.jobs import SYNC_HOOK, client_image, container, pod
from tenantry.model.software import minor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import ChosenOperator, Cluster
    from tenantry.model.manifest import Body
    from tenantry.model.software import OlmPackage

APPROVER = "installplan-approver"
APPROVED = "approved-csvs"
LIST_KEY = "csvs"
SCRIPT_KEY = "approve.sh"

TIMEOUT_SECONDS = 900
"""How long an operator may take from subscription to running; catalogs are resolved and images pulled in it."""

# The approval runs in the wave of the subscriptions, not after it: a subscription whose first install plan waits for
# approval is Progressing, and Argo CD starts no later wave before it is Healthy (argo-cd, resource_customizations,
# operators.coreos.com/Subscription).
WAVE_NAMESPACE, WAVE_SUBSCRIPTION = 0, 1

RBAC = "rbac.authorization.k8s.io"
OLM_GROUP = "operators.coreos.com"

APPROVE_SCRIPT = r"""#!/bin/sh
# Approve the install plans of which every ClusterServiceVersion is listed, then wait until each listed operator runs.
# One line of the list is one operator; its words are the names accepted for it, as shell patterns.
set -euf

list=${APPROVED_LIST:-/approved/csvs}
deadline=$(($(date +%s) + ${TIMEOUT_SECONDS:-900}))

matches() { # NAME PATTERN...
  name=$1
  shift
  for pattern in "$@"; do
    case $name in
      $pattern) return 0 ;;
    esac
  done
  return 1
}

listed() { # NAME
  while read -r words || [ -n "$words" ]; do
    matches "$1" $words && return 0
  done <"$list"
  return 1
}

approve() {
  plans=$(oc get installplans -n "$NAMESPACE" -o "jsonpath=$PLANS")
  while read -r plan names; do
    [ -n "$plan" ] || continue
    refused=
    for csv in $names; do
      listed "$csv" || refused="$refused $csv"
    done
    if [ -z "$names" ] || [ -n "$refused" ]; then
      echo "install plan $plan stays unapproved; not in the approved list:${refused:- it names no version}"
    else
      echo "approving install plan $plan: $names"
      oc patch installplan "$plan" -n "$NAMESPACE" --type merge -p '{"spec":{"approved":true}}'
    fi
  done <<END
$plans
END
}

runs() { # PATTERN...
  while read -r csv phase; do
    if [ "$phase" = Succeeded ] && matches "$csv" "$@"; then
      return 0
    fi
  done <<END
$states
END
  return 1
}

missing() {
  while read -r words || [ -n "$words" ]; do
    [ -n "$words" ] || continue
    runs $words || echo "$words"
  done <"$list"
}

PLANS='{range .items[?(@.spec.approved==false)]}{.metadata.name} {.spec.clusterServiceVersionNames[*]}{"\n"}{end}'
STATES='{range .items[*]}{.metadata.name} {.status.phase}{"\n"}{end}'

while :; do
  approve
  states=$(oc get clusterserviceversions -n "$NAMESPACE" -o "jsonpath=$STATES")
  absent=$(missing)
  if [ -z "$absent" ]; then
    echo "every approved operator has succeeded"
    exit 0
  fi
  if [ "$(date +%s)" -ge "$deadline" ]; then
    printf 'not running in time: %s\nfound instead:\n%s\n' "$absent" "$states" >&2
    exit 1
  fi
  sleep "${INTERVAL_SECONDS:-10}"
done
"""
"""POSIX shell; reads NAMESPACE, APPROVED_LIST, TIMEOUT_SECONDS and INTERVAL_SECONDS."""


def approved_names(cluster: Cluster, chosen: ChosenOperator) -> tuple[str, ...]:
    """Names of ClusterServiceVersions that may be installed for an operator, as shell patterns.

    One exact name, except for operators that are released with OpenShift: their names end in a build stamp that nobody
    knows beforehand, so every build of the cluster's own release is approved.
    """
    if chosen.csv:
        return (chosen.csv,)
    package = chosen.operator.olm
    if package is None:
        return ()
    release = minor(cluster.spec.platform.spec.version if package.follows_cluster else chosen.version)
    return (f"{package.package}.{release}.*", f"{package.package}.v{release}.*")


def install(cluster: Cluster, name: str, chosen: ChosenOperator, package: OlmPackage) -> Iterable[Body]:
    """Yield everything that installs one operator, the namespace first."""
    namespace = package.namespace
    labels = pod_security_labels(name)
    if package.cluster_monitoring:
        labels["openshift.io/cluster-monitoring"] = "true"
    yield manifest(
        "v1",
        "Namespace",
        namespace,
        labels=dict(sorted(labels.items())),
        wave=WAVE_NAMESPACE,
        sync_options=GUARD_DELETE,
    )
    yield from _access(namespace)
    yield manifest(
        "v1",
        "ConfigMap",
        APPROVED,
        namespace=namespace,
        data={LIST_KEY: " ".join(approved_names(cluster, chosen)) + "\n", SCRIPT_KEY: APPROVE_SCRIPT},
    )
    # A group without target namespaces serves all of them; two groups in one namespace stop every install.
    targets = {} if package.install_mode == "AllNamespaces" else {"targetNamespaces": [namespace]}
    yield manifest(
        f"{OLM_GROUP}/v1",
        "OperatorGroup",
        package.package,
        namespace=namespace,
        wave=WAVE_SUBSCRIPTION,
        sync_options=GUARD_DELETE,
        spec=targets,
    )
    yield _subscription(chosen, package)
    yield _approval(cluster, namespace)


def _subscription(chosen: ChosenOperator, package: OlmPackage) -> Body:
    spec = {
        "channel": chosen.channel,
        "installPlanApproval": "Manual",
        "name": package.package,
        "source": package.source,
        "sourceNamespace": "openshift-marketplace",
    }
    if chosen.csv:
        spec["startingCSV"] = chosen.csv
    return manifest(
        f"{OLM_GROUP}/v1alpha1",
        "Subscription",
        package.package,
        namespace=package.namespace,
        wave=WAVE_SUBSCRIPTION,
        sync_options=GUARD_DELETE,
        spec=spec,
    )


def _access(namespace: str) -> Iterable[Body]:
    yield manifest("v1", "ServiceAccount", APPROVER, namespace=namespace)
    rules = [
        {"apiGroups": [OLM_GROUP], "resources": ["installplans"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": [OLM_GROUP], "resources": ["clusterserviceversions"], "verbs": ["get", "list", "watch"]},
    ]
    yield manifest(f"{RBAC}/v1", "Role", APPROVER, namespace=namespace, rules=rules)
    yield manifest(
        f"{RBAC}/v1",
        "RoleBinding",
        APPROVER,
        namespace=namespace,
        roleRef={"apiGroup": RBAC, "kind": "Role", "name": APPROVER},
        subjects=[{"kind": "ServiceAccount", "name": APPROVER, "namespace": namespace}],
    )


def _approval(cluster: Cluster, namespace: str) -> Body:
    step = container(
        "approve",
        client_image(cluster),
        ["/bin/sh", f"/approved/{SCRIPT_KEY}"],
        mounts={"approved": "/approved"},
        env={"NAMESPACE": namespace, "TIMEOUT_SECONDS": str(TIMEOUT_SECONDS)},
    )
    template: dict[str, Any] = {
        "spec": pod(cluster, APPROVER, [step], [{"name": "approved", "configMap": {"name": APPROVED}}])
    }
    return manifest(
        "batch/v1",
        "Job",
        APPROVER,
        namespace=namespace,
        annotations=SYNC_HOOK,
        wave=WAVE_SUBSCRIPTION,
        # Twice the time of one attempt: a node may fail in the middle of it.
        spec={"backoffLimit": 2, "activeDeadlineSeconds": 2 * TIMEOUT_SECONDS, "template": template},
    )
