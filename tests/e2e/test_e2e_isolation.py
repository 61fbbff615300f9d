"""Holes that the verifier finds are really used with a tenant's own credentials; guards refuse the same attempts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from e2e_fixtures import EXAMPLES
from e2e_holes import ABSENT, EXPLOITS, QUEUE_LABEL, Attacker, unshown
from e2e_support import Platform, Tally

from tenantry.app.verify import declare, tree_subject
from tenantry.io.manifests import read_manifests
from tenantry.model.claim import Claim
from tenantry.model.finding import Verdict
from tenantry.safe.channels import CHANNELS
from tenantry.safe.verify import verify
from tenantry.safe.view import View
from testbed import binaries
from testbed.api import Body
from testbed.control_plane import Cluster
from testbed.definitions import definitions_in
from testbed.gpu_nodes import KWOK

pytestmark = pytest.mark.e2e

LEAKY = EXAMPLES / "leaky-cluster"
TODAY = date(2026, 1, 1)


@pytest.fixture(scope="module")
def claims() -> list[Claim]:
    """Return the holes of the leaky example, as the verifier finds them."""
    subject = tree_subject([LEAKY / "manifests"], tenancy=LEAKY / "tenancy.yaml")
    view = View(subject.snapshot, subject.tenancy, declare(subject, TODAY))
    return [claim for claim in verify(view, CHANNELS, lambda _: None) if claim.verdict is Verdict.VIOLATED]


@pytest.fixture(scope="module")
def leaky(tools: binaries.Binaries, shared: Path) -> Iterator[Cluster]:
    """Give the leaky example a cluster with nodes that have its devices, and let pods run."""
    with Cluster(definitions_in(shared / "crds")) as cluster:
        items = list(read_manifests([LEAKY / "manifests"]).manifests)
        known = {item.key.name for item in items if item.key.kind == "Namespace"}
        for name in sorted({item.key.namespace for item in items} - known - {""}):
            cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).expect()
        for item in sorted(items, key=lambda item: item.key.kind != "Namespace"):
            cluster.api.apply(item.body).expect()
        for node in (item for item in items if item.key.kind == "Node"):
            _equip(cluster, node.body)
        for space in ("red", "blue", "gpu-operator"):
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token", "namespace": space}}
            cluster.api.create({**secret, "stringData": {"token": "of nobody else"}}).expect()
            cluster.until("account", lambda: cluster.api.get("v1", "ServiceAccount", "default", space) is not None)  # noqa: B023
        cluster.run_pods()
        cluster.schedule()
        cluster.bind_volumes()
        yield cluster


def _equip(cluster: Cluster, node: Body) -> None:
    """Give a node what kubelets and device plugins would."""
    capacity = {"cpu": "64", "memory": "512Gi", "pods": "250", "ephemeral-storage": "1Ti", "rdma/hca_shared": "1000"}
    capacity |= {"openshift.io/rail0": "8", **node["status"]["allocatable"]}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated"}
    status = {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}
    cluster.api.patch(node, {"status": status}, sub="status").expect()
    # No controller of nodes runs that would take off the taint of nodes that are new.
    made = {"metadata": {"annotations": KWOK}, "spec": {"taints": None}}
    cluster.api.patch(node, made).expect()


class TestLeaky:
    """Every hole of the leaky example that can be shown without hardware."""

    def test_every_hole_is_used(self, leaky: Cluster, claims: list[Claim], tally: Tally) -> None:
        wrong = []
        with leaky.as_user("mallory-red", "red-team") as red, leaky.as_user("mallory-blue", "blue-team") as blue:
            apis = {"red": (red, "blue"), "blue": (blue, "red")}
            for claim in claims:
                if unshown(claim):
                    tally.count("holes that need more than a control plane (listed)", claim.channel, agreed=True)
                    continue
                api, target = apis[claim.source]
                attacker = Attacker(leaky, api, claim.source, claim.target or target)
                used = EXPLOITS[claim.channel](attacker, claim)
                if not tally.count("holes used by a tenant", claim.channel, agreed=used):
                    wrong.append((claim.channel, claim.source, claim.target, attacker.told[-2:]))
        assert not wrong


TENANTS = {"red": ("sandbox", "students"), "blue": ("vision-train", "vision")}
"""Namespaces and groups of the Dell example that take the parts of red and blue."""


class TestGuarded:
    """The same attempts where the tree of the Dell example stands."""

    def test_every_attempt_is_refused(
        self, deliver: Callable[[str], Platform], claims: list[Claim], tally: Tally
    ) -> None:
        cluster = deliver("dell-production").cluster
        cluster.run_pods()
        cluster.schedule()
        names = {name: space for name, (space, _) in TENANTS.items()}
        names |= {"blue-serve": "vision-serve", "gpu-operator": "nvidia-gpu-operator", "argocd": "openshift-gitops"}
        names[QUEUE_LABEL] = "kai.scheduler/queue"
        for space, _ in TENANTS.values():
            body = cluster.api.get("v1", "Namespace", space) or {}
            names[f"queue of {space}"] = body["metadata"]["annotations"]["tenantry.dev/queues"].partition(",")[0]
        wrong = []
        with (
            cluster.as_user("mallory-red", TENANTS["red"][1]) as red,
            cluster.as_user("mallory-blue", TENANTS["blue"][1]) as blue,
        ):
            apis = {"red": (red, "blue"), "blue": (blue, "red")}
            for claim in claims:
                if unshown(claim):
                    continue
                api, other = apis[claim.source]
                target = names[claim.target or other]
                attacker = Attacker(cluster, api, names[claim.source], target, names, patience=5)
                used = EXPLOITS[claim.channel](attacker, claim)
                table = (
                    "attempts that lead nowhere (listed)" if claim.channel in ABSENT else "attempts that are refused"
                )
                refused = not used and (bool(attacker.told) or claim.channel in ABSENT)
                if not tally.count(table, claim.channel, agreed=refused):
                    wrong.append((claim.channel, claim.source, claim.target, attacker.told[-2:]))
        assert not wrong
