"""The program that the Run:ai job runs: it makes node pools, departments and projects equal to their payloads."""

from __future__ import annotations

SCRIPT = r'''"""Make Run:ai node pools, departments and projects equal to the payloads in a folder.

Usage: apply.py FOLDER. Reads RUNAI_URL, RUNAI_CLUSTER_ID, RUNAI_CLIENT_ID and RUNAI_CLIENT_SECRET. Objects are found by
name, made when missing, updated when different, and never deleted. Needs Python 3.8 and nothing else.
"""

import json
import os
import pathlib
import sys
import urllib.error
import urllib.parse
import urllib.request

PAGE = 500
TIMEOUT = 30


class Failure(Exception):
    """Something a person has to look at."""


class Api:
    def __init__(self, url):
        self.url = url.rstrip("/")
        self.token = ""

    def call(self, method, path, body=None, form=None, missing=False):
        data, headers = None, {"Accept": "application/json"}
        if form is not None:
            data = urllib.parse.urlencode(form).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                detail = error.read().decode(errors="replace")[:500]
            if missing and error.code == 404:
                return None
            raise Failure("%s %s: HTTP %d: %s" % (method, path, error.code, detail)) from None
        except urllib.error.URLError as error:
            raise Failure("%s %s: %s" % (method, path, error.reason)) from None
        try:
            return json.loads(text) if text else {}
        except ValueError:
            raise Failure("%s %s: the answer is not JSON" % (method, path)) from None

    def log_in(self, client, secret):
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        answer = self.call("POST", "/api/v2/token", form=form, missing=True)
        if answer is None:
            # Older control planes have the first version of the endpoint only.
            body = {"grantType": "client_credentials", "clientId": client, "clientSecret": secret}
            answer = self.call("POST", "/api/v1/token", body=body)
        self.token = answer.get("access_token") or answer.get("accessToken") or ""
        if not self.token:
            raise Failure("the control plane answered without a token")

    def everything(self, path, key, cluster):
        found, offset = {}, 0
        while True:
            query = urllib.parse.urlencode(
                {"filterBy": "clusterId==" + cluster, "limit": PAGE, "offset": offset}
            )
            page = self.call("GET", path + "?" + query).get(key) or []
            # Older control planes ignore the filter; names are unique within one cluster only.
            found.update((item["name"], item) for item in page if item.get("clusterId", cluster) == cluster)
            if len(page) < PAGE:
                return found
            offset += PAGE


def wanted(folder, kind):
    paths = sorted(pathlib.Path(folder).glob(kind + "-*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def with_pools(resources, pools):
    """Add the id of each node pool, and nothing for pools that are not in the payload: silence would mean no limit."""
    given = {item["nodePool"]["name"]: item for item in resources}
    absent = sorted(name for name in given if name not in pools)
    if absent:
        raise Failure("node pools are missing: " + ", ".join(absent))
    none = {"gpu": {"deserved": 0, "limit": 0, "overQuotaWeight": 0}}
    return [
        {**given.get(name, none), "nodePool": {"id": pool["id"], "name": name}} for name, pool in sorted(pools.items())
    ]


def differs(want, have):
    """Whether any part of ``want`` is missing or other in ``have``; more in ``have`` is fine."""
    if isinstance(want, dict):
        return not isinstance(have, dict) or any(differs(value, have.get(key)) for key, value in want.items())
    if isinstance(want, list):
        return not isinstance(have, list) or len(want) != len(have) or any(map(differs, want, have))
    return want != have


def by_pool(resources):
    return sorted(resources or [], key=lambda item: str(item.get("nodePool", {}).get("name")))


def apply_pools(api, folder, cluster):
    path = "/api/v1/node-pools"
    have = api.everything(path, "nodepools", cluster)
    made = False
    for want in wanted(folder, "node-pool"):
        found = have.get(want["name"])
        if found is None:
            api.call("POST", path, body=want)
            made = True
            print("made node pool", want["name"])
        elif (found.get("labelKey"), found.get("labelValue")) != (want["labelKey"], want["labelValue"]):
            raise Failure(
                "node pool %s selects %s=%s instead of %s=%s"
                % (want["name"], found.get("labelKey"), found.get("labelValue"), want["labelKey"], want["labelValue"])
            )
    return api.everything(path, "nodepools", cluster) if made else have


def apply_units(api, folder, cluster, kind, pools, parents):
    path = "/api/v1/org-unit/%ss" % kind
    have = api.everything(path, kind + "s", cluster)
    seen, made = set(), False
    for want in wanted(folder, kind):
        seen.add(want["name"])
        parent = want.pop("department", None)
        if parent is not None:
            want["parentId"] = parents[parent]["id"]
        want["resources"] = with_pools(want["resources"], pools)
        found = have.get(want["name"])
        if found is None:
            api.call("POST", path, body=want)
            made = True
            print("made", kind, want["name"])
            continue
        for fixed in ("parentId", "requestedNamespace"):
            if want.get(fixed) and found.get(fixed) != want[fixed]:
                raise Failure(
                    "%s %s has %s %s instead of %s, which only a person can change"
                    % (kind, want["name"], fixed, found.get(fixed), want[fixed])
                )
        fixed = ("name", "clusterId", "parentId", "requestedNamespace")
        update = {key: value for key, value in want.items() if key not in fixed}
        if differs(update, {**found, "resources": by_pool(found.get("resources"))}):
            api.call("PUT", "%s/%s" % (path, found["id"]), body=update)
            print("changed", kind, want["name"])
    for name in sorted(set(have) - seen):
        print("left alone:", kind, name)
    return api.everything(path, kind + "s", cluster) if made else have


def main(folder):
    cluster = os.environ["RUNAI_CLUSTER_ID"]
    api = Api(os.environ["RUNAI_URL"])
    api.log_in(os.environ["RUNAI_CLIENT_ID"], os.environ["RUNAI_CLIENT_SECRET"])
    pools = apply_pools(api, folder, cluster)
    departments = apply_units(api, folder, cluster, "department", pools, {})
    apply_units(api, folder, cluster, "project", pools, departments)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Failure as failure:
        sys.exit("failed: %s" % failure)
'''
