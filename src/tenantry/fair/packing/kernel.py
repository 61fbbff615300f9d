"""The loop that places pods, one after another, and the scores it places them by.

Every function runs in two ways with the same result: as it stands on plain lists, and compiled on arrays
(:mod:`tenantry.fair.packing.compiled`). That is why amounts are whole numbers in flat sequences, why nothing is
allocated inside the loop, and why every function it calls and every number it uses is in this one file: the cache of
compiled code notices changes of the file it belongs to, no others.

Of two nodes with the same score the first wins. Scores are whole numbers from 0 to 100, cut off, not rounded: many
nodes tie. Where floating point is used the order of operations is the published one, because a score may lie exactly on
a whole number.

Source: kubernetes-scheduler-simulator of HKUST (Apache-2.0), ``pkg/simulator/plugin`` and ``pkg/utils/frag.go``;
Weng et al., "Beware of Fragmentation", USENIX ATC 2023.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantry.fair.packing.records import Ints, Layout

WHOLE = 1000
"""Milli-GPUs of a whole GPU."""

RANDOM, DOT_PRODUCT, CLUSTERING, PACKING, BEST_FIT, FGD = range(6)
"""Numbers of the policies: their places in the table :data:`tenantry.fair.packing.policies.POLICIES`."""

NO_MODEL, NO_GPUS, NO_CPUS, NO_MEMORY = -4, -3, -2, -1
"""Why a node cannot take a pod: the first filter that refuses it. The larger, the further the pod got."""
UNKNOWN = -5
"""A score that was not computed yet."""


def fill(policy: int, at_random: int, layout: Layout) -> None:
    """Place every pod where the policy wants it, or nowhere; :func:`survey` comes first.

    A score depends on a spec and on what is left of a node, nothing else. So scores are kept, and only those of nodes
    that took a pod since are computed again.

    Args:
        policy: number of the policy.
        at_random: 1 to draw among equal nodes for each pod, 0 to take the first.
        layout: nodes and pods; ``nodes``, ``work`` and ``placed`` are written.
    """
    nodes, arrivals, work, placed = layout.nodes, layout.arrivals, layout.work, layout.placed
    done = 0
    for index in range(len(arrivals.spec)):
        spec = arrivals.spec[index]
        if work.seen[spec] < 0:
            _score_all(policy, layout, spec)
        else:
            _score_again(policy, layout, spec, done, index)
        work.seen[spec] = done
        node, best = _best(layout, spec, at_random, arrivals.node_draw[index])
        if best < 0:
            placed.node[index] = best
            continue
        taken = _choose(policy, layout, node, spec, arrivals.gpu_draw[index])
        _take(layout, node, spec, taken)
        nodes.fragment[node] = fragment(layout, node, nodes.cpus[node])
        placed.node[index] = node
        placed.gpu[index] = work.chosen[0] if taken > 0 else -1
        placed.fragment[index] = nodes.fragment[node]
        work.log[done] = node
        done += 1


def survey(layout: Layout) -> None:
    """Write how fragmented every node is as it stands."""
    nodes = layout.nodes
    for node in range(len(nodes.cpus)):
        nodes.fragment[node] = fragment(layout, node, nodes.cpus[node])


def _score_all(policy: int, layout: Layout, spec: int) -> None:
    """Score every node for a spec that arrives for the first time; empty nodes of a shape score alike."""
    nodes, work = layout.nodes, layout.work
    for shape in range(len(work.by_shape)):
        work.by_shape[shape] = UNKNOWN
    row = spec * len(nodes.cpus)
    for node in range(len(nodes.cpus)):
        if nodes.pods[node] > 0:
            work.score[row + node] = score(policy, layout, node, spec)
            continue
        shape = nodes.shape[node]
        if work.by_shape[shape] == UNKNOWN:
            work.by_shape[shape] = score(policy, layout, node, spec)
        work.score[row + node] = work.by_shape[shape]


def _score_again(policy: int, layout: Layout, spec: int, done: int, index: int) -> None:
    """Score the nodes that took a pod since this spec arrived last, each once."""
    work = layout.work
    row = spec * len(layout.nodes.cpus)
    for place in range(work.seen[spec], done):
        node = work.log[place]
        # A node that lacks GPUs keeps lacking them; one that lacks CPU or memory may come to lack GPUs first.
        if work.stamp[node] != index and work.score[row + node] > NO_GPUS:
            work.stamp[node] = index
            work.score[row + node] = score(policy, layout, node, spec)


def _best(layout: Layout, spec: int, at_random: int, draw: int) -> tuple[int, int]:
    """Return the node with the best score and that score; negative when no node can take the pod."""
    scores, count = layout.work.score, len(layout.nodes.cpus)
    row = spec * count
    best, found = UNKNOWN, row
    for place in range(row, row + count):
        if scores[place] > best:
            best = scores[place]
            found = place
    if at_random == 0 or best < 0:
        return found - row, best
    equal = 0
    for place in range(found, row + count):
        if scores[place] == best:
            equal += 1
    wanted = (draw * equal) >> 31
    while wanted > 0:
        found += 1
        if scores[found] == best:
            wanted -= 1
    return found - row, best


def score(policy: int, layout: Layout, node: int, spec: int) -> int:
    """Return the score of a node for a pod, 0 to 100, or why it cannot take it, which is negative."""
    refusal = refuses(layout, node, spec)
    if refusal < 0:
        return refusal
    if policy == DOT_PRODUCT:
        return dot_product(layout, node, spec)
    if policy == CLUSTERING:
        return clustering(layout, node, spec)
    if policy == PACKING:
        return packing(layout, node, spec)
    if policy == BEST_FIT:
        return best_fit(layout, node, spec)
    if policy == FGD:
        return gradient(layout, node, spec)
    return anywhere(layout, node, spec)


def refuses(layout: Layout, node: int, spec: int) -> int:
    """Return why a node cannot take a pod, or 0: GPU model, GPUs with enough left, CPU, memory, in this order."""
    nodes, specs = layout.nodes, layout.specs
    devices = specs.devices[spec]
    if devices > 0:
        if specs.accepts[spec * layout.scale.models + nodes.model[node]] == 0:
            return NO_MODEL
        share = specs.share[spec]
        if nodes.idle[node] < devices * share:
            return NO_GPUS
        enough = 0
        first = nodes.first[node]
        for gpu in range(first, first + nodes.gpus[node]):
            if nodes.left[gpu] >= share:
                enough += 1
        if enough < devices:
            return NO_GPUS
    if nodes.cpus[node] < specs.cpus[spec]:
        return NO_CPUS
    if nodes.memory[node] < specs.memory[spec]:
        return NO_MEMORY
    return 0


def anywhere(layout: Layout, node: int, spec: int) -> int:
    """Prefer nothing: the node is drawn, and the GPU for a part of one too.

    Source: ``random_score.go``.
    """
    return 0


def dot_product(layout: Layout, node: int, spec: int) -> int:
    """Prefer nodes whose free amounts point away from what the pod asks for.

    Source: ``dot_product_score.go`` with the GPUs of a node merged and amounts divided by the largest node.
    """
    nodes, specs, scale = layout.nodes, layout.specs, layout.scale
    cpus = (nodes.cpus[node] / scale.cpus) * (specs.cpus[spec] / scale.cpus)
    gpus = (nodes.idle[node] / scale.gpus) * (specs.devices[spec] * specs.share[spec] / scale.gpus)
    return int(100.0 * (1.0 - (cpus + gpus) / 2.0))


def clustering(layout: Layout, node: int, spec: int) -> int:
    """Prefer nodes that hold pods of the same class only, then among others, then empty ones; fuller ones first.

    Source: ``gpu_clustering_score.go``.
    """
    nodes, scale = layout.nodes, layout.scale
    affinity = layout.specs.affinity[spec]
    if affinity < 0:
        return 0
    fullness = 25 * (scale.gpus - nodes.idle[node]) // scale.gpus
    if nodes.holds[node * scale.classes + affinity] != 0:
        return fullness + (75 if nodes.affinities[node] == 1 else 50)
    return fullness + (25 if nodes.affinities[node] == 0 else 0)


def packing(layout: Layout, node: int, spec: int) -> int:
    """Prefer GPUs in use, then free GPUs of a node in use, then a free node, the smaller the better.

    Source: ``gpu_packing_score.go``.
    """
    nodes, chosen = layout.nodes, layout.work.chosen
    if layout.specs.devices[spec] == 0:
        return 0
    first = nodes.first[node]
    free = 0
    for gpu in range(first, first + nodes.gpus[node]):
        if nodes.left[gpu] == WHOLE:
            free += 1
    if free == nodes.gpus[node]:
        return max(33 - free, free)
    fresh, percent = 0, 0
    for place in range(tightest(layout, node, spec)):
        left = nodes.left[first + chosen[place]]
        percent += left * 100 // WHOLE
        if left == WHOLE:
            fresh += 1
    if fresh > 0:
        return max(50 - fresh, 33)
    return max(100 - percent // 10, 50)


def best_fit(layout: Layout, node: int, spec: int) -> int:
    """Prefer nodes with least left afterwards, CPU and GPU alike.

    Source: ``best_fit_score.go``. Its scores are then stretched to 0..100, which does not change which is best.
    """
    nodes, specs, scale = layout.nodes, layout.specs, layout.scale
    cpus = (nodes.cpus[node] - specs.cpus[spec]) / scale.cpus * 0.5
    gpus = (nodes.idle[node] - specs.devices[spec] * specs.share[spec]) / scale.gpus * 0.5
    return int((1.0 - (cpus + gpus)) * 100.0)


def gradient(layout: Layout, node: int, spec: int) -> int:
    """Prefer nodes, and for a part of one GPU the GPU, whose fragmentation falls most.

    The GPUs this is about are written to ``work.chosen``.

    Source: ``fgd_score.go``.
    """
    nodes, specs, chosen = layout.nodes, layout.specs, layout.work.chosen
    before = nodes.fragment[node]
    cpus = nodes.cpus[node] - specs.cpus[spec]
    share = specs.share[spec]
    first = nodes.first[node]
    if specs.devices[spec] == 1 and share < WHOLE:
        best = -1
        for gpu in range(nodes.gpus[node]):
            left = nodes.left[first + gpu]
            # GPUs with as much left score alike, and the first of them wins.
            if left < share or _left_before(nodes.left, first, gpu, left):
                continue
            nodes.left[first + gpu] = left - share
            value = slope(before - fragment(layout, node, cpus))
            nodes.left[first + gpu] = left
            if value > best:
                best = value
                chosen[0] = gpu
        return best
    taken = tightest(layout, node, spec)
    for place in range(taken):
        nodes.left[first + chosen[place]] -= share
    value = slope(before - fragment(layout, node, cpus))
    for place in range(taken):
        nodes.left[first + chosen[place]] += share
    return value


def slope(fall: float) -> int:
    """Return the score of a fall of fragmentation by so many milli-GPUs: 50 for none."""
    return int(1.0 / (1.0 + math.exp(-(fall / 1000.0))) * 100.0)


def _left_before(left: Ints, first: int, gpu: int, amount: int) -> bool:
    for other in range(first, first + gpu):  # noqa: SIM110 - a generator does not compile
        if left[other] == amount:
            return True
    return False


def fragment(layout: Layout, node: int, cpus: int) -> float:
    """Return how many idle milli-GPUs of a node a typical pod cannot use, on average over typical pods.

    That is all idle GPUs where it cannot run, and those with less left than it asks for where it can. To pods without
    GPUs all idle GPUs are fragments.

    Args:
        layout: nodes and typical pods.
        node: the node.
        cpus: millicores of it to reckon with.

    Source: ``NodeGpuShareFragAmountScore``. It adds up within each reason first and over reasons then.
    """
    typical, models, model = layout.typical, layout.scale.models, layout.nodes.model[node]
    whole, parts, idle = _open_gpus(layout, node)
    if idle == 0:
        return 0.0
    lack_both, lack_gpus, lack_cpus, plain, plain_lack_cpus, barred = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for pod in range(len(typical.frequency)):
        amount = typical.frequency[pod] * idle
        fits = cpus >= typical.cpus[pod]
        share = typical.share[pod]
        if share == 0:
            if fits:
                plain += amount
            else:
                plain_lack_cpus += amount
            continue
        if typical.accepts[pod * models + model] == 0:
            barred += amount
            continue
        # No GPU in use has a whole GPU left.
        enough, small = (0, idle - whole * WHOLE) if share == WHOLE else _enough(layout.work.part, parts, share)
        if whole + enough >= typical.devices[pod]:
            if fits:
                lack_gpus += typical.frequency[pod] * small
            else:
                lack_cpus += amount
        elif fits:
            lack_gpus += amount
        else:
            lack_both += amount
    return lack_both + lack_gpus + lack_cpus + plain + plain_lack_cpus + barred


def _open_gpus(layout: Layout, node: int) -> tuple[int, int, int]:
    """Return how many GPUs are whole, how many are in use with something left, and the milli-GPUs left of all.

    What is left of those in use is written to ``work.part``.
    """
    nodes, part = layout.nodes, layout.work.part
    whole, parts, idle = 0, 0, 0
    first = nodes.first[node]
    for gpu in range(first, first + nodes.gpus[node]):
        left = nodes.left[gpu]
        idle += left
        if left == WHOLE:
            whole += 1
        elif left > 0:
            part[parts] = left
            parts += 1
    return whole, parts, idle


def _enough(part: Ints, parts: int, share: int) -> tuple[int, int]:
    """Return how many of the GPUs in use have a share left, and the milli-GPUs left of the others."""
    enough, small = 0, 0
    for place in range(parts):
        if part[place] >= share:
            enough += 1
        else:
            small += part[place]
    return enough, small


def tightest(layout: Layout, node: int, spec: int) -> int:
    """Choose the GPUs with least left that is enough, the first of equal ones; return how many.

    They are written to ``work.chosen``.
    """
    nodes, chosen = layout.nodes, layout.work.chosen
    first = nodes.first[node]
    share = layout.specs.share[spec]
    taken = 0
    while taken < layout.specs.devices[spec]:
        found, least = -1, WHOLE + 1
        for gpu in range(nodes.gpus[node]):
            left = nodes.left[first + gpu]
            if share <= left < least and not _among(chosen, taken, gpu):
                found, least = gpu, left
        chosen[taken] = found
        taken += 1
    return taken


def _among(chosen: Ints, taken: int, gpu: int) -> bool:
    for place in range(taken):  # noqa: SIM110 - a generator does not compile
        if chosen[place] == gpu:
            return True
    return False


def _choose(policy: int, layout: Layout, node: int, spec: int, draw: int) -> int:
    """Write the GPUs of a pod to ``work.chosen`` and return how many: the tightest, but for Random and FGD."""
    nodes, specs = layout.nodes, layout.specs
    share = specs.share[spec]
    if specs.devices[spec] != 1 or share == WHOLE or (policy not in (RANDOM, FGD)):
        return tightest(layout, node, spec)
    if policy == FGD:
        gradient(layout, node, spec)
        return 1
    first = nodes.first[node]
    enough = 0
    for gpu in range(first, first + nodes.gpus[node]):
        if nodes.left[gpu] >= share:
            enough += 1
    wanted = (draw * enough) >> 31
    gpu = first
    while nodes.left[gpu] < share or wanted > 0:
        if nodes.left[gpu] >= share:
            wanted -= 1
        gpu += 1
    layout.work.chosen[0] = gpu - first
    return 1


def _take(layout: Layout, node: int, spec: int, taken: int) -> None:
    """Give a pod what it asks for, and of GPUs the first ``taken`` of ``work.chosen``."""
    nodes, specs, classes = layout.nodes, layout.specs, layout.scale.classes
    share = specs.share[spec]
    nodes.cpus[node] -= specs.cpus[spec]
    nodes.memory[node] -= specs.memory[spec]
    nodes.pods[node] += 1
    for place in range(taken):
        nodes.left[nodes.first[node] + layout.work.chosen[place]] -= share
    nodes.idle[node] -= share * taken
    affinity = specs.affinity[spec]
    if affinity >= 0 and nodes.holds[node * classes + affinity] == 0:
        nodes.holds[node * classes + affinity] = 1
        nodes.affinities[node] += 1
