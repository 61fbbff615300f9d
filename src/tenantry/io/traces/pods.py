"""Splits the GPUs of a job into pods that are alike."""

from __future__ import annotations

from functools import lru_cache

from tenantry.io.traces.problem_log import Unusable
from tenantry.model.trace import MILLI


@lru_cache(maxsize=4096)
def split(gpus: int, per_node: int, nodes: int = 0) -> tuple[int, int, bool]:
    """Say how many pods of how many GPUs a job has when a trace gives only the number of its GPUs.

    The sum is kept exactly and all pods are alike. Where the trace names the number of nodes, there is a pod on each;
    else up to ``per_node`` GPUs are one pod, and more are pods of the largest size up to ``per_node`` that divides
    them: 16 GPUs are 2 pods of 8, 12 are 2 of 6, 11 are 11 of 1.

    Args:
        gpus: milli-GPUs of the whole job.
        per_node: GPUs of one node.
        nodes: number of nodes the trace names; 0 when it does not.

    Returns:
        Pods, milli-GPUs of each, and whether ``nodes`` fits (or was not given).

    Raises:
        Unusable: if the job needs several nodes and part of a GPU.
    """
    if nodes and not gpus % nodes and gpus // nodes <= per_node * MILLI:
        return nodes, gpus // nodes, True
    if gpus <= per_node * MILLI:
        return 1, gpus, not nodes
    if gpus % MILLI:
        found = f"{gpus / MILLI:g}"
        raise Unusable("TRACE-GPUS", "part of a GPU on several nodes cannot be split into pods", "whole GPUs", found)
    size = next(size for size in range(per_node, 0, -1) if not gpus // MILLI % size)
    return gpus // MILLI // size, size * MILLI, not nodes
