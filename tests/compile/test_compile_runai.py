from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from builders import ClusterBuilder, Outputs, cluster, run
from schema_check import schema_issues

from tenantry.compile.passes import runai as runai_pass
from tenantry.compile.passes.runai import runai
from tenantry.compile.resolve import resolve
from tenantry.compile.runai_script import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLUSTER_ID = "d80e86e0-a637-4e9d-8864-6c44ab23fbe5"
SECRET_VALUE = "s3cret-of-the-service-account"


def two_teams(url: str = "https://runai.example.com") -> ClusterBuilder:
    return (
        cluster()
        .scheduler("runai", controlPlaneUrl=url, clusterId=CLUSTER_ID)
        .pool("training")
        .pool("serving", mig={"3g.71gb": 2})
        .tenant("vision", pool="training", guaranteed=8, limit=12)
        .tenant("speech", pool="serving", slices={"3g.71gb": (2, 4)}, department="lab")
    )


def payloads(outputs: Outputs) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for piece in outputs.pieces:
        if piece.file == "org-units":
            found.update({key: json.loads(text) for key, text in piece.body["data"].items()})
    return found


def test_another_scheduler_needs_nothing_of_runai() -> None:
    assert run(runai, two_teams().scheduler("kai")).all == []


def test_a_project_carries_its_tenants_share_and_zero_everywhere_else() -> None:
    project = payloads(run(runai, two_teams()))["project-vision.json"]
    assert project["name"] == "vision"
    assert project["clusterId"] == CLUSTER_ID
    assert project["department"] == "research"
    assert project["requestedNamespace"] == "vision"
    assert project["defaultNodePools"] == ["training"]
    assert project["resources"] == [
        {"nodePool": {"name": "serving"}, "gpu": {"deserved": 0, "limit": 0, "overQuotaWeight": 0}},
        {"nodePool": {"name": "training"}, "gpu": {"deserved": 8, "limit": 12, "overQuotaWeight": 1}},
    ]


def test_a_department_is_the_sum_of_its_projects_and_slices_count_compute_slices() -> None:
    department = payloads(run(runai, two_teams()))["department-lab.json"]
    # 2 and 4 instances of 3g count 6 and 12
    assert department["resources"][0]["gpu"] == {"deserved": 6, "limit": 12, "overQuotaWeight": 1}


def test_node_pools_are_selected_by_the_label_of_the_pool() -> None:
    pool = payloads(run(runai, two_teams()))["node-pool-training.json"]
    assert (pool["labelKey"], pool["labelValue"]) == ("tenantry.dev/pool", "training")


def test_credentials_are_only_named() -> None:
    job = run(runai, two_teams()).one("Job")
    env = {item["name"]: item for item in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    for name, key in (("RUNAI_CLIENT_ID", "clientId"), ("RUNAI_CLIENT_SECRET", "clientSecret")):
        assert env[name]["valueFrom"] == {"secretKeyRef": {"name": "runai-api-client", "key": key}}
    assert run(runai, two_teams()).kind("Secret") == []


def test_the_job_runs_at_every_sync_and_mounts_every_payload() -> None:
    outputs = run(runai, two_teams())
    job = outputs.one("Job")
    assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "Sync"
    volumes = {item["name"]: item for item in job["spec"]["template"]["spec"]["volumes"]}
    sources = [item["configMap"]["name"] for item in volumes["payloads"]["projected"]["sources"]]
    maps = [piece.body["metadata"]["name"] for piece in outputs.pieces if piece.file == "org-units"]
    assert sources == maps
    assert (
        volumes["program"]["configMap"]["name"]
        == outputs.one("ConfigMap", "runai-org-units-program")["metadata"]["name"]
    )


def test_the_job_keeps_no_privilege() -> None:
    for builder, user in ((two_teams(), None), (two_teams().kubernetes(), 65532)):
        pod = run(runai, builder).one("Job")["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        # OpenShift refuses a user outside the range of the namespace.
        assert pod["securityContext"].get("runAsUser") == user
        assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_many_tenants_are_split_over_config_maps_below_the_limit_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runai_pass, "CHUNK", 2000)
    builder = two_teams()
    for number in range(20):
        builder.tenant(f"t{number:02}", pool="training", guaranteed=0, limit=1)
    outputs = run(runai, builder)
    maps = [piece.body for piece in outputs.pieces if piece.file == "org-units"]
    assert len(maps) > 3
    assert all(sum(map(len, body["data"].values())) <= 2000 for body in maps)
    assert len(payloads(outputs)) == 2 + 2 + 22  # pools, departments, projects


def test_what_cannot_be_checked_is_said() -> None:
    assert "schema" in run(runai, two_teams()).note("NOTE-RUNAI-SCHEMA").text


def test_without_a_control_plane_there_are_payloads_but_no_job() -> None:
    outputs = Outputs(runai(resolve(two_teams().scheduler("runai", clusterId=CLUSTER_ID).spec())[0]))
    assert outputs.kind("Job") == []
    assert "project-vision.json" in payloads(outputs)
    assert outputs.note("NOTE-RUNAI-CONNECTION").action == "Set spec.scheduler.controlPlaneUrl."


def test_namespaces_pools_and_labels_that_runai_cannot_express_are_pointed_out() -> None:
    builder = two_teams().pool("dev", time_slicing=4, selector={"rack": "1", "row": "2"}, named=False)
    builder.tenant("robots", pool="dev", guaranteed=4, namespaces=("r1", "r2"))
    outputs = run(runai, builder)
    assert outputs.note("NOTE-RUNAI-NAMESPACES").subject == "tenant robots"
    assert outputs.note("NOTE-RUNAI-SHARED").subject == "node pool dev"
    assert outputs.note("NOTE-RUNAI-SELECTOR").subject == "node pool dev"


def test_payloads_and_job_pass_their_schemas() -> None:
    for builder in (two_teams(), two_teams().kubernetes()):
        assert schema_issues(run(runai, builder)) == []


# --- the program ------------------------------------------------------------------------------------------------


class ControlPlane:
    """A control plane in memory that answers as the REST reference of Run:ai describes."""

    def __init__(self, *, tokens: int = 2) -> None:
        self.units: dict[str, dict[str, Any]] = {"nodepools": {}, "departments": {}, "projects": {}}
        self.writes: list[str] = []
        self.tokens = tokens
        self.refuse = ""
        plane = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                plane.answer(self)

            def do_POST(self) -> None:
                plane.answer(self)

            def do_PUT(self) -> None:
                plane.answer(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def forbid(self, name: str) -> None:
        """Lose a project and refuse to make it again."""
        del self.units["projects"][name]
        self.refuse = name

    def answer(self, request: Any) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0)).decode()
        status, content = self.route(request, urlsplit(request.path), body)
        data = json.dumps(content).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def route(self, request: Any, address: Any, body: str) -> tuple[int, Any]:
        if address.path == f"/api/v{self.tokens}/token":
            return self.token(body)
        if request.headers.get("Authorization") != "Bearer the-token":
            return (404, {}) if address.path.endswith("/token") else (401, {"message": "who are you"})
        key, _, unit = address.path.replace("/api/v1/node-pools", "/nodepools").rpartition("/")
        if request.command == "GET":
            query = parse_qs(address.query)
            offset, limit = int(query["offset"][0]), int(query["limit"][0])
            items = sorted(self.units[unit].values(), key=lambda item: str(item["name"]))
            return 200, {unit: items[offset : offset + limit]}
        content = json.loads(body)
        if content.get("name") == self.refuse:
            return 400, {"message": "no such thing"}
        if request.command == "PUT":
            found = next(item for item in self.units[key.rpartition("/")[2]].values() if item["id"] == unit)
            self.writes.append(f"PUT {found['name']}")
            found.update(content)
            return 200, found
        self.writes.append(f"POST {content['name']}")
        made = {**content, "id": f"id-of-{content['name']}"}
        self.units[unit][content["name"]] = made
        return 201, made

    def token(self, body: str) -> tuple[int, Any]:
        if self.tokens == 2:
            form = {key: values[0] for key, values in parse_qs(body).items()}
            good = form == {
                "grant_type": "client_credentials",
                "client_id": "client",
                "client_secret": SECRET_VALUE,
            }
            return (200, {"access_token": "the-token"}) if good else (401, {"message": "bad"})
        good = json.loads(body)["clientSecret"] == SECRET_VALUE
        return (200, {"accessToken": "the-token"}) if good else (401, {"message": "bad"})


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    yield from serve(ControlPlane())


@pytest.fixture
def old_plane() -> Iterator[ControlPlane]:
    yield from serve(ControlPlane(tokens=1))


def serve(plane: ControlPlane) -> Iterator[ControlPlane]:
    thread = threading.Thread(target=plane.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield plane
    finally:
        plane.server.shutdown()
        thread.join()
        plane.server.server_close()


def apply(
    plane: ControlPlane, folder: Path, builder: ClusterBuilder | None = None, secret: str = SECRET_VALUE
) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    outputs = run(runai, builder or two_teams())
    for name, payload in payloads(outputs).items():
        (folder / name).write_text(json.dumps(payload), encoding="utf-8")
    program = outputs.one("ConfigMap", "runai-org-units-program")["data"]["apply.py"]
    script = folder.parent / "apply.py"
    script.write_text(program, encoding="utf-8")
    env = {
        **{key: value for key, value in os.environ.items() if "proxy" not in key.lower()},
        "RUNAI_URL": plane.url,
        "RUNAI_CLUSTER_ID": CLUSTER_ID,
        "RUNAI_CLIENT_ID": "client",
        "RUNAI_CLIENT_SECRET": secret,
    }
    return subprocess.run(
        [sys.executable, str(script), str(folder)], env=env, capture_output=True, text=True, check=False, timeout=60
    )


def test_an_empty_control_plane_gets_pools_departments_and_projects_in_order(
    plane: ControlPlane, tmp_path: Path
) -> None:
    done = apply(plane, tmp_path / "payloads")
    assert (done.returncode, done.stderr) == (0, "")
    assert plane.writes == [f"POST {name}" for name in ("serving", "training", "lab", "research", "speech", "vision")]
    vision = plane.units["projects"]["vision"]
    assert vision["parentId"] == "id-of-research"
    assert "department" not in vision
    assert vision["resources"] == [
        {
            "nodePool": {"id": "id-of-serving", "name": "serving"},
            "gpu": {"deserved": 0, "limit": 0, "overQuotaWeight": 0},
        },
        {
            "nodePool": {"id": "id-of-training", "name": "training"},
            "gpu": {"deserved": 8, "limit": 12, "overQuotaWeight": 1},
        },
    ]


def test_applying_again_changes_nothing(plane: ControlPlane, tmp_path: Path) -> None:
    apply(plane, tmp_path / "payloads")
    plane.writes.clear()
    done = apply(plane, tmp_path / "payloads")
    assert (done.returncode, plane.writes) == (0, [])


def test_what_the_server_adds_is_no_difference_but_a_number_changed_by_hand_is(
    plane: ControlPlane, tmp_path: Path
) -> None:
    apply(plane, tmp_path / "payloads")
    plane.writes.clear()
    plane.units["projects"]["speech"]["status"] = {"phase": "Ready"}
    plane.units["projects"]["speech"]["resources"].reverse()
    plane.units["projects"]["speech"]["resources"][0]["rank"] = "MediumLow"
    plane.units["projects"]["vision"]["resources"][1]["gpu"]["limit"] = 99
    done = apply(plane, tmp_path / "payloads")
    assert done.returncode == 0
    assert plane.writes == ["PUT vision"]
    assert plane.units["projects"]["vision"]["resources"][1]["gpu"]["limit"] == 12


def test_pools_nobody_compiled_are_closed_to_every_project(plane: ControlPlane, tmp_path: Path) -> None:
    plane.units["nodepools"]["default"] = {"id": "id-of-default", "name": "default", "clusterId": CLUSTER_ID}
    apply(plane, tmp_path / "payloads")
    for unit in (*plane.units["projects"].values(), *plane.units["departments"].values()):
        entry = unit["resources"][0]
        assert entry == {
            "nodePool": {"id": "id-of-default", "name": "default"},
            "gpu": {"deserved": 0, "limit": 0, "overQuotaWeight": 0},
        }


def test_a_project_of_another_cluster_is_not_taken_for_ours(plane: ControlPlane, tmp_path: Path) -> None:
    foreign = {"id": "elsewhere", "name": "default", "clusterId": "another"}
    plane.units["nodepools"]["default"] = foreign
    apply(plane, tmp_path / "payloads")
    names = [item["nodePool"]["name"] for item in plane.units["projects"]["vision"]["resources"]]
    assert names == ["serving", "training"]


def test_what_is_no_longer_compiled_is_left_alone_and_named(plane: ControlPlane, tmp_path: Path) -> None:
    apply(plane, tmp_path / "payloads", two_teams().tenant("robots", pool="training", guaranteed=1))
    plane.writes.clear()
    done = apply(plane, tmp_path / "payloads")
    assert "left alone: project robots" in done.stdout
    assert "robots" in plane.units["projects"]


def test_more_units_than_one_page_are_all_seen(plane: ControlPlane, tmp_path: Path) -> None:
    for number in range(501):
        name = f"old-{number:03}"
        plane.units["projects"][name] = {"id": name, "name": name, "clusterId": CLUSTER_ID}
    apply(plane, tmp_path / "payloads")
    plane.writes.clear()
    # vision comes after 501 others: a second page is needed to find it again
    assert apply(plane, tmp_path / "payloads").returncode == 0
    assert plane.writes == []


def test_an_older_control_plane_is_asked_for_a_token_its_own_way(old_plane: ControlPlane, tmp_path: Path) -> None:
    assert apply(old_plane, tmp_path / "payloads").returncode == 0
    assert "vision" in old_plane.units["projects"]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        pytest.param(
            lambda plane: plane.units["projects"]["vision"].update(requestedNamespace="other"),
            "requestedNamespace other instead of vision",
            id="namespace chosen by somebody else",
        ),
        pytest.param(
            lambda plane: plane.units["projects"]["vision"].update(parentId="id-of-lab"),
            "parentId id-of-lab instead of id-of-research",
            id="project in another department",
        ),
        pytest.param(
            lambda plane: plane.units["nodepools"]["training"].update(labelValue="x"),
            "node pool training selects tenantry.dev/pool=x instead of tenantry.dev/pool=training",
            id="node pool of other nodes",
        ),
        pytest.param(
            lambda plane: plane.forbid("vision"),
            "POST /api/v1/org-unit/projects: HTTP 400",
            id="refused by the control plane",
        ),
    ],
)
def test_what_only_a_person_can_settle_stops_the_job_with_a_reason(
    plane: ControlPlane, tmp_path: Path, break_it: Any, said: str
) -> None:
    apply(plane, tmp_path / "payloads")
    break_it(plane)
    done = apply(plane, tmp_path / "payloads")
    assert done.returncode == 1
    assert done.stderr.startswith("failed: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_secret_is_reported_without_being_printed(plane: ControlPlane, tmp_path: Path) -> None:
    done = apply(plane, tmp_path / "payloads", secret="not-the-right-one")
    assert done.returncode == 1
    assert "HTTP 401" in done.stderr
    assert "not-the-right-one" not in done.stdout + done.stderr


def test_the_program_is_plain_python_of_the_standard_library() -> None:
    compile(SCRIPT, "apply.py", "exec")
    imported = {line.split()[1].partition(".")[0] for line in SCRIPT.splitlines() if line.startswith("import ")}
    assert imported <= set(sys.stdlib_module_names)
