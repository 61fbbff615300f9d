"""How the GPUs of nodes are divided: device plugin configurations, MIG layouts and what nodes choose of them.

Configuration texts are YAML, which is not read here. Words are looked for instead, so that a configuration that shares
is never taken for one that does not: a key cannot be in a text without being written in it.

Sources: NVIDIA k8s-device-plugin ``api/config/v1`` and ``cmd/config-manager/main.go``; mig-parted ``api/spec/v1``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tenantry.model.claim import Step
from tenantry.safe.devices.nodes import Node, Taint, read_nodes
from tenantry.safe.reading import strings, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.model.manifest import Manifest
    from tenantry.safe.gpu.stack import Stack
    from tenantry.safe.view import View

GPU = "nvidia.com/gpu"
PLUGIN_LABEL = "nvidia.com/device-plugin.config"
MIG_LABEL = "nvidia.com/mig.config"
STRATEGY_LABEL = "nvidia.com/gpu.sharing-strategy"
REPLICAS_LABEL = "nvidia.com/gpu.replicas"
PRODUCT_LABEL = "nvidia.com/gpu.product"
CLIQUE_LABEL = "nvidia.com/gpu.clique"


class Mode(StrEnum):
    """How pods share what is behind one resource name."""

    WHOLE = "whole"
    TIME_SLICING = "time-slicing"
    MPS = "MPS"
    MIG = "MIG"
    COMPUTE_INSTANCES = "compute instances"


@dataclass(frozen=True, slots=True)
class Sharing:
    """One entry of a device plugin configuration: a resource that several pods share."""

    mode: Mode
    resource: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A resource that nodes of a group offer.

    Attributes:
        resource: its name as pods ask for it.
        mode: how pods share what is behind it.
        sliced: whether it is a part of a GPU made by MIG.
        step: where this is said.
    """

    resource: str
    mode: Mode
    sliced: bool
    step: Step


@dataclass(frozen=True)
class Group:
    """Nodes that are configured alike.

    Attributes:
        nodes: their names, sorted; empty for nodes that no object names.
        taints: taints that keep pods away.
        offers: GPU resources they offer.
        labels: labels all of them carry, as far as known.
        complete: whether what they offer is known from their status, not from what configures them.
    """

    nodes: tuple[str, ...]
    taints: tuple[Taint, ...]
    offers: tuple[Offer, ...]
    labels: Mapping[str, str]
    complete: bool = False

    @property
    def title(self) -> str:
        """The nodes in a few words."""
        if not self.nodes:
            return "nodes that no object names"
        more = f" and {len(self.nodes) - 1} more" if len(self.nodes) > 1 else ""
        return f"node {self.nodes[0]}{more}"


# --- device plugin configurations ---------------------------------------------------------------------------------

_COMMENT = re.compile(r"(?m)(^|\s)#.*$")
_NAME = re.compile(r"[\"']?\bname[\"']?\s*:\s*[\"']?([A-Za-z0-9./+_-]+)")
_RENAMED = re.compile(r"[\"']?\brenameByDefault[\"']?\s*:\s*[\"']?true\b")
_REPLICAS = re.compile(r"[\"']?\breplicas[\"']?\s*:\s*[\"']?([0-9]+)")


def _section(config: str, word: str) -> str | None:
    """Return the text after a key, or None when the key is not in it."""
    match = re.search(rf"[\"']?\b{word}[\"']?\s*:", config)
    return config[match.end() :] if match else None


def sharings(config: str) -> list[Sharing]:
    """Return what a device plugin configuration shares; an unreadable one that shares yields whole GPUs' name."""
    clean = _COMMENT.sub("", config)
    slicing, mps = _section(clean, "timeSlicing"), _section(clean, "mps")
    # The plugin takes mps where both are present.
    mode, section = (Mode.MPS, mps) if mps is not None else (Mode.TIME_SLICING, slicing)
    if section is None:
        return []
    replicas = _REPLICAS.findall(section)
    if replicas and all(int(count) < 2 for count in replicas):
        return []
    names = sorted(set(_NAME.findall(section))) or [GPU]
    suffix = ".shared" if _RENAMED.search(clean) else ""
    return [Sharing(mode, (name if "/" in name else f"nvidia.com/{name}") + suffix) for name in names]


# --- MIG layouts ------------------------------------------------------------------------------------------------------

_PROFILE = re.compile(r"(?<![A-Za-z0-9.])((?:[0-9]+c\.)?[0-9]+g\.[0-9]+gb(?:[+.-][a-z.]+)*)(?![A-Za-z0-9])")
_OFF = re.compile(r"[\"']?\bmig-enabled[\"']?\s*:\s*[\"']?false\b")


def layout_block(config: str, name: str) -> str | None:
    """Return the text of one layout of a mig-parted configuration, or None when it is not in it."""
    lines = _COMMENT.sub("", config).splitlines()
    for index, line in enumerate(lines):
        match = re.match(rf"(\s*)[\"']?{re.escape(name)}[\"']?\s*:", line)
        if match is None:
            continue
        deeper = len(match[1])
        block = [line[match.end() :]]
        for other in lines[index + 1 :]:
            # A list may start in the column of its key.
            indent = len(other) - len(other.lstrip())
            if other.strip() and (indent < deeper or (indent == deeper and not other.lstrip().startswith("-"))):
                break
            block.append(other)
        return "\n".join(block)
    return None


def slice_resource(profile: str) -> str:
    """Return the resource name of a MIG profile under the mixed strategy."""
    return f"nvidia.com/mig-{profile.replace('+', '.')}"


# --- groups of nodes --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Configs:
    plugin: Manifest | None
    plugin_default: str
    layouts: Manifest | None
    single: bool


def gpu_groups(view: View, stack: Stack) -> tuple[Group, ...]:
    """Return the nodes with GPUs, grouped by configuration, and what they offer.

    A node whose status is not known counts as a node with GPUs.
    """
    configs = _configs(view, stack)
    grouped: dict[tuple[object, ...], list[Node]] = {}
    for node in read_nodes(view.snapshot):
        if node.offers is not None and not any(name.startswith("nvidia.com/") for name in node.offers):
            continue
        offers = tuple(_offers(node, configs))
        if offers:
            alike = tuple((offer.resource, offer.mode, offer.sliced) for offer in offers)
            key = (alike, tuple(sorted(node.taints)), node.labels.get(CLIQUE_LABEL))
            grouped.setdefault(key, []).append(node)
    found = [
        Group(
            nodes=tuple(node.name for node in nodes),
            taints=tuple(sorted(nodes[0].taints)),
            offers=tuple(_offers(nodes[0], configs)),
            labels=dict(set.intersection(*(set(node.labels.items()) for node in nodes))),
            complete=all(node.offers is not None for node in nodes),
        )
        for nodes in grouped.values()
    ]
    return tuple(sorted(found, key=lambda group: group.nodes))


def unchosen(view: View, stack: Stack) -> Iterator[tuple[Sharing, Step]]:
    """Yield what device plugin configurations share, whether or not a node is known to choose it."""
    config = _configs(view, stack).plugin
    if config is not None:
        for key, value in sorted(strings(config.body, "data").items()):
            for found in sharings(value):
                yield found, Step(f"{found.mode} of {found.resource}", config.key, ("data", key))


def divides_instances(view: View, stack: Stack) -> bool:
    """Whether a MIG layout, chosen by a node or not, makes compute instances that share one GPU instance."""
    return any(re.match(r"[0-9]+c\.", profile) for profile in _PROFILE.findall(_layouts(_configs(view, stack))))


def _configs(view: View, stack: Stack) -> _Configs:
    def referred(part: str) -> Manifest | None:
        name = text(stack.spec, part, "config", "name")
        homes = [item for item in view.snapshot.of("", "ConfigMap") if name and item.key.name == name]
        return next((item for item in homes if item.key.namespace in stack.namespaces), homes[0] if homes else None)

    return _Configs(
        referred("devicePlugin"),
        text(stack.spec, "devicePlugin", "config", "default"),
        referred("migManager"),
        text(stack.spec, "mig", "strategy") == "single",
    )


def _offers(node: Node, configs: _Configs) -> Iterator[Offer]:
    base = list(_divided(node, configs))
    shared = {item.resource.removesuffix(".shared"): (item, step) for item, step in _shared(node, configs)}
    seen: dict[str, Offer] = {}
    for offer in base:
        name = offer.resource.removesuffix(".shared")
        if name in shared:
            item, step = shared[name]
            offer = Offer(item.resource, item.mode, offer.sliced, step)  # noqa: PLW2901 - replaced by its shared form
        seen[offer.resource] = offer
    yield from (seen[name] for name in sorted(seen))


def _shared(node: Node, configs: _Configs) -> Iterable[tuple[Sharing, Step]]:
    live = node.labels.get(STRATEGY_LABEL, "")
    product = node.labels.get(PRODUCT_LABEL, "")
    if live or product.endswith("-SHARED") or node.labels.get(REPLICAS_LABEL, "1") not in {"", "0", "1"}:
        if live == "none":
            return
        mode = Mode.MPS if live == "mps" else Mode.TIME_SLICING
        for name in node.offers or {GPU: 1.0}:
            if name.startswith("nvidia.com/"):
                yield Sharing(mode, name), node.steps[0]
        return
    if configs.plugin is None:
        return
    data = strings(configs.plugin.body, "data")
    # As the plugin's config manager: the label, else the default, else a key named default, else the only key.
    key = node.labels.get(PLUGIN_LABEL) or configs.plugin_default
    key = key or ("default" if "default" in data else next(iter(data), "") if len(data) == 1 else "")
    for item in sharings(data.get(key, "")):
        yield item, Step(f"{item.mode} of {item.resource}", configs.plugin.key, ("data", key))


def _divided(node: Node, configs: _Configs) -> Iterable[Offer]:
    if node.offers is not None:
        for name in sorted(node.offers):
            if name.startswith("nvidia.com/") and not name.startswith("nvidia.com/hostdev"):
                yield _plain(name, node.steps[0])
        return
    chosen = node.labels.get(MIG_LABEL, "")
    step = node.steps[0] if node.steps else Step("node", None, (), "no object describes the node")
    if not chosen or chosen == "all-disabled":
        yield _plain(GPU, step)
        return
    block = layout_block(_layouts(configs), chosen)
    if block is None:
        # A layout the operator ships: its name says the profile, such as all-1g.18gb.
        block = chosen.removeprefix("all-")
        names = sorted(set(_PROFILE.findall(block))) or ["*"]
    else:
        names = sorted(set(_PROFILE.findall(block)))
        if _OFF.search(block) or not names:
            yield _plain(GPU, step)
        if configs.layouts is not None:
            step = Step(f"MIG layout {chosen}", configs.layouts.key, ("data",))
    for profile in names:
        mode = Mode.COMPUTE_INSTANCES if re.match(r"[0-9]+c\.", profile) else Mode.MIG
        yield Offer(GPU if configs.single else slice_resource(profile), mode, True, step)


def _plain(resource: str, step: Step) -> Offer:
    if resource.startswith("nvidia.com/mig-"):
        instances = re.match(r"nvidia\.com/mig-[0-9]+c\.", resource)
        return Offer(resource, Mode.COMPUTE_INSTANCES if instances else Mode.MIG, True, step)
    return Offer(resource, Mode.WHOLE, False, step)


def _layouts(configs: _Configs) -> str:
    if configs.layouts is None:
        return ""
    return "\n".join(value for _, value in sorted(strings(configs.layouts.body, "data").items()))
