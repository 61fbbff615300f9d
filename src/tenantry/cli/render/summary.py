"""The summary page of a compiled tree: pools drawn to scale, who is entitled to what, and the order of the roll-out."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tenantry.cli.render.page import page
from tenantry.model.gpu import place
from tenantry.model.spec import SharingMode

if TYPE_CHECKING:
    from tenantry.app.compile import CompiledTree
    from tenantry.model.cluster import Cluster, ClusterTenant, GpuGroup, Pool, PoolResource

# Dark enough for white text in both themes; tenants beyond the palette take it up again.
PALETTE = ("#0b6bcb", "#b54708", "#067647", "#7a3db8", "#b42360", "#0e7490", "#7c5a00", "#475467", "#3f621f", "#8a2be2")
MOST_IN_BAR = 12
DISTRIBUTIONS = {
    "openshift": "OpenShift",
    "kubernetes": "Kubernetes",
    "eks": "Amazon EKS",
    "gke": "Google GKE",
    "aks": "Azure AKS",
}
SCHEDULERS = {"kai": "KAI", "runai": "Run:ai", "kueue": "Kueue"}

GPU_WIDTH, GAP, COLUMNS = 86, 8, 4
WHOLE_HEIGHT, SLICED_HEIGHT = 54, 104  # a memory slice is tall enough for its name


def summary_page(tree: CompiledTree, target: str) -> str:
    """Return the page."""
    cluster = tree.compilation.cluster
    platform = cluster.spec.platform.spec
    environment = f", environment {cluster.spec.environment}" if cluster.spec.environment else ""
    title = DISTRIBUTIONS[platform.distribution.value]
    scheduler = SCHEDULERS[platform.scheduler.type.value]
    lead = f"{title} {platform.version}{environment}; {scheduler} divides the GPUs"
    colours = {tenant.name: PALETTE[index % len(PALETTE)] for index, tenant in enumerate(cluster.tenants)}
    parts = [
        f"<h1>{escape(cluster.name)}</h1><p class=lead>{escape(lead)}</p>",
        _numbers(tree),
        "<h2>Node pools</h2><div class=cards>",
        *(_pool(cluster, pool, colours) for pool in cluster.pools),
        "</div>",
        _fabrics(cluster),
        _tenants(cluster, colours),
        _waves(tree),
        _notes(tree),
        f"<p class=dim>Tree: <code>{escape(target)}</code></p>",
    ]
    return page(cluster.name, "\n".join(part for part in parts if part))


def _numbers(tree: CompiledTree) -> str:
    cluster = tree.compilation.cluster
    gpus = sum(pool.nodes * pool.gpus_per_node for pool in cluster.pools)
    facts = (
        (sum(pool.nodes for pool in cluster.pools), "GPU nodes"),
        (gpus, "GPUs"),
        (len(cluster.tenants), "tenants"),
        (len(cluster.departments), "departments"),
        (tree.objects, "objects"),
        (len(tree.files), "files"),
    )
    items = "".join(f"<li><b>{number:,}</b><span>{label}</span></li>" for number, label in facts)
    return f"<ul class=facts>{items}</ul>"


def _pool(cluster: Cluster, pool: Pool, colours: dict[str, str]) -> str:
    plural = "node" if pool.nodes == 1 else "nodes"
    head = f"<h3>{escape(pool.name)} <span class=dim>{pool.nodes} {plural}</span></h3>"
    made = pool.server.title if pool.server.gpu else f"{pool.gpus_per_node} x {pool.gpu.title}"
    sub = f"{made}; driver {pool.driver}"
    bars = "".join(_bar(cluster, pool, resource, colours) for resource in pool.gpu_resources)
    return f"<div class=card>{head}<p class=dim>{escape(sub)}</p>{_drawing(pool)}{bars}</div>"


def _drawing(pool: Pool) -> str:
    """Draw one node of the pool: a box per GPU, its slices in proportion to their memory."""
    gpus: list[tuple[int, GpuGroup]] = sorted((index, group) for group in pool.groups for index in group.indices)
    columns = min(COLUMNS, max(1, len(gpus)))
    rows = -(-len(gpus) // columns)
    width = columns * (GPU_WIDTH + GAP)
    height = _height(pool)
    total = rows * (height + 16 + GAP)
    boxes = []
    for position, (index, group) in enumerate(gpus):
        x = (position % columns) * (GPU_WIDTH + GAP)
        y = (position // columns) * (height + 16 + GAP)
        boxes.append(f'<text class="dimtext" x="{x}" y="{y + 11}">GPU {index}</text>{_gpu(pool, group, x, y + 16)}')
    label = f"One node of pool {pool.name}: {len(gpus)} GPUs, {pool.mode.value}"
    return (
        f'<svg viewBox="0 0 {width} {total}" width="{width}" height="{total}" role="img" '
        f'aria-label="{escape(label)}">'
        f"{''.join(boxes)}</svg>"
    )


def _height(pool: Pool) -> int:
    return SLICED_HEIGHT if pool.mode is SharingMode.MIG else WHOLE_HEIGHT


def _gpu(pool: Pool, group: GpuGroup, x: int, y: int) -> str:
    height = _height(pool)
    if group.profiles:
        return _slices(pool, group, x, y)
    if pool.mode in {SharingMode.TIME_SLICING, SharingMode.MPS}:
        replicas = pool.spec.sharing.replicas or 1
        lanes = min(replicas, 8)
        step = height / lanes
        boxes = "".join(
            f'<rect x="{x}" y="{y + lane * step:.2f}" width="{GPU_WIDTH}" height="{step - 1.5:.2f}" rx="2" '
            'fill="var(--shared)"/>'
            for lane in range(lanes)
        )
        return f'{boxes}<text x="{x + 6}" y="{y + height / 2 + 4:.0f}">shared by {replicas}</text>'
    return (
        f'<rect x="{x}" y="{y}" width="{GPU_WIDTH}" height="{height}" rx="4" fill="var(--gpu)"/>'
        f'<text x="{x + 6}" y="{y + height / 2 + 4:.0f}">{pool.gpu.memory_gib} GiB</text>'
    )


def _slices(pool: Pool, group: GpuGroup, x: int, y: int) -> str:
    height = _height(pool)
    found = place(pool.gpu, dict(group.profiles)) or ()
    unit = height / pool.gpu.memory_slices
    boxes = [f'<rect x="{x}" y="{y}" width="{GPU_WIDTH}" height="{height}" rx="3" fill="var(--free)"/>']
    for item in found:
        top, tall = y + item.start * unit, item.size * unit - 1.2
        boxes.append(
            f'<rect x="{x}" y="{top:.2f}" width="{GPU_WIDTH}" height="{tall:.2f}" rx="2" fill="var(--slice)">'
            f"<title>{escape(item.profile)}, memory slices {item.start} to {item.start + item.size - 1}</title></rect>"
        )
        if tall >= 11:
            boxes.append(f'<text x="{x + 5}" y="{top + tall / 2 + 4:.1f}">{escape(item.profile)}</text>')
    return "".join(boxes)


def _bar(cluster: Cluster, pool: Pool, resource: PoolResource, colours: dict[str, str]) -> str:
    whole = pool.capacity(resource.name)
    shares = [
        (tenant.name, item.guaranteed)
        for tenant in cluster.tenants
        for item in tenant.entitlements
        if item.pool == pool.name and item.resource == resource.name and item.guaranteed
    ]
    shares.sort(key=lambda pair: (-pair[1], pair[0]))
    promised = sum(number for _, number in shares)
    shown = shares[:MOST_IN_BAR]
    rest = sum(number for _, number in shares[MOST_IN_BAR:])
    spans = "".join(_span(name, number, whole, colours[name]) for name, number in shown)
    if rest:
        spans += _span(f"{len(shares) - MOST_IN_BAR} others", rest, whole, "#667085")
    title = f"<code>{escape(resource.name)}</code> <span class=dim>{promised} of {whole} guaranteed</span>"
    return f"<div style='margin-top:8px'>{title}<div class=bar>{spans}</div></div>"


def _span(name: str, number: int, whole: int, colour: str) -> str:
    text = escape(f"{name} {number}")
    return f'<span style="width:{100 * number / max(1, whole):.3f}%;background:{colour}" title="{text}">{text}</span>'


def _fabrics(cluster: Cluster) -> str:
    if not cluster.fabrics:
        return ""
    rows = []
    for fabric in cluster.fabrics:
        attached = [
            f"{tenant.name} ({'VLAN ' + str(item.vlan) if item.vlan else 'P_Key ' + str(item.p_key)})"
            for tenant in cluster.tenants
            for item in tenant.spec.spec.network.fabrics
            if item.name == fabric.name
        ]
        rows.append(
            f"<tr><td>{escape(fabric.name)}</td><td>{escape(fabric.spec.type.value)}, {escape(fabric.nic.title)}</td>"
            f"<td>{escape(', '.join(fabric.spec.pools))}</td><td class=n>{len(fabric.rails)}</td>"
            f"<td class=n>{fabric.spec.vfs_per_rail}</td><td><code>{escape(', '.join(fabric.resources))}</code></td>"
            f"<td>{escape(', '.join(attached)) or 'nobody'}</td></tr>"
        )
    return (
        "<h2>Fabrics</h2><div class=scroll><table><tr><th>Fabric</th><th>Link</th><th>Node pools</th>"
        "<th class=n>Rails</th>"
        "<th class=n>VFs per rail</th><th>Advertised as</th><th>Tenants</th></tr>" + "".join(rows) + "</table></div>"
    )


def _tenants(cluster: Cluster, colours: dict[str, str]) -> str:
    if not cluster.tenants:
        return "<h2>Tenants</h2><p class=dim>None yet.</p>"
    rows = []
    for tenant in sorted(cluster.tenants, key=lambda item: (item.department, item.name)):
        dot = f'<span class=dot style="background:{colours[tenant.name]}"></span>'
        rows.append(
            f"<tr><td>{escape(tenant.department)}</td><td>{dot} {escape(tenant.name)}</td>"
            f"<td>{'<br>'.join(escape(name) for name in tenant.namespaces)}</td><td>{_entitlements(tenant)}</td>"
            f"<td>{escape(', '.join(tenant.priorities))}</td></tr>"
        )
    return (
        "<h2>Tenants</h2><div class=scroll><table><tr><th>Department</th><th>Tenant</th><th>Namespaces</th>"
        "<th>Guaranteed / limit</th><th>Priority tiers</th></tr>" + "".join(rows) + "</table></div>"
    )


def _entitlements(tenant: ClusterTenant) -> str:
    lines = [
        f"{item.guaranteed} / {item.limit} <code>{escape(item.resource)}</code> "
        f"<span class=dim>{escape(item.pool)}</span>"
        for item in tenant.entitlements
    ]
    return "<br>".join(lines) or "<span class=dim>no GPUs</span>"


def _waves(tree: CompiledTree) -> str:
    compilation = tree.compilation
    items = []
    for component in compilation.components:
        if component.tenant or component.name in {"bootstrap", "apps"}:
            continue
        charts = [chart.release for chart in compilation.charts if chart.component == component.name]
        hot = component.disruptive
        items.append(
            f"<li{' class=hot' if hot else ''}><b>wave {component.wave}</b>{escape(component.title)}"
            + (f"<br><span class=dim>charts {escape(', '.join(charts))}</span>" if charts else "")
            + ("<br><em>may drain or reboot nodes</em>" if hot else "")
            + "</li>"
        )
    number = sum(bool(component.tenant) for component in compilation.components)
    if number:
        wave = next(component.wave for component in compilation.components if component.tenant)
        items.append(f"<li><b>wave {wave}</b>{number} tenants</li>")
    return f"<h2>Order of roll-out</h2><ol class=waves>{''.join(items)}</ol>{_windows(tree)}"


def _windows(tree: CompiledTree) -> str:
    windows = tree.compilation.cluster.spec.platform.spec.gitops.change_windows
    if not windows:
        return ""
    shown = "; ".join(f"{item.schedule} for {item.duration} ({item.time_zone})" for item in windows)
    return f"<p class=dim>Disruptive applications sync only in the change windows: {escape(shown)}.</p>"


def _notes(tree: CompiledTree) -> str:
    notes = tree.compilation.notes
    if not notes:
        return ""
    return "<h2>Left for a person</h2>" + "".join(_note(note.subject, note.text, note.action) for note in notes)


def _note(subject: str, text: str, action: str) -> str:
    todo = f"<br><b>Do:</b> {escape(action)}" if action else ""
    return f"<p class=note><b>{escape(subject)}</b>: {escape(text)}{todo}</p>"
