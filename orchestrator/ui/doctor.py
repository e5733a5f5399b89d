"""`doctor`: what this machine has of what a run needs, and what of the sandbox holds on it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.runtime.checkup import Check, Checkup, check_machine
from orchestrator.runtime.trial import Tried
from orchestrator.ui.output import say, say_json
from orchestrator.ui.words import count

_MARKS = {"ok": "ok", "note": "note", "problem": "PROBLEM"}


def show_doctor(directory: Path, *, as_json: bool) -> int:
    """Look at this machine and print what was found.

    Args:
        directory: where a run directory would be made.

    Returns:
        The exit code: 1 if no run can do without something that is missing, or if a promise of
        the sandbox was found broken.
    """
    checkup = check_machine(directory)
    if as_json:
        say_json(_json(checkup))
    else:
        for line in lines(checkup):
            say(line)
    return 1 if checkup.problems else 0


def _json(checkup: Checkup) -> dict[str, Any]:
    return {
        "ready": not checkup.problems,
        "problems": checkup.problems,
        "checks": [_check_json(check) for check in checkup.checks],
        "kernel": [_check_json(check) for check in checkup.kernel],
        "sandbox": [
            {
                "name": tried.guard.name,
                "against": tried.guard.against,
                "enforced": bool(tried.guard.by) and not tried.guard.gap and not tried.broken,
                "by": tried.guard.by or None,
                "gap": tried.guard.gap or None,
                "tried": tried.through is not None,
                "got_through": list(tried.through or ()),
            }
            for tried in checkup.guards
        ],
    }


def _check_json(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "state": check.state,
        "found": check.found,
        "fix": check.fix or None,
    }


def lines(checkup: Checkup) -> Iterator[str]:
    """Yield what was found, in lines for a person."""
    yield "What a run needs, and what it can use:"
    yield from _check_lines(checkup.checks)
    yield ""
    yield "What the sandbox of commands can build on:"
    yield from _check_lines(checkup.kernel)
    yield ""
    yield "What commands are kept from (held, open: so it was when tried just now), and by what:"
    yield from _guard_lines(checkup.guards)
    yield ""
    gaps = [tried for tried in checkup.guards if tried.guard.gap]
    if checkup.problems:
        yield f"{count(len(checkup.problems), 'problem')}:"
        yield from (f"  {problem}" for problem in checkup.problems)
    elif gaps:
        yield f"Runs can start. {count(len(gaps), 'promise')} of the sandbox cannot be kept here."
        yield "If you do not trust what agents may write, run in a virtual machine."
    else:
        yield "Runs can start. All that the sandbox promises is enforced here."


def _check_lines(checks: tuple[Check, ...]) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield from _wrapped(f"  {check.name:<{width}}  {_MARKS[check.state]:<7}  ", check.found)
        if check.fix:
            yield from _wrapped(" " * (width + 13) + "fix: ", check.fix)


def _guard_lines(guards: tuple[Tried, ...]) -> Iterator[str]:
    width = max(len(tried.guard.against) for tried in guards)
    for tried in guards:
        guard = tried.guard
        by = guard.by or ("allowed" if not guard.gap else "NOT ENFORCED")
        yield from _wrapped(f"  {guard.against:<{width}}  {_outcome(tried):<6}  ", by)
        if guard.gap:
            yield from _wrapped(" " * (width + 12) + "commands can ", guard.gap)


def _outcome(tried: Tried) -> str:
    if tried.through is None:
        return ""
    if tried.broken:
        return "BROKEN"
    return "open" if tried.through else "held"


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        width=100,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
