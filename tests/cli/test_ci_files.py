"""The CI files that users copy: every script in them runs here as it stands, on a real repository with the real tool.

What no machine without these services can show is left out: that a runner checks out, installs, keeps artifacts and
grants the rights that are asked for. The services' APIs for comments are stood in for by something that keeps comments.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tenantry.cli.main import run

if TYPE_CHECKING:
    from conftest import GitFolder

    New = Callable[[str], GitFolder]

ROOT = Path(__file__).parents[2]
CI = ROOT / "examples" / "ci"
GITHUB, GITLAB = CI / "github" / "tenantry.yml", CI / "gitlab" / "tenantry.yml"
ENVIRONMENTS = ("staging", "production")
OVERLAY = """apiVersion: tenantry.dev/v1alpha1
kind: Platform
metadata: {{name: {name}}}
spec:
  gitops: {{revision: {revision}}}
"""
FEWER = ("guaranteed: 8, limit: 16", "guaranteed: 8, limit: 12")


def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(GITHUB.read_text("utf-8"))
    return loaded


def steps(job: str) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in workflow()["jobs"][job]["steps"] if "run" in step}


@pytest.fixture
def made(new_repository: New, capsys: pytest.CaptureFixture[str]) -> GitFolder:
    """Return a repository with a spec and its trees, on a merge of a branch as forges make one."""
    made = new_repository("r")
    made.example("eks-gpu", "spec/base")
    (made.folder / "spec" / "base" / "README.md").unlink()
    name = re.search(r"name: (\S+)", (made.folder / "spec" / "base" / "platform.yaml").read_text("utf-8"))
    assert name is not None
    for environment in ENVIRONMENTS:
        text = OVERLAY.format(name=name[1], revision=environment)
        made.write(f"spec/environments/{environment}/platform.yaml", text)
    trees(made)
    made.commit("the platform")
    made.git("checkout", "--quiet", "-b", "feature/$(touch${IFS}injected)")
    change(made, *FEWER)
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--no-ff", "--no-edit", "feature/$(touch${IFS}injected)")
    capsys.readouterr()
    return made


def trees(made: GitFolder) -> None:
    for environment in ENVIRONMENTS:
        tree = made.folder / "trees" / environment
        assert run(["compile", str(made.folder / "spec"), "-e", environment, "--out", str(tree)]) == 0


def change(made: GitFolder, before: str, after: str) -> None:
    made.edit("spec/base/tenants.yaml", before, after)
    trees(made)
    made.commit("a change")


class Runner:
    """Runs scripts as a runner does, with the real tool in front of ``PATH``."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder, self.scratch = folder, scratch
        self.summary = scratch / "summary.md"
        tools = Path(sys.executable).parent
        self.path = f"{scratch / 'bin'}:{tools}:{os.environ['PATH']}"
        (scratch / "bin").mkdir(parents=True)

    def bash(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        # Source: GitHub, jobs.<job_id>.steps[*].shell, what "bash" stands for.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        around = {**os.environ, "PATH": self.path, "GITHUB_STEP_SUMMARY": str(self.summary), **variables}
        return subprocess.run(command, cwd=self.folder, env=around, capture_output=True, text=True, check=False)


@pytest.fixture
def runner(made: GitFolder, tmp_path: Path) -> Runner:
    if shutil.which("jq") is None or shutil.which("bash") is None:
        pytest.skip("bash or jq is absent")
    clone = tmp_path / "runner"
    # As actions/checkout with fetch-depth 2 leaves it.
    made.git("clone", "--quiet", "--depth=2", f"file://{made.folder}", str(clone))
    return Runner(clone, tmp_path / "scratch")


def github_variables(environment: str) -> dict[str, str]:
    values = {**workflow()["env"], **workflow()["jobs"]["plan"]["env"]}
    values["ENVIRONMENT"] = environment
    values["RUN_URL"] = "https://github.example.com/a/b/actions/runs/7"
    assert not [value for value in values.values() if "${{" in value]
    return values


def test_the_workflow_asks_for_no_more_than_it_needs() -> None:
    loaded = workflow()
    assert loaded["permissions"] == {}
    assert [job["permissions"] for job in loaded["jobs"].values()] == [{"contents": "read"}, {"pull-requests": "write"}]
    # The job that may write neither checks out nor runs anything of the pull request.
    assert not [step for step in loaded["jobs"]["comment"]["steps"] if "checkout" in step.get("uses", "")]
    assert "\non:\n  pull_request:\n\n" in GITHUB.read_text("utf-8")
    uses = re.findall(r"uses: (\S+)", GITHUB.read_text("utf-8"))
    assert len(uses) == 3
    assert [name for name in uses if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name)] == []


def test_no_script_holds_an_expression_that_somebody_else_may_fill() -> None:
    for job in workflow()["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
    for line in GITHUB.read_text("utf-8").splitlines():
        for unsafe in ("head_ref", "head.ref", "title", "body }}", "label"):
            assert f"event.pull_request.{unsafe}" not in line
            assert f"github.{unsafe}" not in line


def test_every_step_of_the_workflow_runs(made: GitFolder, runner: Runner) -> None:
    scripts = steps("plan")
    assert list(scripts) == ["Install", "Plan", "Tree equals spec", "Lint", "Verify"]
    for environment in ENVIRONMENTS:
        variables = github_variables(environment)
        done = {name: runner.bash(scripts[name]["run"], **variables) for name in list(scripts)[1:]}
        # The example signs no facts, so verification says what is unknown; nothing in the change breaks isolation.
        codes = {name: item.returncode for name, item in done.items()}
        assert codes == {"Plan": 0, "Tree equals spec": 0, "Lint": 0, "Verify": 2}, done
        comment = (runner.folder / "plan" / "comment.md").read_text("utf-8")
        assert comment.startswith(f"<!-- tenantry-plan spec=spec environment={environment} -->")
        assert "spec.quotas" in comment
        assert json.loads((runner.folder / "plan" / "plan.json").read_text("utf-8"))["causes"]
        assert (runner.folder / "plan" / "plan.html").is_file()
    assert runner.summary.read_text("utf-8").count("<!-- tenantry-plan") == 2
    assert not (runner.folder / "injected").exists()
    assert not (made.folder / "injected").exists()


def test_a_tree_that_is_not_compiled_anew_fails(made: GitFolder, tmp_path: Path) -> None:
    made.edit("spec/base/tenants.yaml", "limit: 12", "limit: 14")
    made.commit("the tree is forgotten")
    runner = Runner(made.folder, tmp_path / "scratch")
    assert runner.bash(steps("plan")["Tree equals spec"]["run"], **github_variables("production")).returncode == 2


def test_a_spec_with_problems_fails_and_its_problems_are_the_comment(made: GitFolder, tmp_path: Path) -> None:
    made.edit("spec/base/tenants.yaml", "pool:", "pol:")
    made.commit("broken")
    runner = Runner(made.folder, tmp_path / "scratch")
    assert runner.bash(steps("plan")["Plan"]["run"], **github_variables("production")).returncode == 4
    comment = (made.folder / "plan" / "comment.md").read_text("utf-8")
    assert comment.startswith("<!-- tenantry-plan spec=spec environment=production -->")
    assert "There is no plan: the spec at HEAD" in comment
    assert "`spec/base/tenants.yaml:" in comment


GH = """#!{python}
import json, pathlib, sys
place = pathlib.Path({state!r})
there = json.loads(place.read_text("utf-8"))
words = sys.argv[1:]
assert words.pop(0) == "api", words
method = words[words.index("--method") + 1] if "--method" in words else "GET"
address = next(word for word in words if word.startswith("repos/"))
if method == "GET":
    assert address == "repos/a/b/issues/7/comments" and "--paginate" in words, words
    # Pages of two, one array behind the other, as gh prints them.
    for start in range(0, max(len(there), 1), 2):
        print(json.dumps(there[start:start + 2]))
    sys.exit()
field = words[words.index("--field") + 1]
assert field.startswith("body=@"), field
body = pathlib.Path(field.removeprefix("body=@")).read_text("utf-8")
if method == "POST":
    assert address == "repos/a/b/issues/7/comments", address
    there.append({{"id": len(there) + 1, "user": {{"type": "Bot"}}, "body": body}})
else:
    assert method == "PATCH", method
    number = int(address.removeprefix("repos/a/b/issues/comments/"))
    next(item for item in there if item["id"] == number)["body"] = body
place.write_text(json.dumps(there), "utf-8")
"""


def test_one_comment_per_environment_is_made_and_updated_in_place(runner: Runner) -> None:
    state = runner.scratch / "comments.json"
    marker = "<!-- tenantry-plan spec=spec environment=staging -->"
    others = [
        {"id": n, "user": {"type": "User"}, "body": f"{marker}\nnot yours" if n == 2 else "hello"} for n in (1, 2, 3)
    ]
    state.write_text(json.dumps(others), "utf-8")
    gh = runner.scratch / "bin" / "gh"
    gh.write_text(GH.format(python=sys.executable, state=str(state)), "utf-8")
    gh.chmod(0o755)
    for environment in ENVIRONMENTS:
        assert runner.bash(steps("plan")["Plan"]["run"], **github_variables(environment)).returncode == 0
        shutil.copytree(runner.folder / "plan", runner.folder / "plans" / f"tenantry-plan-{environment}")
    script = steps("comment")["Comment"]["run"]
    variables = {"GH_TOKEN": "x", "REPOSITORY": "a/b", "NUMBER": "7"}
    for _ in range(2):
        done = runner.bash(script, **variables)
        assert done.returncode == 0, done.stderr
        there = json.loads(state.read_text("utf-8"))
        assert there[:3] == others
        assert sorted(item["body"].splitlines()[0] for item in there[3:]) == [
            "<!-- tenantry-plan spec=spec environment=production -->",
            marker,
        ]
    for comment in runner.folder.glob("plans/*/comment.md"):
        comment.write_text(comment.read_text("utf-8") + "\nsecond push\n", "utf-8")
    assert runner.bash(script, **variables).returncode == 0
    there = json.loads(state.read_text("utf-8"))
    assert [item["body"].endswith("second push\n") for item in there[3:]] == [True, True]


def test_a_change_of_something_else_makes_no_comment(made: GitFolder, tmp_path: Path) -> None:
    made.write("README.md", "something else")
    made.commit()
    runner = Runner(made.folder, tmp_path / "scratch")
    state = runner.scratch / "comments.json"
    state.write_text("[]", "utf-8")
    gh = runner.scratch / "bin" / "gh"
    gh.write_text(GH.format(python=sys.executable, state=str(state)), "utf-8")
    gh.chmod(0o755)
    assert runner.bash(steps("plan")["Plan"]["run"], **github_variables("production")).returncode == 0
    (made.folder / "plan").rename(made.folder / "tenantry-plan-production")
    (made.folder / "plans").mkdir()
    (made.folder / "tenantry-plan-production").rename(made.folder / "plans" / "tenantry-plan-production")
    done = runner.bash(steps("comment")["Comment"]["run"], GH_TOKEN="x", REPOSITORY="a/b", NUMBER="7")
    assert (done.returncode, state.read_text("utf-8")) == (0, "[]")


def component() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs of the component, and its jobs with defaults and the environment production filled in."""
    head, _, body = GITLAB.read_text("utf-8").partition("\n---\n")
    inputs: dict[str, Any] = yaml.safe_load(head)["spec"]["inputs"]
    values = {name: item["default"] for name, item in inputs.items()}
    values.update(environment="production", tree="trees/production")
    filled = re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda found: values[found[1]], body)
    jobs: dict[str, Any] = yaml.safe_load(filled)
    return inputs, jobs


def test_every_input_of_the_component_is_used() -> None:
    text = GITLAB.read_text("utf-8")
    for name in component()[0]:
        assert f"$[[ inputs.{name} ]]" in text
    # Inputs reach scripts as variables, never as text of the script.
    for job in component()[1].values():
        raw = text.partition("\n---\n")[2]
        assert all("$[[" not in line for line in raw.splitlines() if line.lstrip().startswith(("tenantry ", "--")))
        assert all(isinstance(line, str) for line in job["script"])


def test_the_scripts_of_the_component_run(made: GitFolder, runner: Runner) -> None:
    del made
    job = component()[1]["tenantry-plan production"]
    variables = {**job["variables"], "CI_MERGE_REQUEST_DIFF_BASE_SHA": "HEAD^1", "CI_JOB_URL": "https://ci.example.com"}
    done = runner.bash("\n".join(job["script"]), **variables)
    # As above: verification of the example leaves something unknown, so the job fails, behind everything else.
    assert done.returncode == 1, done.stderr
    assert "equals the spec" in done.stderr
    assert "limit" in done.stdout
    for name in ("plan.json", "comment.md", "plan.html", "junit.xml"):
        assert (runner.folder / "plan" / name).is_file()


class Notes(BaseHTTPRequestHandler):
    """Keeps notes of a merge request; two on a page."""

    notes: list[dict[str, Any]] = []
    calls: list[str] = []

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, value: object, **headers: str) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        for name, text in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> str:
        assert self.headers["PRIVATE-TOKEN"] == "secret"
        text: str = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        return text

    def do_GET(self) -> None:
        if self.path == "/api/v4/user":
            self._answer({"id": 42})
            return
        found = re.fullmatch(r"/api/v4/projects/5/merge_requests/7/notes\?per_page=100&page=(\d+)", self.path)
        assert found is not None
        page = int(found[1])
        self._answer(
            self.notes[2 * page - 2 : 2 * page], X_Next_Page=str(page + 1) if len(self.notes) > 2 * page else ""
        )

    def do_POST(self) -> None:
        self.calls.append("POST")
        self.notes.append({"id": len(self.notes) + 1, "author": {"id": 42}, "body": self._body()})
        self._answer(self.notes[-1])

    def do_PUT(self) -> None:
        self.calls.append("PUT")
        note = self.notes[int(self.path.rpartition("/")[2]) - 1]
        note["body"] = self._body()
        self._answer(note)


@pytest.fixture
def gitlab() -> Iterator[ThreadingHTTPServer]:
    Notes.notes = [{"id": n, "author": {"id": 1}, "body": "hello"} for n in (1, 2, 3)]
    Notes.calls = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Notes)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_one_note_is_made_and_updated_in_place(
    made: GitFolder, tmp_path: Path, gitlab: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made.folder)
    plan = ["plan", "HEAD^1..HEAD", "spec", "-e", "production", "--no-verify", "--out", "plan/plan.json"]
    run([*plan, "-o", "md=plan/comment.md"])
    marker = (made.folder / "plan" / "comment.md").read_text("utf-8").splitlines()[0]
    Notes.notes[1]["body"] = f"{marker}\nof somebody else"
    script = "\n".join(component()[1]["tenantry-comment production"]["script"])
    variables = {
        "CI_API_V4_URL": f"http://127.0.0.1:{gitlab.server_port}/api/v4",
        "CI_PROJECT_ID": "5",
        "CI_MERGE_REQUEST_IID": "7",
        "TENANTRY_COMMENT_TOKEN": "secret",
        "no_proxy": "127.0.0.1",
    }
    runner = Runner(made.folder, tmp_path / "scratch")
    for _ in range(2):
        done = runner.bash(script, **variables)
        assert done.returncode == 0, done.stderr
    assert Notes.calls == ["POST", "PUT"]
    assert [note["body"].splitlines()[0] for note in Notes.notes] == ["hello", marker, "hello", marker]
    assert Notes.notes[1]["body"].endswith("of somebody else")


def test_every_hook_runs_as_its_entry_says(made: GitFolder, tmp_path: Path) -> None:
    hooks = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}
    config = yaml.safe_load((CI / "pre-commit" / ".pre-commit-config.yaml").read_text("utf-8"))
    wanted = config["repos"][0]["hooks"]
    assert [hook["id"] for hook in wanted] == list(hooks)
    runner = Runner(made.folder, tmp_path / "scratch")
    codes = {}
    for hook in wanted:
        words = [*hooks[hook["id"]]["entry"].split(), *hook["args"]]
        codes[hook["id"]] = runner.bash(" ".join(words)).returncode
    assert codes == {"tenantry-compile-check": 0, "tenantry-lint": 0, "tenantry-verify": 2, "tenantry-plan": 0}
