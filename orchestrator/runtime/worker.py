"""A worker thread, and the loop of an agent: reason → write → test.

A worker carries one lease at a time. It claims, does one attempt, and claims again until it is
told to stop. When its lease ends (a time-out, a cancel, the end of the run) its requests are
refused and it goes back to claim; nobody has to stop it.

An agent is a worker with a model and a role. Success is never the model's word: `submit` runs
the task's tests on a consistent cut of the workspace, and the coordinator accepts only that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from threading import Thread
from traceback import extract_tb
from typing import Protocol

from orchestrator.core.limits import Limits
from orchestrator.core.messages import (
    Claim,
    Granted,
    Lease,
    Refused,
    Reply,
    Request,
    Spent,
    Stop,
)
from orchestrator.errors import ModelError, OrchestratorError
from orchestrator.models.asking import Answer, ask
from orchestrator.models.base import Briefing, Exchange, Model, ToolResult, Turn, Usage
from orchestrator.models.cost import dollars
from orchestrator.models.estimate import against_limit, estimate
from orchestrator.models.gate import ProviderGate, gate_for
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.context import Context, TestRun, Work
from orchestrator.runtime.interruption import Interruption
from orchestrator.runtime.tools import Toolbox
from orchestrator.runtime.watching import Watch

IDLE_TURNS = 3
"""Turns without a tool call after which an attempt is ended."""

_PACKAGE = Path(__file__).resolve().parent.parent

_ENDED = Refused("lease_ended", "the lease has ended", "claim again")


class Desk(Protocol):
    """The coordinator, as a worker sees it."""

    def connect(self, name: str) -> Callable[[Request], Reply]:
        """Return the function by which `name` asks and is answered."""
        ...

    def lost(self, name: str, why: str) -> None:
        """Tell that the thread dies."""
        ...


class Worker:
    """A thread that carries one lease at a time.

    Args:
        name: unique in the run.
        desk: where it claims.
        prepare: makes the context of an attempt from its lease.
        work: does the attempt.
        interruption: makes what tells an attempt that its lease has ended.
    """

    def __init__(
        self,
        name: str,
        desk: Desk,
        prepare: Callable[[Lease, Callable[[Request], Reply], Interruption], Context],
        work: Work,
        interruption: Callable[[], Interruption] = Interruption,
    ) -> None:
        self.name = name
        self._desk, self._prepare, self._work = desk, prepare, work
        self._interruption = interruption
        self._ask = desk.connect(name)
        self._current = (0, interruption())  # token and interrupt, replaced together
        self._ended = 0  # newest token whose lease has ended; -1: all have
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to claim."""
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread's end."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def is_alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def end_lease(self, token: int) -> None:
        """Stop waiting on behalf of this lease; -1: of whichever lease there is."""
        self._ended = token  # first: the lease may have been granted, but not taken up yet
        current, interrupt = self._current
        if token in (current, -1):
            interrupt.set()

    def _run(self) -> None:
        try:
            reply = self._ask(Claim(self.name))
            while not isinstance(reply, Stop):
                if isinstance(reply, Granted):
                    reply = self._attempt(reply.lease)
                else:
                    reply = self._ask(Claim(self.name))
        except BaseException as error:  # the coordinator ends the lease and replaces the thread
            self._desk.lost(self.name, f"{type(error).__name__}: {error}")

    def _attempt(self, lease: Lease) -> Reply:
        interrupt = self._interruption()
        self._current = (lease.token, interrupt)
        if self._ended in (lease.token, -1):
            interrupt.set()
        return self._work(self._prepare(lease, self._ask, interrupt))


class FunctionWork:
    """Work done by a plain function instead of a model.

    Args:
        function: does the task; when it returns, the task's tests run and it is handed in.
    """

    def __init__(self, function: Callable[[Context], object]) -> None:
        self._function = function

    def __call__(self, context: Context) -> Reply:
        """Do one attempt."""
        try:
            self._function(context)
        except Exception as error:
            return context.ending or context.give_up("error", _place(error))
        reply = context.ending or context.submit()
        if isinstance(reply, Granted | Stop):
            return reply
        if isinstance(reply, TestRun):
            return context.give_up("tests_failed", reply.output[-2000:])
        why = reply.why if isinstance(reply, Refused) else "the submission was not accepted"
        return context.give_up("error", why)


class AgentWork:
    """Attempts done by a model.

    Args:
        model: what answers for the agent.
        brief: writes the briefing of an attempt.
        toolboxes: the tools of each role, by role name.
        blobs: where transcripts are kept.
        limits: the run's limits; those about progress are watched here.
        gate: through which the provider is asked, by all workers; None: one without limits.
        rank: a task's longest remaining path, in seconds: who is asked first.
    """

    def __init__(
        self,
        model: Model,
        brief: Callable[[Context], Briefing],
        toolboxes: Mapping[str, Toolbox],
        blobs: BlobStore,
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        gate: ProviderGate | None = None,
        rank: Callable[[str], float] = lambda task: 0.0,
    ) -> None:
        self._model, self._brief = model, brief
        self._toolboxes, self._blobs = toolboxes, blobs
        self._limits, self._rank = limits, rank
        self._gate = gate or gate_for(model)

    def __call__(self, context: Context) -> Reply:
        """Do one attempt: ask the model, carry out its tool calls, tell it the results."""
        briefing, history = self._briefing(context), list[Exchange]()
        watch = context.watch = Watch(self._limits.repeats, self._limits.unchanged_tests)
        while True:
            try:
                expected = estimate(self._model, briefing, history)
            except Exception as error:  # somebody's own model: see `_ask_model`
                return context.give_up("model_error", _place(error))
            if not self._begin(context, history, expected, watch):
                return _ENDED
            answer = self._ask_model(context, briefing, history, expected)
            if isinstance(answer, str):
                return context.give_up("model_error", answer)
            turn, spent = answer.outcome, self._spent(answer)
            if isinstance(turn, ModelError):
                return context.give_up("model_error", str(turn), spent)
            if not self._took(context, len(history) + 1, turn, spent, answer.waited):
                return _ENDED
            exchange, ending = self._carry_out(context, turn)
            history.append(exchange)
            watch.turn(exchange)
            ending = ending or self._no_way_on(context, history, watch)
            if ending is not None:
                return ending

    def _begin(
        self, context: Context, history: list[Exchange], expected: Usage, watch: Watch
    ) -> bool:
        """Ask whether the next turn may begin, and pass on what is new; False: it may not."""
        said, told, nudge = self._keep(history), context.take_verdict(), watch.nudge()
        detail = "; ".join(word for word in (told, "told that it makes no progress") if word)
        begun = context.report(
            "reason", len(history) + 1, Spent(), said, detail if nudge else told,
            expects=self._price(expected, expected),
        )  # fmt: skip
        if begun:
            _tell_news(history, context, nudge)
        return begun

    def _ask_model(
        self, context: Context, briefing: Briefing, history: list[Exchange], expected: Usage
    ) -> Answer | str:
        """Ask for a turn when it is this attempt's time; say so when the model itself breaks."""
        tokens = against_limit(expected, history)
        try:
            return ask(
                self._model, briefing, history, context.interrupt, self._gate,
                rank=self._rank(context.task.id), tokens=tokens,
            )  # fmt: skip
        except Exception as error:  # somebody's own model: it ends the attempt, not the thread
            return _place(error)

    def _took(self, context: Context, number: int, turn: Turn, spent: Spent, waited: float) -> bool:
        """Report what a turn took; False: the lease has ended meanwhile."""
        tools = [call.name for call in turn.calls]
        # Before anything of it is carried out: whatever becomes of the attempt, what the model
        # said can be told, and said again (`models.recorded`).
        said = self._keep([Exchange(turn)])
        return context.report("write", number, spent, said, ", ".join(tools), waited=waited)

    def _no_way_on(self, context: Context, history: list[Exchange], watch: Watch) -> Reply | None:
        if _idle(history):
            return context.give_up("gave_up", "the model stopped using its tools")
        stuck = watch.stuck()
        return context.give_up("no_progress", stuck) if stuck else None

    def _briefing(self, context: Context) -> Briefing:
        """Return the briefing without secrets that the plan may hold."""
        briefing, clean = self._brief(context), self._blobs.redactor.text
        return replace(briefing, system=clean(briefing.system), opening=clean(briefing.opening))

    def _carry_out(self, context: Context, turn: Turn) -> tuple[Exchange, Reply | None]:
        """Carry out the calls of a turn, in order, until one of them ends the attempt."""
        toolbox = self._toolboxes[context.task.role]
        results = []
        for call in turn.calls:
            outcome = toolbox.use(context, call.name, call.input)
            text = self._blobs.redactor.known_out(outcome.text)
            results.append(ToolResult(call.id, text, outcome.is_error))
            if outcome.ending is not None:
                return Exchange(turn, tuple(results)), outcome.ending
        if turn.stop == "refusal":
            told = Exchange(turn, tuple(results))
            return told, context.give_up("gave_up", f"the model refused: {turn.text}")
        return Exchange(turn, tuple(results), _hint(turn)), None

    def _spent(self, answer: Answer) -> Spent:
        return self._price(answer.usage, *answer.spent)

    def _price(self, usage: Usage, *requests: Usage) -> Spent:
        usd = dollars(self._model, *requests)
        return Spent(usage.input, usage.output, usage.cache_read, usage.cache_write, usd)

    def _keep(self, history: list[Exchange]) -> str:
        """Keep the last turn, with what the agent was told before it."""
        if not history:
            return ""
        heard = history[-2].notice if len(history) > 1 else ""
        kept = {**asdict(history[-1]), "heard": heard}
        text = json.dumps(kept, ensure_ascii=False, default=str)
        return self._blobs.put_json(text)


def _hint(turn: Turn) -> str:
    if turn.stop == "max_tokens":
        return (
            "Your last turn was cut off because it was too long. Tool calls that were cut off "
            "were not carried out. Do less in one turn, for example one file at a time."
        )
    if not turn.calls:
        return (
            "You did not use a tool. The task is done only when submit has been accepted: go on "
            "with your tools, or use give_up with the reason."
        )
    return ""


def _idle(history: list[Exchange]) -> bool:
    last = history[-IDLE_TURNS:]
    return len(last) == IDLE_TURNS and not any(exchange.turn.calls for exchange in last)


def _tell_news(history: list[Exchange], context: Context, nudge: str) -> None:
    """Append messages, changes of files that were read, and a nudge to what is told next."""
    if not history:
        return  # nothing has been said yet; it is told after the first turn
    lines = [f"Message from {m.sender} ({m.kind}): {m.text}" for m in context.take_mail()]
    lines += [f"{notice}. Read it again if it matters." for notice in context.take_notices()]
    lines += [nudge] if nudge else []
    if lines:
        last = history[-1]
        notice = "\n".join([last.notice, *lines] if last.notice else lines)
        history[-1] = Exchange(last.turn, last.results, notice)


def _place(error: Exception) -> str:
    """Say what went wrong, and in which line of the user's own code."""
    frames = [
        frame
        for frame in extract_tb(error.__traceback__)
        if not Path(frame.filename).is_relative_to(_PACKAGE)
    ]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    if isinstance(error, OrchestratorError):
        return f"{error.what}: {error.why}{where}"
    return f"{type(error).__name__}: {error}{where}"
