"""The output of a command, bounded: its beginning, its end, and how much is missing between."""

from __future__ import annotations

import re
from collections import deque

from orchestrator.secrets import Redactor

# Control sequences (colours, cursor), operating system commands (titles, links), other escapes,
# and what is left of control characters but for tab and line feed.
_ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]"
    rb"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"
    rb"|\x1b[ -/]*[0-~]?"
    rb"|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"
)
_HEAD_SHARE = 4  # a quarter goes to the beginning: what failed is usually said at the end


class BoundedOutput:
    """Collects output as it comes, in bounded memory.

    Args:
        limit: bytes to keep; half from the beginning, half from the end.
    """

    def __init__(self, limit: int) -> None:
        self._head_room = limit // 2
        self._tail_room = limit - limit // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.total = 0
        """Bytes that came."""

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        self.total += len(data)
        room = self._head_room - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if not data:
            return
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) >= self._tail_room:
            self._tail_size -= len(self._tail.popleft())

    def kept(self, margin: int = 0) -> bytes:
        """Return what was kept, with a line that says how much is missing, if anything is.

        Args:
            margin: bytes on either side of what is missing that may be left out as well, so that
                no word is cut in two: half a secret is not known for one.
        """
        head = bytes(self._head)
        tail = b"".join(self._tail)[-self._tail_room :] if self._tail else b""
        if self.total == len(head) + len(tail):
            return head + tail
        if margin:
            head = head[: max(_last_space(head), len(head) - margin, 0)]
            tail = tail[min(_first_space(tail), margin) :]
        return head + _notice(self.total - len(head) - len(tail)) + tail


def _last_space(data: bytes) -> int:
    return max(data.rfind(b"\n"), data.rfind(b" ")) + 1


def _first_space(data: bytes) -> int:
    found = [at for at in (data.find(b"\n"), data.find(b" ")) if at >= 0]
    return min(found, default=len(data))


def readable(data: bytes, limit: int, redactor: Redactor | None = None) -> tuple[str, int]:
    """Make output fit to be read by a model or a person.

    Escape sequences and control characters are taken out, undecodable bytes replaced, and the
    middle cut out at line ends if it is too long.

    Args:
        data: raw output.
        limit: bytes to show, after escape sequences are gone.
        redactor: takes out secrets, once no escape sequence hides them any more.

    Returns:
        The text, and how many bytes were cut out of it.
    """
    plain = _ESCAPES.sub(b"", data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    if redactor is not None:
        plain = redactor.data(plain)
    if len(plain) <= limit:
        return plain.decode("utf-8", "replace"), 0
    head = plain[: limit // _HEAD_SHARE]
    tail = plain[len(plain) - (limit - len(head)) :]
    # At line ends, unless a line is longer than all that may be shown.
    head = head[: head.rfind(b"\n") + 1] or head
    tail = tail[tail.find(b"\n") + 1 :] or tail
    missing = len(plain) - len(head) - len(tail)
    return (head + _notice(missing) + tail).decode("utf-8", "replace"), missing


def _notice(missing: int) -> bytes:
    return f"\n[... {missing} bytes left out ...]\n".encode()
