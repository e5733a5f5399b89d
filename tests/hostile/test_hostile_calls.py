"""Every hostile call, in every built-in role: nothing out of bounds is read or written."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.spec.operations import OPERATIONS

KINDS = {
    "absolute", "climbing", "a/../b", "./", "doubled slashes", "backslash", "NUL", "newline",
    "control character", "bidirectional character", "look-alike", "un-normalised form",
    "case twin", "very long name", "symlink that points out", "hard link", "FIFO", "device",
    "directory in place of a file", "git internals", "event log", "wrong type", "missing field",
    "extra field", "50 MB body", "invalid UTF-8",
}  # fmt: skip


def test_the_corpus_covers_every_kind(corpus: Any) -> None:
    assert {call.kind for call in corpus.CALLS} >= KINDS
    assert len({str(call) for call in corpus.CALLS}) >= 400


def complaints(yard: Any, call: Any) -> list[str]:
    """Send one call; return what is wrong with what came of it."""
    ran = len(yard.commands)
    outcome = yard.use(call.tool, call.given)
    refused = outcome.is_error and outcome.text.startswith("Refused: ")
    found: list[str] = yard.problems(outcome)
    recorded = any(
        body["refusal"] == "scope" and body["request"] == call.tool for body in yard.news()
    )
    known = isinstance(call.tool, str) and call.tool in OPERATIONS
    lacking = known and yard.role.operation(call.tool) is None
    if (call.expect != "harmless" or lacking) and not refused:
        found.append("was carried out")
    if call.tool == "run_command" and len(yard.commands) > ran:
        found.append("ran")
    says = ("use one of list_files, ",) if lacking else call.says
    if refused and says and not any(words in outcome.text for words in says):
        found.append(f"does not say any of {says}")
    if (lacking or call.expect == "out of bounds") and not recorded:
        found.append("was not recorded")
    return [f"{call}: {problem}: {outcome.text[:300]!r}" for problem in found]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(6))
def test_no_hostile_call_leaves_the_bounds(yard: Any, corpus: Any, part: int) -> None:
    found = [line for call in corpus.CALLS[part::6] for line in complaints(yard, call)]
    assert found == []
