"""Becomes another program that does not outlive whoever started it.

::

    python -I -S bound.py PARENT FOLDER WORD…

A trial whose worker was killed would go on otherwise, and write beside the one that is run in
its place. The kernel is asked to kill this process when the thread that started it ends (Linux;
elsewhere a trial ends by itself). Executed as a file, so that nothing else is imported.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_INTERRUPTED = 130


def main(parent: int, folder: str, words: list[str]) -> None:
    """Go to `folder` and become the program `words`, bound to the process `parent`.

    Returns only if `parent` has ended already.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a worker that ignores it would leave that on
    if os.getppid() == parent:
        os.chdir(folder)
        os.execv(words[0], words)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
    sys.exit(_INTERRUPTED)
