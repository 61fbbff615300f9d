"""Platforms as users change the examples: one for every choice a spec offers, and for the corners between choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builders import cluster

if TYPE_CHECKING:
    from builders import ClusterBuilder

GENERIC: dict[str, Any] = {"server": "generic", "gpu": {"model": "h100-sxm-80", "count": 8}}
L4: dict[str, Any] = {"server": "generic", "gpu": {"model": "l4", "count": 4}}
RUNAI = {"controlPlaneUrl": "https://runai.example.com", "clusterId": "6f1c9c1e-0000-4000-8000-000000000001"}
EXCEPTION = {
    "name": "ranking",
    "from": {"tenant": "vision"},
    "to": {"tenant": "search", "namespaces": ["search"], "pods": {"app": "api"}},
    "ports": ["TCP/8443", "UDP/5000-5010"],
    "reason": "ranking of images",
    "expires": "2031-01-31",
}


def _training() -> ClusterBuilder:
    return cluster().pool("training", nodes=2)


def _two_teams(builder: ClusterBuilder, pool: str = "training", **more: Any) -> ClusterBuilder:
    builder.tenant("vision", pool=pool, guaranteed=4, limit=8, namespaces=["vision", "vision-serve"], **more)
    return builder.tenant("search", pool=pool, guaranteed=2, limit=4, department="products")


def _roce(builder: ClusterBuilder, **fields: Any) -> ClusterBuilder:
    return (
        builder.fabric("roce", **fields)
        .tenant("vision", pool="training", guaranteed=8, namespaces=["vision", "vision-serve"], fabrics={"roce": 101})
        .tenant("search", pool="training", limit=8, fabrics={"roce": 102}, department="products")
    )


def _infiniband(builder: ClusterBuilder, **fields: Any) -> ClusterBuilder:
    return (
        builder.fabric("ndr", infiniband=True, **fields)
        .tenant(
            "vision", pool="training", guaranteed=8, namespaces=["vision", "vision-serve"], fabrics={"ndr": "0x8010"}
        )
        .tenant("search", pool="training", limit=8, fabrics={"ndr": "0x8011"}, department="products")
    )


def _cloud(distribution: str) -> ClusterBuilder:
    group = {"pool-name": "gpus"}
    builder = cluster().on(distribution).pool("training", nodes=4, named=False, selector=group, **GENERIC)
    return builder.pool("shared", nodes=2, named=False, selector={"pool-name": "l4"}, time_slicing=4, **L4)


def _everyone(builder: ClusterBuilder) -> ClusterBuilder:
    """A tenant with every field there is."""
    return builder.tenant(
        "vision",
        pool="training",
        guaranteed=4,
        limit=16,
        namespaces=["vision-train", "vision-serve"],
        description="Perception",
        contacts=[{"name": "Vision", "email": "vision@example.com", "chat": "#vision"}, {"name": "On call"}],
        access=[
            {"group": "vision-leads", "role": "admin"},
            {"group": "vision", "role": "edit"},
            {"group": "CN=Auditors,OU=IT", "role": "view"},
        ],
        priorities=["production", "batch"],
        network={
            "egress": [
                {"to": ["10.40.0.0/24", "fd00:40::/64"], "ports": ["TCP/443", "UDP/5000-5010"], "reason": "store"},
                {"to": ["192.0.2.0/24"]},
            ],
            "hosts": ["vision.example.com"],
        },
        storage=[{"class": "block-fast", "capacity": "8Ti"}, {"class": "nfs", "capacity": "500G", "claims": 3}],
        compute={"cpu": "1500m", "memory": "1.5Ti", "ephemeralStorage": "10Ti", "pods": 30},
        repositories=["https://git.example.com/vision/deploy.git", "git@git.example.com:vision/more.git"],
    )


def _many_windows() -> ClusterBuilder:
    windows = [
        {"schedule": "0 20 * * 1-4", "duration": "8h", "timeZone": "Europe/Amsterdam"},
        {"schedule": "30 6 * * SAT", "duration": "1h30m"},
    ]
    return _two_teams(_training()).gitops(
        path="clusters/lab", revision="v1.2", adminGroups=["ops", "cn=admins,ou=it"], changeWindows=windows
    )


VARIANTS: dict[str, ClusterBuilder] = {
    # Tenants
    "no tenants": _training(),
    "one tenant without any quota": _training().tenant("vision"),
    "a tenant with every field": _everyone(_training().platform(ingressDomain="apps.example.com")),
    "a tenant with every field on plain Kubernetes": _everyone(
        cluster().kubernetes().pool("training", **GENERIC).platform(ingressDomain="apps.example.com")
    ).scheduler("kueue"),
    "several namespaces and a contract": _two_teams(_training()).document("Contract", "c", {"exceptions": [EXCEPTION]}),
    "a contract on a managed service": _two_teams(_cloud("eks").scheduler("kueue")).document(
        "Contract", "c", {"exceptions": [EXCEPTION]}
    ),
    "a tenant that only borrows": _training().tenant("vision", pool="training", guaranteed=0, limit=8),
    "a hostile tenant with a pool of its own": cluster()
    .pool("training", nodes=1)
    .pool("dmz", nodes=1)
    .tenant("vision", pool="training", guaranteed=4)
    .tenant("guests", pool="dmz", guaranteed=8, trust="hostile", department="external"),
    "names as long as they may be": cluster()
    .pool("p" * 20, nodes=1)
    .tenant("t" * 40, pool="p" * 20, guaranteed=8, department="d" * 40, namespaces=["n" * 63]),
    "names of digits": cluster("1").pool("0", nodes=1).tenant("007", pool="0", guaranteed=1, department="42"),
    # Pools and sharing
    "one node": cluster().pool("training", nodes=1).tenant("vision", pool="training", guaranteed=8),
    "a pool counted, not named": cluster().pool("training", nodes=3, named=False).tenant("vision"),
    "a pool that is not dedicated": _two_teams(cluster().pool("training", dedicated=False)),
    "a pool of generic servers": _two_teams(cluster().pool("training", **GENERIC)),
    "a pool with labels and its own driver": _two_teams(
        cluster()
        .pool("training", labels={"example.com/rack": "r1", "tier": "gold"})
        .pool("canary", nodes=1, driver={"version": "580.105.08"})
    ),
    "NUMA alignment in two pools": _two_teams(
        cluster().pool("training", numaAlignment="restricted").pool("more", numaAlignment="single-numa-node")
    ),
    "MIG with mixed layouts": cluster()
    .pool("serving", mig=[([0, 1], {"3g.71gb": 2}), ([2, 3, 4], {"1g.18gb": 7}), ([5], {"1g.18gb+me": 1})])
    .tenant("vision", pool="serving", slices={"3g.71gb": (2, 4), "1g.18gb": (0, 7), "1g.18gb+me": (1, 1)})
    .tenant("search", pool="serving", guaranteed=2, limit=4),
    "MIG beside whole and time-sliced pools": cluster()
    .pool("training", nodes=2)
    .pool("serving", mig={"1g.18gb": 7})
    .pool("dev", server="dell-r760xa-l40s", time_slicing=4)
    .tenant("vision", pool="training", guaranteed=8)
    .quota("serving", slices={"1g.18gb": (7, 14)})
    .tenant("sandbox", pool="dev", guaranteed=8),
    "MPS": cluster().pool("dev", server="dell-r760xa-l40s", mps=8).tenant("sandbox", pool="dev", guaranteed=8),
    "MPS with KAI on plain Kubernetes": cluster()
    .kubernetes()
    .pool("dev", mps=8, **L4)
    .tenant("sandbox", pool="dev", guaranteed=8),
    "MIG on Blackwell": cluster()
    .pool("serving", server="generic", gpu={"model": "b200", "count": 8}, mig={"1g.23gb": 7})
    .tenant("vision", pool="serving", slices={"1g.23gb": (7, 14)}),
    # Fabrics
    "no fabrics": _two_teams(_training()),
    "RoCE": _roce(_training()),
    "RoCE, one resource per rail": _roce(_training(), resourcePerRail=True),
    "RoCE, externally managed": _roce(_training(), externallyManaged=True),
    "RoCE with a rate limit and small frames": _roce(_training(), maxTxMbps=40000, mtu=1500),
    "RoCE in shared mode": _training()
    .fabric("roce", rdmaMode="shared")
    .tenant("vision", pool="training", guaranteed=8, fabrics={"roce": 101}),
    "RoCE by interface names": _roce(
        _training(), rails=[{"name": "a", "interface": "ens1f0np0"}, {"name": "b", "interface": "ens2f0np0"}]
    ),
    "RoCE with peermem": _roce(_training()).driver(gpudirect="peermem"),
    "RoCE without GPUDirect": _roce(_training()).driver(gpudirect="off"),
    "RoCE on plain Kubernetes with Kueue": _roce(cluster().kubernetes().pool("training", **GENERIC).scheduler("kueue")),
    "RoCE for one namespace": _training()
    .fabric("roce")
    .tenant(
        "vision",
        pool="training",
        guaranteed=8,
        namespaces=["vision", "vision-serve"],
        network={"fabrics": [{"name": "roce", "vlan": 101, "namespaces": ["vision-serve"]}]},
    ),
    "RoCE nobody attaches to": _training().fabric("roce").tenant("vision", pool="training", guaranteed=8),
    "IPv6 on a fabric": _roce(_training(), subnet="fd00:20::/64"),
    "InfiniBand on OpenShift": _infiniband(_training()),
    "InfiniBand, one resource per rail": _infiniband(_training(), resourcePerRail=True),
    "InfiniBand on plain Kubernetes": _infiniband(cluster().kubernetes().pool("training", **GENERIC)),
    "InfiniBand and RoCE": _training()
    .fabric("ndr", infiniband=True, resourceName="ndr", rails=[{"name": "ib0", "pci": "0000:17:00.0"}])
    .fabric("store", subnet="10.30.0.0/16", resourceName="store", rails=[{"name": "s0", "pci": "0000:5e:00.0"}])
    .tenant("vision", pool="training", guaranteed=8, fabrics={"ndr": "0x8010", "store": 101}),
    "a fabric over two pools": cluster()
    .pool("training", nodes=2)
    .pool("more", nodes=1)
    .fabric("roce", pools=["training", "more"])
    .tenant("vision", pool="training", guaranteed=8, fabrics={"roce": 101})
    .quota("more", limit=8),
    "two fabrics in two pools": cluster()
    .pool("training", nodes=2)
    .pool("more", nodes=1)
    .fabric("roce", pools=["training"])
    .fabric("other", pools=["more"], subnet="10.30.0.0/16", resourceName="other")
    .tenant("vision", pool="training", guaranteed=8, fabrics={"roce": 101})
    .tenant("search", pool="more", guaranteed=8, fabrics={"other": 102}),
    # Schedulers
    "KAI with run times": _two_teams(_training()).scheduler(
        "kai", placement="spread", reclaimMinRuntime="15m", preemptMinRuntime="1h30m"
    ),
    "Run:ai on OpenShift": _two_teams(_training()).scheduler("runai", **RUNAI),
    "Run:ai on plain Kubernetes": _two_teams(cluster().kubernetes().pool("training", **GENERIC)).scheduler(
        "runai", **RUNAI
    ),
    "Run:ai with MIG and a fabric": _roce(
        _training().pool("serving", nodes=1, mig={"1g.18gb": 7}).scheduler("runai", **RUNAI)
    ).quota("serving", slices={"1g.18gb": (7, 14)}),
    "Kueue on OpenShift": _two_teams(_training()).scheduler("kueue"),
    "Kueue on OpenShift with MIG and a fabric": _roce(
        _training().pool("serving", nodes=1, mig={"1g.18gb": 7}).scheduler("kueue")
    ).quota("serving", slices={"1g.18gb": (7, 14)}),
    "Kueue without tenants": _training().scheduler("kueue"),
    "Run:ai without tenants": _training().scheduler("runai", **RUNAI),
    "priority tiers of one's own": _two_teams(_training()).platform(
        priorityTiers=[
            {"name": "scavenger", "value": -10, "preempts": False},
            {"name": "normal", "value": 0},
            {"name": "urgent", "value": 100000},
        ]
    ),
    "one tier": _two_teams(_training()).platform(priorityTiers=[{"name": "only", "value": 200}]),
    # Distributions
    "EKS": _two_teams(_cloud("eks").scheduler("kueue")),
    "GKE": _two_teams(_cloud("gke").scheduler("kueue")),
    "AKS": _two_teams(_cloud("aks").scheduler("kueue")),
    "GKE with KAI and the provider's driver": _two_teams(_cloud("gke")).driver(managedBy="host"),
    "AKS with the provider's driver": _two_teams(_cloud("aks")).driver(managedBy="host"),
    "EKS with the image's driver and MIG": cluster()
    .eks()
    .pool("training", nodes=2, named=False, selector={"group": "a"}, mig={"1g.10gb": 7}, **GENERIC)
    .tenant("vision", pool="training", slices={"1g.10gb": (7, 14)})
    .driver(managedBy="host"),
    "EKS with Run:ai": _two_teams(_cloud("eks")).scheduler("runai", **RUNAI),
    "GKE with a fabric": _cloud("gke").fabric("roce").tenant("vision", pool="training", fabrics={"roce": 101}),
    "plain Kubernetes": _two_teams(cluster().kubernetes().pool("training", **GENERIC)),
    "plain Kubernetes, driver on the host": _two_teams(cluster().kubernetes().pool("training", **GENERIC)).driver(
        managedBy="host"
    ),
    "an older OpenShift": _two_teams(cluster().openshift("4.18").pool("training")),
    "OpenShift without OpenShift AI": _two_teams(_training()).platform(openshiftAI={"enabled": False}),
    "OpenShift AI with every component": _two_teams(_training()).platform(
        openshiftAI={
            "components": [
                "dashboard",
                "workbenches",
                "aipipelines",
                "kserve",
                "ray",
                "trustyai",
                "modelregistry",
                "trainingoperator",
            ]
        }
    ),
    "OpenShift AI with Kueue": _two_teams(_training()).platform(openshiftAI={}).scheduler("kueue"),
    # Delivery and observability
    "a folder, a tag, windows and other groups": _many_windows(),
    "Argo CD in a namespace of one's own": _two_teams(_training()).gitops(namespace="gitops"),
    "Argo CD in a namespace of one's own, plain Kubernetes": _two_teams(
        cluster().kubernetes().pool("training", **GENERIC)
    ).gitops(namespace="gitops", path="a/b"),
    "no observability": _two_teams(_training()).observability(enabled=False),
    "no observability on plain Kubernetes": _two_teams(
        cluster().kubernetes().pool("training", **GENERIC)
    ).observability(enabled=False),
    "no Grafana, no profiling": _two_teams(_training()).observability(grafana=False, profilingMetrics=False),
    "thresholds and a receiver": _two_teams(_training()).observability(
        idleMinutes=1, starvationMinutes=5, quotaWarningPercent=100, alertReceiver="ops"
    ),
    "operators pinned": _roce(_training())
    .operator("gpu-operator", "26.3.3")
    .operator("kai-scheduler", "v0.17.0")
    .operator("openshift-ai", channel="stable-3.x"),
}
