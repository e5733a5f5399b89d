"""The wait-for graph of running tasks.

A running task waits for others in two ways: for files that they hold (`Widen`), and for the
outcome of those whose unaccepted writes it has read (`Submit`). Whoever waits in a circle waits
for ever, so each new wait, and each change of ownership, is checked for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.core.decision import Decision
from orchestrator.core.messages import Reads
from orchestrator.core.records import LiveAttempt


def waits_for(d: Decision, task: str) -> list[str]:
    """Return the running tasks that a task waits for, in order."""
    token = d.state.records[task].token
    widening = d.desk.widening.get(token)
    if widening is not None:
        return d.state.claims.held.against(task, widening.wanted)
    submitting = d.desk.submitting.get(token)
    if submitting is not None:
        return unsettled(d, d.state.live[token], submitting.reads)
    return []


def cycle(d: Decision, start: str, first: Iterable[str]) -> tuple[str, ...]:
    """Return the wait-for cycle that `start` waiting for `first` closes; () if none.

    The cycle begins and ends with `start`.
    """
    trail: dict[str, str] = dict.fromkeys(first, start)
    pending = list(trail)
    while pending:
        task = pending.pop()
        for other in waits_for(d, task):
            if other == start:
                path = [start, task]
                while path[-1] != start:
                    path.append(trail[path[-1]])
                return tuple(reversed(path))
            if other not in trail:
                trail[other] = task
                pending.append(other)
    return ()


def unsettled(d: Decision, attempt: LiveAttempt, reads: Reads) -> list[str]:
    """Return the running tasks whose writes, not accepted yet, an attempt has read.

    To be accepted before them is to build on what may still be undone; the theory of databases
    calls a history in which nobody does so recoverable (Bernstein, Hadzilacos and Goodman,
    "Concurrency Control and Recovery in Database Systems", 1987, section 1.2). Shared files that
    the attempt has edited itself are left out: they are edited together, region by region, and
    each part can be taken out alone. Writes that are kept whatever becomes of their attempt count
    too: as long as it runs, it may write again what was read.
    """
    found: dict[str, None] = {}
    for path in _built_on(d, attempt, reads):
        for writer in d.state.writers.get(path, ()):
            if writer != attempt.lease.token:
                found[d.state.live[writer].lease.task] = None
    return list(found)


def half_undone(d: Decision, attempt: LiveAttempt, reads: Reads) -> bool:
    """Whether an attempt has read a file of which an ended attempt's lines are still to be
    undone: at the end of the step in which that one ended, it is."""
    if not d.state.mixed:
        return False
    still = {path for _, _, path in d.state.mixed}
    return any(path in still for path in _built_on(d, attempt, reads))


def _built_on(d: Decision, attempt: LiveAttempt, reads: Reads) -> Iterator[str]:
    """Yield the files that an attempt has read, but for those that it edits beside others."""
    if not d.rules.validate_reads:
        return
    for path in dict.fromkeys((*attempt.reads, *(path for path, _ in reads))):
        together = path in attempt.written and attempt.bounds.shares.matches(path)
        if not together or path in attempt.deleted:  # a deletion takes the lines of others too
            yield path
