"""`check`: concurrency anomalies in the log of a run, in words."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.lab.anomalies import Anomaly, AnomalyReport
from orchestrator.lab.check import check_run
from orchestrator.ui.output import say, say_json
from orchestrator.ui.reading import find
from orchestrator.ui.words import count, listed

_SHOWN = 20  # anomalies of one kind that are told in words
_MANY = 12  # tasks of a serial order that are named


def show_check(run: str, *, tests: bool, as_json: bool) -> int:
    """Look for anomalies in a run and print them.

    Args:
        run: directory or id.
        tests: run the tests of accepted tasks again, to find semantic conflicts.

    Returns:
        The exit code: 0 when there are none, 1 when there are.

    Raises:
        UsageError: there is no such run.
        LogError: its log cannot be read.
        WorkspaceError: its tests cannot be run again.
    """
    folder = find(run)
    report = check_run(folder.path, tests=tests)
    if as_json:
        say_json({"run": folder.path.name, **report.to_json()})
    else:
        for line in _lines(report, tests):
            say(line)
    return 1 if report.anomalies else 0


def _lines(report: AnomalyReport, tests: bool) -> Iterator[str]:
    yield _headline(report)
    for kind, number in report.counts().items():
        found = [one for one in report.anomalies if one.kind == kind]
        if number:
            yield ""
            yield f"{kind} ({number}):"
        yield from (f"  {_told(one)}" for one in found[:_SHOWN])
        if number > _SHOWN:
            yield f"  … and {number - _SHOWN} more (all with --json)"
    if report.anomalies:
        yield ""
    if report.order and len(report.anomalies) == 0:
        yield f"An equivalent serial order: {listed(report.order, _MANY)}."
    elif report.order:
        yield f"A serial order that explains every read and write: {listed(report.order, _MANY)}."
    yield from (f"Note: {note}." for note in report.notes)
    if not tests and not report.anomalies:
        yield "Whether tests that passed alone fail together: check --tests runs them again."


def _headline(report: AnomalyReport) -> str:
    attempts = count(report.attempts, "accepted attempt")
    number = len(report.anomalies)
    if not number:
        return f"{attempts}, no anomalies: as if the tasks had been done one after another."
    order = (
        "some serial order explains it" if report.serialisable else "no serial order explains it"
    )
    kinds = listed([f"{n} {kind}" for kind, n in report.counts().items() if n], 9)
    return f"{attempts}, {count(number, 'anomaly', 'anomalies')} ({kinds}); {order}."


def _told(anomaly: Anomaly) -> str:
    return f"{anomaly.at:.1f} s  {anomaly.what}"
