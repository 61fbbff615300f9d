"""Reads what the DCGM exporter measured, per workload: an exposition text, or the JSON of a Prometheus query.

Four metrics count: ``DCGM_FI_PROF_GR_ENGINE_ACTIVE``, ``DCGM_FI_PROF_SM_ACTIVE``, ``DCGM_FI_PROF_DRAM_ACTIVE`` (ratios
from 0 to 1) and ``DCGM_FI_DEV_FB_USED`` (MiB); others are passed over. ``DCGM_FI_DEV_GPU_UTIL`` is among those: it is
not reported for MIG instances. Samples without a pod belong to nobody: under time-slicing the exporter cannot tell
containers apart, and idle GPUs have none.

Source: NVIDIA dcgm-exporter, ``etc/default-counters.csv`` and ``internal/pkg/rendermetrics``; Prometheus text format
0.0.4 and HTTP API ``/api/v1/query`` and ``/api/v1/query_range``.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tenantry.catalog import gpus
from tenantry.errors import InputError
from tenantry.io.walk import shown
from tenantry.io.yaml_read import os_reason
from tenantry.model.activity import Activity, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ENGINE, PROCESSORS = "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_PROF_SM_ACTIVE"
TRAFFIC, MEMORY = "DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_DEV_FB_USED"
METRICS: Final = (ENGINE, PROCESSORS, TRAFFIC, MEMORY)
COMPUTE_SLICES: Final = 7
"""Compute slices of a GPU whose model is not told. Only A30 and RTX PRO 6000 have another number of them, 4."""
HIGHEST: Final = 1.05
"""Highest ratio that is believed; counters read a moment apart give a little more than 1."""

_SAMPLE: Final = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*")
_LABEL: Final = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPES: Final = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}
# Letters that Kubernetes makes names of: without vowels and what looks alike.
_RANDOM: Final = "[bcdfghjklmnpqrstvwxz2456789]"
_SUFFIX: Final = re.compile(rf"(?:-{_RANDOM}{{8,10}}-{_RANDOM}{{5}}|-{_RANDOM}{{5}}|-\d+)$")
_SLICE: Final = re.compile(r"(\d+)g\.")


@dataclass(frozen=True, slots=True)
class ActivityReading:
    """What was read.

    Attributes:
        activities: by namespace and workload.
        notes: what was passed over and why, in a fixed order.
    """

    activities: tuple[Activity, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Samples:
    """Samples of one workload."""

    pods: set[str] = field(default_factory=set)
    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    of_gpu: list[float] = field(default_factory=list)


def read_activity(path: Path, *, label: str = "", prefixes: Mapping[str, str] | None = None) -> ActivityReading:
    """Read a file.

    Args:
        path: exposition text or JSON.
        label: label whose value is the workload; where it is missing the name of the pod decides.
        prefixes: workload by beginning of the pod's name, the longest that fits; other pods are passed over. When
            omitted, the workload is the pod's name without what Kubernetes appends to it.

    Raises:
        InputError: if it cannot be read, is neither format, or holds none of the metrics.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {os_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(path)} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    skipped: Counter[str] = Counter()
    found: dict[tuple[str, str], _Samples] = defaultdict(_Samples)
    samples = _from_json(text, shown(path)) if text.lstrip()[:1] == "{" else _from_text(text, shown(path))
    any_metric = False
    for name, labels, value in samples:
        if name not in METRICS:
            continue
        any_metric = True
        pod, namespace = _attribution(labels)
        workload = labels.get(label, "") if label else ""
        workload = workload or _workload(pod, prefixes)
        limit = math.inf if name == MEMORY else HIGHEST
        if not pod:
            skipped["belong to no pod: idle GPUs have none, and shared ones cannot be attributed"] += 1
        elif not workload:
            skipped["belong to pods that no given prefix fits"] += 1
        elif not 0 <= value <= limit or math.isinf(value):
            skipped[f"of {name} are no value from 0 to {'any size' if name == MEMORY else '1'}"] += 1
        else:
            _take(found[namespace, workload], pod, name, labels, value)
    if not any_metric:
        raise InputError(f"{shown(path)} holds none of {', '.join(METRICS)}")
    notes = tuple(f"{count} samples {reason}" for reason, count in sorted(skipped.items()))
    return ActivityReading(tuple(_activity(*key, found[key]) for key in sorted(found)), notes)


def _take(samples: _Samples, pod: str, name: str, labels: Mapping[str, str], value: float) -> None:
    samples.pods.add(pod)
    samples.values[name].append(value if name == MEMORY else min(value, 1.0))
    if name == ENGINE:
        samples.of_gpu.append(min(value, 1.0) * _part(labels))


def _activity(namespace: str, workload: str, samples: _Samples) -> Activity:
    memory = samples.values.get(MEMORY)
    return Activity(
        namespace,
        workload,
        len(samples.pods),
        spread(samples.values.get(ENGINE, ())),
        spread(samples.of_gpu),
        spread(samples.values.get(PROCESSORS, ())),
        spread(samples.values.get(TRAFFIC, ())),
        math.ceil(max(memory)) if memory else None,
    )


def _attribution(labels: Mapping[str, str]) -> tuple[str, str]:
    """Return pod and namespace. Where the scrape does not honour labels, ``pod`` is the exporter's own."""
    prefix = "exported_" if "exported_pod" in labels else ""
    return labels.get(f"{prefix}pod", ""), labels.get(f"{prefix}namespace", "")


def _workload(pod: str, prefixes: Mapping[str, str] | None) -> str:
    if prefixes is None:
        return _SUFFIX.sub("", pod)
    fitting = [prefix for prefix in prefixes if pod.startswith(prefix)]
    return prefixes[max(fitting, key=len)] if fitting else ""


def _part(labels: Mapping[str, str]) -> float:
    """Return the part of a GPU that a sample is about: compute slices of the instance over those of the GPU."""
    match = _SLICE.match(labels.get("GPU_I_PROFILE", ""))
    if match is None:
        return 1.0
    product = labels.get("modelName", "").replace(" ", "-")
    slices = next((gpu.compute_slices for gpu in gpus().values() if gpu.product == product), 0) or COMPUTE_SLICES
    return min(1.0, int(match[1]) / slices)


def _from_text(text: str, file: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _SAMPLE.fullmatch(line)
        value = None if match is None else _number(match[3])
        labels = None if match is None else _labels(match[2] or "")
        if match is None or value is None or labels is None:
            raise InputError(f'{file}:{number}: expected name{{label="value",...}} number; found {line[:80]!r}')
        yield match[1], labels, value


def _labels(text: str) -> dict[str, str] | None:
    """Take labels apart; None when they cannot be."""
    labels: dict[str, str] = {}
    at = 0
    while at < len(text.rstrip()):
        match = _LABEL.match(text, at)
        if match is None:
            return None
        labels[match[1]] = re.sub(r"\\[n\"\\]", lambda found: _ESCAPES[found[0]], match[2])
        at = match.end()
    return labels


def _from_json(text: str, file: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    try:
        body = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{file} is not JSON: {error}") from error
    if body.get("status") == "error":
        raise InputError(f"{file}: Prometheus answered with an error: {body.get('error', 'without a reason')}")
    try:
        for series in body["data"]["result"]:
            labels = {str(name): str(value) for name, value in series["metric"].items()}
            for _, value in series.get("values") or [series["value"]]:
                yield labels.get("__name__", ""), labels, _measured(value)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        expected = "expected the answer of a Prometheus query, of type matrix or vector"
        raise InputError(f"{file}: {expected}; {type(error).__name__}: {error}") from error


def _measured(value: Any) -> float:
    number = _number(value)
    if number is None:
        raise ValueError(f"{value!r} is no number")
    return number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
