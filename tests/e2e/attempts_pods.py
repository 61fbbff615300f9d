"""Pods at the edge of every guard of pods and of every check of Pod Security."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attempts import Body, Change, Deviation, Place, add, annotated, both, drop, labelled, named, put

from tenantry.compile.guards import grants
from tenantry.compile.guards.devices import DEVICE_ANNOTATIONS, DEVICE_VARIABLES, FRACTION_ANNOTATIONS
from tenantry.compile.guards.networks import NETWORKS_ANNOTATION, PLUGIN_PREFIXES
from tenantry.compile.guards.pools import NODE_CONDITIONS
from tenantry.compile.guards.queues import KAI_GPU_GROUP, KAI_POOL, KAI_QUEUE, KUEUE_QUEUE, QUEUE_SCHEDULERS
from tenantry.compile.guards.volumes import INLINE_DRIVERS
from tenantry.model.cluster import POOL_LABEL
from tenantry.safe.pods import plain_pod

IMAGE = "registry.example.com/tool:1"
CONTEXT = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def pod(place: Place, name: str = "probe") -> Body:
    """A pod that everything lets in."""
    body = plain_pod(place.namespace, name)
    body["spec"]["initContainers"] = [{"name": "first", "image": IMAGE, "securityContext": CONTEXT}]
    return body


def pod_deviations(place: Place) -> list[Deviation]:
    """Every way in which pods are changed."""
    return [
        *_pod_security(),
        *_volumes(),
        *_devices(),
        *_networks(place),
        *_queues(place),
        *_pools(place),
        *named("grace-periods", {f"{n} s": put("spec", "terminationGracePeriodSeconds", value=n) for n in GRACE}),
        *_plain(),
    ]


GRACE = (0, 1, 30, 3599, 3600, 3601, 86400)


def _main(*path: str | int, value: Any) -> Change:
    return put("spec", "containers", 0, *path, value=value)


def _init(*path: str | int, value: Any) -> Change:
    return put("spec", "initContainers", 0, *path, value=value)


def _everywhere(what: str, *path: str | int, value: Any) -> Iterator[tuple[str, Change]]:
    yield f"{what} (container)", _main(*path, value=value)
    yield f"{what} (init container)", _init(*path, value=value)


def _plain() -> Iterator[Deviation]:
    yield from named(
        "plain",
        {
            "as it is": lambda body: None,
            "without init containers": drop("spec", "initContainers"),
            "no init containers, said": put("spec", "initContainers", value=[]),
            "a node selector": put("spec", "nodeSelector", "kubernetes.io/hostname", value="node-01"),
            "affinity to a node": put(
                "spec",
                "affinity",
                "nodeAffinity",
                "requiredDuringSchedulingIgnoredDuringExecution",
                "nodeSelectorTerms",
                value=[{"matchExpressions": [{"key": POOL_LABEL, "operator": "Exists"}]}],
            ),
            "a sidecar": _init("restartPolicy", value="Always"),
            "another account": put("spec", "serviceAccountName", value="worker"),
            "a host name": put("spec", "hostname", value="one"),
        },
    )


# --- Pod Security -----------------------------------------------------------------------------------------------------


def _pod_security() -> Iterator[Deviation]:
    changes: dict[str, Change] = {}
    for what, path, value in _CONTEXTS:
        changes.update(_everywhere(f"{what} {value}", "securityContext", *path, value=value))
    for what, path, value in _POD_CONTEXTS:
        changes[f"{what} {value} (pod)"] = put("spec", "securityContext", *path, value=value)
    for field in ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"):
        for value in (True, False):
            changes[f"{field} {value}"] = put("spec", field, value=value)
    for field in ("allowPrivilegeEscalation", "capabilities"):
        changes[f"no {field}"] = drop("spec", "containers", 0, "securityContext", field)
        changes[f"no {field} (init container)"] = drop("spec", "initContainers", 0, "securityContext", field)
    changes["no context of a container"] = drop("spec", "containers", 0, "securityContext")
    changes["no context of the pod"] = drop("spec", "securityContext")
    for field in ("runAsNonRoot", "seccompProfile"):
        own = both(
            drop("spec", "securityContext", field),
            _main("securityContext", field, value=_GOOD[field]),
        )
        changes[f"{field} of one container only"] = own
        changes[f"{field} of all containers only"] = both(own, _init("securityContext", field, value=_GOOD[field]))
    changes.update(_everywhere("a port of the host", "ports", value=[{"containerPort": 80, "hostPort": 80}]))
    changes.update(_everywhere("host port 0", "ports", value=[{"containerPort": 80, "hostPort": 0}]))
    for relaxed in ("runAsNonRoot", "procMount", "runAsUser"):
        value = {"runAsNonRoot": False, "procMount": "Unmasked", "runAsUser": 0}[relaxed]
        own_users = both(put("spec", "hostUsers", value=False), _main("securityContext", relaxed, value=value))
        changes[f"{relaxed} {value}, users of its own"] = own_users
    for form, handler in _HANDLERS.items():
        changes[f"probe {form}"] = _main("livenessProbe", value=handler)
        changes[f"life cycle {form}"] = _main("lifecycle", "preStop", value=handler)
    app_armor = "container.apparmor.security.beta.kubernetes.io/main"
    for value in ("unconfined", "runtime/default", "localhost/mine"):
        changes[f"AppArmor annotation {value}"] = annotated(app_armor, value)
    changes["Windows"] = both(
        put("spec", "os", value={"name": "windows"}),
        put("spec", "securityContext", value={"runAsNonRoot": True}),
        drop("spec", "initContainers"),
        drop("spec", "containers", 0, "securityContext"),
    )
    yield from named("Pod Security", changes)


_GOOD: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTEXTS: tuple[tuple[str, tuple[str, ...], Any], ...] = (
    ("privileged", ("privileged",), True),
    ("privileged", ("privileged",), False),
    ("capabilities", ("capabilities", "add"), ["NET_BIND_SERVICE"]),
    ("capabilities", ("capabilities", "add"), ["NET_ADMIN"]),
    ("capabilities", ("capabilities", "add"), ["CHOWN", "SYS_ADMIN"]),
    ("capabilities", ("capabilities", "add"), []),
    ("capabilities dropped", ("capabilities", "drop"), ["NET_RAW"]),
    ("capabilities dropped", ("capabilities", "drop"), ["all"]),
    ("capabilities dropped", ("capabilities", "drop"), ["NET_RAW", "ALL"]),
    ("runAsNonRoot", ("runAsNonRoot",), False),
    ("runAsNonRoot", ("runAsNonRoot",), True),
    ("runAsUser", ("runAsUser",), 0),
    ("runAsUser", ("runAsUser",), 1000),
    ("seccomp", ("seccompProfile",), {"type": "Unconfined"}),
    ("seccomp", ("seccompProfile",), {"type": "Localhost", "localhostProfile": "mine.json"}),
    ("SELinux", ("seLinuxOptions",), {"type": "spc_t"}),
    ("SELinux", ("seLinuxOptions",), {"type": "container_t"}),
    ("SELinux", ("seLinuxOptions",), {"type": "container_engine_t"}),
    ("SELinux", ("seLinuxOptions",), {"user": "system_u"}),
    ("SELinux", ("seLinuxOptions",), {"level": "s0:c1,c2"}),
    ("AppArmor", ("appArmorProfile",), {"type": "Unconfined"}),
    ("AppArmor", ("appArmorProfile",), {"type": "RuntimeDefault"}),
    ("procMount", ("procMount",), "Unmasked"),
    ("procMount", ("procMount",), "Default"),
    ("read-only root", ("readOnlyRootFilesystem",), True),
)
_POD_CONTEXTS: tuple[tuple[str, tuple[str, ...], Any], ...] = (
    ("runAsNonRoot", ("runAsNonRoot",), False),
    ("runAsUser", ("runAsUser",), 0),
    ("runAsUser", ("runAsUser",), 1),
    ("runAsGroup", ("runAsGroup",), 0),
    ("fsGroup", ("fsGroup",), 0),
    ("seccomp", ("seccompProfile",), {"type": "Unconfined"}),
    ("SELinux", ("seLinuxOptions",), {"type": "container_init_t"}),
    ("SELinux", ("seLinuxOptions",), {"role": "sysadm_r"}),
    ("AppArmor", ("appArmorProfile",), {"type": "Unconfined"}),
    ("sysctls", ("sysctls",), [{"name": "kernel.shm_rmid_forced", "value": "1"}]),
    ("sysctls", ("sysctls",), [{"name": "net.ipv4.tcp_rmem", "value": "1"}]),
    ("sysctls", ("sysctls",), [{"name": "kernel.msgmax", "value": "1"}]),
    ("sysctls", ("sysctls",), [{"name": "net.core.somaxconn", "value": "1"}]),
)
_HANDLERS: dict[str, Body] = {
    "to a host": {"httpGet": {"port": 80, "host": "10.0.0.1"}},
    "to itself": {"httpGet": {"port": 80}},
    "to a host by TCP": {"tcpSocket": {"port": 80, "host": "10.0.0.1"}},
    "a command": {"exec": {"command": ["true"]}},
}


def _volumes() -> Iterator[Deviation]:
    for kind, source in _SOURCES.items():
        yield Deviation("Pod Security", f"a volume: {kind}", add("spec", "volumes", value={"name": "data", **source}))
    for driver in (*INLINE_DRIVERS, "nfs.csi.k8s.io", "csi.cert-manager.io.evil", "CSI.cert-manager.io", "x"):
        volume = {"name": "inline", "csi": {"driver": driver}}
        yield Deviation("inline-volumes", driver, add("spec", "volumes", value=volume))
    good = {"name": "good", "csi": {"driver": INLINE_DRIVERS[0]}}
    bad = {"name": "bad", "csi": {"driver": "smb.csi.k8s.io"}}
    yield Deviation("inline-volumes", "a good one first", put("spec", "volumes", value=[good, bad]))


_SOURCES: dict[str, Body] = {
    "hostPath": {"hostPath": {"path": "/"}},
    "emptyDir": {"emptyDir": {}},
    "memory": {"emptyDir": {"medium": "Memory"}},
    "configMap": {"configMap": {"name": "one"}},
    "secret": {"secret": {"secretName": "one"}},
    "projected": {"projected": {"sources": [{"configMap": {"name": "one"}}]}},
    "downwardAPI": {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    "claim": {"persistentVolumeClaim": {"claimName": "one"}},
    "nfs": {"nfs": {"server": "10.0.0.1", "path": "/"}},
    "iscsi": {"iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:x", "lun": 0}},
    "image": {"image": {"reference": "registry.example.com/data:1"}},
    "ephemeral": {
        "ephemeral": {
            "volumeClaimTemplate": {
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
            }
        }
    },
}


# --- devices ----------------------------------------------------------------------------------------------------------


def _devices() -> Iterator[Deviation]:
    changes: dict[str, Change] = {}
    for value in ("", "void", "none", "disabled", "all", "0", "None", " ", "void,0", "$(X)"):
        entry = [{"name": DEVICE_VARIABLES[0], "value": value}]
        changes.update(_everywhere(f"{DEVICE_VARIABLES[0]}={value!r}", "env", value=entry))
    changes.update(_everywhere("the name alone", "env", value=[{"name": DEVICE_VARIABLES[0]}]))
    for variable in (*DEVICE_VARIABLES[1:], "nvidia_visible_devices", "NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_VISIBLE"):
        changes[f"{variable}=all"] = _main("env", value=[{"name": variable, "value": "all"}])
    for source, content in _VALUE_SOURCES.items():
        taken: list[Body] = [{"name": DEVICE_VARIABLES[0], "valueFrom": content}]
        changes.update(_everywhere(f"{DEVICE_VARIABLES[0]} from {source}", "env", value=taken))
    changes["after a harmless one"] = _main(
        "env", value=[{"name": "A", "value": "1"}, {"name": DEVICE_VARIABLES[0], "value": "all"}]
    )
    changes["set twice"] = _main(
        "env", value=[{"name": DEVICE_VARIABLES[0], "value": "all"}, {"name": DEVICE_VARIABLES[0], "value": "void"}]
    )
    for prefix in ("", "N", "NVIDIA_", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES_", "APP_", "nvidia_", "NV"):
        filled: list[Body] = [{"prefix": prefix, "configMapRef": {"name": "one"}}]
        changes.update(_everywhere(f"envFrom prefix {prefix!r}", "envFrom", value=filled))
    changes["envFrom a secret, without prefix"] = _main("envFrom", value=[{"secretRef": {"name": "one"}}])
    for name in ("nvidia", "nvidia-cdi", "gvisor", "kata", "kata-qemu", "runc"):
        changes[f"runtime class {name}"] = put("spec", "runtimeClassName", value=name)
    for key in (*DEVICE_ANNOTATIONS, *FRACTION_ANNOTATIONS, "cdi.k8s.iox", "x-cdi.k8s.io", "gpu-fractions", "gpu"):
        full = f"{key}probe" if key.endswith("/") else key
        changes[f"annotation {full}"] = annotated(full, "0.5")
    for path in (
        "/var/run/nvidia-container-devices/all",
        "/var/run/nvidia-container-devices",
        "/dev/null",
        "/x/nvidia-container-device/y",
        "/NVIDIA-container-devices",
    ):
        mount = both(
            add("spec", "volumes", value={"name": "dev", "emptyDir": {}}),
            _main("volumeMounts", value=[{"name": "dev", "mountPath": path}]),
        )
        changes[f"mount at {path}"] = mount
    claims = [{"name": "gpu", "resourceClaimName": "one"}]
    changes["a resource claim"] = put("spec", "resourceClaims", value=claims)
    changes["no resource claims, said"] = put("spec", "resourceClaims", value=[])
    yield from named("devices", changes)


_VALUE_SOURCES: dict[str, Body] = {
    "a config map": {"configMapKeyRef": {"name": "one", "key": "k"}},
    "a secret": {"secretKeyRef": {"name": "one", "key": "k"}},
    "a field": {"fieldRef": {"fieldPath": "metadata.name"}},
    "a resource": {"resourceFieldRef": {"resource": "limits.cpu"}},
}


# --- networks ---------------------------------------------------------------------------------------------------------


def _networks(place: Place) -> Iterator[Deviation]:
    own, other = place.own(grants.NETWORKS, "net-a"), place.foreign[grants.NETWORKS]
    second = place.granted[grants.NETWORKS][-1] if place.granted[grants.NETWORKS] else "net-b"
    here, there = place.namespace, place.other
    values = [
        *("", " ", own, f"{own}@net1", f" {own} ", f"{here}/{own}", f"{there}/{own}", other, f"{there}/{other}"),
        *(f"{own},{second}", f"{own},{other}", f"{own},", f",{own}", f"{own}@", f"{own}@a b", f"{own}@eth0@eth1"),
        *(f"{here}/{own}@net1,{second}", f"//{own}", f"/{own}", f"{here}/{there}/{own}", own.upper(), f"{own}.", "*"),
        *(f'[{{"name":"{own}"}}]', f'[{{"name":"{own}","namespace":"{here}"}}]', f'[ {{ "name" : "{own}" }} ]'),
        *(f'[{{"name":"{own}","namespace":"{there}"}}]', f'[{{"name":"{other}"}}]', f'[{{"namespace":"{here}"}}]'),
        *(f'[{{"name":"{own}"}},{{"name":"{second}"}}]', f'[{{"name":"{own}"}},{{"name":"{other}"}}]', "[]", "[{}]"),
        *(f'[{{"name":"{own}","interface":"net1"}}]', f'[{{"name":"{own}","ips":["10.0.0.1"]}}]', "{", "[", '"'),
        *(f'{{"name":"{own}"}}', f'[{{"name":"{own}","name":"{other}"}}]', f'[{{"name":"{other}","name":"{own}"}}]'),
        *(f'[{{"name":"{own}"}},{{"interface":"a"}}]', f'[{{"Name":"{own}"}}]', f'[{{"name":"{own}"}}]\n', f"{own}\n"),
        *(f'[{{"name":"{own}","mac":"02:00:00:00:00:01"}}]', f'[\n{{"name":\t"{own}"}}\n]', f"[{{'name':'{own}'}}]"),
        *(f'"{own}"', f'[{{"name":"{own}\\u0041"}}]', f'[{{"name":"{own}","namespace":""}}]', f"{own}\u00a0"),
    ]
    changes = {f"{value!r}": annotated(NETWORKS_ANNOTATION, value) for value in values}
    for prefix in PLUGIN_PREFIXES:
        changes[f"annotation {prefix}x"] = annotated(f"{prefix}x", "1")
    changes["annotation of the default network"] = annotated("v1.multus-cni.io/default-network", f"{there}/x")
    changes["a similar annotation"] = annotated("k8s.v1.cni.cncf.io/network", other)
    changes["the status of networks"] = annotated("k8s.v1.cni.cncf.io/network-status", "[]")
    yield from named("networks", changes)


# --- queues and pools -------------------------------------------------------------------------------------------------


def _queues(place: Place) -> Iterator[Deviation]:
    own_queue, other_queue = place.own(grants.QUEUES), place.foreign[grants.QUEUES]
    changes: dict[str, Change] = {}
    gpus = {"limits": {place.gpu: "1"}}
    schedulers = (*QUEUE_SCHEDULERS.values(), "default-scheduler", "other-scheduler", "")
    for key in (KAI_QUEUE, KUEUE_QUEUE, "runai/queue", "project"):
        for value in (own_queue, other_queue, "", "x"):
            changes[f"label {key}={value}"] = labelled(key, value)
            changes[f"label {key}={value} with GPUs"] = both(labelled(key, value), _main("resources", value=gpus))
            for name in QUEUE_SCHEDULERS.values():
                scheduled = both(labelled(key, value), put("spec", "schedulerName", value=name))
                changes[f"label {key}={value} with {name}"] = scheduled
                changes[f"label {key}={value} with {name} and GPUs"] = both(scheduled, _main("resources", value=gpus))
    for name in schedulers:
        changes[f"scheduler {name}"] = put("spec", "schedulerName", value=name)
    changes.update(_everywhere("GPUs", "resources", value=gpus))
    changes["GPUs as requests"] = _main("resources", value={"limits": {place.gpu: "1"}, "requests": {place.gpu: "1"}})
    changes["no GPUs, said"] = _main("resources", value={"limits": {place.gpu: "0"}})
    changes["another device"] = _main("resources", value={"limits": {"example.com/fpga": "1"}})
    for key in (KAI_GPU_GROUP, f"{KAI_GPU_GROUP}/x", "runai-gpu"):
        changes[f"label {key}"] = labelled(key, "x")
    for key, value in (
        (KAI_POOL, place.own(grants.POOLS)),
        (KAI_POOL, place.foreign[grants.POOLS]),
        ("kueue.x-k8s.io/priority-class", place.own(grants.PRIORITIES)),
        ("kueue.x-k8s.io/priority-class", "x"),
        ("priorityClassName", place.own(grants.PRIORITIES)),
        ("priorityClassName", place.foreign[grants.PRIORITIES]),
    ):
        changes[f"label {key}={value}"] = labelled(key, value)
    for name in (*place.granted[grants.PRIORITIES], place.foreign[grants.PRIORITIES], "system-node-critical", ""):
        changes[f"priority class {name}"] = put("spec", "priorityClassName", value=name)
    yield from named("queues", changes)


def _pools(place: Place) -> Iterator[Deviation]:
    own, other = place.own(grants.POOLS), place.foreign[grants.POOLS]
    tolerations: list[Body] = [
        {"operator": "Exists"},
        {"operator": "Exists", "effect": "NoSchedule"},
        {"key": POOL_LABEL, "operator": "Exists"},
        {"key": POOL_LABEL, "value": own},
        {"key": POOL_LABEL, "operator": "Equal", "value": own, "effect": "NoSchedule"},
        {"key": POOL_LABEL, "value": other},
        {"key": POOL_LABEL, "operator": "Equal", "value": ""},
        {"key": POOL_LABEL},
        {"key": f"{POOL_LABEL}x", "value": own},
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"},
        {"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"},
        *({"key": key, "operator": "Exists"} for key in NODE_CONDITIONS),
        {"key": "nvidia.com/gpu", "operator": "Exists"},
        {"key": place.gpu, "operator": "Exists"},
        {"key": "nvidia.com", "operator": "Exists"},
        {"key": "sku", "value": "gpu"},
    ]
    changes = {f"toleration {item}": put("spec", "tolerations", value=[item]) for item in tolerations}
    changes["a good toleration, then any"] = put("spec", "tolerations", value=[tolerations[3], tolerations[0]])
    changes["no tolerations, said"] = put("spec", "tolerations", value=[])
    changes["a node by name"] = put("spec", "nodeName", value="node-01")
    changes["no node, said"] = put("spec", "nodeName", value="")
    yield from named("pools", changes)
