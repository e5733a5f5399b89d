"""Concurrency anomalies: what the log shows that no serial order of the tasks explains.

Found from the events alone (`lab.transactions`, `lab.serialisation`), by rules that know nothing
of what the machine checks. The kinds, after Adya (1999) and Elle (2020); what each means and
what to do about it is in ``docs/anomalies.md``:

==================  =============================================================================
lost update         a write made from a version that somebody else had replaced (P4)
dirty write         each overwrote what the other had written (G0)
dirty read          work accepted that was built on what was undone afterwards (G1a)
intermediate read   work accepted that knew a file as its writer had not left it (G1b)
circular flow       each read what the other had written (G1c)
stale read          work accepted that knew a version which had been replaced (G-single)
write skew          each missed what the other wrote (G2)
phantom             as stale read or write skew, of a file that appeared or disappeared
zombie write        a write under a token that had ended
semantic conflict   tests that passed with the task's own work fail since another's was accepted
==================  =============================================================================

All but two kinds mean that no serial order explains the history. A *stale read* or *phantom*
without a cycle (`Anomaly.cycle` is empty) is explained by some order, though not by that in which
the work was accepted; a *semantic conflict* is one that any order may have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from orchestrator.core.events import Event
from orchestrator.lab import anomalywords as words
from orchestrator.lab.serialisation import BOUND, Contents, Edge, Node, Order, Serialisation
from orchestrator.lab.transactions import FileVersion, Key, Read, Transaction, Transactions

if TYPE_CHECKING:
    from networkx import DiGraph

Kind = Literal[
    "lost update",
    "dirty write",
    "dirty read",
    "intermediate read",
    "circular flow",
    "stale read",
    "write skew",
    "phantom",
    "zombie write",
    "semantic conflict",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One anomaly.

    Attributes:
        tasks: the tasks concerned; who suffers from it first.
        files: the files concerned.
        at: when it came about, in seconds since the run began.
        what: the anomaly in words, with tasks, files, versions and times.
        cycle: the witness: each edge says that one attempt must come before another. Empty: some
            serial order explains it, or it is none of orders.
    """

    kind: Kind
    tasks: tuple[str, ...]
    files: tuple[str, ...]
    at: float
    what: str
    cycle: tuple[Edge, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the anomaly as JSON values."""
        return {
            "kind": self.kind,
            "tasks": list(self.tasks),
            "files": list(self.files),
            "at": round(self.at, 6),
            "what": self.what,
            "cycle": [
                {
                    "kind": edge.kind,
                    "before": list(edge.source),
                    "after": list(edge.target),
                    "file": edge.path or None,
                    "versions": [edge.before, edge.after] if edge.path else None,
                }
                for edge in self.cycle
            ],
        }


@dataclass(frozen=True, slots=True)
class AnomalyReport:
    """What was found in one run.

    Attributes:
        attempts: accepted attempts that were looked at.
        order: accepted tasks in an equivalent serial order; empty when there is none.
        serialisable: whether some serial order of the accepted attempts, in which whoever began
            after another's acceptance also comes after it, gives the same reads and files.
        notes: what could not be judged, and why.
    """

    attempts: int
    anomalies: tuple[Anomaly, ...]
    order: tuple[str, ...]
    serialisable: bool
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[Kind, int]:
        """Return how many there are of each kind, kinds without any included."""
        found = Counter(anomaly.kind for anomaly in self.anomalies)
        return {kind: found[kind] for kind in KINDS}

    def with_more(self, anomalies: Sequence[Anomaly], notes: Sequence[str]) -> AnomalyReport:
        """Return the report with further anomalies, which no order of attempts could avoid."""
        return replace(
            self,
            anomalies=(*self.anomalies, *anomalies),
            notes=(*self.notes, *notes),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "attempts": self.attempts,
            "serialisable": self.serialisable,
            "order": list(self.order),
            "counts": self.counts(),
            "anomalies": [anomaly.to_json() for anomaly in self.anomalies],
            "notes": list(self.notes),
        }


def find_anomalies(events: Iterable[Event], contents: Contents | None = None) -> AnomalyReport:
    """Look for anomalies in the events of a run, which may still be going on.

    Args:
        events: what was recorded, in order, from the first event on.
        contents: what the files held. Without it, files that several attempts edited at once are
            left out, with a note.
    """
    history = Transactions(events)
    graph = Serialisation(history, contents)
    found = [*_zombies(history), *_dirty_reads(graph), *_Cycles(graph).find()]
    broken = any(one.cycle or one.kind in ("dirty read", "zombie write") for one in found)
    order = None if broken else graph.order()
    return AnomalyReport(
        len(history.accepted()),
        tuple(sorted(found, key=lambda one: (one.at, KINDS.index(one.kind)))),
        tuple(task for task, _ in order or ()),
        order is not None,
        tuple(words.unjudged(path) for path in graph.unjudged),
    )


def _zombies(history: Transactions) -> Iterator[Anomaly]:
    for zombie in history.zombies:
        version = zombie.version
        yield Anomaly(
            "zombie write", (version.author[0],), (version.path,), version.at,
            words.zombie(history, zombie),
        )  # fmt: skip


def _dirty_reads(graph: Serialisation) -> Iterator[Anomaly]:
    history = graph.history
    for one in history.accepted():
        seen: set[Key] = set()
        for read in (*one.bases(), *one.looks()):
            for version in history.unfinished_in(read.path, read.number):
                if version.author in seen or not _built_on_nothing(graph, one, read, version):
                    continue
                seen.add(version.author)
                yield Anomaly(
                    "dirty read", (one.key[0], version.author[0]), (read.path,), read.at,
                    words.dirty_read(history, read, version),
                )  # fmt: skip


def _built_on_nothing(
    graph: Serialisation, one: Transaction, read: Read, version: FileVersion
) -> bool:
    """Whether an accepted attempt rests on an ended attempt's write, and not just beside it."""
    history = graph.history
    undo = history.undone(read.path, version.author)
    if undo is None:  # kept on purpose, or it could not be told from what was built on it
        lines = graph.lines.get(read.path)
        stuck = read.path in history.all[version.author].stuck
        return stuck and lines is not None and version.author in lines.authors
    if read.write is not None:
        # Its lines were taken out from under a later edit of the same file, unless that edit
        # came after the undoing and brought them back.
        return read.write.number > undo.number
    if one.wrote(read.path) and history.all[version.author].open_at(read.seq):
        return False  # what others do meanwhile in a file that it edits too counts by lines
    return read.number < undo.number


class _Cycles:
    """Finds and names the cycles of a serialisation graph, each anomaly once."""

    def __init__(self, graph: Serialisation) -> None:
        self._graph, self._history = graph, graph.history
        self._lost = {(after.path, after.number) for _, after in graph.lost}
        self._told: set[frozenset[Edge]] = set()

    def find(self) -> Iterator[Anomaly]:
        """Yield what no serial order explains, then what only another order explains."""
        for before, after in self._graph.lost:
            yield self._lost_update(before, after)
        yield from self._bound()
        missed = [
            edge
            for edge in self._graph.edges
            if edge.kind == "rw" and edge.read is not None and edge.read.write is None
        ]
        bound = self._graph.restricted(BOUND)
        everything = self._graph.restricted((*BOUND, "rw"))
        for edge in missed:
            if found := self._missed(edge, bound, everything):
                yield found

    def _lost_update(self, before: FileVersion, after: FileVersion) -> Anomaly:
        path, winner, loser = after.path, after.author, before.author
        read = Read(winner, path, after.base, after.at, after.seq, after)
        cycle = (
            Edge("rw", winner, loser, path, after.base, before.number, before.at, read),
            Edge("ww", loser, winner, path, before.number, after.number, after.at),
        )
        return Anomaly(
            "lost update", _tasks((loser, winner)), (path,), after.at,
            words.lost_update(self._history, before, after), cycle,
        )  # fmt: skip

    def _bound(self) -> Iterator[Anomaly]:
        """Yield the shortest cycle of each knot of writes, and of writes and reads."""
        told = [e for e in self._graph.edges if e.kind == "ww" and (e.path, e.after) in self._lost]
        levels: tuple[tuple[Kind, Order, frozenset[Order]], ...] = (
            ("dirty write", "ww", frozenset({"ww", "after"})),
            ("circular flow", "wr", BOUND),
        )
        for kind, through, kinds in levels:
            for knot in self._graph.knots(kinds, told):
                cycle = self._graph.shortest_cycle(knot, through)
                if cycle:
                    yield self._named(kind, cycle, words.around(self._history, kind, cycle))

    def _missed(
        self, edge: Edge, bound: DiGraph[Node], everything: DiGraph[Node]
    ) -> Anomaly | None:
        """Name what it means that somebody knew what another had replaced."""
        history, read = self._history, edge.read
        assert read is not None
        if history.author(read.path, read.number) == edge.target and edge.target[0]:
            back = Edge(
                "wr", edge.target, edge.source, read.path, read.number, read.number, read.at
            )
            what = words.intermediate(history, edge)
            return self._named("intermediate read", (edge, back), what)
        phantom = _no_file(history, edge)
        way = self._graph.path(bound, edge.target, edge.source)
        if way is not None:
            what = words.stale(history, edge, way)
            return self._named("phantom" if phantom else "stale read", (edge, *way), what)
        way = self._graph.path(everything, edge.target, edge.source)
        if way is not None:
            cycle = (edge, *way)
            absent = any(step.kind == "rw" and _no_file(history, step) for step in cycle)
            kind: Kind = "phantom" if absent else "write skew"
            key = frozenset(step for step in cycle if step.kind == "rw")
            if key in self._told:
                return None
            self._told.add(key)
            return self._named(kind, cycle, words.around(history, kind, cycle))
        later = _went_on(history, edge)
        if later is None:
            return None
        what = words.overtaken(history, edge, later)
        return Anomaly(
            "phantom" if phantom else "stale read", _tasks((edge.source, edge.target)),
            (edge.path,), later.at, what,
        )  # fmt: skip

    def _named(self, kind: Kind, cycle: Sequence[Edge], what: str) -> Anomaly:
        return Anomaly(
            kind,
            _tasks(edge.source for edge in cycle),
            tuple(dict.fromkeys(edge.path for edge in cycle if edge.path)),
            max(edge.at for edge in cycle),
            what,
            tuple(cycle),
        )


def _went_on(history: Transactions, edge: Edge) -> FileVersion | None:
    """Return what an attempt still wrote after what it knew had been replaced, if it was accepted
    after the attempt that had replaced it."""
    reader, writer = history.all[edge.source], history.all[edge.target]
    if writer.open_at(reader.closed or 0):
        return None
    return next((write for write in reader.writes if write.number > edge.after), None)


def _no_file(history: Transactions, edge: Edge) -> bool:
    """Whether a file was missed altogether: it had not been there, or it was there no more."""
    known, now = (history.version(edge.path, number) for number in (edge.before, edge.after))
    absent = edge.before == 0 or (known is not None and known.digest is None)
    return absent or (now is not None and now.digest is None)


def _tasks(keys: Iterable[Key]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(task for task, _ in keys if task))
