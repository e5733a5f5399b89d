"""Files that everything is tied to, in the scopes of several tasks."""

from __future__ import annotations

from orchestrator.analysis.linting.ground import Ground, capped, listed
from orchestrator.core.glob import escape
from orchestrator.spec.findings import Finding

LOCKS = frozenset(
    (
        "Cargo.lock", "Gemfile.lock", "Pipfile.lock", "bun.lock", "composer.lock", "go.sum",
        "package-lock.json", "pdm.lock", "pnpm-lock.yaml", "poetry.lock", "uv.lock", "yarn.lock",
    )
)  # fmt: skip
"""Files that a package manager writes: two edits cannot be merged."""

FEWEST = 3
"""Files that must depend on a hub: among three files each is tied to most others."""

_COMMON = ("__init__.py", "conftest.py", "index.ts", "index.js")


def check_hubs(ground: Ground) -> list[Finding]:
    """Find hubs, package files and lock files that several tasks hold for themselves."""
    shares = {
        hub.path: f"{hub.share:.0%} of the other files are tied to it"
        for hub in ground.graph.hubs()
        if hub.dependents >= FEWEST
    }
    found, sweeping = [], _sweeping(ground)
    for path, tasks in ground.writers.items():
        name = path.rpartition("/")[2]
        if name in LOCKS:
            why = "a package manager writes it whole, so two edits cannot be merged"
        elif path in shares:
            why = shares[path]
        elif name in _COMMON:
            why = "such a file is edited by whoever adds something"
        else:
            continue
        if len(set(tasks) - sweeping) > 1:
            found.append(_hub(ground, path, tasks, why))
    return capped(found, ground.these)


def _sweeping(ground: Ground) -> set[str]:
    """Return the task that comes last and may mend whatever the others wrote: it is in nobody's
    way, and to say of each hub that it holds it too would tell nothing."""
    tasks = {task for writers in ground.writers.values() for task in writers}
    return {
        task
        for task in tasks
        if all(ground.order.before(other, task) for other in tasks - {task})
        and all(task in writers for writers in ground.writers.values())
    }


def _hub(ground: Ground, path: str, tasks: tuple[str, ...], why: str) -> Finding:
    shared = "" if path.rpartition("/")[2] in LOCKS else ", or list it under `shares` in each"
    scopes = " and ".join(f"`{task}`" for task in tasks[1:3])
    return Finding(
        f"{len(tasks)} tasks hold `{path}` for themselves",
        ground.place(tasks[1], "writes"),
        f"{why}; they can only run one after another: {listed(tasks)}",
        f"make it a task of its own, first, and take it out of {scopes} "
        f'(`"!{escape(path)}"` at the end of a glob){shared}',
        "hub-in-several-scopes",
        tasks,
        ground.weight("warning"),
        path,
    )
