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
from orchestrator.core.rules import RoleBounds, Rules
from orchestrator.core.splitting import split
from orchestrator.core.state import LiveAttempt, State
from orchestrator.core.states import TaskState
from orchestrator.core.task import Task
from orchestrator.core.widening import settle_widening, widen
from orchestrator.core.writing import changed, observe, overstep, undo, write


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
        if self._desk.widening:
            settle_widening(decision)
        self._finish(decision)
        self._dispatch(decision)
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
        lease = self._deadlines[0][0] if self._deadlines else None
        wall = self.state.rules.limits.wall if self.state.status == "running" else None
        return lease if wall is None else wall if lease is None else min(lease, wall)

    # --- handing out work -------------------------------------------------------------------

    def _dispatch(self, d: Decision) -> None:
        """Give ready tasks to parked workers, longest remaining path first."""
        state, parked = self.state, d.desk.parked
        if state.status != "running":
            for worker in parked:
                d.effect(m.Answer(worker, m.Stop(state.status)))
            parked.clear()
        while parked and not state.limit and (task := state.ready.first()):
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
        """Say that the run has ended, once it has."""
        state = self.state
        if state.status != "running":
            return
        if state.open == 0:
            won = state.counts[TaskState.SUCCEEDED] == len(state.records)
            d.emit(e.Finished(d.at, "", 0, "succeeded" if won else "failed"))
        elif state.limit and not state.live:
            d.emit(e.Finished(d.at, "", 0, "limit", state.limit))

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

    def _report(self, d: Decision, request: m.Report) -> m.Reply:
        """Record progress; refuse the turn that a limit no longer allows."""
        attempt = self.state.attempt_of(request.token)
        if attempt is None:
            return lease_ended(request.token)
        lease, mail = attempt.lease, self.state.unread(attempt)
        d.emit(
            e.Reported(
                d.at, lease.task, lease.attempt, lease.token, request.phase, request.turn,
                request.spent, request.reads, request.transcript, request.detail,
            )
        )  # fmt: skip
        spent_out = self._spent_out(attempt)
        if spent_out:
            d.end_attempt(attempt, "limit", spent_out)
        self._check_run_limits(d)
        if self.state.attempt_of(request.token) is None:
            return lease_ended(request.token)
        return m.Done(mail=mail)

    def _spent_out(self, attempt: LiveAttempt) -> str:
        """Say which limit of its own the attempt has used up; "" if none."""
        record = self.state.records[attempt.lease.task]
        turns = record.task.turns or self.state.rules.limits.turns
        if attempt.turn > turns:
            return f"{turns} turns were not enough"
        if record.task.tokens is not None and record.tokens >= record.task.tokens:
            return f"the task has used its {record.task.tokens} model tokens"
        return ""

    def _check_run_limits(self, d: Decision) -> None:
        state, limits = self.state, self.state.rules.limits
        if limits.tokens is not None and state.tokens >= limits.tokens:
            d.reach_limit("tokens", limits.tokens)
        if limits.usd is not None and state.usd is not None and state.usd >= limits.usd:
            d.reach_limit("usd", limits.usd)
        if limits.wall is not None and d.at >= limits.wall:
            d.reach_limit("wall", limits.wall)

    def _submit(self, d: Decision, request: m.Submit) -> m.Reply | None:
        """Accept finished work whose evidence still holds; it is the next claim as well."""
        attempt = self.state.attempt_of(request.token)
        if attempt is None:
            return lease_ended(request.token)
        refused = self._unproven(d, attempt, request)
        if refused:
            return d.refuse(attempt, request, refused)
        lease = attempt.lease
        d.emit(
            e.Succeeded(
                d.at, lease.task, lease.attempt, lease.token,
                request.cut, request.evidence, request.summary, request.reads,
            )
        )  # fmt: skip
        d.desk.parked[lease.worker] = None
        return None

    def _unproven(self, d: Decision, attempt: LiveAttempt, request: m.Submit) -> m.Refused | None:
        """Say why the evidence does not show that the work is done; None when it does."""
        if attempt.lease.token in d.desk.widening:
            return m.Refused("state", "the attempt waits for files", "wait for the answer first")
        stale = d.stale(attempt, request.reads)
        if not stale and not request.passed:
            return m.Refused("state", "its tests do not pass", "make them pass, then submit")
        if not stale and self.state.records[attempt.lease.task].task.test:
            current = self.state.files.current
            known = {**attempt.reads, **dict(request.reads), **attempt.written}
            stale = tuple(
                m.StaleFile(path, number, current(path))
                for path, number in known.items()
                if current(path).number > request.cut
            )
        if not stale:
            return None
        return m.Refused(
            "stale",
            "; ".join(changed(file.path, file.current) for file in stale),
            "look at what has changed, then run the tests again",
            stale,
        )

    def _give_up(self, d: Decision, request: m.GiveUp) -> m.Reply | None:
        attempt = self.state.attempt_of(request.token)
        if attempt is None:
            return lease_ended(request.token)
        d.end_attempt(attempt, request.cause, request.reason, spent=request.spent)
        self._check_run_limits(d)
        d.desk.parked[attempt.lease.worker] = None
        return None

    def _tick(self, d: Decision, request: m.Tick) -> m.Reply:
        for token, attempt in tuple(self.state.live.items()):
            lease = attempt.lease
            if self._due(attempt) > d.at:
                continue
            if attempt.ends > d.at:
                d.end_attempt(attempt, "limit", "the attempt's time was up")
            elif token in d.desk.widening:  # silent because it waits for our answer
                d.emit(e.Renewed(d.at, lease.task, lease.attempt, token))
            else:
                d.end_attempt(attempt, "lease_expired", "no sign of life")
        self._check_run_limits(d)
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
        d.emit(e.Resumed(d.at, "", 0))
        self._check_run_limits(d)
        return m.Done()


_DECIDE: dict[type[Any], Callable[[Machine, Decision, Any], m.Reply | None]] = {
    m.Claim: Machine._claim,
    m.Renew: Machine._renew,
    m.Report: Machine._report,
    m.Submit: Machine._submit,
    m.GiveUp: Machine._give_up,
    m.Tick: Machine._tick,
    m.Lost: Machine._lost,
    m.Halt: Machine._halt,
    m.Resume: Machine._resume,
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
