"""Ways to ask for a GPU that go around the device plugin: variables, annotations, mounts, fractions and claims.

Sources: NVIDIA container toolkit ``internal/config/image/cuda_image.go`` and ``internal/runtime/runtime_factory.go``;
NVIDIA GPU Operator documentation, ``cdi.rst``; KAI scheduler ``docs/gpu-sharing`` and ``pkg/admission``; Kubernetes
documentation, "Dynamic Resource Allocation", admin access.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tenantry.model.claim import Step, Witness
from tenantry.model.tenancy import Strength
from tenantry.safe.devices.probes import (
    together,
    with_annotation,
    with_host_path,
    with_limit,
    with_privileges,
    with_runtime_class,
    with_variable,
)
from tenantry.safe.devices.reading import containers, environment, requested
from tenantry.safe.gpu.ground import Ground, Trick
from tenantry.safe.gpu.stack import PREFIX, RUNTIME_CLASS, chart_values, charts
from tenantry.safe.reading import at, items, strings, text
from tenantry.safe.refusals import about_body
from tenantry.safe.ruling import Outcome, admission_missing, lacking, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.model.manifest import Body
    from tenantry.model.tenancy import TenantIdentity

VARIABLE = "NVIDIA_VISIBLE_DEVICES"
CHANNELS_VARIABLE = "NVIDIA_IMEX_CHANNELS"
HARMLESS = frozenset({"", "void", "none"})
CDI_ANNOTATION = "nvidia.cdi.k8s.io/"
CDI_DEVICES = "k8s.device-plugin.nvidia.com/gpu=all"
MOUNT = "/var/run/nvidia-container-devices"
FRACTIONS = (("gpu-fraction", "0.5"), ("gpu-memory", "2000"))
SHARED_BY_HAMI = ("nvidia.com/gpumem", "nvidia.com/gpucores", "nvidia.com/gpumem-percentage")
_CLASSES = (RUNTIME_CLASS, "nvidia-cdi", "nvidia-legacy")
DRA = "resource.k8s.io"
ADMIN_LABELS = ("resource.kubernetes.io/admin-access", "resource.k8s.io/admin-access")
"""Labels of namespaces in which claims may ask for devices in use, the present one first."""


def allocated(pod: Body) -> bool:
    """Whether a pod was given GPUs the ordinary way, or may have been by a claim."""
    return any(name.startswith(PREFIX) for name in requested(pod)) or bool(items(pod, "spec", "resourceClaims"))


# --- G1: variables ----------------------------------------------------------------------------------------------------


def runtime_classes(ground: Ground) -> tuple[str, ...]:
    """Return the runtime classes that run containers with the NVIDIA runtime, as far as they may exist."""
    found = {
        manifest.key.name
        for manifest in ground.snapshot.of("node.k8s.io", "RuntimeClass")
        if RUNTIME_CLASS in text(manifest.body, "handler")
    }
    # With the NRI plugin the operator deletes its runtime classes.
    if not ground.stack.injects_by_annotation().value:
        found.update(_CLASSES)
        found.add(text(ground.stack.spec, "operator", "runtimeClass") or RUNTIME_CLASS)
    else:
        given = {item.key.name for item in ground.view.given.of("node.k8s.io", "RuntimeClass")}
        found &= given
    return tuple(sorted(found, key=lambda name: (name != RUNTIME_CLASS, name)))


def environment_outcome(ground: Ground, tenant: TenantIdentity) -> Outcome:
    """Return whether a tenant gets GPUs by ``NVIDIA_VISIBLE_DEVICES``."""
    setting = ground.stack.accepts_environment()
    accepted = setting.value if setting.value is not None else ground.fact("toolkit.accepts-environment")
    if accepted is False:
        return _privileged_environment(ground, tenant)
    steps = (setting.step,) if setting.step else ()
    routes = [_class_route(ground, steps), *_default_route(ground, steps)]
    found = worst(ground.outcome(tenant, trick) for trick in routes if trick.changes)
    if found.witness is not None and accepted is None:
        return Outcome.open(ground.view.missing("toolkit.accepts-environment"))
    if found.reason and ground.view.strength is not Strength.DEPLOYED:
        return _unless_default(ground, tenant, found)
    return found


def _unless_default(ground: Ground, tenant: TenantIdentity, found: Outcome) -> Outcome:
    """Return a proof, unless the NVIDIA runtime may be the default one and then be asked by every container."""
    default = _default(ground)
    if default is not None:
        return found
    guess = worst([ground.outcome(tenant, _default_trick(ground, ()))])
    if guess.reason:
        return found
    return Outcome.open(ground.view.missing("runtime.nvidia-default"))


def _default(ground: Ground) -> bool | None:
    setting = ground.stack.default_runtime()
    return setting.value if setting.value is not None else ground.fact("runtime.nvidia-default")


def _images_checked(ground: Ground) -> bool:
    return ground.view.signed("images.environment-checked") is True


def _class_route(ground: Ground, steps: tuple[Step, ...]) -> Trick:
    classes = runtime_classes(ground)
    changes: list[Callable[[Body], None]] = []
    for name in classes:
        changes.append(together(with_runtime_class(name), with_variable(VARIABLE, "all")))
        changes.append(together(with_runtime_class(name), _variable_from(VARIABLE)))
        if not _images_checked(ground):
            changes.append(with_runtime_class(name))
    return Trick(
        tuple(changes),
        lambda pod: _asks_environment(pod, classes),
        f"sees every GPU of a node by a runtime class and {VARIABLE}, in the pod or in an image it builds",
        (*steps, lacking("the runtime class needs no right", "use of a RuntimeClass is not authorised")),
        "set ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED=false in ClusterPolicy spec.toolkit.env, or add an "
        "admission policy that refuses the NVIDIA runtime classes in tenants' namespaces",
        "the NVIDIA runtime class in tenants' namespaces",
    )


def _default_route(ground: Ground, steps: tuple[Step, ...]) -> Iterable[Trick]:
    if _default(ground) is True:
        step = ground.stack.default_runtime().step
        yield _default_trick(ground, (*steps, *((step,) if step else ())))


def _default_trick(ground: Ground, steps: tuple[Step, ...]) -> Trick:
    changes = [with_variable(VARIABLE, "all"), _variable_from(VARIABLE)]
    if not _images_checked(ground):
        changes.append(lambda pod: None)
    assumes = () if ground.stack.default_runtime().value else ("runtime.nvidia-default is signed",)
    return Trick(
        tuple(changes),
        lambda pod: _asks_environment(pod, None),
        f"sees every GPU of a node by {VARIABLE} in the pod or in an image it builds, as all containers run with the "
        "NVIDIA runtime",
        steps,
        "set ACCEPT_NVIDIA_VISIBLE_DEVICES_ENVVAR_WHEN_UNPRIVILEGED=false in ClusterPolicy spec.toolkit.env",
        f"{VARIABLE} in tenants' namespaces",
        assumes,
    )


def _variable_from(name: str) -> Callable[[Body], None]:
    def change(pod: Body) -> None:
        source = {"configMapKeyRef": {"name": "settings", "key": "devices"}}
        pod["spec"]["containers"][0].setdefault("env", []).append({"name": name, "valueFrom": source})

    return change


def _asks_environment(pod: Body, classes: tuple[str, ...] | None) -> tuple[str | int, ...] | None:
    if classes is not None and text(pod, "spec", "runtimeClassName") not in classes:
        return None
    for path, entry in environment(pod):
        if text(entry, "name") == VARIABLE and (entry.get("valueFrom") or text(entry, "value") not in HARMLESS):
            return None if allocated(pod) else path
    return None


def _privileged_environment(ground: Ground, tenant: TenantIdentity) -> Outcome:
    """Return whether a privileged container, whose variables the toolkit honours anyway, is let in."""

    def shows(pod: Body) -> tuple[str | int, ...] | None:
        for path, container in containers(pod):
            if at(container, "securityContext", "privileged") is True and not allocated(pod):
                return (*path, "securityContext", "privileged")
        return None

    trick = Trick(
        (together(with_privileges(), with_variable(VARIABLE, "all")),),
        shows,
        "sees every GPU of a node from a privileged container",
        (),
        "enforce the Pod Security profile restricted in the tenant's namespaces",
        "privileged containers; variables of others attach no GPU, as the toolkit ignores them",
    )
    found = ground.outcome(tenant, trick)
    if found.reason and ground.view.strength is Strength.DEPLOYED:
        return Outcome.safe("the toolkit ignores variables of unprivileged containers, and none deployed is privileged")
    return found


# --- G2: annotations --------------------------------------------------------------------------------------------------


def annotation_outcome(ground: Ground, tenant: TenantIdentity) -> Outcome:
    """Return whether a tenant gets GPUs by an annotation that the toolkit's NRI plugin reads."""
    setting = ground.stack.injects_by_annotation()
    if setting.value is False:
        return Outcome.safe("the toolkit's NRI plugin is off, so no annotation attaches a device")
    trick = Trick(
        (with_annotation(f"{CDI_ANNOTATION}container.probe", CDI_DEVICES),),
        lambda pod: next(
            (
                ("metadata", "annotations", key)
                for key in strings(pod, "metadata", "annotations")
                if key.startswith(CDI_ANNOTATION)
            ),
            None,
        ),
        "attaches every GPU of a node to its pod by an annotation",
        (setting.step,) if setting.step else (),
        f"add an admission policy that refuses annotations {CDI_ANNOTATION}* in tenants' namespaces, or switch the "
        "toolkit's NRI plugin off",
        f"annotations {CDI_ANNOTATION}*",
    )
    found = ground.outcome(tenant, trick)
    if found.witness is not None and setting.value is None:
        return Outcome.open(ground.absent("ClusterPolicy spec.cdi.nriPluginEnabled"))
    return found


# --- G3: mounts and device files --------------------------------------------------------------------------------------

_DEVICE_FILES = re.compile(r"/+(dev(/+nvidia.*)?/*)?")


def mount_outcome(ground: Ground, tenant: TenantIdentity) -> Outcome:
    """Return whether a tenant gets GPUs by mounting their device files, or by the toolkit's requests by mount."""
    files = Trick(
        (
            with_host_path("/dev/nvidia0", "/dev/nvidia0", kind="CharDevice"),
            with_host_path("/dev", "/host-dev"),
        ),
        _mounts_devices,
        "mounts the device files of GPUs from the host",
        (),
        "enforce the Pod Security profile baseline or restricted in the tenant's namespaces",
        "host paths",
    )
    found = ground.outcome(tenant, files)
    if not found.reason or ground.view.strength is Strength.DEPLOYED:
        return found
    setting = ground.stack.accepts_mounts()
    if setting.value is False:
        return found
    request = with_host_path("/dev/null", f"{MOUNT}/all")
    classes = [together(with_runtime_class(name), request) for name in runtime_classes(ground)]
    asked = Trick(
        (*classes, request),
        lambda pod: None,
        "attaches every GPU of a node to its pod by a mount the toolkit reads as a request",
        (setting.step,) if setting.step else (),
        "set ACCEPT_NVIDIA_VISIBLE_DEVICES_AS_VOLUME_MOUNTS=false in ClusterPolicy spec.toolkit.env, or refuse host "
        "paths in the tenant's namespaces",
        f"mounts below {MOUNT}",
    )
    requested_by_mount = ground.outcome(tenant, asked)
    if requested_by_mount.witness is not None and setting.value is None:
        name = "ACCEPT_NVIDIA_VISIBLE_DEVICES_AS_VOLUME_MOUNTS"
        return Outcome.open(ground.absent(f"container toolkit {name}"))
    return found if requested_by_mount.reason else requested_by_mount


def _mounts_devices(pod: Body) -> tuple[str | int, ...] | None:
    for index, volume in enumerate(items(pod, "spec", "volumes")):
        if _DEVICE_FILES.fullmatch(text(volume, "hostPath", "path") or "-"):
            return ("spec", "volumes", index, "hostPath", "path")
    return None


# --- G7: fractions ----------------------------------------------------------------------------------------------------


def fraction_scheduler(ground: Ground) -> tuple[Step | None, str]:
    """Return what hands out fractions of GPUs, and why nothing does where nothing does."""
    snapshot = ground.snapshot
    refused = ""
    for manifest, path, source in charts(snapshot, "kai-scheduler"):
        values = chart_values(source)
        if values is not None and at(values, "global", "gpuSharing") is not True:
            refused = f"{manifest.key} installs KAI without GPU sharing, so it refuses pods that ask for fractions"
            continue
        return Step("KAI shares GPUs", manifest.key, (*path, "helm")), ""
    for name in ("hami", "runai-cluster"):
        for manifest, path, _ in charts(snapshot, name):
            return Step(f"{name} shares GPUs", manifest.key, path), ""
    for group in ("run.ai", "kai.scheduler"):
        for manifest in snapshot.of(group, "RunaiConfig", "Config"):
            return Step("the scheduler shares GPUs", manifest.key, ("spec",)), ""
    queues = snapshot.of("scheduling.run.ai", "Queue")
    if queues and not refused:
        return Step("queues of a scheduler that may share GPUs", queues[0].key, ()), ""
    return None, refused or "no object installs a scheduler that hands out fractions of GPUs"


def fraction_outcome(ground: Ground, tenant: TenantIdentity, scheduler: Step) -> Outcome:
    """Return whether a tenant gets a fraction of a GPU; what it shares the GPU with is for the caller to see."""
    changes = [together(with_annotation(key, value)) for key, value in FRACTIONS]
    if scheduler.edge.startswith("hami"):
        changes = [with_limit(name) for name in SHARED_BY_HAMI]
    names = {key for key, _ in FRACTIONS}

    def shows(pod: Body) -> tuple[str | int, ...] | None:
        if any(name in SHARED_BY_HAMI for name in requested(pod)):
            return ("spec", "containers")
        key = next((key for key in sorted(strings(pod, "metadata", "annotations")) if key in names), None)
        return ("metadata", "annotations", key) if key else None

    trick = Trick(
        tuple(changes),
        shows,
        "gets a fraction of a GPU, with nothing between its memory and that of other fractions",
        (scheduler,),
        "add an admission policy that refuses the annotations gpu-fraction and gpu-memory in tenants' namespaces, or "
        "switch GPU sharing off in the scheduler",
        "annotations that ask for a fraction of a GPU",
        queued=True,
    )
    return ground.outcome(tenant, trick)


# --- G11: claims with admin access ------------------------------------------------------------------------------------


def claim_body(namespace: str) -> Body:
    """Return a claim that asks for access to devices in use."""
    device: dict[str, Any] = {"deviceClassName": "gpu.nvidia.com", "allocationMode": "All", "adminAccess": True}
    return {
        "apiVersion": f"{DRA}/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": "probe", "namespace": namespace},
        "spec": {"devices": {"requests": [{"name": "all", "exactly": device}]}},
    }


def template_body(namespace: str) -> Body:
    """Return a template from which such claims are made."""
    claim = claim_body(namespace)
    return {**claim, "kind": "ResourceClaimTemplate", "spec": {"spec": claim["spec"]}}


def admin_outcome(ground: Ground, tenant: TenantIdentity) -> Outcome:
    """Return whether a tenant can claim devices that others use."""
    view = ground.view
    found: list[Outcome] = []
    for namespace in tenant.namespaces:
        home = view.snapshot.get("", "Namespace", namespace)
        labels = strings(home.body if home else None, "metadata", "labels")
        if view.strength is Strength.DEPLOYED:
            found.append(_deployed_admin(ground, namespace))
            continue
        labelled = next((key for key in ADMIN_LABELS if labels.get(key) == "true"), "")
        if not labelled and view.keeps_labels(tenant.name, [namespace], ADMIN_LABELS):
            found.append(Outcome.safe("its namespaces lack the label for admin access and it cannot set labels"))
            continue
        found.append(_claim_outcome(ground, tenant, namespace, labelled=labelled))
    return worst(found) if found else Outcome.safe("it has no namespaces")


def _deployed_admin(ground: Ground, namespace: str) -> Outcome:
    for manifest in ground.snapshot.of(DRA, "ResourceClaim", "ResourceClaimTemplate"):
        if manifest.key.namespace == namespace and '"adminAccess": True' in repr(manifest.body).replace("'", '"'):
            step = Step("claims devices others use", manifest.key, ("spec",))
            witness = Witness((step,), f"{manifest.key} reaches devices that others use")
            return Outcome.broken(witness, "remove adminAccess from the claim")
    return Outcome.safe("no claim deployed asks for admin access")


def _claim_outcome(ground: Ground, tenant: TenantIdentity, namespace: str, *, labelled: str) -> Outcome:
    tried = [_claimed(ground, tenant, body, labelled) for body in (claim_body(namespace), template_body(namespace))]
    roles = ground.view.unknown_roles(tenant.name)
    without = Outcome.open(*roles) if roles else Outcome.safe("it has no right to create resource claims")
    return worst(outcome or without for outcome in tried)


def _claimed(ground: Ground, tenant: TenantIdentity, body: Body, labelled: str) -> Outcome | None:
    """Return what follows if a tenant creates a claim or a template of claims; None without the right to."""
    view, namespace = ground.view, body["metadata"]["namespace"]
    right = view.may(tenant.name, "create", DRA, f"{body['kind'].lower()}s", namespace)
    if right is None:
        return None
    admission = view.envelope(namespace).admits(body, about=about_body(body))
    if admission.refused:
        return Outcome.safe(f"{admission.by} refuses resource claims")
    if not admission.admitted:
        return Outcome.open(*admission_missing(admission, namespace))
    if view.snapshot.live and not view.snapshot.of(DRA, "DeviceClass"):
        return Outcome.safe("the cluster has no device class to claim from")
    home = view.snapshot.get("", "Namespace", namespace)
    if labelled and home is not None:
        label = Step("admin access is allowed", home.key, ("metadata", "labels", labelled))
    else:
        label = lacking("it labels its namespace", "nothing keeps it from setting labels of namespaces")
    witness = Witness(
        (*right.steps, label),
        f"{tenant.name} claims devices that others use by adminAccess in {namespace}",
        (("claim", body),),
    )
    return Outcome.broken(
        witness, f"remove the label {labelled or ADMIN_LABELS[0]} and the right to create resource claims"
    )


def imex_changes() -> tuple[Callable[[Body], None], ...]:
    """Return the ways a pod asks for IMEX channels around the scheduler."""
    return (
        with_variable(CHANNELS_VARIABLE, "0"),
        with_variable(CHANNELS_VARIABLE, "all"),
        with_host_path("/dev/null", f"{MOUNT}/imex/channel/0"),
    )
