"""Splits the GPUs of a job into pods that are alike."""

from __future__ import annotations

from functools import lru_cache

from tenantry.io.traces.problem_log import Unusable
from tenantry.model.trace import MILLI, pod_size


@lru_cache(maxsize=4096)
def split(gpus: int, per_node: int, nodes: int = 0) -> tuple[int, int, bool]:
    """Say how many pods of how many GPUs a job has when a trace gives only the number of its GPUs.

    The sum is kept exactly and all pods are alike. Where the trace names the number of nodes, there is a pod on each;
    else pods are as large as :func:`~tenantry.model.trace.pod_size` says.

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
    try:
        size = pod_size(gpus, per_node)
    except ValueError as error:
        found = f"{gpus / MILLI:g}"
        message = "part of a GPU on several nodes cannot be split into pods"
        raise Unusable("TRACE-GPUS", message, "whole GPUs", found) from error
    return (gpus // size if size else 1), size, not nodes
