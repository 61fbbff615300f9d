"""Addresses and ports that the platform, tenants and the contract name."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from tenantry.compile.problems import at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster
    from tenantry.model.problem import DocPath, SpecProblem
    from tenantry.model.spec import Document


def egress(cluster: Cluster) -> Iterable[SpecProblem]:
    """Egress destinations are IP prefixes and ports are ports."""
    for tenant in cluster.spec.tenants:
        for index, rule in enumerate(tenant.spec.network.egress):
            path: DocPath = ("spec", "network", "egress", index)
            for position, prefix in enumerate(rule.to):
                yield from prefix_problem(tenant, (*path, "to", position), prefix)
            for position, port in enumerate(rule.ports):
                yield from _port(tenant, (*path, "ports", position), port)
    if cluster.spec.contract is not None:
        for index, item in enumerate(cluster.spec.contract.spec.exceptions):
            for position, port in enumerate(item.ports):
                yield from _port(cluster.spec.contract, ("spec", "exceptions", index, "ports", position), port)


def prefix_problem(document: Document, path: DocPath, prefix: str) -> Iterable[SpecProblem]:
    """Yield what is wrong with an IP prefix, if anything, with the prefix that was probably meant."""
    try:
        ipaddress.ip_network(prefix)
        return
    except ValueError:
        pass
    try:
        meant = str(ipaddress.ip_network(prefix, strict=False))
    except ValueError:
        meant = ""
    yield at(
        document,
        path,
        f"{prefix} has host bits set" if meant else f"{prefix} is not an IP prefix",
        expected="a prefix such as 10.20.0.0/16, without host bits",
        found=prefix,
        nearest=meant or None,
        rule="SPEC-PREFIX",
    )


def _port(document: Document, path: DocPath, text: str) -> Iterable[SpecProblem]:
    numbers = [int(part) for part in text.partition("/")[2].split("-")]
    if not all(1 <= number <= 65535 for number in numbers) or numbers != sorted(numbers):
        yield at(
            document,
            path,
            f"{text} is not a port or a rising range of ports",
            expected="TCP/443 or TCP/8000-8100, ports 1 to 65535",
            found=text,
            rule="SPEC-PORT",
        )


def cluster_addresses(cluster: Cluster) -> Iterable[SpecProblem]:
    """Addresses of the cluster itself are IP prefixes."""
    network = cluster.spec.platform.spec.network
    path: DocPath = ("spec", "network")
    stated = [((*path, "pods"), network.pods), ((*path, "services"), network.services)]
    if network.api_servers is not None:
        stated.append(((*path, "apiServers", "addresses"), network.api_servers.addresses))
    for where, prefixes in stated:
        for position, prefix in enumerate(prefixes):
            yield from prefix_problem(cluster.spec.platform, (*where, position), prefix)


CHECKS = (egress, cluster_addresses)
