"""The files of one attempt: what it has read, and how its writes become versions.

Reading costs no request. Every read is remembered with its version and its lines, and goes to
the coordinator with the next request. When a write is refused because something has changed,
the rule of regions is tried first (`core.regions`): what does not meet is merged and asked for
again with the new base; only a real clash reaches whoever wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import unified_diff

from orchestrator.core.claims import Bounds
from orchestrator.core.files import ABSENT, NOWHERE, Version
from orchestrator.core.messages import (
    Delete,
    Done,
    Lease,
    Reads,
    Refused,
    Reply,
    Request,
    StaleFile,
    Write,
)
from orchestrator.core.paths import twin_key
from orchestrator.core.regions import WHOLE, Clash, Region, merge, touched
from orchestrator.core.writing import changed
from orchestrator.errors import WorkspaceError
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.rooted import standing
from orchestrator.runtime.view import View
from orchestrator.runtime.workspace import SharedTree

REBASES = 50
"""How often a write is merged onto a newer version before its writer is asked instead. Each time
somebody else was quicker, so it ends; but with many writers of one file it takes a few."""

GONE = Refused("lease_ended", "the run has ended", "stop")

LEAK = Refused(
    "invalid",
    "the content holds a secret of this system (a key, a token or a password), or the mark that "
    "stands where one was removed",
    "read secrets from the environment or from a file when the program runs; to change other lines "
    "of a file that holds one, edit those lines alone",
)

SHOWN = 8_000
"""Characters of a changed file or of a diff that a refusal shows."""


@dataclass(slots=True)
class Known:
    """What the attempt knows of a file: the version that it saw, and which lines of it.

    A change elsewhere in the file does not make this version newer: what the attempt writes next
    is made from the text that it saw, and must be merged with that change, not put over it.
    """

    version: Version
    regions: list[Region] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Written:
    """An accepted write.

    Attributes:
        rebased: whether it was merged with somebody else's change of the same file.
        by: tasks whose changes it was merged with.
    """

    number: int
    rebased: bool = False
    by: tuple[str, ...] = ()


class AttemptFiles:
    """Reads and writes of one attempt, through its worker's view.

    Args:
        lease: the lease under which it writes.
        bounds: effective scopes at the start of the attempt.
        ask: sends a request to the coordinator.
        by_region: whether stale writes are judged by region rather than by file.
        news: whether `sync` tells what other tasks have changed.
        fresh: whether each read is preceded by a `refresh`.

    Attributes:
        bounds: what the attempt may read and write.
        written: path to the number of the newest version that the attempt made of it.
    """

    def __init__(
        self,
        lease: Lease,
        bounds: Bounds,
        ask: Callable[[Request], Reply],
        view: View,
        tree: SharedTree,
        blobs: BlobStore,
        *,
        by_region: bool,
        news: bool = True,
        fresh: bool = False,
    ) -> None:
        self.bounds, self.view = bounds, view
        self._lease, self._ask = lease, ask
        self._tree, self._blobs, self._by_region = tree, blobs, by_region
        self._tells, self._fresh = news, fresh
        self._known: dict[str, Known] = {}
        self._glimpsed: dict[str, list[Known]] = {}
        self._news: dict[str, int] = {}
        self.written: dict[str, int] = {}

    @property
    def cut(self) -> int:
        """Number of the state of the files that commands would see now."""
        return self.view.cut

    @property
    def newest(self) -> int:
        """Number of the first state of the files that has all writes of the attempt."""
        return max(self.written.values(), default=0)

    # --- reading --------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Bring the view to the newest cut, where reads are to see the tree as it stands."""
        if self._fresh:
            self.view.sync()

    def read(self, path: str, region: Region = WHOLE) -> bytes | None:
        """Return a file's content and remember that it was read; None: there is no such file.

        Args:
            path: canonical workspace path.
            region: the lines that the reader is shown.
        """
        self.refresh()
        version = self.view.version(path)
        known = self._known.get(path)
        if known is None or known.version != version:
            self._known[path] = known = Known(version)
        known.regions.append(region)
        self._glimpsed.pop(path, None)
        self._news[path] = version.number
        return self.view.copy.read(path) if version.digest is not None else None

    def glimpse(self, path: str, regions: Iterable[Region]) -> None:
        """Remember that lines of a file were shown, as by a search, without its being read.

        A change of these lines makes the attempt's work stale, as after a read. But no write is
        based on a glimpse, and it does not take the place of an older read.
        """
        version = self.view.version(path)
        seen = self._glimpsed.setdefault(path, [])
        if not seen or seen[-1].version != version:
            seen.append(Known(version))
        seen[-1].regions.extend(regions)
        if all(known.version == version for known in self._seen(path)):
            self._news[path] = version.number

    def has_read(self, path: str) -> bool:
        """Whether the attempt has read or written the file."""
        return path in self._known

    def take_news(self) -> Reads:
        """Return the reads that the coordinator has not been told of, to go with a request."""
        return tuple(self._news.items())

    def told(self, reads: Reads) -> None:
        """The coordinator has accepted a request with these reads."""
        for path, number in reads:
            if self._news.get(path) == number:
                del self._news[path]

    def sync(self) -> list[str]:
        """Bring the view to the newest cut.

        Returns:
            One sentence for each file that the attempt has read and others have changed since.
        """
        return [
            changed(path, version) + " since you read it"
            for path, version in self.view.sync().items()
            if path in self._known
            and version.number != self._known[path].version.number
            and version.token != self._lease.token
            and (self._tells or not version.task)
        ]

    # --- writing --------------------------------------------------------------------------------

    def write(
        self, path: str, data: bytes | None, base: Version | None = None
    ) -> Written | Refused:
        """Make `data` the content of `path`; None deletes it.

        Args:
            base: the version that `data` was made from; None: the one that was last read.

        Returns:
            What was accepted; or the refusal, which `explain` writes out for a model.
        """
        obstacle = self._obstacle(path)
        if obstacle:
            return Refused("invalid", obstacle, "choose another path")
        known = self._known.get(path)
        base = base or (known.version if known else self.view.version(path))
        if data is not None and self._leaks(path, data, base):
            return LEAK
        merged_with: dict[str, None] = {}
        reply: Reply = GONE
        for _ in range(REBASES):
            reads = self.take_news()
            reply = self._ask(self._request(path, base, data, reads, bool(merged_with)))
            if isinstance(reply, Done):
                self.told(reads)
                self._accept(path, reply.number, data)
                return Written(reply.number, bool(merged_with), tuple(merged_with))
            if not isinstance(reply, Refused):
                return GONE
            if reply.kind != "stale":
                return reply
            self.view.sync()
            for file in reply.stale:
                if file.path != path:
                    if not self._still_holds(file):
                        return reply
                    continue
                merged = self._rebased(file, base, data)
                if merged is None:
                    return reply
                data, base = merged, file.current
                merged_with[file.current.task or "somebody outside the run"] = None
        return reply if isinstance(reply, Refused) else GONE

    def _leaks(self, path: str, data: bytes, base: Version) -> bool:
        """Whether a write brings a secret into a file; what it held before is the user's own."""
        redactor = self._blobs.redactor
        if not redactor.leaks(data):
            return False
        old = b"" if base.digest is None else self._tree.content(path, base.digest)
        return redactor.leaks(data, old)

    def _obstacle(self, path: str) -> str:
        """Say why a file cannot be a version; "" when it can."""
        found = self.view.copy.obstacle(path)
        if found or self.view.version(path) != NOWHERE:
            return found
        if self._blobs.redactor.holds_known(path):
            return "the path holds a secret of this system"
        key = twin_key(path)
        for link in self._tree.links():
            other = twin_key(link)
            if other.startswith(f"{key}/"):
                return f"{path} is a directory"
            if f"{key}/".startswith(f"{other}/"):
                return f"{link} exists, and some file systems cannot tell the two names apart"
        found = self._standing(path)
        if found:
            return found
        if self._tree.ignored_among([path, key]):
            return (
                f"{path} is not versioned: git ignores it, or it is a cache, an environment or a "
                "file of secrets"
            )
        return ""

    def _standing(self, path: str) -> str:
        """Say what stands in the way of a file on disk; "" when nothing does."""
        return standing(self._tree.root, path)

    def _request(
        self, path: str, base: Version, data: bytes | None, reads: Reads, rebased: bool
    ) -> Request:
        if data is None:
            return Delete(self._lease.token, path, base.number, reads)
        digest = self._blobs.put(data)
        number = base.number if base.digest is not None else ABSENT
        return Write(self._lease.token, path, number, digest, reads, rebased)

    def _accept(self, path: str, number: int, data: bytes | None) -> None:
        digest = None if data is None else self._blobs.put(data)
        version = Version(number, digest, self._lease.token, self._lease.task)
        self.view.wrote(path, version, data)
        self._known[path] = Known(version)
        self._glimpsed.pop(path, None)
        self.written[path] = number

    def _rebased(self, file: StaleFile, base: Version, data: bytes | None) -> bytes | None:
        """Return my change on top of theirs, or None when the two meet."""
        before, now = self._text(file.path, base), self._text(file.path, file.current)
        if not self._by_region or data is None or before is None or now is None:
            return None
        for known in self._seen(file.path):
            read = self._text(file.path, known.version)
            if read and touched(read, now, self._lines_that_matter(known, file.path)):
                return None
        try:
            merged = merge(before, data.decode(), now)
        except UnicodeDecodeError:
            return None
        return None if isinstance(merged, Clash) else merged.encode()

    def _lines_that_matter(self, known: Known, path: str) -> list[Region]:
        """Return the lines whose change would make the attempt's work stale.

        A read of certain lines says that those matter, and a whole-file read says that all do;
        except of a file that the attempt edits itself: there a whole-file read is how an agent
        finds its place, and what matters is the lines that it edits, which `merge` looks at.
        """
        own = self.bounds.may_write(path)
        return [region for region in known.regions if not (own and region == WHOLE)]

    def revalidate(self, stale: tuple[StaleFile, ...]) -> bool:
        """Whether what the attempt has read of these files still reads the same."""
        self.view.sync()
        return all(self._still_holds(file) for file in stale)

    def _still_holds(self, file: StaleFile) -> bool:
        seen = self._seen(file.path)
        unchanged = all(self._reads_the_same(file, known) for known in seen)
        if unchanged:
            self._news[file.path] = file.current.number
        return unchanged

    def _seen(self, path: str) -> list[Known]:
        """Return what the attempt knows of a file, the version that it read first."""
        known = self._known.get(path)
        return [*([known] if known else []), *self._glimpsed.get(path, ())]

    def _reads_the_same(self, file: StaleFile, known: Known) -> bool:
        if known.version.number == file.current.number:
            return True
        before, now = self._text(file.path, known.version), self._text(file.path, file.current)
        if before is None or now is None:
            return known.version.digest == file.current.digest
        if self._by_region:
            return not touched(before, now, self._lines_that_matter(known, file.path))
        return before == now

    def _text(self, path: str, version: Version) -> str | None:
        if version.digest is None:
            return None
        try:
            return self._tree.content(path, version.digest).decode()
        except (UnicodeDecodeError, WorkspaceError):  # lost: it was changed from outside
            return None

    def explain(self, reply: Refused) -> Refused:
        """Write a stale refusal out for a model: what changed, by whom, and what it is now.

        What is shown whole counts as read: the model's next edit may build on it.
        """
        shown = [self._account(file) for file in reply.stale]
        return Refused("stale", "\n\n".join(shown), reply.fix, reply.stale)

    def _account(self, file: StaleFile) -> str:
        seen = self._seen(file.path)
        before = self._text(file.path, seen[0].version) if seen else None
        now = self._text(file.path, file.current)
        happened = changed(file.path, file.current)
        parts = [f"{file.path} has changed since you read it: {happened}."]
        if now is None:  # gone, or no text any more: there is nothing to read again
            self._acknowledge(file)
            return parts[0]
        if before is not None:
            diff = unified_diff(
                before.splitlines(True), now.splitlines(True), "as you read it", "as it is now"
            )
            parts.append(f"What changed:\n{shorten(''.join(diff))}")
        if len(now) <= SHOWN:
            parts.append(f"{file.path} is now:\n{now}")
            self._acknowledge(file)
        else:
            parts.append(f"{file.path} is long: read it again before you edit it.")
        return "\n".join(parts)

    def _acknowledge(self, file: StaleFile) -> None:
        self._known[file.path] = Known(file.current, [WHOLE])
        self._glimpsed.pop(file.path, None)
        self._news[file.path] = file.current.number


def shorten(text: str) -> str:
    """Return a text as a refusal shows it."""
    if len(text) <= SHOWN:
        return text
    return text[:SHOWN] + f"\n… {len(text) - SHOWN} more characters\n"
