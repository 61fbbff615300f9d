"""GPUs only through the device plugin: no runtime class, variable, annotation, mount or claim that goes around it.

Sources: NVIDIA container toolkit ``internal/config/image``, GPU Operator ``cdi.rst``, KAI scheduler
``pkg/common/constants``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.compile.guards.guard import ANNOTATIONS, CONTAINERS, PODS, Guard, Rule, Validation, texts
from tenantry.model.spec import SchedulerType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.model.cluster import Cluster

# Variables by which the NVIDIA runtime attaches devices nobody requested. CDI or the device plugin sets what is right.
DEVICE_VARIABLES = (
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_IMEX_CHANNELS",
    "NVIDIA_MIG_CONFIG_DEVICES",
    "NVIDIA_MIG_MONITOR_DEVICES",
    "NVIDIA_NVSWITCH",
    "NVIDIA_MOFED",
    "NVIDIA_GDS",
    "NVIDIA_GDRCOPY",
)
# Values that attach nothing.
HARMLESS_VALUES = ("", "void", "none", "disabled")

# Runtime classes that isolate more than the default one. Any other may be the NVIDIA runtime under another name.
RUNTIME_CLASSES = ("gvisor", "kata")

DEVICE_ANNOTATIONS = (
    "nvidia.cdi.k8s.io/",
    "cdi.k8s.io/",
    # Injectors of the node resource interface.
    "cdi-devices.nri.io",
    "devices.nri.io",
    "mounts.nri.io",
    "cdi-devices.noderesource.dev",
    "devices.noderesource.dev",
    "io.kubernetes.cri-o.Devices",
)
# Where the toolkit reads requests made by mounting; also holds requests for CDI devices and IMEX channels.
DEVICE_MOUNT = "nvidia-container-devices"

# Fractions put pods of two queues on one GPU without memory or fault isolation.
FRACTION_ANNOTATIONS = ("gpu-fraction", "gpu-memory", "mps")


def devices(cluster: Cluster) -> Iterable[Guard]:
    """Yield the guards of pods and of the objects that can fill a pod's environment."""
    yield _pods(cluster)
    yield _environment()


def _pods(cluster: Cluster) -> Guard:
    named = f"e.name in {texts(DEVICE_VARIABLES)}"
    harmless = f"!has(e.valueFrom) && e.?value.orValue('') in {texts(HARMLESS_VALUES)}"
    prefixes = list(DEVICE_ANNOTATIONS)
    if cluster.spec.platform.spec.scheduler.type is not SchedulerType.KUEUE:
        prefixes.extend(FRACTION_ANNOTATIONS)
    return Guard(
        "devices",
        "G1, G2, G3, G7, G11, X12: GPUs, slices and channels nobody allocated",
        (PODS,),
        (
            Validation(
                f"object.spec.?runtimeClassName.orValue('') in {texts(('', *RUNTIME_CLASSES))}",
                "the runtime class is reserved for the platform: GPUs are attached by requesting them",
            ),
            Validation(
                f"variables.containers.all(c, c.?env.orValue([]).all(e, !({named}) || ({harmless})))",
                "environment variables that attach NVIDIA devices are reserved for the platform: request GPUs instead",
            ),
            Validation(
                "variables.containers.all(c, c.?envFrom.orValue([]).all(f, f.?prefix.orValue('') == '' || "
                f"!{texts(DEVICE_VARIABLES)}.exists(n, n.startsWith(f.prefix))))",
                "a prefix of envFrom must not be able to form the name of a variable that attaches NVIDIA devices",
            ),
            Validation(
                f"{ANNOTATIONS}.all(k, !{texts(prefixes)}.exists(p, k.startsWith(p)))",
                "annotations that attach or share devices are reserved for the platform: request GPUs instead",
            ),
            Validation(
                f"variables.containers.all(c, c.?volumeMounts.orValue([]).all(m, "
                f"!m.mountPath.contains('{DEVICE_MOUNT}')))",
                "mounts that request NVIDIA devices are reserved for the platform: request GPUs instead",
            ),
            Validation(
                "object.spec.?resourceClaims.orValue([]).size() == 0",
                "resource claims are not part of this platform: request GPUs as extended resources",
            ),
        ),
        variables=(("containers", CONTAINERS),),
        same=(".spec", ".metadata.?annotations"),
    )


def _environment() -> Guard:
    names = texts(DEVICE_VARIABLES)
    return Guard(
        "device-environment",
        "G1, X12: envFrom, whose content a guard of pods cannot see",
        (Rule("", ("v1",), ("configmaps", "secrets")),),
        (
            Validation(
                f"{names}.all(n, !(n in object.?data.orValue({{}})) && !(n in object.?stringData.orValue({{}})))",
                "keys named like variables that attach NVIDIA devices are reserved for the platform",
            ),
        ),
        same=(".?data", ".?stringData"),
    )
