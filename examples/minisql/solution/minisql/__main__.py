"""``python -m minisql``: the shell on standard input and output."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TextIO

from minisql.engine import Engine
from minisql.shell import Shell


def main(lines: Iterable[str], output: TextIO, prompts: bool = False) -> None:
    """Feed lines to a shell, until ``.quit`` or the last one, and write what it answers.

    Args:
        lines: the input, line by line.
        output: gets every answer that is not empty, each followed by a newline.
        prompts: whether the shell's prompt is written before each line is read.
    """
    shell = Shell(Engine())
    source = iter(lines)
    while not shell.done:
        if prompts:
            output.write(shell.prompt)
            output.flush()
        line = next(source, None)
        if line is None:
            return
        answer = shell.execute(line)
        if answer:
            output.write(answer + "\n")


if __name__ == "__main__":
    main(sys.stdin, sys.stdout, prompts=sys.stdin.isatty())
