"""Strongly connected components and layers of a plain mapping of edges.

networkx has both, but costs 0.2 s to import, which every `graph` and `lint` would pay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping


def components(edges: Mapping[str, Collection[str]]) -> Iterator[list[str]]:
    """Yield the strongly connected components, each after those that it depends on.

    Tarjan's algorithm (1972), without recursion. Targets that are no key are left out.

    Args:
        edges: node to what it depends on; all nodes are keys.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    waiting: set[str] = set()
    for root in edges:
        if root in index:
            continue
        work = [(root, iter(sorted(edges[root])))]
        while work:
            node, targets = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
                waiting.add(node)
            for target in targets:
                if target not in edges:
                    continue
                if target not in index:
                    work.append((target, iter(sorted(edges[target]))))
                    break
                if target in waiting:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    cut = stack.index(node)
                    group = stack[cut:]
                    del stack[cut:]
                    waiting.difference_update(group)
                    yield group


def levels(edges: Mapping[str, Collection[str]]) -> tuple[tuple[str, ...], ...]:
    """Return the nodes by layer, lowest first; a component stands in one layer."""
    height: dict[str, int] = {}
    for group in components(edges):
        inside = set(group)
        below = (
            height[t] for node in group for t in edges[node] if t in height and t not in inside
        )
        level = 1 + max(below, default=-1)
        height.update(dict.fromkeys(group, level))
    rows: list[list[str]] = [[] for _ in range(1 + max(height.values(), default=-1))]
    for node, level in height.items():
        rows[level].append(node)
    return tuple(tuple(sorted(row)) for row in rows)
