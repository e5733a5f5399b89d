"""`lint --certificate`, `--narrow` and `--verify`: proofs that a plan's tasks cannot collide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import InternalError
from orchestrator.spec.plan import load_plan
from orchestrator.ui.files import check_beside, write_text
from orchestrator.ui.output import say, say_json
from orchestrator.ui.words import count

if TYPE_CHECKING:
    from orchestrator.analysis.certificate import Certified

_SHOWN = 20  # findings that are told in words


def make_certificate(path: Path, target: Path, *, narrow: Path | None, as_json: bool) -> int:
    """Certify a plan and write the certificate, or say why there is none.

    Args:
        path: the plan file.
        target: the certificate file; replaced if it is there. Not touched without a certificate.
        narrow: where to write a copy of the plan whose reads are narrowed to what can be
            certified; the certificate is then for that copy. None: the plan stays as it is.
        as_json: print JSON.

    Returns:
        The exit code: 0 when a certificate was written, 1 when the plan has none.

    Raises:
        PlanError: the plan cannot run.
        RoleError: a role document is not valid.
        UsageError: the copy would be in another directory.
        WorkspaceError: a file cannot be written, or git governs the workspace and fails.
    """
    from orchestrator.analysis.certificate import certify, narrowed
    from orchestrator.analysis.codegraph import build

    plan = load_plan(path)
    graph = None if plan.workspace is None else build(plan.workspace)
    reads: dict[str, tuple[str, ...]] = {}
    if narrow is not None:
        reads = narrowed(plan, graph)
        write_text(narrow, _copy(path, narrow, reads))
        path, plan = narrow, load_plan(narrow)
    answer = certify(plan, graph)
    if answer.certificate is not None:
        write_text(target, json.dumps(answer.certificate, indent=1, ensure_ascii=False) + "\n")
        _must_hold(target, path)
    if as_json:
        say_json(
            {
                "plan": str(path),
                "certificate": None if answer.certificate is None else str(target),
                "unordered": answer.unordered,
                "ordered": answer.ordered,
                "narrowed": {task: list(globs) for task, globs in reads.items()},
                "findings": [finding.to_json() for finding in answer.findings],
            }
        )
    else:
        if narrow is not None:
            say(f"{narrow}: reads of {count(len(reads), 'task')} narrowed.")
        _say_answer(path, target, answer)
    return 0 if answer.certificate is not None else 1


def verify_certificate(path: Path, certificate: Path, *, as_json: bool) -> int:
    """Check a certificate against a plan and its code, and print what speaks against it.

    Returns:
        The exit code: 0 when it holds, 1 when it does not.
    """
    from orchestrator.analysis.verify import verify

    refusals = verify(certificate, path)
    if as_json:
        say_json(
            {
                "plan": str(path),
                "certificate": str(certificate),
                "holds": not refusals,
                "refusals": [{"what": one.what, "fix": one.fix} for one in refusals],
            }
        )
        return 1 if refusals else 0
    for one in refusals[:_SHOWN]:
        say(f"{certificate}: refused: {one.what}")
    if len(refusals) > _SHOWN:
        say(f"… and {len(refusals) - _SHOWN} more (all with --json)")
    if refusals:
        say(f"  fix: {refusals[0].fix}")
    else:
        say(f"{certificate}: holds for {path} and the code as it is now.")
    return 1 if refusals else 0


def _say_answer(path: Path, target: Path, answer: Certified) -> None:
    findings = answer.findings
    for finding in findings[:_SHOWN]:
        why = f": {finding.why}" if finding.why else ""
        say(f"{finding.where}: {finding.what}{why} [{finding.code}]")
        say(f"  fix: {finding.fix}")
    if len(findings) > _SHOWN:
        say(f"… and {len(findings) - _SHOWN} more (all with --json)")
    pairs = f"{count(answer.unordered, 'unordered pair')} of tasks, {answer.ordered} ordered"
    if answer.certificate is not None:
        say(f"{target}: certificate for {path} ({pairs}).")
    else:
        say(f"{path}: no certificate ({pairs}; {count(len(findings), 'obstacle')}).")


def _copy(path: Path, target: Path, reads: dict[str, tuple[str, ...]]) -> str:
    """Return the plan's text with other reads; its comments and formatting are lost."""
    import yaml

    from orchestrator.spec.yamldoc import read_document

    check_beside(target, path, what="the narrowed plan", option="--narrow", suffix=".narrow.yaml")
    data: dict[str, Any] = read_document(path).data
    tasks = [
        {**task, "reads": list(reads[task["id"]])} if task["id"] in reads else task
        for task in data["tasks"]
    ]
    # No aliases: values that the reader shares are written out where they stand.
    plain = json.loads(json.dumps({**data, "tasks": tasks}))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)


def _must_hold(certificate: Path, plan: Path) -> None:
    """The maker and the verifier must agree; when they do not, one of them is wrong."""
    from orchestrator.analysis.verify import verify

    refusals = verify(certificate, plan)
    if refusals:
        certificate.unlink()
        raise InternalError(
            "the certificate was made, but the verifier refuses it",
            str(certificate),
            "; ".join(one.what for one in refusals[:5]),
            "report it with the plan; no certificate was written",
        )
