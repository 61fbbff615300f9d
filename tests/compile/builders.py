"""Builders of specs and resolved clusters for tests, in the words of the spec.

>>> cluster().pool("serving", mig={"3g.71gb": 2}).tenant("vision", slices={"3g.71gb": (2, 4)}).build()

Every builder method returns the builder. ``build()`` goes through the same validation and resolution as a folder of
YAML files and fails when the spec has problems; ``spec()`` stops before resolution. Field names of ``**fields`` are
those of the YAML documents (camelCase).
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tenantry.compile.resolve import resolve
from tenantry.model.spec import API_VERSION, Contract, Facts, Platform, Spec, Tenant, Waiver, Workload
from tenantry.model.tree import Chart, Note, Piece, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tenantry.model.cluster import Cluster
    from tenantry.model.manifest import Body
    from tenantry.model.tree import Output

H200_SERVER = "dell-xe9680-h200"
VERSIONS = {"openshift": "4.20", "kubernetes": "1.33", "eks": "1.33", "gke": "1.33", "aks": "1.33"}


class ClusterBuilder:
    """A platform with its tenants. Without any pool, one pool ``training`` of two XE9680 with whole H200 is added."""

    def __init__(self, name: str = "lab") -> None:
        self._platform: dict[str, Any] = {
            "distribution": "openshift",
            "version": VERSIONS["openshift"],
            "gitops": {"repository": "https://git.example.com/platform/tree.git"},
            "nodePools": [],
            "fabrics": [],
        }
        self._name = name
        self._tenants: list[dict[str, Any]] = []
        self._documents: list[dict[str, Any]] = []

    # --- distribution -------------------------------------------------------------------------------------------

    def on(self, distribution: str, version: str = "") -> ClusterBuilder:
        """Choose the distribution, with its usual test version when none is given."""
        self._platform["distribution"] = distribution
        self._platform["version"] = version or VERSIONS[distribution]
        return self

    def openshift(self, version: str = "") -> ClusterBuilder:
        return self.on("openshift", version)

    def kubernetes(self, version: str = "") -> ClusterBuilder:
        return self.on("kubernetes", version)

    def eks(self, version: str = "") -> ClusterBuilder:
        return self.on("eks", version)

    def gke(self, version: str = "") -> ClusterBuilder:
        return self.on("gke", version)

    def aks(self, version: str = "") -> ClusterBuilder:
        return self.on("aks", version)

    # --- platform -----------------------------------------------------------------------------------------------

    def platform(self, **fields: Any) -> ClusterBuilder:
        """Set fields of the platform's spec as written in YAML, for example ``ingressDomain="apps.example.com"``."""
        self._platform.update(fields)
        return self

    def scheduler(self, kind: str, **fields: Any) -> ClusterBuilder:
        return self.platform(scheduler={"type": kind, **fields})

    def driver(self, **fields: Any) -> ClusterBuilder:
        return self.platform(driver=fields)

    def operator(self, name: str, version: str = "", **fields: Any) -> ClusterBuilder:
        """Pin an operator of the catalog."""
        pin = {"version": version, **fields} if version else fields
        self._platform.setdefault("operators", {})[name] = pin
        return self

    def observability(self, **fields: Any) -> ClusterBuilder:
        return self.platform(observability=fields)

    def gitops(self, **fields: Any) -> ClusterBuilder:
        self._platform["gitops"].update(fields)
        return self

    def pool(
        self,
        name: str,
        server: str = H200_SERVER,
        *,
        nodes: int = 2,
        mig: Mapping[str, int] | Sequence[tuple[Sequence[int] | None, Mapping[str, int]]] | None = None,
        time_slicing: int = 0,
        mps: int = 0,
        named: bool = True,
        **fields: Any,
    ) -> ClusterBuilder:
        """Add a node pool.

        Args:
            name: name of the pool.
            server: server of the catalog; ``generic`` needs ``gpu={"model": ..., "count": ...}``.
            nodes: number of servers.
            mig: profiles of every GPU, or pairs of GPU indices (None for all) and profiles.
            time_slicing: replicas when time-sliced.
            mps: replicas when shared by MPS.
            named: whether hosts are named (``<pool>-0.example.com``, ...) or only counted.
            fields: further fields of the pool as written in YAML.
        """
        pool: dict[str, Any] = {"name": name, "server": server}
        if named:
            pool["hosts"] = [f"{name}-{index}.example.com" for index in range(nodes)]
        else:
            pool["count"] = nodes
        if mig is not None:
            pairs = [(None, mig)] if hasattr(mig, "items") else mig
            layouts = [
                {"profiles": dict(profiles), **({} if gpus is None else {"gpus": list(gpus)})}
                for gpus, profiles in pairs
            ]
            pool["sharing"] = {"mode": "mig", "layouts": layouts}
        elif time_slicing:
            pool["sharing"] = {"mode": "time-slicing", "replicas": time_slicing}
        elif mps:
            pool["sharing"] = {"mode": "mps", "replicas": mps}
        pool.update(fields)
        self._platform["nodePools"].append(pool)
        return self

    def fabric(
        self, name: str = "roce", *, pools: Sequence[str] = ("training",), infiniband: bool = False, **fields: Any
    ) -> ClusterBuilder:
        """Add a fabric; rails come from the server model unless given as ``rails=[{"name":..., "pci":...}]``."""
        fabric: dict[str, Any] = {
            "name": name,
            "type": "infiniband" if infiniband else "ethernet",
            "nic": "connectx-7",
            "pools": list(pools),
            "subnet": "10.20.0.0/16",
            "rails": [{"name": "rail0", "pci": "0000:1a:00.0"}, {"name": "rail1", "pci": "0000:3c:00.0"}],
        }
        if infiniband:
            fabric["pKeys"] = {"first": "0x8010", "last": "0x80ff"}
        else:
            fabric["vlans"] = {"first": 100, "last": 199}
        fabric.update(fields)
        self._platform["fabrics"].append(fabric)
        return self

    # --- tenants ------------------------------------------------------------------------------------------------

    def tenant(
        self,
        name: str,
        *,
        pool: str = "",
        guaranteed: int = 0,
        limit: int | None = None,
        slices: Mapping[str, tuple[int, int]] | None = None,
        department: str = "research",
        namespaces: Sequence[str] = (),
        fabrics: Mapping[str, int | str] | None = None,
        **fields: Any,
    ) -> ClusterBuilder:
        """Add a tenant.

        Args:
            name: name of the tenant; also its only namespace unless ``namespaces`` are given.
            pool: pool of its quota; none when empty. More pools: call ``quota`` afterwards.
            guaranteed: GPUs it always gets back.
            limit: most GPUs.
            slices: (guaranteed, limit) per MIG profile.
            department: its department.
            namespaces: its namespaces.
            fabrics: VLAN (number) or P_Key (text) per fabric.
            fields: further fields of the tenant's spec as written in YAML.
        """
        spec: dict[str, Any] = {
            "department": department,
            "namespaces": [{"name": namespace} for namespace in (namespaces or (name,))],
            "quotas": [],
        }
        if fabrics:
            spec["network"] = {
                "fabrics": [
                    {"name": fabric, "vlan" if isinstance(key, int) else "pKey": key} for fabric, key in fabrics.items()
                ]
            }
        spec.update(fields)
        self._tenants.append({"metadata": {"name": name}, "spec": spec})
        return self.quota(pool, guaranteed=guaranteed, limit=limit, slices=slices) if pool else self

    def quota(
        self,
        pool: str,
        *,
        guaranteed: int = 0,
        limit: int | None = None,
        slices: Mapping[str, tuple[int, int]] | None = None,
        weight: int = 1,
    ) -> ClusterBuilder:
        """Add a quota to the tenant added last."""
        entry: dict[str, Any] = {"pool": pool, "overQuotaWeight": weight}
        if slices is None:
            entry["guaranteed"] = guaranteed
            if limit is not None:
                entry["limit"] = limit
        else:
            entry["slices"] = {profile: {"guaranteed": low, "limit": high} for profile, (low, high) in slices.items()}
        self._tenants[-1]["spec"]["quotas"].append(entry)
        return self

    def document(self, kind: str, name: str, spec: Mapping[str, Any]) -> ClusterBuilder:
        """Add a document of another kind: Contract, Facts, Workload or Waiver."""
        self._documents.append({"kind": kind, "metadata": {"name": name}, "spec": dict(spec)})
        return self

    # --- results ------------------------------------------------------------------------------------------------

    def spec(self) -> Spec:
        """Validate the documents one by one."""
        platform = deepcopy(self._platform)
        if not platform["nodePools"]:
            platform["nodePools"] = ClusterBuilder().pool("training")._platform["nodePools"]
        envelope = {"apiVersion": API_VERSION}
        by_kind: dict[str, list[dict[str, Any]]] = {}
        for document in self._documents:
            by_kind.setdefault(document["kind"], []).append({**envelope, **document})

        def ordered(model: Any, documents: Iterable[dict[str, Any]]) -> tuple[Any, ...]:
            return tuple(sorted((model.model_validate(item) for item in documents), key=lambda item: str(item.name)))

        contracts = ordered(Contract, by_kind.get("Contract", ()))
        return Spec(
            platform=Platform.model_validate(
                {**envelope, "kind": "Platform", "metadata": {"name": self._name}, "spec": platform}
            ),
            tenants=ordered(Tenant, ({**envelope, "kind": "Tenant", **tenant} for tenant in self._tenants)),
            contract=contracts[0] if contracts else None,
            facts=ordered(Facts, by_kind.get("Facts", ())),
            workloads=ordered(Workload, by_kind.get("Workload", ())),
            waivers=ordered(Waiver, by_kind.get("Waiver", ())),
        )

    def build(self) -> Cluster:
        """Resolve the spec; an assertion error lists its problems."""
        resolved, problems = resolve(self.spec())
        assert not problems, "\n".join(f"{item.subject} {item.path}: {item.message}" for item in problems)
        return resolved


def cluster(name: str = "lab") -> ClusterBuilder:
    """Start a platform; OpenShift unless another distribution is chosen."""
    return ClusterBuilder(name)


class Outputs:
    """What passes yielded, with look-ups that fail loudly."""

    def __init__(self, outputs: Iterable[Output]) -> None:
        self.all = list(outputs)
        self.pieces = [item for item in self.all if isinstance(item, Piece)]
        self.charts = [item for item in self.all if isinstance(item, Chart)]
        self.notes = [item for item in self.all if isinstance(item, Note)]
        self.texts = [item for item in self.all if isinstance(item, Text)]
        self.bodies: list[Body] = [piece.body for piece in self.pieces]

    def __iter__(self) -> Iterator[Body]:
        return iter(self.bodies)

    def kind(self, kind: str) -> list[Body]:
        """Every manifest of a kind, in the order yielded."""
        return [body for body in self.bodies if body["kind"] == kind]

    def one(self, kind: str, name: str = "", namespace: str | None = None) -> Body:
        """The only manifest of a kind (and name, and namespace)."""
        found = [
            body
            for body in self.kind(kind)
            if (not name or body["metadata"]["name"] == name)
            and (namespace is None or body["metadata"].get("namespace", "") == namespace)
        ]
        assert len(found) == 1, f"{len(found)} of {kind} {namespace or ''}/{name}: {[b['metadata'] for b in found]}"
        return found[0]

    def chart(self, chart: str) -> Chart:
        """The only chart of that name."""
        found = [item for item in self.charts if item.chart == chart]
        assert len(found) == 1, f"{len(found)} charts {chart}; there are {[item.chart for item in self.charts]}"
        return found[0]

    def note(self, note_id: str) -> Note:
        """The only note of that id."""
        found = [item for item in self.notes if item.id == note_id]
        assert len(found) == 1, f"{len(found)} notes {note_id}; there are {[item.id for item in self.notes]}"
        return found[0]


def run(compile_pass: Callable[[Cluster], Iterable[Output]], resolved: Cluster | ClusterBuilder) -> Outputs:
    """Run one pass on a cluster or on a builder of one."""
    return Outputs(compile_pass(resolved.build() if isinstance(resolved, ClusterBuilder) else resolved))
