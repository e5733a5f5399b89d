"""Findings as SARIF 2.1.0 (OASIS, 2020), which editors and CI services show in place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from orchestrator import __version__
from orchestrator.spec.findings import Finding, Severity

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
HELP = "docs/findings.md"
"""Page with a section per code."""

_PAGE = Path(__file__).resolve().parents[2] / HELP

_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
_PLACE = re.compile(r"(?P<file>.+):(?P<line>[0-9]+):(?P<column>[0-9]+)", re.DOTALL)


def to_sarif(plan: Path, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return a SARIF log with one run.

    Args:
        plan: the plan file, for findings without a place of their own.
        findings: what was found.
    """
    codes = sorted({_rule(finding) for finding in findings})
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "orchestrator",
                        "semanticVersion": _semantic(__version__),
                        "rules": [_described(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(plan, finding, codes) for finding in findings],
            }
        ],
    }


def _semantic(version: str) -> str:
    found = re.match(r"[0-9]+\.[0-9]+\.[0-9]+", version)
    return found[0] if found else "0.0.0"


def _rule(finding: Finding) -> str:
    return finding.code or "mistake"


def _described(code: str) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": code,
        "shortDescription": {"text": code.replace("-", " ").capitalize()},
        "help": {"text": f"See {HELP}#{code}."},
    }
    if _PAGE.is_file():  # SARIF wants an absolute URI; an installed package has no such page
        rule["helpUri"] = f"{_PAGE.as_uri()}#{code}"
    return rule


def _result(plan: Path, finding: Finding, codes: Sequence[str]) -> dict[str, Any]:
    code = _rule(finding)
    text = f"{finding.what}: {finding.why}" if finding.why else finding.what
    properties: dict[str, Any] = {"tasks": list(finding.tasks)}
    if finding.fix:
        properties["fix"] = finding.fix
    if finding.witness:
        properties["witness"] = finding.witness
    if finding.edit is not None:
        properties["edit"] = finding.edit.to_json()
    return {
        "ruleId": code,
        "ruleIndex": codes.index(code),
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{text}. Fix: {finding.fix}" if finding.fix else text},
        "locations": [{"physicalLocation": _location(plan, finding.where)}],
        "partialFingerprints": {"finding/v1": _fingerprint(finding)},
        "properties": properties,
    }


def _fingerprint(finding: Finding) -> str:
    """Name a finding so that it stays the same when lines move."""
    parts = (_rule(finding), *finding.tasks, _without_line(finding.witness or finding.what))
    return "|".join(parts)


def _without_line(text: str) -> str:
    return re.sub(r":[0-9]+(?= ->|$)", "", text)


def _location(plan: Path, where: str) -> dict[str, Any]:
    place = _PLACE.fullmatch(where)
    if place is None:
        return {"artifactLocation": {"uri": _uri(str(plan))}}
    return {
        "artifactLocation": {"uri": _uri(place["file"])},
        "region": {"startLine": int(place["line"]), "startColumn": int(place["column"])},
    }


def _uri(path: str) -> str:
    """Return a path as a URI reference: relative ones stay relative."""
    if Path(path).is_absolute():
        return Path(path).as_uri()
    return quote(Path(path).as_posix())
