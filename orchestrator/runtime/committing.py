"""What one commit holds, given where the branch stands by now.

The branch may have been moved by somebody else since the last look. A file that they have not
touched is committed as accepted work has it; where they have, their change and ours are merged by
lines; where the two meet, the file is left out, and whoever started the run is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.core.regions import Clash, merge
from orchestrator.runtime.commitgit import REGULAR, File, MovedError, UserRepository
from orchestrator.runtime.workspace import Entry, SharedTree

RUN, TASK, ROLE = "Orchestrator-Run", "Orchestrator-Task", "Orchestrator-Role"
"""Trailers: by them it is known after a crash what has been committed."""

_TRIES = 5  # to commit on a branch that somebody else moves at the same time
_SUBJECT = 72
_BODY = 4000

MET = "somebody else has committed other lines there"
STRANGE = "it is no regular file in the repository"


@dataclass(frozen=True, slots=True)
class Work:
    """What one commit is to hold.

    Attributes:
        subject: one line of any length, secrets taken out.
        files: path to the digest that accepted work has made of it; None: deleted.
        trailers: key and value, in order.
        notes: lines after the body, for whoever reads the history.
    """

    subject: str
    body: str
    files: Mapping[str, str | None]
    trailers: Sequence[tuple[str, str]]
    notes: Sequence[str] = ()

    def message(self) -> str:
        """Return the commit's message."""
        subject = " ".join(_printable(self.subject).split())
        if len(subject) > _SUBJECT:
            subject = subject[: _SUBJECT - 1].rstrip() + "…"
        body = _printable(self.body).strip()[:_BODY]
        trailers = "\n".join(f"{key}: {value}" for key, value in self.trailers)
        parts = (subject, body, "\n".join(self.notes), trailers)
        return "\n\n".join(part for part in parts if part) + "\n"


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it.

    Attributes:
        commit: "" when there was nothing to commit.
        left_out: files that could not go in, and why.
    """

    commit: str
    left_out: Mapping[str, str] = field(default_factory=dict)


class Committer:
    """Makes commits of accepted work on the branch that was checked out at the start.

    Args:
        repository: the user's.
        began: the commit at which the run began; "" or unknown: none.
        tree: the shared tree, for contents.
        start: the files that were there when the run began.
    """

    def __init__(
        self,
        repository: UserRepository,
        began: str,
        tree: SharedTree,
        start: Mapping[str, Entry],
    ) -> None:
        self.repository = repository
        self._began = began if repository.is_commit(began) else ""
        self._tree, self._start = tree, start
        self._last: dict[str, str | None] = {}
        self._blobs: dict[tuple[str, str], str] = {}

    def commit(self, work: Work) -> Made:
        """Commit; on top of what somebody else has committed meanwhile.

        Raises:
            CommitError: git cannot do it now.
            OrchestratorError: a content is lost.
        """
        for _ in range(_TRIES):
            head = self.repository.head()
            changes, left = self._changes(head, work.files)
            notes = [*work.notes, *(f"Left out: {path} ({why})." for path, why in left.items())]
            try:
                message = replace(work, notes=notes).message()
                made = self.repository.commit(head, changes, message)
            except MovedError as error:
                moved = error
                continue
            self.remember({p: digest for p, digest in work.files.items() if p not in left})
            return Made(made, left)
        raise moved

    def remember(self, files: Mapping[str, str | None]) -> None:
        """Take it that the branch has these contents of ours, perhaps merged with others'."""
        self._last |= files

    def _changes(
        self, head: str, files: Mapping[str, str | None]
    ) -> tuple[dict[str, File | None], dict[str, str]]:
        places = {path: self.repository.prefix + path for path in files}
        theirs = self.repository.files(head, places.values())
        first = self.repository.files(self._began, places.values())
        new = [path for path in files if places[path] not in theirs]
        ignored = self._tree.ignored_among(new)
        changes: dict[str, File | None] = {}
        left: dict[str, str] = {}
        for path, digest in files.items():
            there, begun = theirs.get(places[path]), first.get(places[path])
            if path in ignored:
                continue
            if there is not None and there.mode not in REGULAR:
                left[path] = STRANGE
                continue
            ours = self._blob(path, digest)
            before = self._blob(path, self._last[path]) if path in self._last else _blob_of(begun)
            blob, met = self._meet(before, ours, _blob_of(there))
            if met:
                left[path] = MET
            elif blob is None:
                changes |= {places[path]: None} if there is not None else {}
            else:
                changes[places[path]] = File(there.mode if there else self._mode(path), blob)
        return changes, left

    def _meet(
        self, before: str | None, ours: str | None, theirs: str | None
    ) -> tuple[str | None, bool]:
        """Return the blob that both changes lead to, and whether they meet."""
        if theirs in (before, ours):
            return ours, False
        if ours == before:
            return theirs, False
        if before is None or ours is None or theirs is None:
            return None, True
        read: Callable[[str], bytes] = self.repository.read
        try:
            merged = merge(*(read(blob).decode() for blob in (before, ours, theirs)))
        except UnicodeDecodeError:
            return None, True
        if isinstance(merged, Clash):
            return None, True
        return self.repository.store(merged.encode()), False

    def _blob(self, path: str, digest: str | None) -> str | None:
        if digest is None:
            return None
        if (path, digest) not in self._blobs:
            data = self._tree.content(path, digest)
            self._blobs[path, digest] = self.repository.store(data, self.repository.prefix + path)
        return self._blobs[path, digest]

    def _mode(self, path: str) -> str:
        return REGULAR[path in self._start and self._start[path].executable]


def _blob_of(file: File | None) -> str | None:
    return None if file is None else file.blob


def _printable(text: str) -> str:
    return "".join(c for c in text if c in "\n\t" or c.isprintable())
