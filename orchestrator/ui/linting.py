"""`lint`: what can be said about a plan before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.analysis.parallelism import Parallelism, parallelism_of
from orchestrator.spec.findings import Finding, errors
from orchestrator.spec.plan import Plan, find, load_plan
from orchestrator.ui.output import complain, say, say_json
from orchestrator.ui.words import count, duration

_SHOWN = 5  # warnings that `run` shows before it starts


def load_and_warn(path: Path) -> Plan:
    """Load a plan; show on standard error what is worth knowing though it can run.

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


def show_lint(path: Path, *, as_json: bool) -> int:
    """Check a plan and print what was found.

    Returns:
        The exit code: 1 if a finding is an error.

    Raises:
        PlanError: there is no such file.
    """
    plan, findings = find(path)
    if not path.is_file():
        load_plan(path)
    parallel = parallelism_of(plan.tasks) if plan else None
    if as_json:
        say_json(
            {
                "plan": str(path),
                "findings": [finding.to_json() for finding in findings],
                "parallelism": parallel.to_json() if parallel else {},
            }
        )
    else:
        for line in _lines(path, findings, parallel):
            say(line)
    return 1 if errors(findings) else 0


def _lines(path: Path, findings: list[Finding], parallel: Parallelism | None) -> Iterator[str]:
    for finding in findings:
        yield _first_line(finding)
        if finding.witness:
            yield f"  for example: {finding.witness}"
        if finding.fix:
            yield f"  fix: {finding.fix}"
    wrong = len(errors(findings))
    if wrong:
        yield f"{path}: {count(wrong, 'mistake')}; the plan cannot run."
    else:
        yield f"{path}: the plan can run ({count(len(findings), 'finding')})."
    if parallel and parallel.tasks:
        yield from _parallel_lines(parallel)


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
