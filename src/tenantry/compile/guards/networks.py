"""Secondary networks: pods attach only to networks their namespace was granted, by names in that namespace.

Source: Multus ``pkg/k8sclient/k8sclient.go`` parsePodNetworkAnnotation: an annotation with one of ``[``, ``{`` or
``"`` is JSON, anything else a comma-separated list of ``[namespace/]name[@interface]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.grants import NETWORKS, granted
from tenantry.compile.guards.guard import PODS, Guard, Validation, one_of_prefixes, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

NETWORKS_ANNOTATION = "k8s.v1.cni.cncf.io/networks"

# Written by network plugins through pods/status, which no guard sees. On the pod itself they would choose addresses,
# open ports or replace the default network. Changes of other annotations are let through with these unchanged.
PLUGIN_PREFIXES = (
    "v1.multus-cni.io/",
    "k8s.ovn.org/",
    "cni.projectcalico.org/",
    "ipam.cilium.io/",
    "ipam.antrea.io/",
    "ovn.kubernetes.io/",
)

_WORD = "[A-Za-z0-9._-]*"
_MEMBER = f'"(name|namespace|interface)":"{_WORD}"'
_OBJECT = rf"\{{{_MEMBER}(,{_MEMBER})*\}}"
# JSON with these three members only: addresses, hardware addresses and CNI arguments are not the tenant's to choose.
JSON_FORM = rf"^\[{_OBJECT}(,{_OBJECT})*\]$"
LIST_FORM = r"^([a-z0-9-]+/)?[a-z0-9.-]+(@[a-zA-Z0-9._-]+)?$"


def networks(cluster: Cluster) -> Iterable[Guard]:
    """Yield the guard of attachments to secondary networks."""
    del cluster
    plugin = one_of_prefixes("k", PLUGIN_PREFIXES)
    kept = (
        "request.operation == 'UPDATE' && oldObject.metadata.?annotations[?k].orValue('') == "
        "object.metadata.annotations[k] && oldObject.metadata.?annotations[?k].hasValue()"
    )
    yield Guard(
        "networks",
        "X2, X3, N7: networks of other tenants, addresses and ports a plugin would take from annotations",
        (PODS,),
        (
            Validation(
                f"variables.unchanged_networks || variables.attached == '' || {_only_granted()}",
                "a network is not one this namespace may attach to",
                f"'annotation {NETWORKS_ANNOTATION} may name, in this namespace, [' + "
                "variables.networks.join(', ') + '], as a list or as JSON with name, namespace and interface'",
            ),
            Validation(
                f"object.metadata.?annotations.orValue({{}}).all(k, !{plugin} || ({kept}))",
                "annotations of network plugins are reserved for the platform",
            ),
        ),
        variables=(
            ("networks", granted(NETWORKS)),
            ("attached", f"object.metadata.?annotations[?{text(NETWORKS_ANNOTATION)}].orValue('')"),
            (
                "compact",
                r"variables.attached.replace(' ', '').replace('\n', '').replace('\t', '').replace('\r', '')",
            ),
            (
                "unchanged_networks",
                f"request.operation == 'UPDATE' && object.metadata.?annotations[?{text(NETWORKS_ANNOTATION)}] == "
                f"oldObject.metadata.?annotations[?{text(NETWORKS_ANNOTATION)}]",
            ),
        ),
    )


def _only_granted() -> str:
    """CEL: whether the annotation, in either form, names granted networks only."""
    values = "variables.compact"
    names = f'{values}.split(\'"name":"\')'
    spaces = f'{values}.split(\'"namespace":"\')'
    as_json = (
        f"{values}.matches({text(JSON_FORM)}) && "
        # The first part lies before the first name; every object must have one.
        f"{names}.size() > {values}.split('}}').size() - 1 && "
        f"{names}.all(p, p.startsWith('[') || p.split('\"')[0] in variables.networks) && "
        f"{spaces}.all(p, p.startsWith('[') || p.split('\"')[0] in ['', request.namespace])"
    )
    as_list = (
        f"variables.attached.split(',').all(p, p.trim().matches({text(LIST_FORM)}) && "
        "p.trim().split('@')[0] in variables.networks + variables.networks.map(n, request.namespace + '/' + n))"
    )
    return f"(variables.attached.matches('[\\\\[{{\"]') ? ({as_json}) : ({as_list}))"
