"""Writing to standard output and error, whoever reads them, and if nobody does any more."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

READER_GONE = 0
"""Exit code when the reader has closed the pipe (``| head``): it had what it wanted."""


class ReaderGoneError(Exception):
    """Nobody reads the output any more."""


def prepare() -> None:
    """Let no character of a path or a message fail to print for want of an encoding."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def say(text: str = "", stream: TextIO | None = None) -> None:
    """Write a line.

    Args:
        stream: standard output when None.

    Raises:
        ReaderGoneError: the reader has closed the pipe.
    """
    target = stream or sys.stdout
    try:
        target.write(text + "\n")
        target.flush()
    except BrokenPipeError:
        mute(target)
        raise ReaderGoneError from None


def say_json(value: Any, *, indent: int | None = 2) -> None:
    """Write a JSON value to standard output."""
    import json

    say(json.dumps(value, indent=indent, ensure_ascii=False))


def complain(text: str) -> None:
    """Write a line to standard error; if nobody reads that, there is nobody to tell."""
    try:
        say(text, sys.stderr)
    except (ReaderGoneError, OSError, ValueError):
        return


def mute(stream: TextIO) -> None:
    """Send what is still to be written to a stream nowhere, its buffer at exit included."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # it is no file: a test's or a notebook's own stream
        return
