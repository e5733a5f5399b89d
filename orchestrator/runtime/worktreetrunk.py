"""The trunk: the branch that holds what was accepted, in step with the machine's file map.

The map is what counts; the trunk is the same in git, for merging. Where the two could part (a
file changed from outside, a crash between a merge and its acceptance), the trunk follows.
All of it is used by one thread at a time: the one that has passed the queue's gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.core.files import FIRST
from orchestrator.runtime.view import View
from orchestrator.runtime.workspace import Entry, SharedTree
from orchestrator.runtime.worktreegit import Change, Repository

TRUNK = "refs/heads/trunk"


class Trunk:
    """The branch of what was accepted.

    Args:
        repository: made already.
        tree: the shared tree, for contents.
        start: the files that were there when the run began.

    Attributes:
        head: its newest commit.
        cut: version number of the workspace that it holds.
    """

    def __init__(
        self, repository: Repository, tree: SharedTree, start: Mapping[str, Entry]
    ) -> None:
        self._repository, self._tree, self._start = repository, tree, start
        self._digests: dict[str, str | None] = {}  # of files that are not as at the start
        self._landing: dict[int, tuple[str, dict[str, str | None]]] = {}  # by token
        self.cut = FIRST
        self.head = repository.commit_of(TRUNK)
        self._certain = not self.head  # what an earlier process left may never have been accepted
        if not self.head:
            self.head = repository.commit(TRUNK, "", "The workspace at the start", self._initial())
        self._named = self.head

    def executable(self, path: str) -> bool:
        """Whether a file was executable at the start."""
        return path in self._start and self._start[path].executable

    def bring(self, view: View) -> str:
        """Bring the trunk and a view to the newest cut; return the head."""
        while True:
            self.follow(view)
            view.sync()
            if view.cut == self.cut:
                return self.head

    def follow(self, view: View) -> str:
        """Bring the trunk to the newest cut, by a commit if it differs; return the head."""
        self.cut, changed = view.changes(self.cut)
        new = {path: v for path, v in changed.items() if self._differs(path, v.digest)}
        if new:
            message = "Changed outside the merge queue"
            changes = self._contents({path: version.digest for path, version in new.items()})
            self.head = self._repository.commit(TRUNK, "", message, changes, (self.head,))
            self._named = self.head
            self._digests |= {path: version.digest for path, version in new.items()}
        elif self._named != self.head:  # a merge was not accepted after all
            self._name(self.head)
        self._certain = True
        return self.head

    def land(self, token: int, commit: str, digests: Mapping[str, str | None]) -> None:
        """A merge is about to be accepted: `digests` are the files that it changes."""
        self._landing[token] = commit, dict(digests)
        self._name(commit)

    def settle(self, token: int, accepted: bool) -> None:
        """It is known now whether a merge was accepted; other tokens are none of ours."""
        landing = self._landing.pop(token, None)
        if landing is not None and accepted:
            self.head = landing[0]
            self._digests |= landing[1]

    def _name(self, commit: str) -> None:
        self._repository.point(TRUNK, commit)
        self._named = commit

    def _differs(self, path: str, digest: str | None) -> bool:
        entry = self._start.get(path)
        return not self._certain or digest != self._digests.get(path, entry and entry.digest)

    def _initial(self) -> Iterator[Change]:
        return self._contents({path: entry.digest for path, entry in self._start.items()})

    def _contents(self, digests: Mapping[str, str | None]) -> Iterator[Change]:
        for path, digest in sorted(digests.items(), key=lambda item: (item[1] is not None, item)):
            data = None if digest is None else self._tree.content(path, digest)
            yield path, data, self.executable(path)
