"""Prepare commits that carry a change on: a spec into the tree of an environment, or a spec back to what it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantry.app.compile import differences, keep_apart, tree_of, write
from tenantry.app.plan import PlanQuestion, plan_one_sided, plan_specs
from tenantry.app.plan_places import Place, read_place
from tenantry.errors import InputError
from tenantry.git import Repository
from tenantry.git.commits import branch_of, changed, commit, ready, restore, trailers
from tenantry.plan import Return

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenantry.app.spec import CheckedSpec
    from tenantry.git import Commit
    from tenantry.plan import Effect, Plan

USUAL = PlanQuestion()
SPEC_TRAILER, ENVIRONMENT_TRAILER = "Tenantry-Spec", "Tenantry-Environment"


@dataclass(frozen=True)
class Prepared:
    """A commit that is ready to be made.

    Attributes:
        plan: what it does.
        subject: first line of its message.
        trailers: last lines of its message: names and values.
        repository: where it is made.
        paths: files and folders it changes.
        branch: new branch; empty for the one that is checked out.
        same: whether nothing differs, so that there is nothing to commit.
        not_restored: what was lost on the way here and does not come back; of a rollback only.
        fill: writes the files below a folder that stands for the root of the repository.
    """

    plan: Plan
    subject: str
    trailers: tuple[tuple[str, str], ...]
    repository: Repository
    paths: tuple[str, ...]
    branch: str
    same: bool
    not_restored: tuple[Effect, ...] = ()
    fill: Callable[[Path], None] = field(default=lambda _: None, repr=False)

    @property
    def target(self) -> str:
        """Branch that gets the commit."""
        return self.branch or branch_of(self.repository)

    def commit(self, body: str) -> Commit | None:
        """Make the commit; None when nothing differs after all.

        Args:
            body: the plan in words, between the first line and the trailers.

        Raises:
            GitError: if Git or one of its hooks refuses; nothing is changed then.
        """
        ends = "\n".join(f"{name}: {value}" for name, value in self.trailers)
        return commit(self.repository, self.paths, self.fill, f"{self.subject}\n\n{body}\n\n{ends}\n", self.branch)


def prepare_promotion(
    environment: str,
    spec: Path,
    tree: Path,
    *,
    revision: str = "",
    after: Path | None = None,
    since: str = "",
    branch: str = "",
    question: PlanQuestion = USUAL,
) -> Prepared:
    """Prepare the commit that makes the tree of an environment what a spec compiles to.

    Args:
        environment: the environment; empty for a spec without any.
        spec: the spec, in a repository.
        tree: the tree, in the same repository or another.
        revision: revision of the spec; the one that ``after`` has, else the one that is checked out, when empty.
        after: tree of the environment that goes first; its revision of the spec is promoted.
        since: revision of the spec the tree was compiled from; what its last commit says when empty.
        branch: new branch to commit on; the one that is checked out when empty.
        question: what the plan compares.

    Raises:
        SpecError: if the spec does not compile, now or before.
        InputError: if something is not committed, not known, or not a tree.
        GitError: if git fails.
    """
    keep_apart(spec, tree)
    source, target = Repository.around(spec), Repository.around(tree)
    if revision and after is not None:
        raise InputError("--revision and --after both say what is promoted; give one of them")
    path = target.path_of(tree)
    ready(target, [path], branch)
    chosen = _promoted(source, spec, revision, after)
    place = Place(str(chosen), source.root / source.path_of(spec), source, chosen)
    now = _required(read_place(place, environment, required=True))
    was, origin, notes = _origin(place, environment, since, (target, path))
    made = tree_of(now.cluster)
    if was is None:
        plan = plan_one_sided(now, (origin, place.label), question, came=True, notes=notes)
    else:
        plan = plan_specs(was, now, origin, place.label, question, notes=(*notes, *_drifted(was, tree)))
    name = environment or plan.name
    return Prepared(
        plan,
        f"Promote {name} to {chosen.hash[:7]}",
        ((SPEC_TRAILER, chosen.hash), (ENVIRONMENT_TRAILER, environment or "none")),
        target,
        (path,),
        branch,
        same=not differences(made, tree),
        fill=lambda root: write(made, root / path),
    )


def _promoted(source: Repository, spec: Path, revision: str, after: Path | None) -> Commit:
    """Return the revision of the spec that is promoted."""
    if revision:
        return source.commit(revision)
    if after is not None:
        first = Repository.around(after)
        _, found = trailers(first, first.path_of(after), SPEC_TRAILER)
        if not found:
            raise InputError(f"the last commit of {after} does not say which spec it was promoted to; name --revision")
        return source.commit(found)
    dirty = changed(source, [source.path_of(spec)])
    if dirty:
        raise InputError(
            f"{spec} has changes that are not committed: {', '.join(dirty[:5])}; commit them, or name a --revision"
        )
    return source.commit("HEAD")


def _origin(
    place: Place, environment: str, since: str, tree: tuple[Repository, str]
) -> tuple[CheckedSpec | None, str, tuple[str, ...]]:
    """Return the spec the tree was compiled from, its name, and what is worth knowing about it.

    Args:
        place: the spec that is promoted.
        environment: the environment.
        since: the revision the user names; empty for none.
        tree: repository of the tree and its path in there.
    """
    source, (target, path) = place.repository or tree[0], tree
    last, found = trailers(target, path, SPEC_TRAILER)
    if since or found:
        commit_of = source.commit(since or found)
    elif last is None:
        return None, "nothing", (f"there is no tree {path} yet: everything is added",)
    elif source.root == target.root:
        # Spec and tree in one repository change together, so the tree is that of the spec beside it.
        commit_of = last
    else:
        raise InputError(
            f"the last commit of {path}, {last.hash[:7]}, does not say which spec it was compiled from; "
            "name it with --since"
        )
    before = Place(str(commit_of), place.folder, source, commit_of)
    was = read_place(before, environment)
    if was is None:
        return None, before.label, (f"there is no such spec {before.where}: everything is added",)
    return was, before.label, ()


def _required(checked: CheckedSpec | None) -> CheckedSpec:
    if checked is None:
        raise InputError("there is no such spec")
    return checked


def _drifted(was: CheckedSpec, tree: Path) -> Sequence[str]:
    """Say when a tree is not what its spec compiles to: another version wrote it, or a person."""
    found = differences(tree_of(was.cluster), tree)
    if not found:
        return ()
    return (
        f"{len(found)} files of the tree are not what its spec compiles to (another version of Tenantry, or an edit by "
        "hand); the commit replaces them, and the plan does not tell what that does",
    )


def prepare_rollback(
    revision: str,
    spec: Path,
    environment: str = "",
    *,
    tree: Path | None = None,
    branch: str = "",
    question: PlanQuestion = USUAL,
) -> Prepared:
    """Prepare the commit that makes a spec what it was at a revision, history kept.

    Args:
        revision: the revision.
        spec: the spec, in a repository.
        environment: environment the plan is made for; the commit takes back all of the spec.
        tree: its compiled tree in the same repository, compiled anew in the same commit; None for none.
        branch: new branch to commit on; the one that is checked out when empty.
        question: what the plan compares.

    Raises:
        SpecError: if the spec does not compile, now or then.
        InputError: if something is not committed, or the revision does not have the spec.
        GitError: if git fails.
    """
    repository = Repository.around(spec)
    path = repository.path_of(spec)
    paths = [path]
    if tree is not None:
        keep_apart(spec, tree)
        paths.append(repository.path_of(tree))
    ready(repository, paths, branch)
    then, head = repository.commit(revision), repository.commit("HEAD")
    places = [Place(str(item), repository.root / path, repository, item) for item in (head, then)]
    now = _required(read_place(places[0], environment, required=True))
    back = _required(read_place(places[1], environment, required=True))
    plan = plan_specs(now, back, places[0].label, places[1].label, question)
    # What the way here destroyed is told by the plan of the way here; isolation does not matter for that.
    way_here = plan_specs(back, now, places[1].label, places[0].label, PlanQuestion(verify=False, fit=False))
    lost = tuple(effect for effect in way_here.effects if effect.way_back is Return.LOST)
    made = tree_of(back.cluster)

    def fill(root: Path) -> None:
        restore(root, then, path)
        if tree is not None:
            write(made, root / paths[1])

    same = not repository.differs(head, then, path) and (tree is None or not differences(made, tree))
    return Prepared(
        plan,
        f"Roll {environment or plan.name} back to {then.hash[:7]}",
        ((SPEC_TRAILER, then.hash), (ENVIRONMENT_TRAILER, environment or "none")),
        repository,
        tuple(paths),
        branch,
        same=same,
        not_restored=lost,
        fill=fill,
    )
