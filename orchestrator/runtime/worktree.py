"""Mode worktree: each attempt has a branch of its own, and finished branches are merged.

An attempt begins at the head of the trunk. Its writes stay in its worktree and on its branch
(`runtime.worktreefiles`); nobody sees them, and it sees nobody's. When it is handed in, and its
tests pass on its branch, it waits for its turn in the merge queue. Then git merges the head into
its branch, its tests run on the merged result, and what the merge changes becomes versions of
the workspace, in one go. After a conflict, or when the merged result fails its tests, the work
goes back to the same agent, whose files are now the merged ones.

So the machine, the log and what reads it know nothing of branches: there are reads, writes that
come late, refusals of the request ``merge`` (``stale``: a conflict; ``state``: tests that passed
on the branch fail on the merged result), and acceptances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.claims import Bounds
from orchestrator.core.decision import listed
from orchestrator.core.events import AttemptEnded, Event, Succeeded
from orchestrator.core.messages import Done, Lease, Refused, Reply, Request
from orchestrator.core.task import Task
from orchestrator.errors import RunStopped
from orchestrator.runtime.attemptfiles import GONE, AttemptFiles
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.view import View
from orchestrator.runtime.workspace import Entry, SharedTree
from orchestrator.runtime.worktreefiles import BranchFiles
from orchestrator.runtime.worktreegit import Repository
from orchestrator.runtime.worktreequeue import MergeQueue
from orchestrator.runtime.worktreetrunk import Trunk

if TYPE_CHECKING:
    from orchestrator.runtime.context import Context, Site, TestRun

MERGES = 6
"""How often one submission is merged at most: files may be changed from outside under it."""

_RESOLVE = (
    "edit these files so that both changes stand and no conflict marker is left, run the tests, "
    "then submit again"
)
_MEND = (
    "your files are the merged ones now: find out what does not fit together, mend it, run the "
    "tests, then submit again"
)


class Branches:
    """The branches of a run; see `handling.Handling`.

    Args:
        repository: made already.
        lease: seconds that an attempt may be silent.
    """

    def __init__(self, repository: Repository, trunk: Trunk, lease: float) -> None:
        self._repository, self._trunk = repository, trunk
        self._queue, self._beat = MergeQueue(), lease / 3
        self._last: dict[View, BranchFiles] = {}

    @classmethod
    def open(
        cls, path: Path, tree: SharedTree, start: Mapping[str, Entry], lease: float
    ) -> Branches:
        """Return the branches of a run that begins, or goes on.

        Args:
            path: directory of the repository; made if it is not there.
            tree: the shared tree.
            start: the files that were there when the run began.

        Raises:
            UsageError: git is missing or too old.
            RunStopped: the repository cannot be made.
        """

        def failed(error: RunStopped) -> None:
            if tree.blobs.on_failure is not None:
                tree.blobs.on_failure(error)

        repository = Repository(path, failed)
        repository.prepare()
        return cls(repository, Trunk(repository, tree, start), lease)

    def files(
        self,
        site: Site,
        lease: Lease,
        bounds: Bounds,
        ask: Callable[[Request], Reply],
        interrupt: Interruption,
    ) -> AttemptFiles:
        """Return the files of a new branch, which begins at the head."""
        last = self._last.pop(site.view, None)
        if last is not None:
            last.leave()
        head = ""
        if self._queue.pass_gate(lease.token, interrupt):
            try:
                head = self._trunk.bring(site.view)
            finally:
                self._queue.open_gate(lease.token)
        made = BranchFiles(
            lease, bounds, ask, site.view, site.tree, site.blobs, interrupt, head
        )  # fmt: skip
        self._last[site.view] = made
        return made

    def submit(self, context: Context, summary: str) -> Reply | TestRun:
        """Merge, test and accept, one attempt after another."""
        files, token = context.files, context.lease.token
        assert isinstance(files, BranchFiles)
        tested = context.evidence()  # nobody waits for work that fails on its own branch
        if tested is not None and not tested.passed:
            return tested
        if not self._queue.has_turn(token):
            context.report("test", detail="waits in the merge queue")
        if not self._queue.wait_turn(token, context.interrupt, self._beat, context.renew):
            return GONE
        try:
            return self._in_turn(context, files, summary)
        finally:
            self._queue.leave(token)

    def heard(self, events: Sequence[Event]) -> None:
        """An attempt has ended, well or not: the next ones may go on."""
        for event in events:
            if isinstance(event, Succeeded | AttemptEnded):
                self._trunk.settle(event.token, isinstance(event, Succeeded))
                self._queue.open_gate(event.token)
                self._queue.leave(event.token)

    # --- one submission -------------------------------------------------------------------------

    def _in_turn(self, context: Context, files: BranchFiles, summary: str) -> Reply | TestRun:
        token, interrupt = context.lease.token, context.interrupt
        for _ in range(MERGES):
            refused = self._merge(context, files)
            if refused is not None:
                return refused
            tested = context.evidence()
            if tested is not None and not tested.passed:
                return self._red(context, files, tested)
            if not self._queue.pass_gate(token, interrupt):
                return GONE
            try:
                reply = self._land(context, files, tested, summary)
            finally:
                self._queue.open_gate(token)
            if reply is not None:
                return reply
        why = "files keep being changed from outside the run while the merge is tested"
        return Refused("stale", why, "submit again")

    def _merge(self, context: Context, files: BranchFiles) -> Refused | None:
        """Bring the branch to the head of the trunk; return what stands against it."""
        left = files.unresolved()
        if left:
            refused = Refused("state", f"conflict markers are left in {listed(left)}", _RESOLVE)
            files.record(refused)
            return refused
        self._commit(context.task, files, context.attempt)
        if not self._queue.pass_gate(context.lease.token, context.interrupt):
            return GONE
        try:
            if self._trunk.follow(files.view) == files.base and files.view.cut == self._trunk.cut:
                return None
            files.view.forget(files.private)
            head = self._trunk.bring(files.view)
        finally:
            self._queue.open_gate(context.lease.token)
        return self._merge_with(head, context, files)

    def _merge_with(self, head: str, context: Context, files: BranchFiles) -> Refused | None:
        git, token = self._repository, context.lease.token
        git.point(f"refs/yours/{token}", files.tip)
        git.point(f"refs/accepted/{token}", head)
        merge = git.merge(f"yours/{token}", f"accepted/{token}")
        changes = self._changes(head, merge.tree)
        beyond = [path for path in changes if not files.bounds.may_write(path)]
        if not merge.conflicts and not beyond:
            message = f"Merge what was accepted into {context.task.id}"
            files.adopt(head, merge, changes, {})
            files.tip = git.commit_tree(context.task.id, message, merge.tree, (files.tip, head))
            git.point(_branch(context.task, context.attempt, token), files.tip)
            return None
        # Git follows renames; a change must not move to a file that its author may not write.
        uncommitted, left_out = (
            self._changes(files.tip, merge.tree),
            self._changes(merge.tree, head),
        )
        for path in beyond:
            uncommitted[path] = left_out[path]
            del changes[path]
        merge = replace(merge, conflicts=tuple(dict.fromkeys((*merge.conflicts, *beyond))))
        files.adopt(head, merge, changes, uncommitted)
        files.joins = head
        refused = files.conflict(merge, _RESOLVE)
        files.record(refused)
        return refused

    def _changes(self, before: str, after: str) -> dict[str, bytes | None]:
        found = self._repository.differences(before, after)
        contents = self._repository.contents(blob for blob in found.values() if blob)
        return {path: contents[blob] if blob else None for path, blob in found.items()}

    def _commit(self, task: Task, files: BranchFiles, attempt: int) -> None:
        """Commit what the attempt has written since its last commit."""
        if not files.uncommitted and not files.joins:
            return
        parents = (files.tip, files.joins) if files.joins else (files.tip,)
        files.tip = self._repository.commit(
            _branch(task, attempt, files.token), task.id, task.title or task.id,
            files.to_commit(self._trunk.executable), parents,
        )  # fmt: skip
        files.uncommitted, files.joins = {}, ""

    def _red(self, context: Context, files: BranchFiles, tested: TestRun) -> TestRun:
        """The tests passed on the branch and fail on the merged result."""
        if not context.alive:
            return tested
        why = "the tests pass on your branch and fail when it is merged with what was accepted"
        files.record(Refused("state", why, _MEND))
        return replace(tested, output=f"({why}; {_MEND})\n{tested.output}")

    def _land(
        self, context: Context, files: BranchFiles, tested: TestRun | None, summary: str
    ) -> Reply | None:
        """Make the merged files versions, and have them accepted.

        Returns:
            None: files were changed from outside since the merge.
        """
        if files.view.changes(files.view.cut)[1]:
            return None
        landed: dict[str, int] = {}
        for request in files.to_land():
            reply = context.ask(request)
            if not isinstance(reply, Done):
                self._take_back(context, files, landed)
                outside = isinstance(reply, Refused) and reply.kind == "stale"
                return None if outside else reply
            files.told(request.reads)
            landed[request.path] = reply.number
        self._announce(context, files, landed)
        last = max(landed.values(), default=files.view.cut)
        reply = context.hand_in(last, tested, summary)
        if isinstance(reply, Refused):
            self._trunk.settle(files.token, False)
            self._take_back(context, files, landed)
        return reply

    def _announce(self, context: Context, files: BranchFiles, landed: Mapping[str, int]) -> None:
        if landed:
            task, tree = context.task, f"{files.tip}^{{tree}}"
            message = f"{task.title or task.id}\n\nTask: {task.id}\nAttempt: {context.attempt}\n"
            commit = self._repository.commit_tree(task.id, message, tree, (files.base, files.tip))
            digests = {path: files.view.version(path).digest for path in landed}
            self._trunk.land(files.token, commit, digests)

    def _take_back(self, context: Context, files: BranchFiles, landed: Mapping[str, int]) -> None:
        for request in files.to_take_back(landed):
            context.ask(request)


def _branch(task: Task, attempt: int, token: int) -> str:
    """Return the branch of an attempt; not every task's id could be one."""
    plain = "".join(c if c.isalnum() or c in "-_" else "-" for c in task.id)
    return f"refs/heads/attempts/{plain}-{attempt}-{token}"
