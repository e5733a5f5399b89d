"""`lint`: what can be said about a plan before it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orchestrator.analysis.parallelism import Parallelism
from orchestrator.errors import UsageError
from orchestrator.spec.findings import Finding, errors
from orchestrator.spec.plan import Plan, find, load_plan
from orchestrator.ui.output import complain, say, say_json
from orchestrator.ui.words import count, duration

_SHOWN = 5  # warnings that `run` shows before it starts
_GROUPS = (("error", "Mistakes"), ("warning", "Warnings"), ("info", "Worth knowing"))


def load_and_warn(path: Path) -> Plan:
    """Load a plan; show on standard error what is worth knowing though it can run.

    Only the plan itself is looked at: reading a large tree of code would delay every start.

    Raises:
        PlanError: the plan cannot run.
    """
    plan, findings = find(path)
    if plan is None:
        return load_plan(path)  # raises what was found
    warnings = [finding for finding in findings if finding.severity == "warning"]
    for finding in warnings[:_SHOWN]:
        complain(_first_line(finding))
    if len(warnings) > _SHOWN:
        complain(f"{count(len(warnings) - _SHOWN, 'more warning')}: orchestrator lint {path}")
    return plan


def show_lint(path: Path, *, as_json: bool, sarif: str | None = None, fix: bool = False) -> int:
    """Check a plan and its code, and print what was found.

    Args:
        path: the plan file.
        as_json: print one JSON object.
        sarif: file for a SARIF log; ``-``: standard output, instead of everything else.
        fix: write the safe edits into the plan first; what is then found is shown.

    Returns:
        The exit code: 1 if a finding is an error.

    Raises:
        PlanError: there is no such file.
        UsageError: two things are to be printed on standard output, or a file cannot be written.
        WorkspaceError: the plan file cannot be written.
    """
    if as_json and sarif == "-":
        raise UsageError(
            "--json and --sarif - both want standard output", "--sarif", "", "give --sarif a file"
        )
    if not path.is_file():
        load_plan(path)
    from orchestrator.analysis.lint import lint_file

    fixed = _fix(path) if fix else []
    report = lint_file(path)
    findings = list(report.findings)
    if sarif is not None:
        _write_sarif(path, findings, sarif)
    if as_json:
        say_json(_as_data(path, findings, report.parallel, fixed if fix else None))
    elif sarif != "-":
        for line in fixed:
            say(line)
        for line in _lines(path, findings, report.parallel, report.code, report.left_out):
            say(line)
    return 1 if errors(findings) else 0


def _as_data(
    path: Path, findings: Sequence[Finding], parallel: Parallelism | None, fixed: list[str] | None
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "plan": str(path),
        "findings": [finding.to_json() for finding in findings],
        "parallelism": parallel.to_json() if parallel else {},
    }
    return found if fixed is None else {**found, "fixed": fixed}


def _fix(path: Path) -> list[str]:
    """Write the safe edits into a plan file; return what was done, in words.

    An edit can make room for another one, so this goes on until none is left; each adds an edge
    between two tasks that had none, so it ends.
    """
    from orchestrator.analysis.lint import lint_file
    from orchestrator.analysis.lintfix import fix_text, write_plan

    said: dict[str, None] = {}
    while True:
        report = lint_file(path)
        if report.plan is None:
            break
        text = path.read_bytes().decode("utf-8")
        fixed = fix_text(text, report.plan.tasks, report.findings)
        for edit in fixed.by_hand:
            said[
                f"{path}: by hand: add `depends_on: [{edit.on}]` to `{edit.task}`, whose lines "
                "are written with an alias or in an unusual layout"
            ] = None
        if not fixed.done:
            break
        write_plan(path, fixed.text)
        for edit in fixed.done:
            said[f"{path}: `{edit.task}` now waits for `{edit.on}`"] = None
    return list(said) or [f"{path}: nothing to mend"]


def _write_sarif(path: Path, findings: Sequence[Finding], target: str) -> None:
    from orchestrator.ui.sarif import to_sarif

    log = to_sarif(path, findings)
    if target == "-":
        say_json(log)
        return
    try:
        Path(target).write_text(json.dumps(log, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the SARIF log cannot be written: {error.strerror}",
            target,
            "",
            "name a file in a directory that exists and that you may write",
        ) from None


def _lines(
    path: Path,
    findings: Sequence[Finding],
    parallel: Parallelism | None,
    code: int | None,
    left_out: Sequence[str],
) -> Iterator[str]:
    present = {finding.severity for finding in findings}
    for severity, title in _GROUPS:
        if severity not in present:
            continue
        if len(present) > 1:
            yield f"{title}:"
        for finding in findings:
            if finding.severity == severity:
                yield from _finding_lines(finding)
    for problem in left_out:
        yield f"left out of the code: {problem}"
    yield _verdict(path, findings, parallel)
    if code:
        yield f"Checked against the code: {count(code, 'source file')}."
    if parallel and parallel.tasks:
        yield from _parallel_lines(parallel)


def _finding_lines(finding: Finding) -> Iterator[str]:
    yield _first_line(finding)
    if finding.witness:
        yield f"  for example: {finding.witness}"
    if finding.fix:
        yield f"  fix: {finding.fix}"


def _verdict(path: Path, findings: Sequence[Finding], parallel: Parallelism | None) -> str:
    wrong = len(errors(findings))
    if parallel is None:
        return f"{path}: {count(wrong, 'mistake')}; the plan cannot run."
    if wrong:
        return f"{path}: {count(wrong, 'mistake')}; the plan runs, and tasks of it must fail."
    return f"{path}: the plan can run ({count(len(findings), 'finding')})."


def _first_line(finding: Finding) -> str:
    said = f"{finding.what}: {finding.why}" if finding.why else finding.what
    code = f" [{finding.code}]" if finding.code else ""
    return f"{finding.where}: {finding.severity}: {said}{code}"


def _parallel_lines(parallel: Parallelism) -> Iterator[str]:
    yield (
        f"By its estimates: {count(parallel.tasks, 'task')}, work {duration(parallel.work)}, "
        f"at most {parallel.width} at once."
    )
    path = " → ".join(parallel.critical_path)
    yield f"Critical path: {duration(parallel.span)} ({path})."
    for bound in parallel.bounds:
        yield (
            f"  {count(bound.workers, 'worker'):<10}  at least {duration(bound.seconds):<12}  "
            f"at most {bound.speedup:.2f} times as fast"
        )
