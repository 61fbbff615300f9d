"""Jobs that measure: which GPU they ask for, where they wait, and that they can do nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from builders import ClusterBuilder, cluster, run
from schema_check import schema_issues

from tenantry.compile.passes.admission import admission
from tenantry.compile.probe_job import ProbeJobs, probe_jobs

if TYPE_CHECKING:
    from tenantry.model.manifest import Body


def jobs_of(builder: ClusterBuilder, pool: str = "serving", **fields: Any) -> list[Body]:
    built = builder.build()
    chosen: dict[str, Any] = {
        "namespace": "vision", "image": "registry.example.com/torch:1", "files": {"probe.py": "print()\n"},
        "arguments": ["--workload", "copy"], **fields,
    }  # fmt: skip
    return probe_jobs(ProbeJobs(cluster=built, pool=built.pool(pool), **chosen))


def pod_of(job: Body) -> Any:
    return job["spec"]["template"]["spec"]


def container_of(job: Body) -> Any:
    return pod_of(job)["containers"][0]


GENERIC: dict[str, Any] = {"server": "generic", "gpu": {"model": "l40s", "count": 4}}


@pytest.mark.parametrize(
    ("builder", "expected"),
    [
        (cluster().pool("serving"), {"nvidia.com/gpu": ["whole"]}),
        (cluster().pool("serving", mig={"3g.71gb": 1, "1g.18gb": 3}), {
            "nvidia.com/mig-1g.18gb": ["mig", "--profile", "1g.18gb"],
            "nvidia.com/mig-3g.71gb": ["mig", "--profile", "3g.71gb"],
        }),
        (cluster().pool("serving", mig=[([0, 1], {"7g.141gb": 1})]), {
            "nvidia.com/gpu": ["whole"], "nvidia.com/mig-7g.141gb": ["mig", "--profile", "7g.141gb"],
        }),
        (cluster().pool("serving", time_slicing=4, **GENERIC), {"nvidia.com/gpu.shared": ["time-slicing"]}),
        (cluster().pool("serving", mps=4, **GENERIC), {"nvidia.com/gpu.shared": ["mps"]}),
    ],
    ids=["whole", "two slices", "slices and whole GPUs", "time-slicing", "MPS"],
)  # fmt: skip
def test_there_is_a_job_for_each_kind_of_gpu_of_the_pool(
    builder: ClusterBuilder, expected: dict[str, list[str]]
) -> None:
    found = {}
    for job in jobs_of(builder)[1:]:
        container = container_of(job)
        (resource,) = [name for name in container["resources"]["limits"] if name.startswith("nvidia.com/")]
        assert container["resources"]["requests"][resource] == container["resources"]["limits"][resource] == "1"
        words = container["command"]
        found[resource] = [word for word in words[words.index("--sharing") + 1 :] if word != "--quiet"][:-2]
    assert found == expected


def test_names_are_those_of_kubernetes_and_differ() -> None:
    bodies = jobs_of(cluster().pool("serving", mig={"1g.18gb+me": 1, "1g.18gb": 3}))
    names = [body["metadata"]["name"] for body in bodies[1:]]
    assert names == ["probe-serving-mig-1g-18gb", "probe-serving-mig-1g-18gb-me"]


@pytest.mark.parametrize(
    ("scheduler", "label", "value", "name"),
    [
        ("kai", "kai.scheduler/queue", "vision-serving", "kai-scheduler"),
        ("kueue", "kueue.x-k8s.io/queue-name", "serving", None),
        ("runai", "runai/queue", "vision", "runai-scheduler"),
    ],
)
def test_jobs_wait_in_the_queue_of_the_tenant(scheduler: str, label: str, value: str, name: str | None) -> None:
    fields = {"controlPlaneUrl": "https://runai.example.com", "clusterId": "c"} if scheduler == "runai" else {}
    builder = cluster().pool("serving").tenant("vision", pool="serving", guaranteed=2).scheduler(scheduler, **fields)
    (_, job) = jobs_of(builder, tenant="vision")
    assert job["metadata"]["labels"][label] == value
    assert job["spec"]["template"]["metadata"]["labels"][label] == value
    assert pod_of(job).get("schedulerName") == name


def test_without_a_tenant_no_queue_is_named() -> None:
    (_, job) = jobs_of(cluster().pool("serving"))
    assert "schedulerName" not in pod_of(job)
    assert set(job["metadata"]["labels"]) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}


@pytest.mark.parametrize("distribution", ["openshift", "kubernetes"])
def test_pods_satisfy_the_restricted_standard_and_hold_no_rights(distribution: str) -> None:
    (config_map, job) = jobs_of(cluster().on(distribution).pool("serving"))
    pod, container = pod_of(job), container_of(job)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    # OpenShift gives every namespace a range of users of its own and refuses others.
    assert ("runAsUser" in pod["securityContext"]) == (distribution == "kubernetes")
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert [sorted(set(volume) - {"name"}) for volume in pod["volumes"]] == [["configMap"], ["emptyDir"]]
    assert pod["volumes"][0]["configMap"]["name"] == config_map["metadata"]["name"]
    assert "envFrom" not in container
    assert all("valueFrom" not in variable for variable in container["env"])


def test_only_dedicated_pools_need_a_toleration() -> None:
    (_, job) = jobs_of(cluster().pool("serving"))
    assert pod_of(job)["tolerations"] == [
        {"key": "tenantry.dev/pool", "operator": "Equal", "value": "serving", "effect": "NoSchedule"}
    ]
    assert pod_of(job)["nodeSelector"] == {"tenantry.dev/pool": "serving"}
    (_, free) = jobs_of(cluster().pool("serving", dedicated=False))
    assert "tolerations" not in pod_of(free)


def test_another_program_is_another_config_map() -> None:
    builder = cluster().pool("serving")
    first, again, other = (
        jobs_of(builder, files={"probe.py": text})[0]["metadata"]["name"] for text in ("a\n", "a\n", "b\n")
    )
    assert first == again != other


def test_manifests_are_those_of_the_published_schemas() -> None:
    assert schema_issues(jobs_of(cluster().pool("serving", mig={"1g.18gb": 7}))) == []


# Queues as namespaces grant them: `names.queue_names` says how each scheduler calls them.
GRANTED = {"kai": "vision-training", "kueue": "training", "runai": "vision"}


@pytest.mark.parametrize("scheduler", sorted(GRANTED))
def test_the_guards_of_the_platform_let_the_jobs_of_a_tenant_in(scheduler: str) -> None:
    pytest.importorskip("cel_expr_python.cel", reason="CEL is not installed")
    from admission_requests import Grants, create, namespace, platform, run_pod
    from admission_server import AdmissionServer

    builder = platform(scheduler)
    server = AdmissionServer(run(admission, builder).bodies)
    home = namespace(Grants(queues=GRANTED[scheduler]))
    (config_map, job) = jobs_of(builder, "training", tenant="vision", namespace="vision-dev")
    assert server.refusals(create("batch/jobs", job, namespace=home)) == []
    assert server.refusals(create("configmaps", config_map, namespace=home)) == []
    template = job["spec"]["template"]
    metadata = {"name": "probe-x", "namespace": "vision-dev", **template["metadata"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    assert server.refusals(run_pod(pod, namespace=home)) == []
    (_, foreign) = jobs_of(builder, "serving", tenant="vision", namespace="vision-dev")
    if scheduler != "runai":  # a project is not of a pool
        assert server.refusals(create("batch/jobs", foreign, namespace=home)) != []
