"""Objects as admission gets to see them: the API server has filled in defaults by then.

An expression that reads a field which has a default never meets an object without it, however it was written. Only
fields of which that is sure on every server are here: no plug-in of admission that somebody may have switched off.

Source: Kubernetes, ``pkg/apis/{core,apps,batch}/v1/defaults.go``; null and the empty text of a field with a default
count as left out, as both decode to the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenantry.model.manifest import Body

Defaults = Mapping[str, Any]

_PORT: Defaults = {"protocol": "TCP"}
_CONTAINER: Defaults = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "resources": {},
}
_POD: Defaults = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
    "securityContext": {},
}
_CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")

# Where the spec of pods is, per API group and kind.
_PODS_IN: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("v1", "Pod"): ("spec",),
    ("v1", "ReplicationController"): ("spec", "template", "spec"),
    ("apps/v1", "DaemonSet"): ("spec", "template", "spec"),
    ("apps/v1", "Deployment"): ("spec", "template", "spec"),
    ("apps/v1", "ReplicaSet"): ("spec", "template", "spec"),
    ("apps/v1", "StatefulSet"): ("spec", "template", "spec"),
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
    ("batch/v1", "Job"): ("spec", "template", "spec"),
}

# Defaults of the spec of other kinds.
_SPECS: Mapping[tuple[str, str], Defaults] = {
    ("v1", "Service"): {"type": "ClusterIP", "sessionAffinity": "None"},
    ("v1", "PersistentVolumeClaim"): {"volumeMode": "Filesystem"},
    ("apps/v1", "Deployment"): {"replicas": 1},
    ("apps/v1", "ReplicaSet"): {"replicas": 1},
    ("apps/v1", "StatefulSet"): {"replicas": 1},
    ("batch/v1", "CronJob"): {"concurrencyPolicy": "Allow", "suspend": False},
    ("batch/v1", "Job"): {"backoffLimit": 6, "suspend": False},
}


def received(body: Body) -> Body:
    """Return an object with what the API server fills in; the same object where that is nothing."""
    kind = (str(body.get("apiVersion")), str(body.get("kind")))
    made = body
    if kind in _SPECS:
        made = _at(made, ("spec",), lambda spec: _filled(spec, _SPECS[kind]))
    if kind in _PODS_IN:
        made = _at(made, _PODS_IN[kind], _pod)
    return made


def unsaid(body: Body) -> Body:
    """Return an object without what counts as left out, so that only what it really says is left."""
    kind = (str(body.get("apiVersion")), str(body.get("kind")))
    made = body
    if kind in _SPECS:
        made = _at(made, ("spec",), lambda spec: _without(spec, _SPECS[kind]))
    if kind in _PODS_IN:
        made = _at(made, _PODS_IN[kind], lambda spec: _without(spec, _POD))
    return made


def _at(body: Body, path: tuple[str, ...], change: Any) -> Body:
    """Return a map with something changed at a path, if there is a map."""
    below = body.get(path[0])
    if not isinstance(below, dict):
        return body
    new = change(below) if len(path) == 1 else _at(below, path[1:], change)
    return body if new is below else {**body, path[0]: new}


def _pod(spec: Body) -> Body:
    made = _filled(spec, _POD)
    lists = {name: [_container(item) for item in found] for name in _CONTAINER_LISTS if (found := _list(spec, name))}
    return {**made, **lists}


def _container(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    made = _filled(body, _CONTAINER)
    ports = _list(body, "ports")
    return {**made, "ports": [_filled(item, _PORT) for item in ports]} if ports else made


def _list(body: Body, name: str) -> list[Any]:
    found = body.get(name)
    return found if isinstance(found, list) else []


def _filled(body: Any, defaults: Defaults) -> Any:
    if not isinstance(body, dict):
        return body
    missing = {key: value for key, value in defaults.items() if body.get(key) in (None, "")}
    return {**body, **missing} if missing else body


def _without(body: Body, defaults: Defaults) -> Body:
    gone = {key for key in defaults if key in body and body[key] in (None, "")}
    return {key: value for key, value in body.items() if key not in gone} if gone else body
