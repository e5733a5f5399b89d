"""What the oracle can know from the history of its attempt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from orchestrator.models.base import Exchange, ToolCall, ToolResult

STALE = "changed since"
"""How a refusal says that a file is no longer as it was read. Contract with the runtime."""

TOO_LONG = "more than one call returns"
"""How a refusal says that a file is to be read in parts. Contract with the runtime."""

_PART = 2000
"""Lines to ask for when a file is too long for one call; halved until they fit."""

PASSED, FAILED = "PASSED", "FAILED"
"""How the result of a test run begins. Contract with the runtime."""

_HEADER = re.compile(r"\A[^\n]*\(version \d+, lines (\d+)-(\d+) of (\d+)\):\n")


class Memory:
    """The history of an attempt, summed up.

    Attributes:
        texts: what each file holds, as last read or written.
        first: what each file held when it was first read.
        stale: files that have changed since they were read.
        written: files that were written.
        refusals: how often writing a file, or submitting, was refused for good.
        stale_refusals: how often that was refused because a file had changed.
        why: the first line of the last refusal, by file or `submit`.
        verdicts: results of the test runs since the last write; None: it was not run.
        runs: results of all test runs since the first write.
        red_at: number of the turn with the last test run that failed; 0: none did.
        read_at: number of the turn in which each file was last read.
        unread: files that could not be read.
        noticed: files that have changed since they were read, as somebody has told.
        sent: messages that were sent, or refused.
    """

    def __init__(self, history: Sequence[Exchange]) -> None:
        self.texts: dict[str, str] = {}
        self.first: dict[str, str] = {}
        self.stale: set[str] = set()
        self.written: set[str] = set()
        self.refusals: Counter[str] = Counter()
        self.stale_refusals: Counter[str] = Counter()
        self.why: dict[str, str] = {}
        self.verdicts: list[bool | None] = []
        self.runs: list[bool | None] = []
        self.red_at = 0
        self.read_at: dict[str, int] = {}
        self.unread: set[str] = set()
        self.noticed: set[str] = set()
        self.sent = 0
        self._turn = 0
        self._answered: set[str] = set()
        self._rest: dict[str, int] = {}
        self._most: dict[str, int] = {}
        self._tested: dict[tuple[str, str], bool | None] = {}
        for self._turn, exchange in enumerate(history, start=1):
            results = {result.call_id: result for result in exchange.results}
            for call in exchange.turn.calls:
                if call.id in results:
                    self._note(call, results[call.id])
            self._forget_mentioned(exchange.notice)

    def next_line(self, path: str, *, exists: bool) -> int | None:
        """Return the line from which `path` is still to be read, or None."""
        if path in self.stale:
            return 1
        if path in self._rest:
            return self.rest(path)
        return 1 if exists and path not in self._answered else None

    def rest(self, path: str) -> int | None:
        """Return the line from which a file goes on that was read in part, or None."""
        return self._rest.get(path)

    def most_lines(self, path: str) -> int | None:
        """Return how many lines of `path` to ask for at once; None: all that there are."""
        return self._most.get(path)

    def has_tested(self, path: str, text: str) -> bool:
        """Whether the tests were run, or refused, while `path` held `text`."""
        return (path, text) in self._tested

    def caught(self, path: str, text: str) -> bool:
        """Whether the tests failed while `path` held `text`."""
        return self._tested.get((path, text)) is False

    def _note(self, call: ToolCall, result: ToolResult) -> None:
        path = str(call.input.get("path", ""))
        if call.name == "run_tests":
            self._note_tests(result.content)
        elif call.name == "read_file":
            self._note_read(path, call, result)
        elif call.name == "send_message":
            self.sent += 1
        elif result.is_error and (path or call.name == "submit"):
            self._note_refusal(path or "submit", result.content)
        elif call.name in ("write_file", "edit_file"):
            self._note_write(path, call)

    def _note_tests(self, content: str) -> None:
        verdict = True if content.startswith(PASSED) else None
        verdict = False if content.startswith(FAILED) else verdict
        self.verdicts.append(verdict)
        if self.written:
            self.runs.append(verdict)
        if verdict is False:
            self.red_at = self._turn
        for path in self.written:
            self._tested.setdefault((path, self.texts.get(path, "")), verdict)

    def _note_read(self, path: str, call: ToolCall, result: ToolResult) -> None:
        self._answered.add(path)
        self.stale.discard(path)
        self.noticed.discard(path)
        self.read_at[path] = self._turn
        self._rest.pop(path, None)
        if result.is_error and TOO_LONG in result.content:
            first, last = int(call.input.get("start_line", 1)), call.input.get("end_line")
            self._most[path] = max((int(last) - first + 1) // 2, 1) if last else _PART
            self._rest[path] = first
            return
        if result.is_error:
            self.unread.add(path)
            self.texts.pop(path, None)
            return
        self.unread.discard(path)
        header = _HEADER.match(result.content)
        text = result.content[header.end() :] if header else result.content
        if call.input.get("start_line", 1) != 1:
            text = self.texts.get(path, "") + text
        self.texts[path] = text
        if header and int(header[2]) < int(header[3]):
            self._rest[path] = int(header[2]) + 1
        else:
            self.first.setdefault(path, text)

    def _note_write(self, path: str, call: ToolCall) -> None:
        if call.name == "write_file":
            self.texts[path] = str(call.input["content"])
        else:
            old, new = str(call.input["old"]), str(call.input["new"])
            self.texts[path] = self.texts.get(path, old).replace(old, new, 1)
        self.written.add(path)
        self.verdicts = []

    def _note_refusal(self, subject: str, content: str) -> None:
        self.why[subject] = content.strip().partition("\n")[0]
        if subject == "submit":
            # The evidence is not accepted: fetch it anew, whatever the reason.
            self.verdicts = []
        else:
            # Whatever the reason, the file may not be what it was thought to be: look again.
            self.stale.add(subject)
        if STALE in content:
            self.stale_refusals[subject] += 1
            self._forget_mentioned(content)
        else:
            self.refusals[subject] += 1

    def _forget_mentioned(self, text: str) -> None:
        """Take note that files named in `text` have changed; words of it end as words do."""
        for path in self.texts:
            if re.search(rf"(?<![\w/.-]){re.escape(path)}(?![\w/-])", text):
                self.stale.add(path)
                self.noticed.add(path)
