"""A small client of the Kubernetes API: plain objects in, the server's own answers out.

Nothing is retried, defaulted or converted, so that a test compares what the server
says and not what a client made of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx2
import msgspec

from testbed.closing import Closing
from testbed.errors import TestbedError

if TYPE_CHECKING:
    import ssl

Body = dict[str, Any]

MANAGER = "testbed"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True)
class User:
    """Who asks: the administrator takes this name and these groups for one request."""

    name: str
    groups: tuple[str, ...] = ("system:authenticated",)

    @classmethod
    def service_account(cls, namespace: str, name: str) -> User:
        """Return a service account with the groups that its token would give it."""
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return cls(f"system:serviceaccount:{namespace}:{name}", groups)

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers of impersonation."""
        return [("Impersonate-User", self.name), *(("Impersonate-Group", group) for group in self.groups)]


@dataclass(frozen=True)
class Answer:
    """What the server said.

    Attributes:
        status: HTTP status.
        body: the object, list or ``Status``; an empty mapping where there was none.
        warnings: what the server warned of, such as an unknown field that was let in.
    """

    status: int
    body: Body
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.status < 300

    @property
    def reason(self) -> str:
        """The machine-readable reason of a refusal (``Forbidden``, ``Invalid``, ...)."""
        return "" if self.ok else str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        """What a refusal says."""
        return "" if self.ok else str(self.body.get("message", ""))

    def expect(self) -> Body:
        """Return the body, or raise with what was said."""
        if not self.ok:
            raise TestbedError(f"the API server refused with {self.status} {self.reason}: {self.message}")
        return self.body


@dataclass(frozen=True)
class Kind:
    """How a kind is reached."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: tuple[str, ...]
    subresources: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """The path of its group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


class Api(Closing):
    """A connection to one API server; threads may share it."""

    def __init__(self, url: str, trust: ssl.SSLContext, *, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx2.Client(base_url=url, verify=trust, headers=headers, timeout=60, trust_env=False)
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # --- requests -----------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        user: User | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Answer:
        """Send one request and return what came back, refusals too.

        Args:
            method: HTTP method.
            path: below the server, such as ``/api/v1/namespaces``.
            body: an object, or the bytes themselves.
            query: parameters.
            user: who asks; None for the owner of the connection.
            content_type: of the body.
            accept: of the answer.

        Raises:
            TestbedError: if there was no answer.
        """
        content = body if isinstance(body, bytes) else None if body is None else msgspec.json.encode(body)
        headers = [("Accept", accept), *(user.headers() if user else [])]
        if content is not None:
            headers.append(("Content-Type", content_type))
        try:
            found = self._client.request(method, path, content=content, params=dict(query or {}), headers=headers)
        except httpx2.HTTPError as error:
            raise TestbedError(f"{method} {path}: no answer: {error}") from error
        try:
            told = msgspec.json.decode(found.content) if found.content else {}
        except msgspec.DecodeError:
            told = {"message": found.text}
        warned = tuple(found.headers.get_list("Warning"))
        return Answer(found.status_code, told if isinstance(told, dict) else {"items": told}, warned)

    def ready(self) -> bool:
        """Whether the server says that it is ready."""
        try:
            return self._client.get("/readyz", timeout=2).status_code == 200
        except httpx2.HTTPError:
            return False

    # --- kinds --------------------------------------------------------------------------------------------------------

    def kinds(self, *, fresh: bool = False) -> Mapping[tuple[str, str], Kind]:
        """Return every kind by API version and name, as the server tells of them."""
        with self._lock:
            if fresh or not self._kinds:
                self._kinds = {
                    (f"{kind.group}/{kind.version}" if kind.group else kind.version, kind.kind): kind
                    for path in ("/api", "/apis")
                    for kind in _discovered(self.request("GET", path, accept=DISCOVERY).expect())
                }
            return self._kinds

    def kind(self, api_version: str, kind: str) -> Kind | None:
        """Return how a kind is reached; None if the server has it not."""
        found = self.kinds().get((api_version, kind))
        return found or self.kinds(fresh=True).get((api_version, kind))

    def path(self, body: Mapping[str, Any], *, named: bool = True, namespace: str = "", sub: str = "") -> str:
        """Return the path of an object, or of the collection it belongs to.

        Raises:
            TestbedError: if the server has no such kind.
        """
        kind = self.kind(body["apiVersion"], body["kind"])
        if kind is None:
            raise TestbedError(f"the API server has no kind {body['kind']} in {body['apiVersion']}")
        meta = body.get("metadata") or {}
        where = meta.get("namespace") or namespace or "default"
        parts = [kind.prefix, *(["namespaces", quote(where)] if kind.namespaced else []), kind.plural]
        if named:
            parts.append(quote(meta["name"], safe=""))
        return "/".join([*parts, *([sub] if sub else [])])

    # --- objects ------------------------------------------------------------------------------------------------------

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Body | None:
        """Return an object; None if it is absent."""
        meta = {"name": name, **({"namespace": namespace} if namespace else {})}
        found = self.request("GET", self.path({"apiVersion": api_version, "kind": kind, "metadata": meta}))
        return None if found.status == 404 else found.expect()

    def list(
        self, api_version: str, kind: str, namespace: str = "", query: Mapping[str, str] | None = None
    ) -> list[Body]:
        """Return the objects of a kind, of one namespace or of all."""
        known = self.kind(api_version, kind)
        if known is None:
            return []
        inside = f"/namespaces/{quote(namespace)}" if namespace and known.namespaced else ""
        path = f"{known.prefix}{inside}/{known.plural}"
        return list(self.request("GET", path, query=query).expect().get("items") or [])

    def apply(
        self,
        body: Mapping[str, Any],
        *,
        user: User | None = None,
        dry_run: bool = False,
        force: bool = True,
        strict: bool = True,
        manager: str = MANAGER,
    ) -> Answer:
        """Apply an object on the server's side."""
        query = {"fieldManager": manager, **_checks(dry_run, strict), **({"force": "true"} if force else {})}
        return self.request("PATCH", self.path(body), body, query=query, user=user, content_type=APPLY)

    def create(
        self,
        body: Mapping[str, Any],
        *,
        user: User | None = None,
        dry_run: bool = False,
        strict: bool = True,
        namespace: str = "",
        sub: str = "",
    ) -> Answer:
        """Create an object, or what lies below it (``sub``, such as ``eviction``)."""
        path = self.path(body, named=bool(sub), namespace=namespace, sub=sub)
        return self.request("POST", path, body, query=_checks(dry_run, strict), user=user)

    def update(
        self,
        body: Mapping[str, Any],
        *,
        user: User | None = None,
        dry_run: bool = False,
        strict: bool = True,
        sub: str = "",
    ) -> Answer:
        """Replace an object."""
        return self.request("PUT", self.path(body, sub=sub), body, query=_checks(dry_run, strict), user=user)

    def patch(
        self,
        body: Mapping[str, Any],
        change: object,
        *,
        user: User | None = None,
        dry_run: bool = False,
        content_type: str = MERGE,
        sub: str = "",
    ) -> Answer:
        """Change a part of an object."""
        query = _checks(dry_run, strict=True)
        return self.request(
            "PATCH", self.path(body, sub=sub), change, query=query, user=user, content_type=content_type
        )

    def delete(
        self, body: Mapping[str, Any], *, user: User | None = None, dry_run: bool = False, now: bool = True
    ) -> Answer:
        """Delete an object, by default without waiting for anybody to end."""
        options = {"gracePeriodSeconds": 0} if now else {}
        if dry_run:
            options["dryRun"] = ["All"]  # type: ignore[assignment]
        return self.request("DELETE", self.path(body), options, user=user)

    def token(self, namespace: str, account: str) -> str:
        """Return a token of a service account, as its pods would get it."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        path = f"/api/v1/namespaces/{quote(namespace)}/serviceaccounts/{quote(account)}/token"
        return str(self.request("POST", path, body).expect()["status"]["token"])


def _checks(dry_run: bool, strict: bool) -> dict[str, str]:
    wanted = {"fieldValidation": "Strict" if strict else "Warn"}
    return {**wanted, "dryRun": "All"} if dry_run else wanted


def _discovered(body: Body) -> Iterator[Kind]:
    for group in body.get("items") or []:
        name = (group.get("metadata") or {}).get("name", "")
        for version in group.get("versions") or []:
            for entry in version.get("resources") or []:
                below: Sequence[Body] = entry.get("subresources") or []
                answers = entry.get("responseKind") or {}
                if answers.get("kind"):
                    yield Kind(
                        name,
                        version["version"],
                        answers["kind"],
                        entry["resource"],
                        entry.get("scope") == "Namespaced",
                        tuple(entry.get("verbs") or ()),
                        tuple(sub["subresource"] for sub in below),
                    )
