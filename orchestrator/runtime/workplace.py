"""Where a run works: the user's own directory, or a fresh copy of it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from orchestrator.core.decision import listed
from orchestrator.errors import WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.scan import named_plainly
from orchestrator.runtime.workspace import SharedTree, copy_fresh, dirty_files
from orchestrator.spec.plan import Plan


def still_there(workspace: Path) -> Path:
    """Return the workspace of a run that is to go on.

    Raises:
        WorkspaceError: it is gone.
    """
    if workspace.is_dir():
        return workspace
    raise WorkspaceError(
        "the workspace of this run is gone",
        str(workspace),
        "the run goes on in the directory that it was started in",
        "put the directory back where it was, then resume",
    )


def choose_workspace(plan: Plan, into: str | Path | None, allow_dirty: bool) -> Path | None:
    """Return the directory that the agents will change; None: a run without files.

    Args:
        into: where a copy is to be made; None: as the plan has it.
        allow_dirty: work in place beside uncommitted changes.

    Raises:
        WorkspaceError: the agents would work in place, and there are such changes.
    """
    target = Path(into).absolute() if into else plan.into
    if plan.workspace is None or target is not None:
        return target
    changed = [] if allow_dirty else dirty_files(plan.workspace)
    dirty = [path for path in changed if plan.workspace / path != plan.path]
    if dirty:
        raise WorkspaceError(
            f"the workspace has {len(dirty)} uncommitted changes ({listed(dirty, 5)})",
            str(plan.workspace),
            "the agents would work in place, and their changes would mix with yours",
            "commit or stash them, work on a copy with --into DIR, or say --allow-dirty (what "
            "the run replaces stays recoverable from its run directory)",
        )
    return plan.workspace


def open_tree(
    plan: Plan, workspace: Path | None, blobs: BlobStore, run: str, stack: ExitStack
) -> SharedTree | None:
    """Return the tree that the agents share, locked for the run; None: a run without files.

    Args:
        workspace: what `choose_workspace` returned.
        run: the run's id.
        stack: lets go of the lock.

    Raises:
        WorkspaceError: the copy cannot be made, or another run works there.
    """
    if workspace is None or plan.workspace is None:
        return None
    named, withheld = named_plainly(plan.tasks), list[str]()
    if workspace != plan.workspace:
        withheld = copy_fresh(plan.workspace, workspace, named)
    tree = SharedTree(workspace, blobs, named, withheld)
    stack.enter_context(tree.lock(run))
    return tree


def outside_files(plan: Plan) -> tuple[str, ...]:
    """Return what commands may read outside the workspace, as absolute paths."""
    return tuple(str(plan.base / Path(path).expanduser()) for path in plan.sandbox.read)
