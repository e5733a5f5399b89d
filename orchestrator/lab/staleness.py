"""How much work was done on what had changed since it was read.

A *read* is one version of one file that an attempt has looked at, until it looks again, writes the
file itself, or ends. A read is *dependent* if the attempt then wrote something, that file or
another: nobody can tell what a text was made from, so what an attempt has looked at counts. It is
*stale* if at such a write the file no longer held what had been read.

The *stale-assumption duration* of an attempt is the time in which at least one of its dependent
reads was superseded: from the change (or from when the read was first told, if that was later) to
the next look at the file, the merge with what had changed, or the end of the attempt. Moments in
which several are superseded count once. Its turns are those that began in that time.

What is not known, and how it is taken:

* Reads are told with the next request, so a read seems to begin a little later than it did.
* The log has versions of whole files, not the lines that were read: a change elsewhere in the file
  counts until the run has found it harmless, which it tells with the attempt's next write.
* In mode worktree writes are told when they land: an attempt of which nothing landed has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.core import events as e
from orchestrator.core.messages import Reads
from orchestrator.lab.transactions import START, Key


@dataclass(frozen=True, slots=True)
class Staleness:
    """Work on superseded versions.

    Attributes:
        reads: dependent reads.
        stale: those of them that were stale.
        seconds: stale-assumption duration, over all attempts.
        turns: model turns that began in that time.
    """

    reads: int
    stale: int
    seconds: float
    turns: int

    @property
    def rate(self) -> float | None:
        """Stale among dependent reads; None: there were none."""
        return self.stale / self.reads if self.reads else None


def staleness_of(events: Iterable[e.Event], start: Mapping[str, str]) -> Staleness:
    """Return how much was done on superseded versions.

    Args:
        events: what was recorded, in order.
        start: path to digest of the files that were there when the run began.
    """
    reader = _Reader(start)
    for event in events:
        reader.apply(event)
    return reader.close()


@dataclass(slots=True)
class _Known:
    """What an attempt knows of a file.

    Attributes:
        own: it is what the attempt wrote itself.
        since: when it was superseded; None: it holds.
        spans: when it was superseded, begin and end.
    """

    number: int
    digest: str | None
    own: bool = False
    depended: bool = False
    stale: bool = False
    since: float | None = None
    spans: list[tuple[float, float]] = field(default_factory=list)


@dataclass(slots=True)
class _Attempt:
    known: dict[str, _Known] = field(default_factory=dict)
    turns: list[float] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)


class _Reader:
    """Takes in events, one after another."""

    def __init__(self, start: Mapping[str, str]) -> None:
        self._now = 0.0
        self._digests: dict[tuple[str, int], str | None] = {
            (path, START): digest for path, digest in start.items()
        }
        self._current: dict[str, str | None] = dict(start)
        self._live: dict[Key, _Attempt] = {}
        self._reads = self._stale = self._turns = 0
        self._seconds = 0.0

    def apply(self, event: e.Event) -> None:
        self._now = max(self._now, event.at)
        key = (event.task, event.attempt)
        match event:
            case e.LeaseGranted():
                self._live[key] = _Attempt()
            case e.Reported() if key in self._live:
                self._looked(key, event.at, event.reads)
                if event.phase == "reason" and event.turn:
                    self._live[key].turns.append(event.at)
            case e.Wrote():
                self._wrote(key, event)
            case e.Undone() | e.ChangedOutside():
                self._digests[event.path, event.number] = event.digest
                self._changed(event.path, event.digest, event.at)
            case e.Succeeded() if key in self._live:
                self._looked(key, event.at, event.reads)
                self._end(key, event.at)
            case e.AttemptEnded() if key in self._live:
                self._end(key, event.at)
            case _:
                pass

    def close(self) -> Staleness:
        for key in tuple(self._live):
            self._end(key, self._now)
        return Staleness(self._reads, self._stale, self._seconds, self._turns)

    def _looked(self, key: Key, at: float, reads: Reads) -> None:
        attempt = self._live[key]
        for path, number in reads:
            known = attempt.known.get(path)
            if known is not None and known.number == number:
                continue
            self._forget(attempt, path, at)
            digest = self._digests.get((path, number))
            found = attempt.known[path] = _Known(number, digest)
            if digest != self._current.get(path):
                found.since = at

    def _wrote(self, key: Key, event: e.Wrote) -> None:
        attempt = self._live.get(key)
        if attempt is not None:
            self._looked(key, event.at, event.reads)
            mine = attempt.known.get(event.path)
            if mine is not None and event.base and event.base != mine.number:
                # It was made from a newer version than the attempt had told of: by a merge.
                self._looked(key, event.at, ((event.path, event.base),))
            for known in attempt.known.values():
                known.depended = known.depended or not known.own
                known.stale = known.stale or known.since is not None
            self._forget(attempt, event.path, event.at)
        self._digests[event.path, event.number] = event.digest
        self._changed(event.path, event.digest, event.at)
        if attempt is not None:
            attempt.known[event.path] = _Known(event.number, event.digest, own=True)

    def _changed(self, path: str, digest: str | None, at: float) -> None:
        """A file holds something else; whoever knew it is behind, or up to date again."""
        self._current[path] = digest
        for attempt in self._live.values():
            known = attempt.known.get(path)
            if known is None or known.own:
                continue
            if known.digest != digest:
                known.since = at if known.since is None else known.since
            elif known.since is not None:
                known.spans.append((known.since, at))
                known.since = None

    def _forget(self, attempt: _Attempt, path: str, at: float) -> None:
        """A read is over: count it if something was made from it."""
        known = attempt.known.pop(path, None)
        if known is None or known.own or not known.depended:
            return
        if known.since is not None:
            known.spans.append((known.since, at))
        self._reads += 1
        self._stale += known.stale
        attempt.spans += known.spans

    def _end(self, key: Key, at: float) -> None:
        attempt = self._live[key]
        for path in tuple(attempt.known):
            self._forget(attempt, path, at)
        for begin, end in _union(attempt.spans):
            self._seconds += end - begin
            self._turns += sum(begin <= turn < end for turn in attempt.turns)
        del self._live[key]


def _union(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return spans of time without overlaps."""
    found: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found
