"""Scraping: monitors of a tenant look at its own namespace and send no credentials of Prometheus anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.guard import Guard, Rule, Validation, texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

# Fields that make Prometheus read files of its own pod, such as the token of its service account.
FILE_FIELDS = ("caFile", "certFile", "keyFile")


def monitors(cluster: Cluster) -> Iterable[Guard]:
    """Yield the guards of ServiceMonitors and PodMonitors."""
    del cluster
    for resource, endpoints in (("servicemonitors", "endpoints"), ("podmonitors", "podMetricsEndpoints")):
        listed = f"object.spec.?{endpoints}.orValue([])"
        yield Guard(
            f"{resource}",
            "C3: series of other tenants, credentials of Prometheus",
            (Rule("monitoring.coreos.com", ("v1",), (resource,)),),
            (
                Validation(
                    "!object.spec.?namespaceSelector.?any.orValue(false) && "
                    "object.spec.?namespaceSelector.?matchNames.orValue([]).all(n, n == request.namespace)",
                    "spec.namespaceSelector must select this namespace only",
                ),
                Validation(
                    f"{listed}.all(e, e.?bearerTokenFile.orValue('') == '' && "
                    f"{texts(FILE_FIELDS)}.all(f, e.?tlsConfig[?f].orValue('') == ''))",
                    "files of Prometheus must not be sent: use a secret of this namespace",
                ),
            ),
            same=(".spec",),
        )
