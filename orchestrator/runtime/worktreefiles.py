"""The files of one attempt on its branch: writes that nobody else sees.

The worker's private copy is the worktree. It holds the head at which the attempt began, or with
which it was last merged, and on top of it the attempt's own writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import unified_diff

from orchestrator.core.claims import Bounds
from orchestrator.core.decision import listed
from orchestrator.core.files import ABSENT, NOWHERE, Version
from orchestrator.core.messages import (
    Delete,
    Lease,
    Overstep,
    Refused,
    Reply,
    Request,
    StaleFile,
    Write,
)
from orchestrator.core.regions import WHOLE
from orchestrator.core.writing import changed
from orchestrator.runtime.attemptfiles import GONE, LEAK, AttemptFiles, Known, Written, shorten
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.view import View
from orchestrator.runtime.workspace import SharedTree
from orchestrator.runtime.worktreegit import Change, Merge

_MARKS = re.compile(r"^(?:<<<<<<< yours/|>>>>>>> accepted/)", re.MULTILINE)


class BranchFiles(AttemptFiles):
    """Reads and writes of one attempt, in its own worktree.

    Attributes:
        token: of its lease.
        base: the commit of the trunk that the branch holds.
        tip: the newest commit of the branch.
        joins: a commit that the next commit of the branch merges; "": none.
        private: what the files that differ from the trunk were there.
        uncommitted: the files that differ from the tip, and what they hold.
    """

    def __init__(
        self,
        lease: Lease,
        bounds: Bounds,
        ask: Callable[[Request], Reply],
        view: View,
        tree: SharedTree,
        blobs: BlobStore,
        interrupt: Interruption,
        head: str,
    ) -> None:
        super().__init__(lease, bounds, ask, view, tree, blobs, by_region=False)
        self.token, self._interrupt = lease.token, interrupt
        self.base = self.tip = head
        self.joins = ""
        self.private: dict[str, Version] = {}
        self.uncommitted: dict[str, bytes | None] = {}
        self._before: dict[str, Version] = {}
        self._together: set[str] = set()  # files that somebody else has changed, too
        self._conflicts: dict[str, None] = {}
        self._state = view.cut

    @property
    def cut(self) -> int:
        """Number of the state of the worktree; it rises with every change of a file."""
        return self._state

    @property
    def newest(self) -> int:
        """A test counts for the state in which it saw the worktree, and for no other."""
        return self._state

    def sync(self) -> list[str]:
        """Nobody else's work is seen, so there is nothing to be told."""
        return []

    # --- writing --------------------------------------------------------------------------------

    def write(
        self, path: str, data: bytes | None, base: Version | None = None
    ) -> Written | Refused:
        """Make `data` the content of `path` on this branch; None deletes it."""
        if self._interrupt.is_set():
            return GONE
        refused = self._out_of_bounds(path) or self._impossible(path, data)
        if refused:
            return refused
        self._put(path, self.private.get(path, self.view.version(path)), data)
        self.uncommitted[path] = data
        return Written(self._state)

    def _out_of_bounds(self, path: str) -> Refused | None:
        if self.bounds.may_write(path):
            return None
        may = listed((*self.bounds.writes.globs, *self.bounds.shares.globs))
        why = f"{path} is outside the files that this task may write ({may})"
        fix = "write only inside these files, or ask for it with widen_scope"
        self._ask(Overstep(self._lease.token, "write", path, why, fix))
        return Refused("scope", why, fix)

    def _impossible(self, path: str, data: bytes | None) -> Refused | None:
        version = self.view.version(path)
        obstacle = self._obstacle(path)
        if obstacle:
            return Refused("invalid", obstacle, "choose another path")
        if data is None:
            if version.digest is None:
                return Refused("invalid", f"{path} does not exist", "nothing is to be done")
            return None
        clash = "" if version.digest is not None else self._clash(path)
        if clash:
            return Refused("invalid", clash, "choose another name")
        return LEAK if self._leaks(path, data, version) else None

    def _clash(self, path: str) -> str:
        """Say what of this branch is in the way of a new file; names that some file systems
        cannot tell apart are noticed when the branch is merged."""
        parts = path.split("/")
        for end in range(1, len(parts)):
            above = "/".join(parts[:end])
            if self.view.version(above).digest is not None:
                return f"{above} is a file, so nothing can be below it"
        folder = any(other.startswith(f"{path}/") for other in self.view.paths())
        return f"{path} is a directory" if folder else ""

    def _standing(self, path: str) -> str:
        """What the attempt has deleted still stands in the shared tree."""
        mine = any(path.startswith(f"{other}/") for other in self.private)
        return "" if mine else super()._standing(path)

    def _put(self, path: str, base: Version, data: bytes | None) -> None:
        """Hold a content on top of the trunk's version `base`."""
        digest = None if data is None else self._blobs.put(data)
        mine = Version(base.number, digest, self._lease.token, self._lease.task)
        self.view.wrote(path, mine, data)
        self.private[path] = base
        self._known[path] = Known(mine)
        self._glimpsed.pop(path, None)
        self._state += 1
        self.written[path] = self._state

    def leave(self) -> None:
        """The attempt is over: its view is to hold the trunk's versions again."""
        self.view.forget(self.private)
        self.private = {}

    # --- merging --------------------------------------------------------------------------------

    def to_commit(self, executable: Callable[[str], bool]) -> Iterator[Change]:
        """Yield what has changed since the newest commit of the branch, deletions first."""
        for path, data in _deletions_first(self.uncommitted):
            yield path, data, executable(path)

    def unresolved(self) -> tuple[str, ...]:
        """Return the files that still hold conflict markers of an earlier merge."""
        left = []
        for path in self._conflicts:
            data = self.view.copy.read(path) if path in self.private else None
            if data is not None and _MARKS.search(data.decode(errors="replace")):
                left.append(path)
        return tuple(left)

    def adopt(
        self,
        head: str,
        merge: Merge,
        changes: Mapping[str, bytes | None],
        uncommitted: Mapping[str, bytes | None],
    ) -> None:
        """Take over a merge of the trunk's head; the view holds that head and nothing else.

        Args:
            changes: the files of the merged tree that differ from the head.
            uncommitted: those that differ from the tip.
        """
        self._before, self.private = self.private, {}
        self._together |= {p for p, base in self._before.items() if self.view.version(p) != base}
        self.base, self.uncommitted = head, dict(uncommitted)
        self._conflicts = dict.fromkeys(merge.conflicts)
        self._state += 1
        for path, data in _deletions_first(changes):
            self._put(path, self.view.version(path), data)

    def record(self, refused: Refused) -> None:
        """Have it recorded that a merge came to nothing."""
        self._ask(
            Overstep(
                self._lease.token, "merge", "", refused.why, refused.fix, refused.kind,
                refused.stale,
            )
        )  # fmt: skip

    def conflict(self, merge: Merge, fix: str) -> Refused:
        """Return the refusal of a merge with conflicts, in a few words."""
        stale = []
        for path in merge.conflicts:
            yours = self._before.get(path, NOWHERE).number
            stale.append(StaleFile(path, yours, self._theirs(path)))
        by = "; ".join(changed(file.path, file.current) for file in stale)
        return Refused("stale", f"git cannot merge the two: {by}", fix, tuple(stale))

    def _theirs(self, path: str) -> Version:
        return self.private.get(path, self.view.version(path))

    def explain(self, reply: Refused) -> Refused:
        """Write a conflict out for a model: what the others did, and what its files hold now."""
        parts = [self._conflict_in(file) for file in reply.stale]
        return Refused(reply.kind, "\n\n".join([reply.why, *parts]), reply.fix, reply.stale)

    def _conflict_in(self, file: StaleFile) -> str:
        old, new = self._before.get(file.path, NOWHERE), self._theirs(file.path)
        before, after = self._text(file.path, old) or "", self._text(file.path, new) or ""
        data = self.view.copy.read(file.path)
        diff = unified_diff(
            before.splitlines(True), after.splitlines(True), "before", "accepted meanwhile"
        )
        parts = [f"{changed(file.path, new)}:\n{shorten(''.join(diff))}"]
        if data is None:
            parts.append(f"{file.path} is not there in your worktree now.")
        else:
            self._known[file.path] = Known(self.view.version(file.path), [WHOLE])
            parts.append(
                f"{file.path} is now, in your worktree:\n{shorten(data.decode(errors='replace'))}"
            )
        return "\n".join(parts)

    # --- landing --------------------------------------------------------------------------------

    def to_land(self) -> Iterator[Write | Delete]:
        """Yield the requests that make the branch's files versions, deletions first."""
        mine = {path: self.view.version(path).digest for path in self.private}
        for path, digest in sorted(mine.items(), key=lambda item: (item[1] is not None, item[0])):
            if digest != self.private[path].digest:  # else it is as it was before
                yield self._onto(path, self.private[path], digest, path in self._together)

    def to_take_back(self, landed: Mapping[str, int]) -> Iterator[Write | Delete]:
        """Yield the requests that give files their earlier contents again.

        Args:
            landed: path to the version that is to be replaced.
        """
        for path, number in reversed(tuple(landed.items())):
            digest = self.private[path].digest
            yield self._onto(path, Version(number, ""), digest, False)

    def _onto(self, path: str, base: Version, digest: str | None, rebased: bool) -> Write | Delete:
        reads = self.take_news()
        if digest is None:
            return Delete(self._lease.token, path, base.number, reads)
        number = base.number if base.digest is not None else ABSENT
        return Write(self._lease.token, path, number, digest, reads, rebased)


def _deletions_first(changes: Mapping[str, bytes | None]) -> Iterator[tuple[str, bytes | None]]:
    yield from sorted(changes.items(), key=lambda item: (item[1] is not None, item[0]))
