"""The end of a simulated run: faults are over, everybody works well, and it must come to an end."""

from __future__ import annotations

from simulation.book import Broken
from simulation.stage import Ask, Commit, Restart, Stage, marks

from orchestrator.core import events as e
from orchestrator.core import messages as m
from orchestrator.core.states import ENDED, TaskState
from orchestrator.lab.anomalies import find_anomalies
from orchestrator.lab.serialisation import Contents

CREW = ("z1", "z2", "z3")
ROUNDS = 12
"""Rounds that a task may take at most, all its attempts together; a run has a few on top."""


def finish(stage: Stage) -> None:
    """Bring a run to its end and check what it leaves behind.

    Nothing here is left to chance, and none of it is recorded as a step.

    Raises:
        Broken: it does not end, or leaves something behind.
    """
    steps, stage.steps = stage.steps, []
    try:
        if not stage.alive or stage.machine.state.status == "interrupted":
            stage.play(Restart(stage.at))
        stage.play(Commit())
        if stage.machine.state.status in ("succeeded", "failed") and stage.machine.state.open:
            stage.play(Restart(stage.at))  # a task was retried after the end
        _work_off(stage)
        for path in sorted(stage.edited):
            stage.play(Ask(stage.at, "", m.Observe(path, stage.disk.get(path))))
        stage.play(Commit())
        _nothing_left(stage)
        _serialisable(stage)
        stage.compare()
    finally:
        stage.steps = steps


def _serialisable(stage: Stage) -> None:
    """In mode shared no anomaly is left, found by rules that share nothing with the machine.

    Left out is what nobody can wait for: what somebody outside does to a file, the work of a
    failed attempt that its task keeps, and what could not be told from what was built on it.
    """
    rules = stage.world.rules
    if not (rules.exclusive and rules.validate_reads and rules.check_base):
        return
    start = Contents(dict(stage.world.files), lambda path, digest: _lines(digest))
    kept = {
        (event.task, event.attempt)
        for event in stage.log
        if isinstance(event, e.Remained)
        or (isinstance(event, e.AttemptEnded) and stage.book.tasks[event.task].keep)
    }
    for anomaly in find_anomalies(stage.log, start).anomalies:
        parties = {key for edge in anomaly.cycle for key in (edge.source, edge.target)}
        if "outside" not in anomaly.what and not parties & kept:
            raise Broken("anomaly", f"{anomaly.kind}: {anomaly.what}")


def _lines(content: str) -> str:
    """Return a content with lines of their own around each mark, so that no two edits touch."""
    return "".join(f"[{mark}\n{mark}\n{mark}]\n" for mark in content.split())


def _work_off(stage: Stage) -> None:
    state = stage.machine.state
    most = ROUNDS * len(state.records) + 10
    for _ in range(most):
        if stage.machine.state.status != "running":
            return
        before = len(stage.log)
        _round(stage)
        if len(stage.log) == before:
            _pass_time(stage)
    stood = {name: str(record.state) for name, record in state.records.items()}
    raise Broken("endless", f"the run has not ended after {most} rounds: {stood}")


def _round(stage: Stage) -> None:
    """What is held is approved, everybody claims, and everybody hands in good work."""
    state = stage.machine.state
    for name, record in tuple(state.records.items()):
        if record.state is TaskState.HELD:
            stage.play(Ask(stage.at, "", m.Approve(name)))
    for worker in CREW:
        busy = any(attempt.worker == worker for attempt in stage.book.live.values())
        if not busy and worker not in stage.waiting:
            stage.play(Ask(stage.at, "", m.Claim(worker)))
    stage.play(Commit())
    for token, attempt in tuple(stage.book.live.items()):
        if token not in stage.book.live or stage.asks(attempt):
            continue
        numbers = {path: number for path, (number, _, _) in stage.book.files.items()}
        reads = tuple((path, numbers.get(path, 0)) for path in attempt.reads)
        stage.play(Ask(stage.at, "", m.Submit(token, stage.book.cut, reads=reads)))
    stage.play(Commit())
    stage.replies.clear()


def _pass_time(stage: Stage) -> None:
    due = stage.machine.next_deadline()
    if due is None:
        raise Broken("deadlock", "nothing happens any more and no deadline will change that")
    stage.play(Ask(max(due, stage.at), "", m.Tick()))
    stage.play(Commit())


def _nothing_left(stage: Stage) -> None:
    state, book = stage.machine.state, stage.book
    open_tasks = [name for name, record in state.records.items() if record.state not in ENDED]
    if state.status in ("succeeded", "failed") and open_tasks:
        raise Broken("lost-task", f"the run has {state.status}, but {open_tasks} have not ended")
    if state.status == "succeeded" and set(book.state.values()) != {"succeeded"}:
        raise Broken("lost-task", f"the run has succeeded with {book.state}")
    if stage.waiting or state.live:
        raise Broken("left-waiting", f"{stage.waiting} wait, {list(state.live)} live at the end")
    if stage.disk != book.contents():
        raise Broken("disk", f"{stage.disk} on disk, {book.contents()} in the book")
    if not stage.world.rules.check_base:
        return  # the last writer wins, with whatever it had read
    attempts = {f"{a.task}~{a.number}": a for a in book.attempts.values()}
    for path, text in book.contents().items():
        for name in {mark.partition(".")[0] for mark in marks(text) - book.brought}:
            attempt = attempts.get(name)
            if attempt and attempt.ended != "succeeded" and not book.tasks[attempt.task].keep:
                raise Broken("not-undone", f"{path} still holds what {name} wrote")
