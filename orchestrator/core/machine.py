"""The machine that decides: requests in; events, effects and replies out.

This is the whole of the coordination, without threads, clock or disk. `Machine.handle` is the
only door. It decides what a request leads to, records that as events, and every event changes
the state at once (`State.apply`), so the state after is always the state before plus the
events: a live run, a resume and a replay cannot drift apart.

The life of a task, in requests::

    Claim ──► LeaseGranted ──► Report, Write … ──► Submit ──► Succeeded ──► dependents ready
                                              └──► GiveUp, a dead worker, time ──► AttemptEnded
                                                       └─► its writes undone; ready again,
                                                           or failed and dependents skipped

A request made under a lease shows the lease's token. An ended token is refused, always: that
is how cancelling, time-outs and dead workers are one and the same move, "end the lease".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from orchestrator.core import events as e
from orchestrator.core import messages as m
from orchestrator.core.decision import Decision, Desk, lease_ended
from orchestrator.core.people import approve, cancel, note, reject, retry, send
from orchestrator.core.records import LiveAttempt
from orchestrator.core.rules import RoleBounds, Rules
from orchestrator.core.spending import (
    check_run,
    give_up,
    may_start,
    report,
    settle_reservations,
)
from orchestrator.core.splitting import split
from orchestrator.core.state import State
from orchestrator.core.states import TaskState
from orchestrator.core.submitting import settle_submissions, submit
from orchestrator.core.task import Task
from orchestrator.core.widening import settle_widening, widen
from orchestrator.core.writing import observe, overstep, undo, write


@dataclass(frozen=True, slots=True)
class Step:
    """What one request led to.

    Attributes:
        events: facts, to be logged before anything else happens.
        effects: things to be done outside once the events are safe, in order.
        reply: the answer; None when the request is parked and answered later by an effect.
    """

    events: tuple[e.Event, ...]
    effects: tuple[m.Effect, ...]
    reply: m.Reply | None


class Machine:
    """Decides every request. Not thread-safe: the coordinator's mutex guards it.

    Args:
        tasks: the plan's tasks, in plan order.
        rules: what is enforced.
        roles: file bounds by role name.
        files: path to digest of the workspace at the start.

    Raises:
        CycleError: tasks wait for one another.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        rules: Rules = Rules(),  # noqa: B008  (frozen)
        roles: Mapping[str, RoleBounds] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.state = State(tasks, rules, roles, files)
        self._desk = Desk()
        self._deadlines: list[tuple[float, int]] = []

    def handle(self, at: float, request: m.Request) -> Step:
        """Decide one request.

        Args:
            at: time of the request, in seconds since the run began; never falls.
            request: what is asked.

        Returns:
            The events, already applied; the effects; the reply. A refusal is a reply.
        """
        decision = Decision(self.state, self._desk, at)
        reply = _DECIDE[type(request)](self, decision, request)
        self._settle(decision)
        self._dispatch(decision)
        self._finish(decision)
        return Step(tuple(decision.events), tuple(decision.effects), reply)

    def fold(self, events: Iterable[e.Event]) -> None:
        """Bring a fresh machine to where the recorded events lead."""
        for event in events:
            self.state.apply(event)

    def next_deadline(self) -> float | None:
        """When a `Tick` is due at the latest, in seconds since the run began; None: never."""
        while self._deadlines:
            at, token = self._deadlines[0]
            attempt = self.state.live.get(token)
            if attempt is None:
                heappop(self._deadlines)
            elif (due := self._due(attempt)) > at:
                heappop(self._deadlines)
                heappush(self._deadlines, (due, token))
            else:
                break
        waking = list(self.state.resting.values())
        waking += [at for at, _ in self._deadlines[:1]]
        if self.state.rules.limits.wall is not None:
            waking.append(self.state.rules.limits.wall)
        return min(waking, default=None) if self.state.status == "running" else None

    # --- handing out work -------------------------------------------------------------------

    def _settle(self, d: Decision) -> None:
        """Answer whoever waited for something that has changed now; one answer may free another."""
        desk, before = d.desk, -1
        while (desk.widening or desk.submitting or desk.reserving) and before != len(d.events):
            before = len(d.events)
            settle_submissions(d)
            settle_widening(d)
            settle_reservations(d)

    def _dispatch(self, d: Decision) -> None:
        """Give ready tasks to parked workers, longest remaining path first."""
        state, parked = self.state, d.desk.parked
        while (
            parked
            and not state.limit
            and state.status == "running"
            and (task := state.ready.first())
        ):
            if not may_start(d, task):
                continue
            bounds = state.bounds(state.records[task].task)
            blockers = state.claims.against(task, bounds) if state.rules.exclusive else []
            if blockers:
                attempt = state.records[task].attempt
                d.emit(e.Blocked(d.at, task, attempt, tuple(blockers)))
            else:
                worker = next(iter(parked))
                del parked[worker]
                self._grant(d, task, worker)

    def _grant(self, d: Decision, task: str, worker: str) -> None:
        attempt = self.state.records[task].attempt + 1
        token = self.state.token + 1
        d.emit(e.LeaseGranted(d.at, task, attempt, token, worker))
        live = self.state.live[token]
        heappush(self._deadlines, (self._due(live), token))
        d.effect(m.Answer(worker, m.Granted(live.lease)))

    def _due(self, attempt: LiveAttempt) -> float:
        """When the lease ends by silence, or the attempt by its own time limit."""
        seconds = self.state.records[attempt.lease.task].task.seconds
        return min(attempt.ends, attempt.started + seconds) if seconds else attempt.ends

    def _finish(self, d: Decision) -> None:
        """Say that the run has ended, once it has, and send the workers home."""
        state, parked = self.state, d.desk.parked
        if state.status == "running":
            if state.open == 0:
                won = state.counts[TaskState.SUCCEEDED] == len(state.records)
                d.emit(e.Finished(d.at, "", 0, "succeeded" if won else "failed"))
            elif state.limit and not state.live:
                d.emit(e.Finished(d.at, "", 0, "limit", state.limit))
            elif state.aside and not self._moving():
                roles = ", ".join(f"{k} of role {role}" for role, k in state.exhausted.items())
                d.emit(e.Finished(d.at, "", 0, "limit", roles))
        if state.status != "running":
            for worker in parked:
                d.effect(m.Answer(worker, m.Stop(state.status)))
            parked.clear()

    def _moving(self) -> bool:
        """Whether something can still happen without a higher limit for a role."""
        state = self.state
        return bool(state.live or state.ready or state.resting or state.counts[TaskState.HELD])

    # --- one decision per request -----------------------------------------------------------

    def _claim(self, d: Decision, request: m.Claim) -> m.Reply | None:
        d.desk.parked[request.worker] = None
        return None

    def _renew(self, d: Decision, request: m.Renew) -> m.Reply:
        attempt = self.state.attempt_of(request.token)
        if attempt is None:
            return lease_ended(request.token)
        d.emit(e.Renewed(d.at, attempt.lease.task, attempt.lease.attempt, request.token))
        return m.Done()

    def _tick(self, d: Decision, request: m.Tick) -> m.Reply:
        for token, attempt in tuple(self.state.live.items()):
            lease = attempt.lease
            if self._due(attempt) > d.at:
                continue
            if attempt.ends > d.at:
                d.end_attempt(attempt, "limit", "the attempt's time was up")
            elif d.desk.waits(token):  # silent because it waits for our answer
                d.emit(e.Renewed(d.at, lease.task, lease.attempt, token))
            else:
                d.end_attempt(attempt, "lease_expired", "no sign of life")
        for task, until in tuple(self.state.resting.items()):
            if until <= d.at:
                d.emit(e.Rested(d.at, task, self.state.records[task].attempt))
        check_run(d)
        return m.Done()

    def _lost(self, d: Decision, request: m.Lost) -> m.Reply:
        d.desk.parked.pop(request.worker, None)
        for attempt in tuple(self.state.live.values()):
            if attempt.lease.worker == request.worker:
                d.end_attempt(attempt, "worker_died", request.why)
        return m.Done()

    def _halt(self, d: Decision, request: m.Halt) -> m.Reply:
        d.end_all("interrupted", request.why)
        if self.state.status == "running" and self.state.open:
            d.emit(e.Finished(d.at, "", 0, "interrupted", request.why))
        return m.Done()

    def _resume(self, d: Decision, request: m.Resume) -> m.Reply:
        for (task, attempt, path), token in self.state.mixed.items():
            d.effect(m.Unmerge(task, attempt, token, path))  # asked for before, perhaps not done
        d.end_all("interrupted", "the process that held the lease has ended")
        d.emit(e.Resumed(d.at, "", 0, request.limits))
        check_run(d)
        return m.Done()


_DECIDE: dict[type[Any], Callable[[Machine, Decision, Any], m.Reply | None]] = {
    m.Claim: Machine._claim,
    m.Renew: Machine._renew,
    m.Tick: Machine._tick,
    m.Lost: Machine._lost,
    m.Halt: Machine._halt,
    m.Resume: Machine._resume,
    m.Report: lambda _, d, request: report(d, request),
    m.Submit: lambda _, d, request: submit(d, request),
    m.GiveUp: lambda _, d, request: give_up(d, request),
    m.Write: lambda _, d, request: write(d, request),
    m.Delete: lambda _, d, request: write(d, request),
    m.Overstep: lambda _, d, request: overstep(d, request),
    m.Observe: lambda _, d, request: observe(d, request),
    m.Undo: lambda _, d, request: undo(d, request),
    m.Widen: lambda _, d, request: widen(d, request),
    m.Split: lambda _, d, request: split(d, request),
    m.Send: lambda _, d, request: send(d, request),
    m.Note: lambda _, d, request: note(d, request),
    m.Approve: lambda _, d, request: approve(d, request),
    m.Reject: lambda _, d, request: reject(d, request),
    m.Cancel: lambda _, d, request: cancel(d, request),
    m.Retry: lambda _, d, request: retry(d, request),
}
