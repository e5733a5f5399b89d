"""What each attempt read and wrote: the events of a run as a history of transactions.

An attempt is a transaction: it commits when it is accepted, it aborts when it ends without. A
file is an object, and its versions are numbered over the whole run. Nothing is taken from the
machine that ran: this reading of the log knows nothing of claims, scopes, modes or checks.

What counts as a read, of what the log holds:

* The last version of a file that an attempt has looked at. Whoever looks again, or has been found
  by the run not to be concerned by a change, knows the newer version.
* Of a file that the attempt writes, the version that each write was made from (its base).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.core import events as e

START = 1
"""Number of the versions that were there when the run began; 0 means that there is no file."""

Key = tuple[str, int]
"""Names a transaction: task and attempt; a change from outside is `("", version number)`."""

Outcome = Literal["running", "accepted", "ended", "outside"]


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One version of one file.

    Attributes:
        author: who made it.
        seq: place of its event in the log.
        base: number of the version that it was made from; 0: there was no file.
        undoes: the attempt whose writes it takes back; None: it is an ordinary version.
    """

    path: str
    number: int
    digest: str | None
    author: Key
    at: float
    seq: int
    base: int = 0
    undoes: Key | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """A version of a file that an attempt knew.

    Attributes:
        number: the version; 0: it found no such file.
        write: the write that was made from it; None: it was looked at.
    """

    reader: Key
    path: str
    number: int
    at: float
    seq: int
    write: FileVersion | None = None


@dataclass(frozen=True, slots=True)
class Zombie:
    """A write under a token that had ended.

    Attributes:
        ended: when the token ended; None: it was never granted.
        why: how it ended.
    """

    version: FileVersion
    token: int
    ended: float | None
    why: str


@dataclass(slots=True)
class Transaction:
    """One attempt, or one change from outside. Times in seconds since the run began.

    Attributes:
        began: place in the log of its first event.
        closed: place in the log of its end; None: it has not ended.
        why: how it ended, if not by being accepted.
        stuck: files that it was to be taken out of, and others had edited since.
    """

    key: Key
    started: float
    began: int
    outcome: Outcome = "running"
    ended: float | None = None
    closed: int | None = None
    why: str = ""
    stuck: tuple[str, ...] = ()
    known: dict[str, Read] = field(default_factory=dict)
    writes: list[FileVersion] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether its work was accepted."""
        return self.outcome == "accepted"

    def open_at(self, seq: int) -> bool:
        """Whether it had not ended yet at a place of the log."""
        return self.closed is None or self.closed > seq

    def wrote(self, path: str) -> bool:
        """Whether it wrote a file."""
        return any(version.path == path for version in self.writes)

    def bases(self) -> Iterator[Read]:
        """Yield the version that each of its writes was made from."""
        for write in self.writes:
            yield Read(self.key, write.path, write.base, write.at, write.seq, write)

    def looks(self) -> Iterator[Read]:
        """Yield what it had last looked at, without what it then wrote itself.

        Of a file that it edits its bases count. A look at such a file after its last edit shows
        others' edits on top of its own: it found its lines there, and built nothing on theirs.
        """
        own = {write.path: write.number for write in self.writes}
        for read in self.known.values():
            if read.number < own.get(read.path, read.number + 1):
                yield read


class Transactions:
    """The history of a run.

    Attributes:
        all: attempts and changes from outside, in the order in which they began.
        versions: path to all its versions, oldest first; those of the start are not listed.
        zombies: writes under tokens that had ended.
    """

    def __init__(self, events: Iterable[e.Event]) -> None:
        self.all: dict[Key, Transaction] = {}
        self.versions: dict[str, list[FileVersion]] = {}
        self.zombies: list[Zombie] = []
        self._tokens: dict[int, Key] = {}
        for seq, event in enumerate(events, 1):
            self._take(seq, event)
        self._numbered = {
            (version.path, version.number): version
            for versions in self.versions.values()
            for version in versions
        }
        self._undone = {
            (version.path, version.undoes): version
            for versions in self.versions.values()
            for version in versions
            if version.undoes is not None
        }
        self._lasting = {
            path: [version for version in versions if self._lasts(version)]
            for path, versions in self.versions.items()
        }

    # --- reading the log --------------------------------------------------------------------------

    def _take(self, seq: int, event: e.Event) -> None:
        match event:
            case e.LeaseGranted():
                self._tokens[event.token] = self._of(seq, event).key
            case e.Reported():
                self._read(seq, event)
            case e.Wrote():
                self._read(seq, event)
                self._wrote(seq, event)
            case e.Succeeded():
                self._read(seq, event)
                self._close(seq, event, "accepted", "accepted")
            case e.AttemptEnded():
                self._close(seq, event, "ended", event.cause)
                self._of(seq, event).stuck = event.mixed
            case e.Undone():
                key = (event.task, event.attempt)
                self._add(
                    FileVersion(
                        event.path, event.number, event.digest, key, event.at, seq, undoes=key
                    )
                )
            case e.ChangedOutside():
                key = ("", event.number)
                version = FileVersion(event.path, event.number, event.digest, key, event.at, seq)
                self.all[key] = Transaction(
                    key, event.at, seq, "outside", event.at, seq, writes=[version]
                )  # fmt: skip
                self._add(version)
            case _:
                pass

    def _of(self, seq: int, event: e.Event) -> Transaction:
        key = (event.task, event.attempt)
        if key not in self.all:
            self.all[key] = Transaction(key, event.at, seq)
        return self.all[key]

    def _read(self, seq: int, event: e.Reported | e.Wrote | e.Succeeded) -> None:
        found = self._of(seq, event)
        for path, number in event.reads if found.closed is None else ():
            found.known[path] = Read(found.key, path, number, event.at, seq)

    def _wrote(self, seq: int, event: e.Wrote) -> None:
        found = self._of(seq, event)
        base = event.base or self._last_deleted(event.path)
        version = FileVersion(
            event.path, event.number, event.digest, found.key, event.at, seq, base
        )
        found.writes.append(version)
        found.known[event.path] = Read(found.key, event.path, event.number, event.at, seq)
        self._add(version)
        if self._tokens.get(event.token) != found.key:
            self.zombies.append(Zombie(version, event.token, found.ended, found.why))

    def _last_deleted(self, path: str) -> int:
        """Return the version that says that there is no file, for a write that knew of none."""
        versions = self.versions.get(path, ())
        return max((version.number for version in versions if version.digest is None), default=0)

    def _close(
        self, seq: int, event: e.Succeeded | e.AttemptEnded, outcome: Outcome, why: str
    ) -> None:
        found = self._of(seq, event)
        if self._tokens.get(event.token) == found.key:
            del self._tokens[event.token]
        if found.closed is None:
            found.outcome, found.why, found.ended, found.closed = outcome, why, event.at, seq

    def _add(self, version: FileVersion) -> None:
        self.versions.setdefault(version.path, []).append(version)

    # --- questions --------------------------------------------------------------------------------

    def accepted(self) -> list[Transaction]:
        """Return the accepted attempts, in the order in which they were accepted."""
        found = [one for one in self.all.values() if one.accepted]
        return sorted(found, key=lambda one: one.closed or 0)

    def lasting(self, path: str) -> list[FileVersion]:
        """Return the versions of a file that were there for good, oldest first.

        Those of accepted attempts and from outside; and those of ended attempts that were not
        taken back, because the plan keeps them or because they came too late.
        """
        return self._lasting.get(path, [])

    def _lasts(self, version: FileVersion) -> bool:
        if version.undoes is not None:
            return False
        author = self.all[version.author]
        if author.outcome == "ended":
            undo = self._undone.get((version.path, version.author))
            return undo is None or undo.number < version.number
        return author.outcome in ("accepted", "outside")

    def version(self, path: str, number: int) -> FileVersion | None:
        """Return a version by its number; None: it was there at the start, or is no file."""
        return self._numbered.get((path, number))

    def author(self, path: str, number: int) -> Key | None:
        """Return whose work a version holds; None: nobody's that lasts, or the start's.

        A version that only takes something back holds what had lasted until then.
        """
        version = self.version(path, number)
        if version is None:
            return None
        if version.undoes is None:
            return version.author if self._lasts(version) else None
        before = [one for one in self.lasting(path) if one.number < number]
        return before[-1].author if before else None

    def undone(self, path: str, author: Key) -> FileVersion | None:
        """Return the version that took an attempt's writes of a file back."""
        return self._undone.get((path, author))

    def unfinished_in(self, path: str, number: int) -> Iterator[FileVersion]:
        """Yield the versions of attempts that came to nothing which a version holds.

        It holds its own author's work and, if it was made from the version before it, what that
        one held; until a version takes it back.
        """
        gone: set[Key] = set()
        wanted = number
        for version in reversed(self.versions.get(path, [])):
            if version.number > wanted:
                continue
            if version.number < wanted:
                return  # it was made from something older
            if version.undoes is not None:
                gone.add(version.undoes)
                wanted = max(
                    (one.number for one in self.versions[path] if one.number < version.number),
                    default=START,
                )
                continue
            author = self.all[version.author]
            if author.outcome == "ended" and version.author not in gone:
                yield version
            wanted = version.base
