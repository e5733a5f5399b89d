"""``python -m minisql``: the shell on standard input and output."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TextIO


def main(lines: Iterable[str], output: TextIO, prompts: bool = False) -> None:
    """Feed lines to a shell, until ``.quit`` or the last one, and write what it answers.

    Args:
        lines: the input, line by line.
        output: gets every answer that is not empty, each followed by a newline.
        prompts: whether the shell's prompt is written before each line is read.
    """
    raise NotImplementedError


if __name__ == "__main__":
    main(sys.stdin, sys.stdout, prompts=sys.stdin.isatty())
