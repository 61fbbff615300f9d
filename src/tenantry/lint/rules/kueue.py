"""Kueue: cluster queues, local queues, flavors, cohorts, and the manager's configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tenantry.lint.advertised import vf_resources
from tenantry.lint.index import Index, hint
from tenantry.lint.pods import KUEUE_QUEUE, is_gpu
from tenantry.lint.rule import Hit, Rule, rule
from tenantry.model.finding import Severity
from tenantry.model.problem import nearest_name
from tenantry.model.reading import at, items, labels, mapping, string_map, text, texts

if TYPE_CHECKING:
    from tenantry.model.manifest import Manifest
    from tenantry.model.problem import DocPath

KUEUE = "kueue.x-k8s.io"
OPENSHIFT_KUEUE = "kueue.openshift.io"
MANAGED_LABELS = ("kueue.openshift.io/managed", "kueue-managed")


def cluster_queues(index: Index) -> list[Manifest]:
    """Return the ClusterQueues."""
    return index.of(KUEUE, "ClusterQueue")


def _flavors(queue: Manifest) -> Iterator[tuple[DocPath, dict[str, object], list[str]]]:
    """Yield each flavor of a queue with its path and the resources its group covers."""
    for group, body in enumerate(items(queue.body, "spec", "resourceGroups")):
        for position, flavor in enumerate(items(body, "flavors")):
            if isinstance(flavor, dict):
                path: DocPath = ("spec", "resourceGroups", group, "flavors", position)
                yield path, flavor, texts(body, "coveredResources")


def _cohort(queue: Manifest) -> str:
    return text(queue.body, "spec", "cohortName") or text(queue.body, "spec", "cohort")


def _beta2(manifest: Manifest) -> bool:
    return manifest.key.api_version.endswith("/v1beta2")


@rule(
    "LINT-KUEUE-FLAVOR-RESOURCES",
    Severity.ERROR,
    "A flavor does not list exactly the covered resources",
    why="Every flavor lists the covered resources of its group in the same order; Kueue refuses the queue otherwise.",
    source="Kueue, apis/kueue/v1beta2/clusterqueue_types.go; pkg/webhooks/clusterqueue_webhook.go",
)
def _flavor_resources(index: Index) -> Iterator[Hit]:
    for queue in cluster_queues(index):
        for path, flavor, covered in _flavors(queue):
            listed = [text(entry, "name") for entry in items(flavor, "resources")]
            if listed == covered:
                continue
            if sorted(listed) == sorted(covered):
                message = f"flavor {flavor.get('name')} lists the covered resources in another order"
            else:
                missing = sorted(set(covered) - set(listed))
                extra = sorted(set(listed) - set(covered))
                parts = [f"lacks {', '.join(missing)}"] if missing else []
                parts += [f"lists {', '.join(extra)}, not covered"] if extra else []
                message = f"flavor {flavor.get('name')} {' and '.join(parts) or 'lists a resource twice'}"
            yield Hit(queue, (*path, "resources"), message, "List the covered resources, in their order.")


@rule(
    "LINT-KUEUE-TWICE",
    Severity.ERROR,
    "A resource or flavor stands in two groups of a queue",
    why="Each belongs to one resource group; Kueue refuses the queue.",
    source="Kueue, pkg/webhooks/clusterqueue_webhook.go",
)
def _listed_twice(index: Index) -> Iterator[Hit]:
    for queue in cluster_queues(index):
        seen: set[str] = set()
        for group, body in enumerate(items(queue.body, "spec", "resourceGroups")):
            for position, name in enumerate(texts(body, "coveredResources")):
                if name in seen:
                    path: DocPath = ("spec", "resourceGroups", group, "coveredResources", position)
                    yield Hit(queue, path, f"{name} is covered already", "Cover it in one group.")
                seen.add(name)
        flavors: set[str] = set()
        for path, flavor, _ in _flavors(queue):
            name = text(flavor, "name")
            if name in flavors:
                yield Hit(queue, (*path, "name"), f"flavor {name} is used already", "Use it in one group.")
            flavors.add(name)


@rule(
    "LINT-KUEUE-COHORT-FIELD",
    Severity.ERROR,
    "The field of the cohort belongs to another version of the API",
    why="v1beta2 renamed cohort to cohortName and parent to parentName. The other name is dropped without a word "
    "and nothing is borrowed.",
    source="Kueue, apis/kueue/v1beta2 (ClusterQueueSpec, CohortSpec)",
    fragments=True,
)
def _cohort_field(index: Index) -> Iterator[Hit]:
    for kind, old, new in (("ClusterQueue", "cohort", "cohortName"), ("Cohort", "parent", "parentName")):
        for manifest in index.of(KUEUE, kind):
            wrong, right = (old, new) if _beta2(manifest) else (new, old)
            if wrong in mapping(manifest.body, "spec"):
                message = f"{manifest.key.api_version} calls the field {right}; {wrong} is dropped"
                yield Hit(manifest, ("spec", wrong), message, f"Rename it to {right}.")


@rule(
    "LINT-KUEUE-NO-NAMESPACE",
    Severity.WARNING,
    "A ClusterQueue admits no namespace",
    why="A missing namespaceSelector selects nothing: every workload stays inadmissible. {} selects all namespaces.",
    source="Kueue, apis/kueue/v1beta2/clusterqueue_types.go (namespaceSelector)",
)
def _no_namespace(index: Index) -> Iterator[Hit]:
    for queue in cluster_queues(index):
        if at(queue.body, "spec", "namespaceSelector") is None:
            path = ("spec", "namespaceSelector")
            yield Hit(queue, path, "without namespaceSelector no workload is admitted", "Write a selector, or {}.")


@rule(
    "LINT-KUEUE-BORROW",
    Severity.ERROR,
    "A limit on borrowing without a cohort",
    why="borrowingLimit and lendingLimit need a cohort; the API server refuses the queue.",
    source="Kueue, apis/kueue/v1beta2/clusterqueue_types.go (CEL rules)",
)
def _borrow_alone(index: Index) -> Iterator[Hit]:
    for queue in cluster_queues(index):
        for path, flavor, _ in () if _cohort(queue) else _flavors(queue):
            for position, entry in enumerate(items(flavor, "resources")):
                for name in ("borrowingLimit", "lendingLimit"):
                    if at(entry, name) is not None:
                        place = (*path, "resources", position, name)
                        yield Hit(queue, place, f"{name} needs a cohort", "Name a cohort, or remove the limit.")


@rule(
    "LINT-KUEUE-LOCAL-TARGET",
    Severity.WARNING,
    "A LocalQueue points to no ClusterQueue",
    why="The queue is accepted and never active: workloads wait without a reason.",
    source="Kueue, apis/kueue/v1beta2/localqueue_types.go",
)
def _local_target(index: Index) -> Iterator[Hit]:
    known = {queue.key.name for queue in cluster_queues(index)}
    for manifest in index.of(KUEUE, "LocalQueue"):
        name, path = text(manifest.body, "spec", "clusterQueue"), ("spec", "clusterQueue")
        if not name:
            yield Hit(manifest, path, "no ClusterQueue is named, so nothing is admitted", "Name one.", Severity.ERROR)
            continue
        verdict = index.dangling(name, known)
        if verdict:
            severity, nearest = verdict
            yield Hit(manifest, path, f"no ClusterQueue {name} is in the set{hint(nearest)}", "Correct it.", severity)


@rule(
    "LINT-KUEUE-FLAVOR-MISSING",
    Severity.WARNING,
    "A ClusterQueue uses a flavor that does not exist",
    why="The queue is inactive with reason FlavorNotFound; its workloads wait.",
    source="Kueue, pkg/cache (clusterQueue status)",
)
def _flavor_missing(index: Index) -> Iterator[Hit]:
    known = {flavor.key.name for flavor in index.of(KUEUE, "ResourceFlavor")}
    for queue in cluster_queues(index):
        for path, flavor, _ in _flavors(queue):
            name = text(flavor, "name")
            verdict = index.dangling(name, known) if name else None
            if verdict:
                severity, nearest = verdict
                message = f"no ResourceFlavor {name} is in the set{hint(nearest)}"
                yield Hit(queue, (*path, "name"), message, "Add the flavor or correct the name.", severity)


@rule(
    "LINT-KUEUE-TOPOLOGY",
    Severity.WARNING,
    "A flavor's topology does not exist or has no nodes",
    why="topologyName needs at least one node label, and a Topology of that name; else the flavor cannot be used.",
    source="Kueue, apis/kueue/v1beta2/resourceflavor_types.go (CEL rules)",
)
def _topology(index: Index) -> Iterator[Hit]:
    known = {found.key.name for found in index.of(KUEUE, "Topology")}
    for flavor in index.of(KUEUE, "ResourceFlavor"):
        name = text(flavor.body, "spec", "topologyName")
        if not name:
            continue
        if not mapping(flavor.body, "spec", "nodeLabels"):
            path: DocPath = ("spec", "nodeLabels")
            yield Hit(flavor, path, "topologyName needs nodeLabels", "Add a node label.", Severity.ERROR)
        verdict = index.dangling(name, known)
        if verdict:
            severity, nearest = verdict
            message = f"no Topology {name} is in the set{hint(nearest)}"
            yield Hit(flavor, ("spec", "topologyName"), message, "Add the topology.", severity)


@rule(
    "LINT-KUEUE-COHORT-CYCLE",
    Severity.ERROR,
    "Cohorts are each other's parents",
    why="Kueue admits nothing in the queues below a cycle.",
    source="Kueue, pkg/cache/hierarchy (cycle detection)",
)
def _cohort_cycle(index: Index) -> Iterator[Hit]:
    for group in index.together(index.of(KUEUE, "Cohort")):
        parents = {
            cohort.key.name: text(cohort.body, "spec", "parentName") or text(cohort.body, "spec", "parent")
            for cohort in group
        }
        for cohort in group:
            if in_cycle(cohort.key.name, parents):
                path = ("spec", "parentName" if _beta2(cohort) else "parent")
                yield Hit(cohort, path, "following the parents leads back here", "Break the cycle.")


def in_cycle(start: str, parents: dict[str, str]) -> bool:
    """Whether following the parents of a name leads back to it."""
    seen: set[str] = set()
    here = parents.get(start, "")
    while here and here not in seen:
        if here == start:
            return True
        seen.add(here)
        here = parents.get(here, "")
    return False


@rule(
    "LINT-KUEUE-MANAGER",
    Severity.ERROR,
    "The configuration of Kueue's manager cannot be read",
    why="The manager does not start; admission webhooks then refuse jobs in every namespace they cover.",
    source="Kueue, apis/config (Configuration); config/components/manager",
    fragments=True,
)
def _manager_config(index: Index) -> Iterator[Hit]:
    for manifest, key, source in index.config_texts:
        if key != "controller_manager_config.yaml":
            continue
        parsed = index.yaml(source)
        if parsed.error:
            yield Hit(manifest, ("data", key), f"the text is not YAML: {parsed.error}", "Correct the text.")
            continue
        if text(parsed.value, "kind") != "Configuration":
            continue
        for name in mapping(parsed.value):
            if name not in _MANAGER:
                close = nearest_name(str(name), _MANAGER)
                message = f"the manager does not know {name!r}{hint(close or '')}"
                yield Hit(manifest, ("data", key), message, "Correct the name.", inner=(str(name),))
        for position, name in enumerate(texts(parsed.value, "integrations", "frameworks")):
            if not _framework(name):
                close = nearest_name(name, _FRAMEWORKS)
                message = f"{name!r} is no integration{hint(close or '')}"
                inner = ("integrations", "frameworks", position)
                yield Hit(manifest, ("data", key), message, "Correct the name.", inner=inner)


_MANAGER = frozenset(
    {
        *("apiVersion", "kind", "namespace", "webhook", "leaderElection", "metrics", "health", "pprofBindAddress"),
        *("controller", "manageJobsWithoutQueueName", "managedJobsNamespaceSelector", "internalCertManagement"),
        *("waitForPodsReady", "clientConnection", "integrations", "queueVisibility", "multiKueue", "fairSharing"),
        *("admissionFairSharing", "resources", "featureGates", "objectRetentionPolicies", "tls", "cacheSyncTimeout"),
        *("syncPeriod", "gracefulShutDown", "visibilityServer"),
    }
)
_FRAMEWORKS = frozenset(
    {
        *("batch/job", "kubeflow.org/mpijob", "ray.io/rayjob", "ray.io/raycluster", "ray.io/rayservice"),
        *("jobset.x-k8s.io/jobset", "kubeflow.org/paddlejob", "kubeflow.org/pytorchjob", "kubeflow.org/tfjob"),
        *("kubeflow.org/xgboostjob", "kubeflow.org/jaxjob", "trainer.kubeflow.org/trainjob"),
        *("workload.codeflare.dev/appwrapper", "pod", "deployment", "statefulset"),
        *("leaderworkerset.x-k8s.io/leaderworkerset", "sparkoperator.k8s.io/sparkapplication"),
    }
)


def _framework(name: str) -> bool:
    """Whether a name is an integration; one of another group may be newer than this list."""
    return name in _FRAMEWORKS or ("/" in name and nearest_name(name, _FRAMEWORKS) is None)


@rule(
    "LINT-KUEUE-UNCOVERED",
    Severity.WARNING,
    "A pod asks for a device its queue does not cover",
    why="A workload that asks for a resource outside every group is inadmissible and waits for ever.",
    source="Kueue, docs/concepts/cluster_queue (coveredResources; excludeResourcePrefixes)",
)
def _uncovered(index: Index) -> Iterator[Hit]:
    excluded = _excluded(index)
    covered = {
        queue.key.name: {
            name for body in items(queue.body, "spec", "resourceGroups") for name in texts(body, "coveredResources")
        }
        for queue in cluster_queues(index)
    }
    targets = {
        (queue.key.namespace, queue.key.name): text(queue.body, "spec", "clusterQueue")
        for queue in index.of(KUEUE, "LocalQueue")
    }
    for pod in index.pods:
        queue = pod.labels.get(KUEUE_QUEUE, "")
        target = targets.get((pod.namespace, queue), "") if queue else ""
        for name, path in pod.resources.items() if target in covered else ():
            if name not in covered[target] and not name.startswith(excluded):
                message = f"ClusterQueue {target} does not cover {name}"
                # The manager may turn a resource into covered ones; nobody does so with whole GPUs, slices and VFs.
                known = is_gpu(name) or name.rpartition("/")[2] in vf_resources(index)
                severity = None if known else Severity.INFO
                yield Hit(pod.manifest, path, message, "Cover it, or exclude its prefix.", severity)


def _excluded(index: Index) -> tuple[str, ...]:
    prefixes: list[str] = []
    for _, key, source in index.config_texts:
        if key == "controller_manager_config.yaml":
            prefixes += texts(index.yaml(source).value, "resources", "excludeResourcePrefixes")
    for manifest in index.of(OPENSHIFT_KUEUE, "Kueue"):
        prefixes += texts(manifest.body, "spec", "config", "resources", "excludeResourcePrefixes")
    return tuple(prefixes)


@rule(
    "LINT-KUEUE-LOCAL-MISSING",
    Severity.ERROR,
    "A workload names a LocalQueue its namespace does not have",
    why="The workload is suspended and waits for a queue that never comes.",
    source="Kueue, docs/tasks/run/jobs (kueue.x-k8s.io/queue-name)",
)
def _local_missing(index: Index) -> Iterator[Hit]:
    homes: dict[str, set[str]] = {}
    for queue in index.of(KUEUE, "LocalQueue"):
        homes.setdefault(queue.key.namespace, set()).add(queue.key.name)
    for pod in index.pods:
        name = pod.labels.get(KUEUE_QUEUE, "")
        known = homes.get(pod.namespace, set())
        if not name or not pod.namespace or name in known or not (known or index.complete):
            continue
        message = f"{pod.namespace} has no LocalQueue {name}{hint(nearest_name(name, known) or '')}"
        path: DocPath = ("metadata", "labels", KUEUE_QUEUE)
        yield Hit(pod.manifest, path, message, "Correct the label, or add the queue.")


@rule(
    "LINT-KUEUE-UNMANAGED",
    Severity.WARNING,
    "A namespace has a LocalQueue, but Kueue does not manage it",
    why="Red Hat build of Kueue acts only in namespaces labelled kueue.openshift.io/managed: true; elsewhere jobs "
    "run past the queues.",
    source="Red Hat build of Kueue, namespace label; opendatahub-operator, internal/webhook/kueue",
)
def _unmanaged(index: Index) -> Iterator[Hit]:
    for queue in index.of(KUEUE, "LocalQueue"):
        namespace = index.namespaces.get(queue.key.namespace)
        if namespace is None or not index.beside(queue, OPENSHIFT_KUEUE, "Kueue"):
            continue
        marks = labels(namespace.body)
        if not any(marks.get(name) == "true" for name in MANAGED_LABELS):
            message = f"the namespace has LocalQueue {queue.key.name} but not the label {MANAGED_LABELS[0]}"
            yield Hit(namespace, ("metadata", "labels"), message, f'Add {MANAGED_LABELS[0]}: "true".')


@rule(
    "LINT-KUEUE-SELECTOR",
    Severity.WARNING,
    "A ClusterQueue does not admit the namespace of its LocalQueue",
    why="Workloads are inadmissible: the workload namespace doesn't match the ClusterQueue's selector.",
    source="Kueue, docs/concepts/cluster_queue (namespaceSelector)",
)
def _selector_mismatch(index: Index) -> Iterator[Hit]:
    queues = {queue.key.name: queue for queue in cluster_queues(index)}
    for local in index.of(KUEUE, "LocalQueue"):
        queue = queues.get(text(local.body, "spec", "clusterQueue"))
        namespace = index.namespaces.get(local.key.namespace)
        if queue is None or namespace is None or namespace in index.partial or queue in index.partial:
            continue
        wanted = string_map(queue.body, "spec", "namespaceSelector", "matchLabels")
        marks = {"kubernetes.io/metadata.name": namespace.key.name, **labels(namespace.body)}
        if any(marks.get(key) != value for key, value in wanted.items()):
            message = f"ClusterQueue {queue.key.name} selects other namespaces than {namespace.key.name}"
            yield Hit(local, ("spec", "clusterQueue"), message, "Correct namespaceSelector or the labels.")


RULES: tuple[Rule, ...] = (
    _flavor_resources,
    _listed_twice,
    _cohort_field,
    _no_namespace,
    _borrow_alone,
    _local_target,
    _flavor_missing,
    _topology,
    _cohort_cycle,
    _manager_config,
    _uncovered,
    _local_missing,
    _unmanaged,
    _selector_mismatch,
)
