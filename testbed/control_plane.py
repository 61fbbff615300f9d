"""Starts the servers of one cluster with the switches of a hardened one, and waits until they answer."""

from __future__ import annotations

import shutil
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from testbed import binaries
from testbed.api import Api
from testbed.certificates import ADMINISTRATORS, Authority, Pair
from testbed.closing import Closing
from testbed.definitions import install, served
from testbed.errors import TestbedError
from testbed.sandbox import Sandbox
from testbed.templates import Body, template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

READY_S = 90
"""How long a machine under load may take."""

ADMISSION = ("NodeRestriction", "OwnerReferencesPermissionEnforcement")
"""Plugins beside those that are on by default (among which are PodSecurity, ServiceAccount, ResourceQuota, LimitRanger,
Priority and ValidatingAdmissionPolicy). NodeRestriction: CIS Kubernetes Benchmark 1.12, 1.2.15. OpenShift has both."""

CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "validatingadmissionpolicy-status-controller",
)
"""What acts on objects without hardware, a cloud or a network."""

SERVICE_ADDRESSES = "10.96.0.0/16"


@dataclass(frozen=True)
class _Ports:
    etcd: int
    peer: int
    api: int


class Cluster(Closing):
    """A running control plane.

    Attributes:
        api: a client that may do everything.
        sandbox: its folder and processes.
        url: where the API server listens.
    """

    def __init__(self, definitions: Sequence[Body] = (), *, port: int = 0) -> None:
        """Start one.

        Args:
            definitions: custom resource definitions that it has from the start.
            port: of the API server on loopback; 0 for a free one.

        Raises:
            MissingToolError: if the binaries are absent.
            TestbedError: if a server does not come up; nothing is left of it.
        """
        self._tools = binaries.find()
        if port:
            _check_free(port)
        store = template(definitions, partial(_fill, definitions)) if definitions else None
        with ExitStack() as undo:
            self.sandbox = undo.enter_context(Sandbox())
            self._authority = Authority(self.sandbox.folder / "pki")
            self._admin = self._authority.client("testbed-admin", ADMINISTRATORS)
            self._accounts = self._authority.client("service-accounts")
            ports = _free_ports(port)
            self.url = f"https://127.0.0.1:{ports.api}"
            if store is not None:
                shutil.copytree(store, self.sandbox.folder / "etcd")
            self._start_store(ports)
            self._start_server(ports)
            self.api = undo.enter_context(Api(self.url, self._authority.trust(self._admin)))
            self._await("the API server", self.api.ready)
            self._start_controllers()
            self._await("the namespace controllers", self._has_default_account)
            self._await("the aggregated roles", self._has_aggregated_roles)
            self._await("the definitions", partial(served, self, definitions))
            undo.pop_all()

    def close(self) -> None:
        """End the servers and remove everything they wrote."""
        self.api.close()
        self.sandbox.close()

    def with_token(self, token: str) -> Api:
        """Return a client that shows a token and nothing else: it may do what the token's owner may."""
        return Api(self.url, self._authority.anonymous(), token=token)

    def as_user(self, name: str, group: str | None = None) -> Api:
        """Return a client with a certificate of its own."""
        return Api(self.url, self._authority.trust(self._authority.client(name, group)))

    def kubeconfig(self) -> Path:
        """Return a file with which kubectl and other clients may do everything."""
        return self._kubeconfig("admin", self._admin)

    def schedule(self) -> None:
        """Start the scheduler, so that pods get nodes, if it was built."""
        if self._tools.has("kube-scheduler") and "kube-scheduler" not in self.sandbox.pids():
            user = self._authority.client("system:kube-scheduler")
            self.sandbox.start(
                "kube-scheduler",
                [
                    self._tools["kube-scheduler"],
                    f"--kubeconfig={self._kubeconfig('scheduler', user)}",
                    "--leader-elect=false",
                    "--secure-port=0",
                ],
            )

    def bind_volumes(self) -> None:
        """Start what binds claims to volumes that are there; no volume is made."""
        name = "volume-binder"
        if name not in self.sandbox.pids():
            user = self._authority.client("system:kube-controller-manager")
            self.sandbox.start(
                name,
                [
                    self._tools["kube-controller-manager"],
                    f"--kubeconfig={self._kubeconfig('volumes', user)}",
                    "--controllers=persistentvolume-binder-controller",
                    f"--service-account-private-key-file={self._accounts.key}",
                    "--use-service-account-credentials",
                    "--leader-elect=false",
                    "--secure-port=0",
                ],
            )

    def run_pods(self) -> None:
        """Start what plays the kubelets of the simulated nodes, so that pods with a node run, if it was built."""
        if self._tools.has("kwok") and "kwok" not in self.sandbox.pids():
            # A client of its own, since on a real cluster no kubelet is an administrator; it plays all of them.
            user = self._authority.client("kwok", ADMINISTRATORS)
            self.sandbox.start(
                "kwok",
                [
                    self._tools["kwok"],
                    f"--kubeconfig={self._kubeconfig('kwok', user)}",
                    "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
                    "--node-ip=127.0.0.1",
                    "--node-lease-duration-seconds=0",
                    "--server-address=",
                ],
            )

    def until(self, what: str, done: Callable[[], bool], *, seconds: float = 30) -> None:
        """Wait for the servers to do something.

        Raises:
            TestbedError: if it did not happen, or a server ended.
        """
        self._await(what, done, seconds=seconds)

    # --- servers ------------------------------------------------------------------------------------------------------

    def _start_store(self, ports: _Ports) -> None:
        server = self._authority.server("etcd")
        client, peer = f"https://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.peer}"
        self.sandbox.start(
            "etcd",
            [
                self._tools["etcd"],
                "--name=testbed",
                f"--data-dir={self.sandbox.folder / 'etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=testbed={peer}",
                f"--cert-file={server.certificate}",
                f"--key-file={server.key}",
                f"--trusted-ca-file={self._authority.certificate}",
                "--client-cert-auth",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        )

    def _start_server(self, ports: _Ports) -> None:
        server, store = self._authority.server("kube-apiserver"), self._authority.client("kube-apiserver-etcd")
        self.sandbox.start(
            "kube-apiserver",
            [
                self._tools["kube-apiserver"],
                f"--etcd-servers=https://127.0.0.1:{ports.etcd}",
                f"--etcd-cafile={self._authority.certificate}",
                f"--etcd-certfile={store.certificate}",
                f"--etcd-keyfile={store.key}",
                "--bind-address=127.0.0.1",
                f"--secure-port={ports.api}",
                f"--tls-cert-file={server.certificate}",
                f"--tls-private-key-file={server.key}",
                f"--client-ca-file={self._authority.certificate}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self._accounts.key}",
                f"--service-account-signing-key-file={self._accounts.key}",
                f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
                "--endpoint-reconciler-type=none",
                "--authorization-mode=Node,RBAC",
                "--anonymous-auth=false",
                f"--enable-admission-plugins={','.join(ADMISSION)}",
                "--allow-privileged=true",
                "--profiling=false",
                "--v=0",
            ],
        )

    def _start_controllers(self) -> None:
        user = self._authority.client("system:kube-controller-manager")
        self.sandbox.start(
            "kube-controller-manager",
            [
                self._tools["kube-controller-manager"],
                f"--kubeconfig={self._kubeconfig('controllers', user)}",
                f"--controllers={','.join(CONTROLLERS)}",
                f"--service-account-private-key-file={self._accounts.key}",
                f"--root-ca-file={self._authority.certificate}",
                "--use-service-account-credentials",
                "--leader-elect=false",
                "--secure-port=0",
                # A quota counts again at once where something is deleted; this is how soon what was missed is seen.
                "--resource-quota-sync-period=10s",
                "--v=0",
            ],
        )

    def _kubeconfig(self, name: str, pair: Pair) -> Path:
        file = self.sandbox.folder / f"{name}.kubeconfig"
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "testbed",
                    "cluster": {"server": self.url, "certificate-authority": str(self._authority.certificate)},
                }
            ],
            "users": [
                {"name": name, "user": {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}}
            ],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": name}}],
            "current-context": "testbed",
        }
        # JSON is YAML to every reader of such files.
        file.write_bytes(msgspec.json.format(msgspec.json.encode(body)))
        file.chmod(0o600)
        return file

    def _has_default_account(self) -> bool:
        return self.api.get("v1", "ServiceAccount", "default", "default") is not None

    def _has_aggregated_roles(self) -> bool:
        """Whether ``admin``, ``edit``, ``view`` and the like hold the rules of all roles they are put together from."""
        roles = self.api.list("rbac.authorization.k8s.io/v1", "ClusterRole")
        return all(
            rule in (role.get("rules") or ())
            for role in roles
            for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
            for source in roles
            if _selects(selector, source["metadata"].get("labels") or {})
            for rule in source.get("rules") or ()
        )

    def _await(self, what: str, done: Callable[[], bool], *, seconds: float = READY_S) -> None:
        for _ in _polls(seconds):
            self.sandbox.check()
            if done():
                return
        raise TestbedError(f"{what} did not get ready within {seconds:.0f} s; logs were in {self.sandbox.folder}")


def _fill(definitions: Sequence[Body], folder: Path) -> None:
    """Install definitions in a cluster that is made for it, and copy what it has stored."""
    with Cluster() as cluster:
        install(cluster, definitions)
        # The store last: what the others still write is in it then.
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            cluster.sandbox.stop(name)
        shutil.copytree(cluster.sandbox.folder / "etcd", folder, dirs_exist_ok=True)


def _selects(selector: Body, labels: Body) -> bool:
    """Whether a selector by labels alone, as the roles every cluster has use it, takes an object."""
    return all(labels.get(key) == value for key, value in selector["matchLabels"].items())


def _polls(seconds: float) -> Iterator[None]:
    """Come back ever more slowly, from 20 ms to half a second, until the time is over."""
    until, pause = time.monotonic() + seconds, 0.02
    while time.monotonic() < until:
        yield
        time.sleep(pause)
        pause = min(pause * 1.3, 0.5)


def _free_ports(api: int) -> _Ports:
    """Ask the system for ports; they are held together, so that no two are the same."""
    with ExitStack() as held:
        found = []
        for _ in range(3):
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found.append(probe.getsockname()[1])
    return _Ports(found[0], found[1], api or found[2])


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise TestbedError(
                f"port {port} of 127.0.0.1 cannot be used: {error.strerror}; leave it out to have a free one chosen"
            ) from error
