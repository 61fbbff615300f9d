"""Pieces of a GitOps tree: what compiler passes yield and what the writer puts on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenantry.model.manifest import Body


@dataclass(frozen=True, slots=True)
class Component:
    """A folder of the tree that Argo CD syncs as one Application.

    Attributes:
        name: name of the Application and key by which passes refer to it.
        title: name for people.
        folder: folder in the tree, for example ``platform/gpu-operator``.
        wave: sync wave of the Application; lower first.
        disruptive: whether a change may drain, reset or reboot nodes.
        project: AppProject.
        tenant: tenant concerned, empty for the platform.
    """

    name: str
    title: str
    folder: str
    wave: int
    disruptive: bool = False
    project: str = "platform"
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """One manifest and where it goes.

    Attributes:
        component: name of the component.
        file: file name inside the component's folder, without suffix; pieces of one file become its documents.
        body: the manifest.
    """

    component: str
    file: str
    body: Body


@dataclass(frozen=True, slots=True)
class Chart:
    """A Helm chart that a component installs besides its manifests.

    Attributes:
        component: name of the component.
        repository: chart repository as Argo CD expects it.
        chart: chart name.
        version: exact chart version.
        release: Helm release name.
        namespace: namespace of the release.
        values: Helm values.
    """

    component: str
    repository: str
    chart: str
    version: str
    release: str
    namespace: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """Something the tree cannot do by itself and a person must know.

    Attributes:
        id: stable identifier, for example ``NOTE-AKS-MIG``.
        subject: what it is about, for example ``node pool serving``.
        text: what is so.
        action: what the reader should do; empty when nothing.
    """

    id: str
    subject: str
    text: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A file of the tree that is not a manifest, such as its README.

    Attributes:
        path: path inside the tree.
        content: whole text, ending in a newline.
    """

    path: str
    content: str


Output = Piece | Chart | Note | Text
"""What a compiler pass may yield."""
