"""Quotas count and bound as Tenantry says: pods of every shape, every key, scopes, each namespace up to its limit."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, product, takewhile
from random import Random
from typing import Any

import pytest
from e2e_pods import DEVICES, counts, drawn, row_of, snapshot_count, trace_count, used
from e2e_rights import manifest
from e2e_support import Tally

from tenantry.model.snapshot import Snapshot
from tenantry.safe.flood import COUNTED, Countable, quota_keys
from tenantry.safe.pods import plain_pod
from tenantry.safe.quotas import QuotaBook
from tenantry.safe.samples import sample
from testbed.api import Body
from testbed.control_plane import Cluster
from testbed.definitions import install, stand_in

pytestmark = pytest.mark.e2e

SEED = 61
WORKERS = 8
MIB = 1 << 20
PLENTY = "1000000"

OVERHEAD = "heavy"

OF_THE_POD = "requests of the pod as a whole (listed)"
"""Snapshots are read as the KAI scheduler does, which adds up containers (``pod_info.go``)."""


def made(cluster: Cluster, name: str, *, labels: dict[str, str] | None = None) -> str:
    """Make a namespace and wait for its account, without which pods are refused."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}
    cluster.api.create(space).expect()
    cluster.until(
        f"the account of {name}", lambda: cluster.api.get("v1", "ServiceAccount", "default", name) is not None
    )
    return name


def bounded(cluster: Cluster, namespace: str, hard: dict[str, str], name: str = "all", **spec: Any) -> None:
    """Make a quota and wait until the server has counted for it."""
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hard": hard, **spec},
    }
    cluster.api.create(body).expect()
    # The controller looks for kinds that are new every half minute.
    what = f"quota {name} of {namespace}"
    cluster.until(what, lambda: set(used(cluster, namespace, name)) == set(hard), seconds=90)
    enforced(cluster, namespace, "leases" if "count/podtemplates" in hard else "podtemplates")


def enforced(cluster: Cluster, namespace: str, by: str = "podtemplates") -> None:
    """Wait until admission has seen every quota there is by now: one that is made last and allows nothing shows it."""
    kind = next(kind for kind in COUNTED if kind.plural == by)
    key = quota_keys(kind)[-1]
    meta = {"name": "last", "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {key: "0"}}}
    cluster.api.create(body).expect()
    probe = countable(kind, namespace, "probe")
    cluster.until(f"quotas of {namespace}", lambda: "exceeded quota" in cluster.api.create(probe, dry_run=True).message)


WIDGETS = Countable("testbed.example.com", "widgets", "Widget")


@pytest.fixture(scope="module")
def counting(module_cluster: Cluster) -> Cluster:
    """Return the cluster of this module with a kind of its own, which the controller finds while other tests run."""
    install(module_cluster, [stand_in(WIDGETS.group, "v1", WIDGETS.kind, WIDGETS.plural, namespaced=True)])
    return module_cluster


# --- what a pod counts as ---------------------------------------------------------------------------------------------


class TestCounting:
    """What one pod counts as: init containers, sidecars, overhead, requests of the pod itself, defaults."""

    def test_pods_of_every_shape_count_alike(self, counting: Cluster, tally: Tally) -> None:
        overhead = {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": OVERHEAD},
            "handler": "runc",
            "overhead": {"podFixed": {"cpu": "250m", "memory": "120Mi"}},
        }
        counting.api.create(overhead).expect()
        with ThreadPoolExecutor(WORKERS) as pool:
            found = list(pool.map(lambda part: self._surely(counting, part), range(WORKERS)))
        wrong: list[Any] = []
        for pod, server in (case for cases in found for case in cases):
            ours = snapshot_count(pod)
            mixed = "nvidia.com/gpu" in server and any(name.startswith("nvidia.com/mig") for name in server)
            for name in sorted(server | ours):
                agreed = server.get(name, 0) == ours.get(name, 0)
                if not agreed and name in pod["spec"].get("resources", {}).get("requests", {}):
                    tally.count("what a pod counts as", OF_THE_POD, agreed=True)
                elif not (mixed and name == "nvidia.com/gpu") and not tally.count(
                    "what a pod counts as", row_of(name), agreed=agreed
                ):
                    wrong.append((name, server.get(name, 0), ours.get(name, 0), pod["spec"]))
            told = trace_count(pod)
            agreed = told == {"cpu": server["cpu"], "memory": -(-server["memory"] // MIB)}
            if not tally.count("what a pod counts as", "cpu and memory, as traces are read", agreed=agreed):
                wrong.append(("trace", server, told, pod["spec"]))
        assert not wrong

    @classmethod
    def _surely(cls, cluster: Cluster, part: int) -> list[tuple[Body, dict[str, int]]]:
        """Count again where the controller, which has not seen the last pod yet, counted it off in between."""
        for attempt in range(3):
            found, steady = cls._counted(cluster, part, f"counting-{part}-{attempt}")
            if steady:
                return found
        raise AssertionError("the controller and admission of the server count differently")

    @staticmethod
    def _counted(cluster: Cluster, part: int, namespace: str) -> tuple[list[tuple[Body, dict[str, int]]], bool]:
        """Create pods one after the other; return each as it is stored with what was added, and whether none fell."""
        made(cluster, namespace)
        keys = {f"requests.{name}": name for name in ("cpu", "memory", "ephemeral-storage", *DEVICES)}
        bytes_of = dict.fromkeys(("requests.memory", "requests.ephemeral-storage"), "1000Ti")
        bounded(cluster, namespace, {**dict.fromkeys(keys, PLENTY), **bytes_of})
        defaults = {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "defaults", "namespace": namespace},
            "spec": {
                "limits": [
                    {
                        "type": "Container",
                        "default": {"cpu": "4", "memory": "4Gi", "ephemeral-storage": "4Gi"},
                        "defaultRequest": {"cpu": "50m", "memory": "32Mi", "ephemeral-storage": "1Gi"},
                    }
                ]
            },
        }
        cluster.api.create(defaults).expect()
        dice, found, steady = Random(SEED + part), [], True
        before = counts(cluster, namespace)
        for index in range(30):
            answer = cluster.api.create(drawn(dice, f"pod-{index}", namespace, overhead=OVERHEAD))
            if answer.reason == "Invalid":
                # Requests of a pod that do not hold those of its containers.
                continue
            stored = answer.expect()
            after = counts(cluster, namespace)
            added = {keys[key]: after[key] - before[key] for key in keys if after[key] != before[key]}
            found.append((stored, {"cpu": 0, "memory": 0, **added}))
            steady = steady and bool(added) and min(added.values()) > 0
            before = after
        return found, steady


# --- which key counts which kind --------------------------------------------------------------------------------------


CONTENT: dict[str, Body] = {
    "persistentvolumeclaims": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    },
    "services": {"spec": {"ports": [{"port": 80}]}},
    "limitranges": {"spec": {"limits": []}},
    "leases": {"spec": {}},
    "podtemplates": {"template": {"spec": {"containers": [{"name": "a", "image": "a"}]}}},
    "resourcequotas": {"spec": {"hard": {}}},
    "controllerrevisions": {"revision": 1, "data": {}},
    "horizontalpodautoscalers": {
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}},
    },
    "endpointslices": {"addressType": "IPv4", "endpoints": []},
    "ingresses": {"spec": {"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}},
    "roles": {"rules": []},
    "rolebindings": {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}},
}
"""What objects need to be valid, beyond what samples of the verifier hold."""

FROM_THE_START = {"configmaps": 1, "serviceaccounts": 1, "resourcequotas": 2}
"""Objects of a new namespace: the certificate, the account, and the quotas themselves."""


def countable(kind: Countable, namespace: str, name: str) -> Body:
    """Return a valid object of a kind."""
    body = sample(kind.group, kind.plural, namespace) if kind.kind == "" or kind.plural in WITH_PODS else {}
    version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    meta = {"name": name, "namespace": namespace}
    found = {**body, "apiVersion": version, "kind": kind.kind or body["kind"], "metadata": meta}
    found |= CONTENT.get(kind.plural, {})
    if kind.plural in {"resourceclaims", "resourceclaimtemplates"}:
        found["spec"] = {} if kind.plural == "resourceclaims" else {"spec": {}}
    elif kind.plural in WITH_PODS and kind.plural != "pods":
        _made_plain(kind.plural, found["spec"])
    return found


def _made_plain(plural: str, spec: Body) -> None:
    """Make nothing of an object with a pod template, which a quota would count too, and make it valid."""
    if plural == "cronjobs":
        spec["suspend"] = True
        spec = spec["jobTemplate"]["spec"]
    if plural in {"jobs", "cronjobs"}:
        spec["parallelism"] = 0
        spec.pop("selector", None)
        spec["template"]["spec"]["restartPolicy"] = "Never"
    elif plural == "replicationcontrollers":
        spec["selector"] = spec["template"]["metadata"]["labels"]
    if plural not in {"jobs", "cronjobs", "daemonsets"}:
        spec["replicas"] = 0


WITH_PODS = frozenset(
    ("daemonsets", "deployments", "replicasets", "statefulsets", "replicationcontrollers", "jobs", "cronjobs", "pods")
)


class TestKeys:
    """The key that Tenantry says counts a kind does: one more object than it allows is refused, and no other kind."""

    def test_every_kind_is_counted_by_its_keys(self, counting: Cluster, tally: Tally) -> None:
        cases = [
            (kind, key, f"keys-{index}-{number}")
            for index, kind in enumerate((*COUNTED, WIDGETS))
            for number, key in enumerate(quota_keys(kind))
        ]
        with ThreadPoolExecutor(WORKERS) as pool:
            found = list(pool.map(lambda case: self._surely(counting, *case), cases))
        wrong = [
            (kind, key, problem)
            for (kind, key, _), problem in zip(cases, found, strict=True)
            if not tally.count("quota keys", _kind_of_key(key), agreed=not problem)
        ]
        assert not wrong

    @classmethod
    def _surely(cls, cluster: Cluster, kind: Countable, key: str, namespace: str) -> str:
        """Return what is wrong with a key, tried again where the controller counted before it saw the last object."""
        problems = (cls._tried(cluster, kind, key, f"{namespace}-{attempt}") for attempt in range(3))
        found = list(takewhile(bool, problems))
        return found[-1] if len(found) == 3 else ""

    @staticmethod
    def _tried(cluster: Cluster, kind: Countable, key: str, namespace: str) -> str:
        made(cluster, namespace)
        start = FROM_THE_START.get(kind.plural, 0)
        if kind.plural == "configmaps":
            cluster.until(
                "the certificate", lambda: cluster.api.get("v1", "ConfigMap", "kube-root-ca.crt", namespace) is not None
            )
        bounded(cluster, namespace, {key: str(start + 2)})
        for number in range(2):
            answer = cluster.api.create(countable(kind, namespace, f"one-{number}"))
            if not answer.ok:
                return f"number {number}: {answer.message}"
        third = cluster.api.create(countable(kind, namespace, "one-too-many"))
        if third.ok or "exceeded quota" not in third.message:
            return f"one too many: {third.status} {third.message}"
        now = counts(cluster, namespace)[key]
        return "" if now == start + 2 else f"it counts {now}"

    def test_devices_are_counted_by_one_key_only(self, counting: Cluster, tally: Tally) -> None:
        """The server takes other keys that name a device, and counts nothing by them."""
        cases = [
            (device, key, f"device-{index}-{number}")
            for index, device in enumerate(DEVICES)
            for number, key in enumerate((f"requests.{device}", f"limits.{device}", device, f"count/{device}"))
        ]
        with ThreadPoolExecutor(WORKERS) as pool:
            found = list(pool.map(lambda case: self._holds(counting, *case), cases))
        wrong = []
        for (device, key, namespace), holds in zip(cases, found, strict=True):
            quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "a", "namespace": namespace}}
            book = QuotaBook(Snapshot([manifest({**quota, "spec": {"hard": {key: "1"}}})]))
            says = book.bound(namespace, f"requests.{device}") is not None
            if not tally.count("quota keys", f"key of a device, {'holds' if holds else 'inert'}", agreed=says is holds):
                wrong.append((key, holds))
        assert not wrong

    @staticmethod
    def _holds(cluster: Cluster, device: str, key: str, namespace: str) -> bool:
        """Whether a quota of one by a key keeps a pod with two devices out; one whose key is refused does not."""
        made(cluster, namespace)
        body = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "a", "namespace": namespace},
            "spec": {"hard": {key: "1"}},
        }
        if cluster.api.create(body).ok:
            cluster.until(
                f"quota of {namespace}",
                lambda: bool(
                    (cluster.api.get("v1", "ResourceQuota", "a", namespace) or {}).get("status", {}).get("hard")
                ),
            )
        pod = plain_pod(namespace, "two")
        pod["spec"]["containers"][0]["resources"] = {"limits": {device: "2"}}
        answer = cluster.api.create(pod)
        assert answer.ok or "exceeded quota" in answer.message, answer.message
        return not answer.ok

    def test_requests_of_devices_equal_their_limits(self, counting: Cluster, tally: Tally) -> None:
        namespace = made(counting, "device-requests")
        shapes: list[tuple[Body, bool]] = [
            ({"limits": {"nvidia.com/gpu": "2"}}, True),
            ({"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "2"}}, True),
            ({"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "2"}}, False),
            ({"requests": {"nvidia.com/gpu": "2"}}, False),
            ({"limits": {"nvidia.com/gpu": "500m"}}, False),
        ]
        for index, (resources, wanted) in enumerate(shapes):
            pod = plain_pod(namespace, f"pod-{index}")
            pod["spec"]["containers"][0]["resources"] = resources
            allowed = counting.api.create(pod, dry_run=True).ok
            assert tally.count("quota keys", "requests of devices are their limits", agreed=allowed is wanted), (
                resources
            )


def _kind_of_key(key: str) -> str:
    return "keys that begin with count/" if key.startswith("count/") else "plain keys"


# --- scopes -----------------------------------------------------------------------------------------------------------


CLASSES = ("low", "high", "other", "")

SCOPES: tuple[Body, ...] = (
    *({"scopes": [name]} for name in ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort")),
    *(
        {"scopeSelector": {"matchExpressions": [expression]}}
        for expression in (
            {"scopeName": "PriorityClass", "operator": "In", "values": ["low"]},
            {"scopeName": "PriorityClass", "operator": "In", "values": ["low", "high"]},
            {"scopeName": "PriorityClass", "operator": "NotIn", "values": ["low"]},
            {"scopeName": "PriorityClass", "operator": "NotIn", "values": ["high", "other"]},
            {"scopeName": "PriorityClass", "operator": "Exists"},
            {"scopeName": "PriorityClass", "operator": "DoesNotExist"},
            {"scopeName": "CrossNamespacePodAffinity", "operator": "Exists"},
        )
    ),
    {"scopes": ["NotTerminating", "NotBestEffort"]},
)


def _scoped(namespace: str, index: int) -> Body:
    meta = {"name": f"scope-{index}", "namespace": namespace}
    spec = {"hard": {"pods": PLENTY}, **SCOPES[index]}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": spec}


WRONG = "99"


class TestScopes:
    """Which pods a quota with scopes counts, and when quotas together count every pod."""

    def test_quotas_hold_for_the_pods_that_are_predicted(self, counting: Cluster, tally: Tally) -> None:
        for index, name in enumerate(CLASSES[:3]):
            body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}}
            counting.api.create({**body, "value": index + 1}).expect()
        pods = list(self._pods())
        with ThreadPoolExecutor(WORKERS) as pool:
            sets = list(pool.map(lambda case: self._counting(counting, *case), enumerate(pods)))
        quotas = [_scoped("scopes", index) for index in range(len(SCOPES))]
        counted = list(zip(pods, sets, strict=True))
        self._classes(tally, quotas, counted)
        self._together(tally, quotas, counted)

    @staticmethod
    def _counting(cluster: Cluster, number: int, pod: Body) -> frozenset[int]:
        """Return which of the quotas count a pod that is alone in its namespace."""
        namespace = made(cluster, f"scopes-{number}")
        for index in range(len(SCOPES)):
            cluster.api.create(_scoped(namespace, index)).expect()
        names = [f"scope-{index}" for index in range(len(SCOPES))]
        cluster.api.create({**pod, "metadata": {**pod["metadata"], "namespace": namespace}}).expect()
        # The count right after is admission's, and the controller's may come over it without the pod: ask for another.
        for name in names:
            meta = {"name": name, "namespace": namespace}
            quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta}
            cluster.api.patch(quota, {"status": {"used": {"pods": WRONG}}}, sub="status").expect()
        cluster.until("a count", lambda: all(used(cluster, namespace, name)["pods"] != WRONG for name in names))
        return frozenset(index for index, name in enumerate(names) if counts(cluster, namespace, name)["pods"])

    @staticmethod
    def _pods() -> Iterator[Body]:
        """Yield a pod of every kind that scopes tell apart."""
        for short, requests, name, far in product((True, False), (True, False), CLASSES, (True, False)):
            pod = plain_pod("scopes", "alone")
            if short:
                pod["spec"]["activeDeadlineSeconds"] = 60
            if requests:
                pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1m"}}
            if name:
                pod["spec"]["priorityClassName"] = name
            if far:
                term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}, "namespaces": ["default"]}
                required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
                pod["spec"]["affinity"] = {"podAntiAffinity": required}
            yield pod

    @staticmethod
    def _classes(tally: Tally, quotas: list[Body], counted: list[tuple[Body, frozenset[int]]]) -> None:
        for index, quota in enumerate(quotas):
            if "PriorityClass" not in str(quota["spec"].get("scopeSelector")):
                continue
            book = QuotaBook(Snapshot([manifest(quota)]))
            for name in CLASSES:
                says = book.limiting_class("scopes", name) is not None
                for pod, by in counted:
                    if pod["spec"].get("priorityClassName", "") == name:
                        agreed = (index in by) is says
                        assert tally.count("quota scopes", "pods of a priority class", agreed=agreed), (quota, name)

    @staticmethod
    def _together(tally: Tally, quotas: list[Body], counted: list[tuple[Body, frozenset[int]]]) -> None:
        """Ask of every set of up to three quotas whether every pod is in one."""
        for size in (1, 2, 3):
            for chosen in combinations(range(len(quotas)), size):
                book = QuotaBook(Snapshot([manifest(quotas[index]) for index in chosen]))
                says = book.bound("scopes", "pods") is not None
                every = all(by & set(chosen) for _, by in counted)
                if every and not says:
                    # Three scopes may hold every pod among them; a bound is believed where two do.
                    assert size == 3, chosen
                    tally.count("quota scopes", "every pod, by more than two (listed)", agreed=True)
                    continue
                row = f"every pod, {'held' if every else 'not held'}"
                assert tally.count("quota scopes", row, agreed=says is every), (chosen, says)
