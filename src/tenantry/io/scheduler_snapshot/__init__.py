"""Reads a snapshot of a cluster as its batch scheduler would: manifests, or the zip that the KAI scheduler serves.

What lives here: where a queue, a job, a pod or a node says what; how the scheduler reads labels, annotations and
phases; what is wrong at which place. What may not live here: what the scheduler decides with it.

Source of every reading: KAI scheduler, pkg/scheduler/cache/cluster_info and pkg/scheduler/api (v0.15 to v0.17,
Apache-2.0); the file is named where it is applied.
"""

from tenantry.io.scheduler_snapshot.reader import ClusterSnapshot, read_snapshot

__all__ = ["ClusterSnapshot", "read_snapshot"]
