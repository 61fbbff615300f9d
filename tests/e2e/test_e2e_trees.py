"""The tree of every example and environment is taken as it is written, by the server and by Argo CD's own account."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from e2e_fixtures import PLATFORMS
from e2e_support import Platform, Tally, argo_cd, is_unchanged, live
from e2e_written import differences, unlisted

from tenantry.io.manifests import read_manifests
from testbed.api import User
from testbed.delivery import MANAGER

pytestmark = pytest.mark.e2e

Body = dict[str, Any]

STAND_INS = {
    "dell-production": ["IPPool.nv-ipam.nvidia.com/v1alpha1"],
    "dell-staging": ["IPPool.nv-ipam.nvidia.com/v1alpha1"],
    "eks": [],
    "kubernetes": ["IPPool.nv-ipam.nvidia.com/v1alpha1"],
}
"""Kinds whose definition is not at hand: nv-ipam's operator installs its own and publishes none. The server takes any
such object; what is in it is checked against the catalog's schema by the tests of the compiler."""


@pytest.fixture(scope="module", params=PLATFORMS)
def platform(request: pytest.FixtureRequest, deliver: Callable[[str], Platform]) -> Platform:
    return deliver(request.param)


@pytest.fixture(scope="module")
def delivery(platform: Platform) -> User:
    return argo_cd(platform)


class TestServer:
    def test_takes_every_object_without_a_word(self, platform: Platform, tally: Tally) -> None:
        synced = platform.synced
        for _ in synced.refused:
            tally.count("tree", "objects taken", agreed=False)
        tally.count("tree", "objects taken", agreed=True, number=len(synced.applied))
        assert [(str(item.key), answer.message) for item, answer in synced.refused] == []
        assert [(str(item.key), answer.warnings) for item, answer in synced.applied if answer.warnings] == []
        in_tree = {item.key for item in read_manifests([platform.tree]).manifests}
        assert {item.key for item, _ in synced.applied} == in_tree

    def test_knows_every_kind(self, platform: Platform, request: pytest.FixtureRequest) -> None:
        assert platform.synced.stand_ins == STAND_INS[request.node.callspec.params["platform"]]

    def test_gives_back_what_was_written(self, platform: Platform, tally: Tally) -> None:
        wrong = []
        for item, _ in platform.synced.applied:
            found = list(unlisted(tally, "tree", item.body, live(platform.cluster, item.body)))
            tally.count("tree", "objects read back as written", agreed=not found)
            wrong += [(str(item.key), difference) for difference in found]
        assert wrong == []


class TestArgoCd:
    def test_finds_no_difference(self, platform: Platform, delivery: User, tally: Tally) -> None:
        """Its comparison on the server's side: what an apply would give, against what is there."""
        wrong = []
        for item, _ in platform.synced.applied:
            wanted = platform.cluster.api.apply(item.body, manager=MANAGER, dry_run=True, user=delivery).expect()
            found = list(differences(wanted, live(platform.cluster, item.body)))
            if not tally.count("tree", "objects in sync for Argo CD", agreed=not found):
                wrong.append((str(item.key), found))
        assert wrong == []

    def test_changes_nothing_with_a_second_sync(self, platform: Platform, delivery: User, tally: Tally) -> None:
        wrong = []
        for item, _ in platform.synced.applied:
            unchanged = is_unchanged(platform.cluster, item.body, delivery)
            if not tally.count("tree", "objects unchanged by a second sync", agreed=unchanged):
                wrong.append(str(item.key))
        assert wrong == []

    def test_may_make_and_remove_every_object_where_guards_watch(
        self, platform: Platform, delivery: User, tally: Tally
    ) -> None:
        wrong = []
        for item, _ in platform.synced.applied:
            if not item.key.namespace:
                continue
            answers = [platform.cluster.api.delete(item.body, user=delivery, dry_run=True)]
            # A quota allows the two quotas of the tree, so that nobody can hide behind hundreds of them.
            if item.key.kind != "ResourceQuota":
                other = deepcopy(item.body)
                other["metadata"]["name"] = f"{item.key.name[:50]}-x"
                answers.append(platform.cluster.api.create(other, user=delivery, dry_run=True))
            for answer in answers:
                if not tally.count("tree", "creations and deletions by Argo CD", agreed=answer.ok):
                    wrong.append((str(item.key), answer.message))
        assert wrong == []

    def test_takes_away_who_may_make_projects(self, platform: Platform, delivery: User) -> None:
        """An empty list is not stored, and yet it empties the one that OpenShift comes with."""
        if not platform.resolved.openshift:
            pytest.skip("only OpenShift has projects")
        (ours,) = [item.body for item, _ in platform.synced.applied if item.key.name == "self-provisioners"]
        api = platform.cluster.api
        everybody = {"apiGroup": ours["roleRef"]["apiGroup"], "kind": "Group", "name": "system:authenticated:oauth"}
        api.patch(ours, {"subjects": [everybody]}).expect()
        assert live(platform.cluster, ours)["subjects"] == [everybody]
        api.apply(ours, manager=MANAGER, user=delivery).expect()
        assert "subjects" not in live(platform.cluster, ours)


class TestNodeLabels:
    """The Job that labels nodes, done by hand with its account: what it applies, and nothing else."""

    @pytest.fixture
    def wanted(self, platform: Platform) -> list[Body]:
        named = [host for pool in platform.resolved.pools for host in pool.spec.hosts]
        if not named:
            pytest.skip("no pool of this platform names its hosts")
        lists = [
            json.loads(item.body["data"]["nodes.json"])["items"]
            for item, _ in platform.synced.applied
            if item.key.kind == "ConfigMap" and item.key.name.startswith("node-labels-")
        ]
        assert sorted(node["metadata"]["name"] for node in lists[0]) == sorted(named)
        return list(lists[0])

    account = User.service_account("tenantry-system", "node-labels")
    manager = "tenantry-node-labels"

    def test_puts_back_what_was_changed(self, platform: Platform, wanted: list[Body], tally: Tally) -> None:
        api = platform.cluster.api
        for node in wanted:
            spoiled = dict.fromkeys(node["metadata"]["labels"], "spoiled")
            api.patch(node, {"metadata": {"labels": {**spoiled, "example.com/of-others": "kept"}}}).expect()
            found = api.apply(node, user=self.account, manager=self.manager).expect()["metadata"]["labels"]
            right = {**node["metadata"]["labels"], "example.com/of-others": "kept"}.items() <= found.items()
            assert tally.count("tree", "nodes labelled again by the Job's account", agreed=right)

    def test_takes_away_what_left_the_spec(self, platform: Platform, wanted: list[Body]) -> None:
        api, node = platform.cluster.api, deepcopy(wanted[0])
        node["metadata"]["labels"]["example.com/rack"] = "r1"
        given = api.apply(node, user=self.account, manager=self.manager).expect()["metadata"]["labels"]
        left = api.apply(wanted[0], user=self.account, manager=self.manager).expect()["metadata"]["labels"]
        assert given.keys() - left.keys() == {"example.com/rack"}

    def test_makes_no_node_that_is_not_there(self, platform: Platform) -> None:
        ghost = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "ghost"}}
        answer = platform.cluster.api.apply(ghost, user=self.account, manager=self.manager)
        assert answer.reason == "Forbidden"

    def test_reaches_only_the_nodes_of_the_spec(self, platform: Platform, wanted: list[Body]) -> None:
        other = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "control-plane"}}
        platform.cluster.api.create(other).expect()
        answer = platform.cluster.api.apply(other, user=self.account, manager=self.manager)
        assert answer.reason == "Forbidden"
